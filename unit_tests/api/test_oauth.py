"""Access tokens: one for all threads, refreshed before they expire or when Klaviyo refuses one, and seldom."""

from __future__ import annotations

import base64
import json
import logging
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
from requests import exceptions as broken

from source_klaviyo.api.budget import Budget, shared_budget
from source_klaviyo.api.client import HOST, KlaviyoClient
from source_klaviyo.api.errors import ConfigError, KlaviyoError, MissingScope, TokenUnavailable, UnsafeLink
from source_klaviyo.api.grant import DEFAULT_LIFETIME_SECONDS, decode_grant
from source_klaviyo.api.page import decode_page
from source_klaviyo.api.request import Request
from source_klaviyo.api.token_endpoint import OAuthCredentials
from unit_tests.fake_api import NoLimits, error

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests_mock import Mocker

    from source_klaviyo.api.grant import Grant
    from source_klaviyo.api.page import Page

CREDENTIALS = OAuthCredentials("client-MARKED-id", "secret-MARKED-0123", "refresh-MARKED-0")
TOKEN = f"{HOST}/oauth/token"
LISTS = f"{HOST}/api/lists"
PAGE = {"data": [], "links": {"next": None}}
LISTS_REQUEST = Request("/api/lists", None, (), lambda body: decode_page(body, None))
THREADS = 64


