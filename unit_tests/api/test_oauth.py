"""Access tokens: one for all threads, refreshed before it expires or when Klaviyo rejects it, and no more often."""

from __future__ import annotations

import threading
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from source_klaviyo.api.budget import Budget, shared_budget
from source_klaviyo.api.client import HOST, KlaviyoClient
from source_klaviyo.api.critical import TOKEN_EXCHANGE
from source_klaviyo.api.errors import ConfigError, MissingScope, UnsafeLink
from source_klaviyo.api.oauth import OAuth
from source_klaviyo.api.request import Request
from source_klaviyo.api.token_endpoint import OAuthCredentials
from unit_tests.api.connection import CREDENTIALS, LISTS, REQUEST, THREADS, Connection
from unit_tests.fake_api import error

if TYPE_CHECKING:
    from requests_mock import Mocker


def test_64_threads_refresh_once_at_the_start_and_once_at_each_expiry(connection: Connection) -> None:
    for expiry in range(1, 4):
        assert connection.get_in_threads() == [None] * THREADS
        assert connection.issued == expiry
        connection.now += 3600


def test_64_threads_refresh_once_when_klaviyo_rejects_their_token(connection: Connection) -> None:
    connection.get()
    for refresh in range(2, 5):
        connection.accepted = set()
        assert connection.get_in_threads() == [None] * THREADS
        assert connection.issued == refresh


def test_a_thread_whose_401_comes_late_uses_the_token_that_another_has_obtained(connection: Connection) -> None:
    connection.get()
    connection.accepted = set()
    for _ in range(5):
        connection.client.auth.renew("Bearer access-MARKED-1")
    assert connection.issued == 2


@pytest.mark.parametrize(("lifetime", "margin"), [(3600, 60), (600, 30), (20, 1)])
def test_a_token_is_refreshed_a_minute_or_a_twentieth_of_its_life_before_it_expires(
    connection: Connection, lifetime: int, margin: int
) -> None:
    connection.response["expires_in"] = lifetime
    connection.get()
    connection.now += lifetime - margin - 0.5
    connection.get()
    assert connection.issued == 1

    connection.now += 0.5
    connection.get()
    assert connection.issued == 2


@pytest.mark.parametrize(("expires_at", "issued"), [(1_000_100.0, (0, 1)), (0.0, (1, 1))], ids=["dated", "undated"])
def test_a_saved_access_token_is_used_until_a_minute_before_its_date(
    requests_mock: Mocker, monkeypatch: pytest.MonkeyPatch, expires_at: float, issued: tuple[int, int]
) -> None:
    credentials = OAuthCredentials("client", "secret", "refresh", "saved", expires_at)
    connection = Connection(requests_mock, monkeypatch, credentials)
    connection.accepted = {"saved"}
    counts = []
    for _ in range(2):
        connection.get()
        counts.append(connection.issued)
        connection.now += 40
    assert tuple(counts) == issued


def test_tokens_that_klaviyo_issues_and_rejects_are_an_error_after_a_few(connection: Connection) -> None:
    connection.mocker.get(LISTS, status_code=401)
    errors = [*connection.get_in_threads(), *connection.get_in_threads(8)]

    assert connection.issued <= 4
    assert all(isinstance(one, ConfigError) for one in errors)
    (message,) = {str(one) for one in errors}
    assert message.startswith("Klaviyo does not accept the access tokens of this connection (401), though it issues")


def test_an_endpoint_that_rejects_every_token_costs_few_refreshes(connection: Connection) -> None:
    connection.mocker.get(f"{HOST}/api/webhooks", status_code=401)
    with pytest.raises(ConfigError):
        connection.client.get(Request("/api/webhooks", None, (), REQUEST.decode))
    assert connection.issued == 3
    connection.get()


def test_there_are_at_most_ten_refreshes_a_minute(connection: Connection) -> None:
    clock = [0.0]
    budget = Budget(lambda: clock[0])
    sent: list[float] = []
    connection.meanwhile = lambda: sent.append(clock[0])
    auth = KlaviyoClient(CREDENTIALS, budget=budget).auth
    assert isinstance(auth, OAuth)

    def wait(timeout: float | None = None) -> bool:
        clock[0] += timeout or 0.0
        return True

    budget._changed.wait = wait  # type: ignore[method-assign]
    for _ in range(25):
        auth._refresh()

    assert len(sent) == 25
    assert all(later - earlier >= 60 for earlier, later in zip(sent, sent[10:], strict=False))
    assert all(later - earlier >= 1 for earlier, later in pairwise(sent))


