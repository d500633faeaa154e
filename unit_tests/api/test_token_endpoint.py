"""The token endpoint: what a refresh sends, what its responses mean, and which failures are retried."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
from requests import exceptions as broken

from source_klaviyo.api.client import KlaviyoClient
from source_klaviyo.api.errors import ConfigError, TokenUnavailable, UnsafeLink
from source_klaviyo.api.grant import DEFAULT_LIFETIME_SECONDS, decode_grant
from unit_tests.api.connection import CREDENTIALS, LISTS, PAGE, REQUEST, TOKEN, Connection
from unit_tests.fake_api import NoLimits

if TYPE_CHECKING:
    from pathlib import Path

    from requests_mock import Mocker

# --- requests -------------------------------------------------------------------------------------------


def test_a_refresh_is_a_form_with_basic_authentication_and_nothing_else(connection: Connection) -> None:
    connection.get()
    (request,) = connection.token_requests

    assert request.method == "POST"
    assert parse_qs(request.text, strict_parsing=True) == {
        "grant_type": ["refresh_token"],
        "refresh_token": [CREDENTIALS.refresh_token],
    }
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    basic = base64.b64encode(f"{CREDENTIALS.client_id}:{CREDENTIALS.client_secret}".encode()).decode()
    assert request.headers["Authorization"] == f"Basic {basic}"
    assert request.headers["Accept"] == "application/json"
    assert not {"revision", "X-Klaviyo-Revision-Fall-Forward-Opt-Out", "Cookie"} & set(request.headers)


def test_requests_to_the_api_differ_from_those_with_a_key_in_their_authorization_only(
    connection: Connection, requests_mock: Mocker
) -> None:
    connection.get()
    requests_mock.get(LISTS, json=PAGE)
    KlaviyoClient("pk_made_up", budget=NoLimits()).get(REQUEST)
    with_token, with_key = (request.headers for request in requests_mock.request_history[-2:])

    assert with_token["Authorization"] == "Bearer access-MARKED-1"
    assert {**with_token, "Authorization": ""} == {**with_key, "Authorization": ""}


def test_netrc_changes_neither_request(connection: Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine a.klaviyo.com login evil password evil\n", "utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    connection.get()

    headers = [request.headers["Authorization"] for request in connection.mocker.request_history]
    assert [header.split()[0] for header in headers] == ["Basic", "Bearer"]
    assert base64.b64decode(headers[0].split()[1]).startswith(b"client-MARKED-id:")


def test_tokens_are_requested_from_the_host_that_the_operator_sets(requests_mock: Mocker) -> None:
    requests_mock.post("https://simulator:8443/oauth/token", json={"access_token": "a"})
    requests_mock.get("https://simulator:8443/api/lists", json=PAGE)
    KlaviyoClient(CREDENTIALS, "https://simulator:8443", budget=NoLimits()).get(REQUEST)
    assert requests_mock.call_count == 2


# --- grants ---------------------------------------------------------------------------------------------


INVALID: list[object] = [None, "", "soon", 0, -5, [], {}, "nan", 10**400]


@pytest.mark.parametrize(
    ("expires_in", "lifetime"),
    [
        (3600, 3600.0),
        ("1800", 1800.0),
        (59.5, 59.5),
        *((invalid, DEFAULT_LIFETIME_SECONDS) for invalid in INVALID),
    ],
    ids=lambda value: repr(value)[:12],
)
def test_a_lifetime_is_a_positive_number_or_an_hour(expires_in: object, lifetime: float) -> None:
    body = json.dumps({"access_token": "a", "expires_in": expires_in}).encode()
    assert decode_grant(body).lifetime == lifetime


@pytest.mark.parametrize(
    ("scope", "scopes"),
    [
        ("a:read b:read", {"a:read", "b:read"}),
        ("a:read,b:read", {"a:read", "b:read"}),
        (["a:read"], {"a:read"}),
        ("", None),
        (None, None),
        (7, None),
    ],
)
@pytest.mark.parametrize("name", ["scope", "scopes"])
def test_scopes_come_in_several_forms(
    connection: Connection, name: str, scope: object, scopes: set[str] | None
) -> None:
    assert connection.client.auth.scopes is None
    connection.response[name] = scope
    connection.get()
    assert connection.client.auth.scopes == scopes


def test_a_grant_needs_no_more_than_an_access_token(connection: Connection) -> None:
    connection.response = {}
    connection.get()
    ((grant, rotated),) = connection.reports
    assert (grant.access_token, grant.refresh_token, rotated) == ("access-MARKED-1", None, False)


# --- failures -------------------------------------------------------------------------------------------

REVOKED = "Klaviyo no longer accepts the refresh token of this connection"
WRONG_CLIENT = "Klaviyo does not accept the client ID and client secret of the OAuth app"
REFUSED = "Klaviyo refuses to issue an access token"


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (400, {"error": "invalid_grant"}, REVOKED),
        (401, {"error": "invalid_grant", "error_description": "refresh-MARKED-0 is revoked"}, REVOKED),
        (400, {"error": "invalid_grant_type"}, REVOKED),
        (403, {"error": "INVALID_GRANT"}, REVOKED),
        (400, {"error": {"code": "invalid_grant"}}, REVOKED),
        (400, {"errors": [{"code": "invalid_grant", "detail": "secret-MARKED-0123"}]}, REVOKED),
        (401, {"error": "invalid_client"}, WRONG_CLIENT),
        (400, {"error": "unauthorized_client"}, WRONG_CLIENT),
        (400, {"error": "invalid_request"}, f"{REFUSED} (400, invalid_request)"),
        (400, {"error": "refresh-MARKED-0"}, f"{REFUSED} (400)"),
        (401, ["refresh-MARKED-0"], f"{REFUSED} (401)"),
        (400, {}, f"{REFUSED} (400)"),
        (403, {"error": "access_denied"}, f"{REFUSED} (403, access_denied)"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_permanent_error_is_one_request_and_an_error_for_all_threads(
    connection: Connection, log: pytest.LogCaptureFixture, status: int, body: object, words: str
) -> None:
    connection.mocker.post(TOKEN, json=body, status_code=status)
    errors = [*connection.get_in_threads(), *connection.get_in_threads(8)]

    assert len(connection.token_requests) == 1
    assert connection.waits == []
    for one in errors:
        assert isinstance(one, ConfigError)
        assert str(one).startswith(words)
        assert "uthenticate again" in str(one)
        assert "MARKED" not in f"{one} {one!r} {vars(one)}"
    assert "MARKED" not in "".join(record.getMessage() for record in log.records if record.name == "airbyte")


TRANSIENT: list[dict[str, Any]] = [
    {"status_code": 500},
    {"status_code": 503, "json": {"error": "invalid_grant"}},
    {"status_code": 429, "headers": {"Retry-After": "7"}},
    {"status_code": 403, "text": "<html>Just a moment...</html>"},
    {"status_code": 408},
    {"status_code": 400, "json": {"error": "temporarily_unavailable"}},
    {"text": "<html>refresh-MARKED-0</html>"},
    {"json": {"token_type": "Bearer"}},
    {"json": {"access_token": None}},
    {"json": {"access_token": "two\nlines"}},
    {"json": {"access_token": "line\n"}},
    {"json": ["access-MARKED"]},
    {"text": '{"access_token": "acc'},
    {"exc": broken.ConnectTimeout("refresh-MARKED-0")},
    {"exc": broken.ReadTimeout("refresh-MARKED-0")},
    {"exc": broken.ConnectionError("Connection refused refresh-MARKED-0")},
]


@pytest.mark.parametrize("response", TRANSIENT, ids=lambda response: str(response)[:50])
def test_a_transient_failure_is_retried_and_logged_without_secrets(
    connection: Connection, log: pytest.LogCaptureFixture, response: dict[str, Any]
) -> None:
    connection.mocker.post(TOKEN, [response, response, {"json": {"access_token": "a"}}])
    connection.accepted = {"a"}
    connection.get()

    assert len(connection.waits) == 2
    assert not response.get("headers") or min(connection.waits) >= 7
    assert sum("No access token yet: " in record.getMessage() for record in log.records) == 2
    assert "MARKED" not in log.text


@pytest.mark.parametrize("response", TRANSIENT, ids=lambda response: str(response)[:50])
def test_a_lasting_failure_is_given_up_once_for_all_threads(connection: Connection, response: dict[str, Any]) -> None:
    connection.mocker.post(TOKEN, [response])
    errors = [*connection.get_in_threads(), *connection.get_in_threads(8)]

    assert len(connection.token_requests) == 3
    assert len(connection.waits) == 2
    for one in errors:
        assert isinstance(one, TokenUnavailable)
        assert one.failure == "transient"
        assert str(one).startswith("No access token could be obtained from Klaviyo: ")
        assert str(one).endswith("Given up after 3 attempts: run the sync again later.")
        assert "MARKED" not in str(one)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_of_the_token_endpoint_is_not_followed(connection: Connection, status: int) -> None:
    connection.mocker.post(TOKEN, status_code=status, headers={"Location": "https://evil.example/oauth/token"})
    with pytest.raises(UnsafeLink, match="to protect the tokens of this connection"):
        connection.get()
    assert connection.mocker.call_count == 1
