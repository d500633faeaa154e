"""OAuth: consent with PKCE, tokens, rotation, revocation, and the permissions of a Bearer token."""

from __future__ import annotations

import base64
import hashlib
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from klaviyo_simulator import Simulator
from klaviyo_simulator.account import api

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CLIENT = ("demo-client", "demo-client-secret")
REDIRECT = "https://airbyte.example/auth_flow"
VERIFIER = "a" * 42 + "~"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
SCOPES = "accounts:read webhooks:read"
CONSENT = {
    "response_type": "code",
    "client_id": CLIENT[0],
    "redirect_uri": REDIRECT,
    "scope": SCOPES,
    "state": "s",
    "code_challenge_method": "S256",
    "code_challenge": CHALLENGE,
}


@pytest.fixture
def start() -> Iterator[Callable[..., Simulator]]:
    started = []

    def begin(**settings: Any) -> Simulator:
        started.append(Simulator(**{"events": 10, "profiles": 5, "campaigns": 2, "limits": False, **settings}))
        started[-1].start()
        return started[-1]

    yield begin
    for simulator in started:
        simulator.stop()


def consent(simulator: Simulator, **changes: str) -> dict[str, str]:
    """Return the parameters that the consent page sends to the app's address."""
    url = f"{simulator.url}/oauth/authorize"
    response = requests.get(url, params={**CONSENT, **changes}, allow_redirects=False, timeout=9)
    assert response.status_code == 302
    assert response.headers["Location"].startswith(f"{REDIRECT}?")
    return dict(parse_qsl(urlsplit(response.headers["Location"]).query))


def post_form(
    simulator: Simulator, auth: tuple[str, str] | None = CLIENT, path: str = "token", **form: str
) -> tuple[int, dict[str, Any]]:
    response = requests.post(f"{simulator.url}/oauth/{path}", data=form, auth=auth, timeout=9)
    return response.status_code, response.json() if response.content else {}


def refresh(simulator: Simulator, token: str = "demo-refresh-token") -> tuple[int, dict[str, Any]]:  # noqa: S107
    return post_form(simulator, grant_type="refresh_token", refresh_token=token)


def exchange(simulator: Simulator, code: str, **changes: str) -> tuple[int, dict[str, Any]]:
    form: dict[str, Any] = {"code": code, "code_verifier": VERIFIER, "redirect_uri": REDIRECT, **changes}
    return post_form(simulator, grant_type="authorization_code", **form)


def read(simulator: Simulator, token: str, path: str = "/api/accounts") -> requests.Response:
    headers = {"Authorization": f"Bearer {token}", "revision": "2026-07-15"}
    return requests.get(simulator.url + path, headers=headers, timeout=9)


def test_a_consent_with_pkce_grants_working_tokens(start: Callable[..., Simulator]) -> None:
    simulator = start()
    back = consent(simulator)
    status, tokens = exchange(simulator, back["code"])

    assert back["state"] == "s"
    assert status == 200
    assert (tokens["token_type"], tokens["expires_in"], tokens["scope"]) == ("Bearer", 3600, SCOPES)
    assert read(simulator, tokens["access_token"]).status_code == 200
    assert refresh(simulator, tokens["refresh_token"])[0] == 200
    assert exchange(simulator, back["code"])[1]["error"] == "invalid_grant"  # a code is valid once


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": CHALLENGE + "="}, "invalid_request"),
        ({"state": ""}, "invalid_request"),
        ({"scope": "accounts:read made-up:read"}, "invalid_scope"),
    ],
)
def test_an_invalid_request_for_consent_is_rejected(
    start: Callable[..., Simulator], changes: dict[str, str], error: str
) -> None:
    assert consent(start(oauth_scopes=frozenset(SCOPES.split())), **changes)["error"] == error


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "a" * 42}, "invalid_request"),
        ({"code_verifier": "b" * 43}, "invalid_grant"),
        ({"redirect_uri": f"{REDIRECT}/"}, "invalid_grant"),
        ({"scope": SCOPES}, "invalid_request"),
    ],
)
def test_a_code_needs_its_verifier_and_redirect_uri(
    start: Callable[..., Simulator], changes: dict[str, str], error: str
) -> None:
    simulator = start()
    status, response = exchange(simulator, consent(simulator)["code"], **changes)
    assert (status, response["error"]) == (400, error)


def test_a_refresh_keeps_the_refresh_token_and_earlier_access_tokens_valid(start: Callable[..., Simulator]) -> None:
    simulator = start()
    first, second = refresh(simulator)[1], refresh(simulator)[1]

    assert first["refresh_token"] == second["refresh_token"] == "demo-refresh-token"
    assert first["access_token"] != second["access_token"]
    assert read(simulator, first["access_token"]).status_code == 200