def test_clients_of_one_connection_share_their_rate_limits() -> None:
    mine = shared_budget(HOST, "app", "refresh-1")
    assert shared_budget(HOST, "app", "refresh-1") is mine
    assert shared_budget(HOST, "app", "refresh-2") is not mine
    first, second, key = (KlaviyoClient(one) for one in (CREDENTIALS, CREDENTIALS, "pk_made_up"))
    assert first._budget is second._budget
    assert key._budget is not first._budget


def test_a_rotated_refresh_token_is_reported_before_its_access_token_is_used(connection: Connection) -> None:
    reported: list[int] = []

    def read(*_: object) -> dict[str, list[object]]:
        reported.append(len(connection.reports))
        return {"data": []}

    connection.mocker.get(LISTS, json=read)
    for token in ("refresh-MARKED-1", "refresh-MARKED-2"):
        connection.response["refresh_token"] = token
        connection.get()
        connection.now += 3600

    assert reported == [1, 2]
    assert [(grant.refresh_token, rotated) for grant, rotated in connection.reports] == [
        ("refresh-MARKED-1", True),
        ("refresh-MARKED-2", True),
    ]
    assert [request.text.rpartition("=")[2] for request in connection.token_requests] == [
        "refresh-MARKED-0",
        "refresh-MARKED-1",
    ]


@pytest.mark.parametrize("same", ["refresh-MARKED-0", None, "", 5])
def test_a_refresh_token_that_stays_is_not_reported_as_rotated(connection: Connection, same: object) -> None:
    connection.response["refresh_token"] = same
    connection.get()
    connection.now += 3600
    connection.get()

    assert [rotated for _, rotated in connection.reports] == [False, False]
    assert {request.text for request in connection.token_requests} == {
        "grant_type=refresh_token&refresh_token=refresh-MARKED-0"
    }


def test_a_process_cannot_end_between_a_refresh_and_its_report(connection: Connection) -> None:
    held: list[bool] = []
    connection.meanwhile = lambda: held.append(TOKEN_EXCHANGE.locked())
    connection.client.auth._report = lambda *_: held.append(TOKEN_EXCHANGE.locked())  # type: ignore[attr-defined]
    connection.get()
    assert held == [True, True]
    assert not TOKEN_EXCHANGE.locked()


def test_no_refresh_begins_once_the_process_ends(connection: Connection) -> None:
    thread = threading.Thread(target=connection.get, daemon=True)
    with TOKEN_EXCHANGE:
        thread.start()
        thread.join(0.2)
        assert connection.issued == 0
    thread.join(10)
    assert connection.issued == 1


# --- errors and secrets ---------------------------------------------------------------------------------


def test_a_link_to_another_host_never_gets_the_token(connection: Connection) -> None:
    connection.get()
    with pytest.raises(UnsafeLink, match="never sends the tokens of this connection to another host"):
        connection.client.get(Request("https://evil.example/api/lists", None, (), REQUEST.decode))
    assert {request.hostname for request in connection.mocker.request_history} == {"a.klaviyo.com"}


@pytest.mark.parametrize("detail", ["The scope lists:read is missing.", "You have no permission."])
def test_an_error_about_a_missing_scope_speaks_of_the_app(connection: Connection, detail: str) -> None:
    connection.mocker.get(LISTS, status_code=403, content=error(403, "permission_denied", detail))
    with pytest.raises(MissingScope, match=r"^The OAuth connection .*: add the scope to the app in Klaviyo and auth"):
        connection.get()


def test_a_redirect_of_the_api_speaks_of_tokens(connection: Connection) -> None:
    connection.mocker.get(LISTS, status_code=302, headers={"Location": "https://evil.example/api/lists"})
    with pytest.raises(UnsafeLink, match="to protect the tokens of this connection"):
        connection.get()


def test_the_secrets_of_the_connection_are_masked_in_texts_that_repeat_them(connection: Connection) -> None:
    connection.response["refresh_token"] = "refresh-MARKED-1"
    connection.get()
    for secret in (*CREDENTIALS.secrets, "access-MARKED-1", "refresh-MARKED-1", CREDENTIALS.basic):
        assert secret not in connection.client.redact(f"Klaviyo says {secret} and {secret.upper()}.")


def test_no_representation_shows_a_secret(connection: Connection) -> None:
    connection.response["refresh_token"] = "refresh-MARKED-1"
    connection.get()
    auth = connection.client.auth
    assert isinstance(auth, OAuth)
    shown = [auth, auth._grant, auth._endpoint, auth._endpoint._session.auth, CREDENTIALS, *connection.reports]
    assert "MARKED" not in "".join(f"{one!r} {one}" for one in shown)
