"""Checks before a request is answered: key, revision, media type, path, method and scopes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration_tests.simulator.conftest import Client


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Authorization": None}, 401, "not_authenticated"),
        ({"Authorization": "Bearer pk_demo"}, 401, "not_authenticated"),
        ({"Authorization": "Klaviyo-API-Key pk_other"}, 401, "authentication_failed"),
        ({"revision": None}, 400, "invalid"),
        ({"revision": "tomorrow"}, 400, "invalid"),
        ({"revision": "2027-01-15"}, 400, "invalid"),
        ({"revision": "2026-04-15"}, 404, "not_found"),
        ({"revision": "2025-01-15"}, 404, "not_found"),
        ({"revision": "2022-10-17"}, 404, "not_found"),
        ({"revision": "2022-10-17", "X-Klaviyo-Revision-Fall-Forward-Opt-Out": "1"}, 410, "gone"),
        ({"revision": "2026-04-15", "X-Klaviyo-Revision-Fall-Forward-Opt-Out": "1"}, 404, "not_found"),
        ({"Accept": "text/html"}, 406, "not_acceptable"),
    ],
)
def test_invalid_headers_are_rejected(client: Client, headers: dict[str, str | None], status: int, code: str) -> None:
    response = client.get("/api/accounts", headers=headers)
    assert (response.status_code, response.json()["errors"][0]["code"]) == (status, code)


@pytest.mark.parametrize("accept", ["application/vnd.api+json", "application/json", "*/*", "text/html, */*;q=0.1"])
def test_supported_media_types_are_accepted(client: Client, accept: str) -> None:
    response = client.get("/api/accounts", headers={"Accept": accept})
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/vnd.api+json"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/metrics", 410),
        ("/api/v2/lists", 410),
        ("/api/nothing", 404),
        ("/api/events/", 404),
        ("/api/events/{id}", 404),
        ("/api/events/7qWkC6JPz7g", 404),
        ("/api/events/unknown", 400),
        ("/api/flow-actions/NOPE01", 400),
        ("/api/flow-actions/NOPE01/flow-messages", 400),
        ("/api/flow-actions/1", 404),
        ("/api/coupons/10-OFF/coupon-codes", 400),
        ("/api/coupons/10OFF/coupon-codes", 404),
        ("/api/metrics/NOPE01", 404),
        ("/api/profiles/unknown", 404),
        ("/api/accounts/unknown", 404),
        ("/", 404),
    ],
)
def test_unknown_paths_and_ids_are_rejected(client: Client, path: str, status: int) -> None:
    assert client.error(path)[0] == status


def test_post_to_a_collection_is_not_allowed(client: Client) -> None:
    response = client.session.post(
        client.simulator.url + "/api/events", headers=client.get("/").request.headers, timeout=9
    )
    assert response.status_code == 405


def test_an_unsupported_revision_differs_from_a_missing_resource(client: Client) -> None:
    (error,) = client.get("/api/accounts", headers={"revision": "2025-01-15"}).json()["errors"]
    assert error["detail"] == "No valid revisions found for method"


def test_the_error_for_a_malformed_id_has_a_pointer_to_it(client: Client) -> None:
    _, error = client.error("/api/events/NOPE01")
    assert (error["code"], error["title"]) == ("invalid", "Invalid input.")
    assert error["detail"] == "Invalid Event ID: 'NOPE01'"
    assert error["source"] == {"pointer": "/data/id"}


def test_the_default_source_of_an_error_is_the_root_of_the_document(client: Client) -> None:
    for path in ("/api/nothing", "/api/profiles/unknown"):
        assert client.error(path)[1]["source"] == {"pointer": "/data/"}
    (error,) = client.get("/api/accounts", headers={"Authorization": None}).json()["errors"]
    assert error.keys() == {"id", "status", "code", "title", "detail", "source"}
    assert client.error("/api/accounts", {"sort": "x"})[1]["meta"] == {}


def test_a_403_names_the_missing_scope_unless_switched_off(start: Callable[..., Client]) -> None:
    client = start(scopes=frozenset({"accounts:read"}), limits=True)
    assert client.get("/api/accounts").status_code == 200
    status, error = client.error("/api/events")
    assert (status, error["code"]) == (403, "permission_denied")
    assert "events:read" in error["detail"]
    assert client.get("/api/events").headers["RateLimit-Remaining"] == "348"
    client.simulator.switch(name_missing_scopes=False)
    _, error = client.error("/api/events")
    assert error["detail"] == error["title"] == "You do not have permission to perform this action."


@pytest.mark.parametrize("path", ["/api/webhooks", "/api/webhook-topics"])
def test_webhooks_need_the_accounts_add_on(start: Callable[..., Client], path: str) -> None:
    status, error = start(advanced_kdp=False).error(path)
    assert (status, error["code"]) == (403, "permission_denied")
    assert error["detail"] == "You must have Advanced KDP enabled to use this endpoint."
    assert error["source"] == {"pointer": "/data/"}
    others = start(advanced_kdp=False, scopes=frozenset({"accounts:read"})).error(path)[1]
    assert others["detail"] == error["detail"]
    assert start().fetch(path)["data"]
    assert "webhooks:read" in start(scopes=frozenset()).error(path)[1]["detail"]


def test_the_key_is_a_setting(start: Callable[..., Client]) -> None:
    client = start(key="pk_other")
    assert client.error("/api/accounts")[0] == 401
    headers: dict[str, str | None] = {"Authorization": "Klaviyo-API-Key pk_other"}
    assert client.get("/api/accounts", headers=headers).status_code == 200


def test_control_paths_need_no_key(client: Client) -> None:
    assert requests.get(client.simulator.url + "/_simulator/stats", timeout=9).status_code == 200