@pytest.mark.parametrize(
    ("auth", "form", "status", "error"),
    [
        (None, {}, 401, "invalid_client"),
        (("demo-client", "wrong"), {}, 401, "invalid_client"),
        (CLIENT, {"refresh_token": "wrong"}, 400, "invalid_grant"),
        (CLIENT, {"grant_type": "password"}, 400, "unsupported_grant_type"),
        (CLIENT, {"client_id": "demo-client"}, 400, "invalid_request"),
    ],
)
def test_an_invalid_refresh_is_rejected(
    start: Callable[..., Simulator], auth: tuple[str, str] | None, form: dict[str, str], status: int, error: str
) -> None:
    given = {"grant_type": "refresh_token", "refresh_token": "demo-refresh-token", **form}
    response = post_form(start(), auth, **given)
    assert (response[0], response[1]["error"]) == (status, error)


def test_an_access_token_expires(start: Callable[..., Simulator]) -> None:
    simulator = start(token_life=60.0)
    token = refresh(simulator)[1]["access_token"]
    assert read(simulator, token).status_code == 200

    simulator.advance(61)
    rejected = read(simulator, token)
    assert rejected.status_code == 401
    assert rejected.json()["errors"][0]["code"] == "not_authenticated"


def test_with_rotation_the_old_refresh_token_ends_when_the_new_one_is_used(start: Callable[..., Simulator]) -> None:
    simulator = start(rotation="when_used")
    refresh(simulator)  # a lost response
    tokens = refresh(simulator)[1]
    assert tokens["refresh_token"] != "demo-refresh-token"

    assert read(simulator, tokens["access_token"]).status_code == 200
    assert refresh(simulator)[1]["error"] == "invalid_grant"
    assert refresh(simulator, tokens["refresh_token"])[0] == 200


def test_with_strict_rotation_the_old_refresh_token_ends_at_once(start: Callable[..., Simulator]) -> None:
    simulator = start(rotation="at_once")
    assert refresh(simulator)[0] == 200
    assert refresh(simulator)[1]["error"] == "invalid_grant"


def test_a_revocation_ends_all_tokens_of_a_consent(start: Callable[..., Simulator]) -> None:
    simulator = start()
    tokens = exchange(simulator, consent(simulator)["code"])[1]
    assert post_form(simulator, path="revoke", token=tokens["refresh_token"], token_type_hint="refresh_token") == (
        200,
        {},
    )

    assert read(simulator, tokens["access_token"]).status_code == 401
    assert refresh(simulator, tokens["refresh_token"])[1]["error"] == "invalid_grant"
    assert refresh(simulator)[0] == 200  # another consent


def test_refreshes_are_limited_to_ten_a_minute(start: Callable[..., Simulator]) -> None:
    simulator = start(limits=True)
    url = f"{simulator.url}/oauth/token"
    form = {"grant_type": "refresh_token", "refresh_token": "demo-refresh-token"}
    responses = [requests.post(url, data=form, auth=CLIENT, timeout=9) for _ in range(21)]

    assert {response.status_code for response in responses} == {200, 429}
    assert all(int(response.headers["Retry-After"]) > 0 for response in responses if response.status_code == 429)


@pytest.mark.parametrize("path", ["/api/webhooks", "/api/webhook-topics"])
def test_apps_may_read_webhooks_but_keys_may_not(start: Callable[..., Simulator], path: str) -> None:
    simulator = start(oauth_scopes=frozenset(SCOPES.split()))
    with_key = {"Authorization": "Klaviyo-API-Key pk_demo", "revision": "2026-07-15"}

    assert requests.get(simulator.url + path, headers=with_key, timeout=9).status_code == 403
    assert read(simulator, simulator.issue_token(), path).status_code == 200


def test_an_app_reads_only_within_its_granted_scopes(start: Callable[..., Simulator]) -> None:
    simulator = start(oauth_scopes=frozenset(SCOPES.split()))
    rejected = read(simulator, simulator.issue_token(), "/api/lists")

    assert rejected.status_code == 403
    assert "lists:read" in rejected.json()["errors"][0]["detail"]


def test_an_app_has_separate_rate_limits(start: Callable[..., Simulator], monkeypatch: pytest.MonkeyPatch) -> None:
    # The clock is frozen, so that no window ends in between.
    monkeypatch.setattr(api, "time", SimpleNamespace(time=time.time, monotonic=lambda: 120.0))
    simulator = start(limits=True)
    with_key = {"Authorization": "Klaviyo-API-Key pk_demo", "revision": "2026-07-15"}
    statuses = [
        requests.get(f"{simulator.url}/api/accounts", headers=with_key, timeout=9).status_code for _ in range(2)
    ]
    assert statuses == [200, 429]
    assert read(simulator, simulator.issue_token()).status_code == 200


def test_tokens_can_be_expired_and_revoked_over_http(start: Callable[..., Simulator]) -> None:
    simulator = start()
    token = requests.post(f"{simulator.url}/_simulator/oauth/issue", json={"life": 60}, timeout=9).json()[
        "access_token"
    ]
    assert read(simulator, token).status_code == 200

    assert requests.post(f"{simulator.url}/_simulator/oauth/expire", timeout=9).json() == 1
    assert read(simulator, token).status_code == 401
    requests.post(f"{simulator.url}/_simulator/oauth/revoke", timeout=9)
    assert refresh(simulator)[1]["error"] == "invalid_grant"
