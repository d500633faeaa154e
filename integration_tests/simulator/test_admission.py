"""Who comes in: key, revision, media type, path, method, scope."""

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
        ({"revision": "2022-10-17"}, 400, "invalid"),
        ({"revision": "2022-10-17", "X-Klaviyo-Revision-Fall-Forward-Opt-Out": "1"}, 410, "gone"),
        ({"revision": "2026-04-15", "X-Klaviyo-Revision-Fall-Forward-Opt-Out": "1"}, 400, "invalid"),
        ({"Accept": "text/html"}, 406, "not_acceptable"),
    ],
)
def test_headers_that_are_refused(client: Client, headers: dict[str, str | None], status: int, code: str) -> None:
    answer = client.get("/api/accounts", headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (status, code)


@pytest.mark.parametrize("accept", ["application/vnd.api+json", "application/json", "*/*", "text/html, */*;q=0.1"])
def test_media_types_that_are_accepted(client: Client, accept: str) -> None:
    answer = client.get("/api/accounts", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/vnd.api+json"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/metrics", 410),
        ("/api/v2/lists", 410),
        ("/api/nothing", 404),
        ("/api/events/", 404),
        ("/api/events/{id}", 404),
        ("/api/events/unknown", 404),
        ("/api/profiles/unknown", 404),
        ("/api/accounts/unknown", 404),
        ("/", 404),
    ],
)
def test_paths_that_lead_nowhere(client: Client, path: str, status: int) -> None:
    assert client.refusal(path)[0] == status


def test_only_get_is_allowed(client: Client) -> None:
    answer = client.session.post(
        client.simulator.url + "/api/events", headers=client.get("/").request.headers, timeout=9
    )
    assert answer.status_code == 405


def test_a_missing_scope_is_named(start: Callable[..., Client]) -> None:
    client = start(scopes=frozenset({"accounts:read"}))
    assert client.get("/api/accounts").status_code == 200
    status, error = client.refusal("/api/events")
    assert (status, error["code"]) == (403, "permission_denied")
    assert "events:read" in error["detail"]


def test_another_key_can_be_set(start: Callable[..., Client]) -> None:
    client = start(key="pk_other")
    assert client.refusal("/api/accounts")[0] == 401
    headers = {"Authorization": "Klaviyo-API-Key pk_other"}
    assert client.get("/api/accounts", headers=headers).status_code == 200


def test_the_simulators_own_paths_need_no_key(client: Client) -> None:
    assert requests.get(client.simulator.url + "/_simulator/stats", timeout=9).status_code == 200