class Talk:
    """A client, and a Klaviyo that takes the access tokens it has issued last.

    Attributes:
        good: the access tokens that are taken.
        now: the clock of the client's tokens.
        answer: fields of the token endpoint's answers.
        reports: the grants that the client has reported.
    """

    def __init__(self, mocker: Mocker, monkeypatch: pytest.MonkeyPatch, credentials: OAuthCredentials) -> None:
        self.mocker = mocker
        self.now = 1_000_000.0
        self.good: set[str] = set()
        self.answer: dict[str, Any] = {"token_type": "Bearer", "expires_in": 3600}
        self.reports: list[tuple[Grant, bool]] = []
        self.waits: list[float] = []
        self.issued = 0
        self.meanwhile: Callable[[], object] = lambda: None
        monkeypatch.setattr("time.time", lambda: self.now)
        mocker.post(TOKEN, json=self._issue)
        mocker.get(LISTS, json=self._read)
        self.client = KlaviyoClient(
            credentials,
            connections=THREADS,
            tries=3,
            budget=NoLimits(),
            sleep=self.waits.append,
            report=lambda grant, rotated: self.reports.append((grant, rotated)),
        )

    def _issue(self, request: Any, context: Any) -> dict[str, Any]:
        self.meanwhile()
        self.issued += 1
        token = f"access-MARKED-{self.issued}"
        self.good = {token}
        return {"access_token": token, **self.answer}

    def _read(self, request: Any, context: Any) -> dict[str, Any]:
        if request.headers["Authorization"].removeprefix("Bearer ") in self.good:
            return PAGE
        context.status_code = 401
        return {"errors": [{"code": "not_authenticated", "detail": "No."}]}

    def get(self) -> Page:
        return self.client.get(LISTS_REQUEST)

    def together(self, threads: int = THREADS) -> list[KlaviyoError | None]:
        """Ask from so many threads at once; the error of each."""
        barrier = threading.Barrier(threads)
        errors: list[KlaviyoError | None] = []

        def ask() -> None:
            barrier.wait(10)
            try:
                self.get()
            except KlaviyoError as raised:
                errors.append(raised)
            else:
                errors.append(None)

        workers = [threading.Thread(target=ask) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(30)
        assert len(errors) == threads
        return errors

    @property
    def token_requests(self) -> list[Any]:
        return [one for one in self.mocker.request_history if one.url == TOKEN]


@pytest.fixture
def start(requests_mock: Mocker, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Talk]:
    def begin(credentials: OAuthCredentials = CREDENTIALS) -> Talk:
        return Talk(requests_mock, monkeypatch, credentials)

    return begin


@pytest.fixture
def talk(start: Callable[..., Talk]) -> Talk:
    return start()


# --- what is sent ---------------------------------------------------------------------------------------


def test_a_refresh_is_a_form_with_basic_authentication_and_nothing_else(talk: Talk) -> None:
    talk.get()
    (request,) = talk.token_requests

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


def test_requests_to_the_api_differ_in_their_authorization_only(talk: Talk, requests_mock: Mocker) -> None:
    talk.get()
    with_token = requests_mock.last_request.headers
    requests_mock.get(LISTS, json=PAGE)
    KlaviyoClient("pk_made_up", budget=NoLimits()).get(
        Request("/api/lists", None, (), lambda body: decode_page(body, None))
    )
    with_key = requests_mock.last_request.headers

    assert with_token["Authorization"] == "Bearer access-MARKED-1"
    assert {**with_token, "Authorization": ""} == {**with_key, "Authorization": ""}


def test_netrc_changes_neither_request(talk: Talk, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / ".netrc").write_text("machine a.klaviyo.com login evil password evil\n", "utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    talk.get()

    headers = [request.headers["Authorization"] for request in talk.mocker.request_history]
    assert [header.split()[0] for header in headers] == ["Basic", "Bearer"]
    assert base64.b64decode(headers[0].split()[1]).startswith(b"client-MARKED-id:")


# --- when ----------------------------------------------------------------------------------------------


def test_64_threads_refresh_once_at_the_beginning_and_once_at_each_expiry(talk: Talk) -> None:
    for expiry in range(1, 4):
        assert talk.together() == [None] * THREADS
        assert talk.issued == expiry
        talk.now += 3600


def test_64_threads_refresh_once_when_klaviyo_refuses_their_token(talk: Talk) -> None:
    talk.get()
    for renewal in range(2, 5):
        talk.good = set()
        assert talk.together() == [None] * THREADS
        assert talk.issued == renewal


def test_a_thread_whose_refusal_comes_late_uses_the_token_that_another_has_got(talk: Talk) -> None:
    talk.get()
    auth = talk.client.auth
    talk.good = set()
    for _ in range(5):
        auth.renew("Bearer access-MARKED-1")

    assert talk.issued == 2


@pytest.mark.parametrize(("lifetime", "margin"), [(3600, 60), (600, 30), (20, 1)])
def test_a_token_is_replaced_a_minute_or_a_twentieth_of_its_life_before_it_expires(
    talk: Talk, lifetime: int, margin: int
) -> None:
    talk.answer["expires_in"] = lifetime
    talk.get()
    talk.now += lifetime - margin - 0.5
    talk.get()
    assert talk.issued == 1

    talk.now += 0.5
    talk.get()
    assert talk.issued == 2


def test_a_saved_access_token_is_used_until_a_minute_before_it_expires(start: Callable[..., Talk]) -> None:
    talk = start(OAuthCredentials("client", "secret", "refresh", "saved", 1_000_100.0))
    talk.good = {"saved"}
    talk.get()
    assert talk.issued == 0

    talk.now += 40
    talk.get()
    assert talk.issued == 1


def test_a_saved_access_token_without_a_date_is_not_used(start: Callable[..., Talk]) -> None:
    talk = start(OAuthCredentials("client", "secret", "refresh", "saved"))
    talk.get()
    assert talk.issued == 1


def test_tokens_that_klaviyo_issues_and_refuses_end_in_an_error_after_few_of_them(talk: Talk) -> None:
    talk.mocker.get(LISTS, status_code=401)
    errors = [*talk.together(), *talk.together(8)]

    assert talk.issued <= 4
    assert all(isinstance(one, ConfigError) for one in errors)
    (message,) = {str(one) for one in errors}
    assert message.startswith("Klaviyo does not accept the access tokens of this connection (401), though it issues")


def test_an_endpoint_that_refuses_every_token_costs_few_refreshes(talk: Talk) -> None:
    talk.mocker.get(f"{HOST}/api/webhooks", status_code=401)
    with pytest.raises(ConfigError):
        talk.client.get(Request("/api/webhooks", None, (), lambda body: decode_page(body, None)))
    assert talk.issued == 3
    talk.get()


def test_refreshes_keep_to_ten_a_minute(talk: Talk) -> None:
    clock = [0.0]
    budget = Budget(lambda: clock[0])
    sent: list[float] = []
    talk.meanwhile = lambda: sent.append(clock[0])
    client = KlaviyoClient(CREDENTIALS, budget=budget)

    def wait(seconds: float | None) -> None:
        clock[0] += seconds or 0.0

    budget._changed.wait = wait  # type: ignore[assignment,method-assign]
    for _ in range(25):
        client.auth._refresh()  # type: ignore[attr-defined]

    assert all(later - earlier >= 60 for earlier, later in zip(sent, sent[10:], strict=False))


def test_clients_of_one_installation_share_their_limits() -> None:
    mine = shared_budget(HOST, "app", "refresh-1")
    assert shared_budget(HOST, "app", "refresh-1") is mine
    assert shared_budget(HOST, "app", "refresh-2") is not mine
    first, second, key = (KlaviyoClient(one) for one in (CREDENTIALS, CREDENTIALS, "pk_made_up"))
    assert first._budget is second._budget
    assert key._budget is not first._budget


# --- what comes back ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expires_in", "lifetime"),
    [
        (3600, 3600.0),
        ("1800", 1800.0),
        (59.5, 59.5),
        *((nothing, DEFAULT_LIFETIME_SECONDS) for nothing in (None, "", "soon", 0, -5, [], {}, "nan", 10**400)),
    ],
    ids=lambda value: repr(value)[:12],
)
def test_any_lifetime_is_understood(expires_in: object, lifetime: float) -> None:
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
def test_scopes_come_in_several_forms(talk: Talk, scope: object, scopes: set[str] | None) -> None:
    assert talk.client.auth.scopes is None
    talk.answer["scope"] = scope
    talk.get()
    assert talk.client.auth.scopes == scopes


def test_the_access_token_is_all_that_has_to_come(talk: Talk) -> None:
    talk.answer = {}
    talk.get()
    ((grant, rotated),) = talk.reports
    assert (grant.access_token, grant.refresh_token, rotated) == ("access-MARKED-1", None, False)


def test_a_rotated_refresh_token_is_reported_before_its_access_token_is_used(talk: Talk) -> None:
    seen: list[str] = []
    talk.mocker.get(LISTS, json=lambda *_: seen.append(f"{len(talk.reports)} reported") or PAGE)
    talk.answer["refresh_token"] = "refresh-MARKED-1"
    talk.get()
    talk.now += 3600
    talk.answer["refresh_token"] = "refresh-MARKED-2"
    talk.get()

    assert [(grant.refresh_token, rotated) for grant, rotated in talk.reports] == [
        ("refresh-MARKED-1", True),
        ("refresh-MARKED-2", True),
    ]
    assert seen == ["1 reported", "2 reported"]
    sent = [parse_qs(request.text)["refresh_token"] for request in talk.token_requests]
    assert sent == [["refresh-MARKED-0"], ["refresh-MARKED-1"]]


@pytest.mark.parametrize("same", ["refresh-MARKED-0", None, "", 5])
def test_a_refresh_token_that_stays_is_not_reported_as_another(talk: Talk, same: object) -> None:
    talk.answer["refresh_token"] = same
    talk.get()
    talk.now += 3600
    talk.get()

    assert [rotated for _, rotated in talk.reports] == [False, False]
    assert {request.text for request in talk.token_requests} == {
        "grant_type=refresh_token&refresh_token=refresh-MARKED-0"
    }


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
def test_a_final_refusal_is_one_request_and_an_error_for_all_threads(
    talk: Talk, log: pytest.LogCaptureFixture, status: int, body: object, words: str
) -> None:
    talk.mocker.post(TOKEN, json=body, status_code=status)
    errors = [*talk.together(), *talk.together(8)]

    assert len(talk.token_requests) == 1
    assert talk.waits == []
    for one in errors:
        assert isinstance(one, ConfigError)
        assert str(one).startswith(words)
        assert "uthenticate again" in str(one)
        assert "MARKED" not in f"{one} {one!r} {vars(one)}"
    assert "MARKED" not in "".join(record.getMessage() for record in log.records if record.name == "airbyte")


PASSING: list[dict[str, Any]] = [
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
    {"json": ["access-MARKED"]},
    {"text": '{"access_token": "acc'},
    {"exc": broken.ConnectTimeout("refresh-MARKED-0")},
    {"exc": broken.ReadTimeout("refresh-MARKED-0")},
    {"exc": broken.ConnectionError("Connection refused refresh-MARKED-0")},
]


@pytest.mark.parametrize("answer", PASSING, ids=lambda answer: str(answer)[:50])
def test_what_passes_is_tried_again(talk: Talk, log: pytest.LogCaptureFixture, answer: dict[str, Any]) -> None:
    talk.mocker.post(TOKEN, [answer, answer, {"json": {"access_token": "a"}}])
    talk.good = {"a"}
    talk.get()

    assert len(talk.waits) == 2
    assert not answer.get("headers") or min(talk.waits) >= 7
    assert "MARKED" not in log.text


@pytest.mark.parametrize("answer", PASSING, ids=lambda answer: str(answer)[:50])
def test_what_does_not_pass_is_given_up_once_for_all_threads(talk: Talk, answer: dict[str, Any]) -> None:
    talk.mocker.post(TOKEN, **answer)
    errors = [*talk.together(), *talk.together(8)]

    assert len(talk.token_requests) == 3
    assert len(talk.waits) == 2
    for one in errors:
        assert isinstance(one, TokenUnavailable)
        assert one.failure == "transient"
        assert str(one).startswith("No access token could be obtained from Klaviyo: ")
        assert str(one).endswith("Given up after 3 attempts: run the sync again later.")
        assert "MARKED" not in str(one)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_of_the_token_endpoint_is_refused(talk: Talk, status: int) -> None:
    talk.mocker.post(TOKEN, status_code=status, headers={"Location": "https://evil.example/oauth/token"})
    with pytest.raises(UnsafeLink, match="to protect the tokens of this connection"):
        talk.get()
    assert talk.mocker.call_count == 1


def test_a_page_link_to_another_host_never_gets_the_token(talk: Talk) -> None:
    talk.get()
    with pytest.raises(UnsafeLink, match="never sends the tokens of this connection to another host"):
        talk.client.get(Request("https://evil.example/api/lists", None, (), lambda body: decode_page(body, None)))
    assert {request.hostname for request in talk.mocker.request_history} == {"a.klaviyo.com"}


def test_the_operators_address_is_that_of_the_token_endpoint_too(requests_mock: Mocker) -> None:
    requests_mock.post("https://simulator:8443/oauth/token", json={"access_token": "a"})
    requests_mock.get("https://simulator:8443/api/lists", json=PAGE)
    client = KlaviyoClient(CREDENTIALS, "https://simulator:8443", budget=NoLimits())
    client.get(LISTS_REQUEST)
    assert requests_mock.call_count == 2


def test_a_missing_scope_is_told_in_the_words_of_an_app(talk: Talk) -> None:
    talk.mocker.get(LISTS, status_code=403, content=error(403, "permission_denied", "The scope lists:read is missing."))
    with pytest.raises(MissingScope, match="add the scope to the app in Klaviyo and authenticate again"):
        talk.get()


# --- secrets --------------------------------------------------------------------------------------------


def test_what_an_answer_repeats_of_the_connections_secrets_is_masked(talk: Talk) -> None:
    talk.answer["refresh_token"] = "refresh-MARKED-1"
    talk.get()
    basic = CREDENTIALS.basic
    for secret in (*CREDENTIALS.secrets, "access-MARKED-1", "refresh-MARKED-1", basic):
        assert secret not in talk.client.redact(f"Klaviyo says {secret} and {secret.upper()}.")


def test_no_object_shows_a_secret(talk: Talk) -> None:
    talk.answer["refresh_token"] = "refresh-MARKED-1"
    talk.get()
    auth = talk.client.auth
    shown = [auth, auth._grant, auth._endpoint, auth._endpoint._session.auth, CREDENTIALS, *talk.reports]  # type: ignore[attr-defined]
    assert "MARKED" not in "".join(f"{one!r} {one}" for one in shown)


def test_waits_are_logged_without_secrets(talk: Talk, log: pytest.LogCaptureFixture) -> None:
    talk.mocker.post(TOKEN, [{"status_code": 503, "text": "refresh-MARKED-0"}, {"json": {"access_token": "a"}}])
    talk.good = {"a"}
    talk.get()
    lines = [record.getMessage() for record in log.records if record.levelno >= logging.INFO]
    assert any(line.startswith("No access token yet: Klaviyo could not answer for now (503). Asking") for line in lines)
