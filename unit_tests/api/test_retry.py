"""The retry policy: which requests are repeated, how often, after what backoff, and what waits meanwhile."""

from __future__ import annotations

import logging
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from requests import exceptions as broken

from source_klaviyo.api.errors import (
    AccessDenied,
    BadRequest,
    DamagedResponse,
    InvalidKey,
    KlaviyoError,
    NotFound,
    RateLimited,
    RevisionRefused,
    ServerError,
    TransientError,
)
from source_klaviyo.api.memory import Hold
from source_klaviyo.api.retry import MAX_ATTEMPTS, MAX_BACKOFF_SECONDS, RATE_LIMITS_PER_ATTEMPT
from unit_tests.api.conversation import ERROR, LIMITS, PAGE, TRANSIENT, URL, Conversation, breaking_off

if TYPE_CHECKING:
    from requests_mock import Mocker

each_transient_failure = pytest.mark.parametrize("response", TRANSIENT.values(), ids=TRANSIENT)


# --- transient errors -----------------------------------------------------------------------------------


@each_transient_failure
def test_a_transient_error_is_retried(requests_mock: Mocker, talk: Conversation, response: dict[str, Any]) -> None:
    requests_mock.get(URL, [response, response, {"json": PAGE}])
    assert len(talk.get().resources) == 1
    assert requests_mock.call_count == 3
    assert 0.75 <= talk.waits[0] <= 1.0 < talk.waits[1] <= 2.0
    assert talk.budget.paused == []


@each_transient_failure
def test_a_request_is_given_up_after_its_attempts(requests_mock: Mocker, response: dict[str, Any]) -> None:
    requests_mock.get(URL, [response])
    talk = Conversation(tries=4)
    error = talk.error()
    assert isinstance(error, TransientError)
    assert re.fullmatch(r"[A-Z][^<>{}\n]*\.", str(error))
    assert requests_mock.call_count == 4
    assert len(talk.waits) == 3
    assert all(one < other for one, other in pairwise(talk.waits))


@pytest.mark.parametrize("response", [*TRANSIENT.values(), {"status_code": 429}, {"status_code": 401}])
def test_each_attempt_takes_a_slot_and_releases_it(requests_mock: Mocker, response: dict[str, Any]) -> None:
    requests_mock.get(URL, [response])
    talk = Conversation(tries=2)
    talk.error()
    assert talk.budget.acquired == requests_mock.call_count
    assert talk.budget._buckets["events"].in_flight == 0


def test_the_attempts_take_about_four_minutes(requests_mock: Mocker, talk: Conversation) -> None:
    requests_mock.get(URL, status_code=503)
    talk.error()
    assert requests_mock.call_count == MAX_ATTEMPTS
    assert 200 <= sum(talk.waits) <= 310
    assert max(talk.waits) <= MAX_BACKOFF_SECONDS


def test_a_request_may_have_its_own_number_of_attempts(requests_mock: Mocker, talk: Conversation) -> None:
    requests_mock.get(URL, status_code=503)
    with pytest.raises(ServerError, match="Given up after 2 attempts"):
        talk.get(tries=2)
    assert requests_mock.call_count == 2


def test_a_single_attempt_means_no_retry(requests_mock: Mocker) -> None:
    requests_mock.get(URL, status_code=503)
    talk = Conversation(tries=1)
    assert "Given up" not in str(talk.error())
    assert requests_mock.call_count == 1
    assert talk.waits == []


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        ({"content": b"{"}, DamagedResponse),
        ({"raw": breaking_off(ConnectionResetError(104, "Connection reset by peer"))}, DamagedResponse),
        ({"status_code": 500}, ServerError),
        ({"exc": broken.ReadTimeout}, ServerError),
        ({"exc": broken.ConnectionError}, TransientError),
    ],
    ids=["no JSON", "breaks off", "500", "no response", "no connection"],
)
def test_the_last_error_shows_whether_smaller_pages_may_help(
    requests_mock: Mocker, response: dict[str, Any], kind: type[KlaviyoError]
) -> None:
    requests_mock.get(URL, [response])
    assert type(Conversation(tries=2).error()) is kind


def test_a_request_that_fails_slowly_is_given_up_after_ten_minutes(
    requests_mock: Mocker, talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000.0]

    def time_out(*_: object) -> str:
        now[0] += 120
        raise broken.ReadTimeout

    monkeypatch.setattr("source_klaviyo.api.retry.time.monotonic", lambda: now[0])
    requests_mock.get(URL, text=time_out)
    assert "Given up after 7 attempts" in str(talk.error())


def test_waits_for_memory_do_not_count_as_an_outage(
    requests_mock: Mocker, talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A destination may pause for hours, in which all connections break."""
    now = [0.0]

    def wait(hold: Hold) -> None:
        now[0] += 3_600
        hold.wait_seconds += 3_600

    monkeypatch.setattr("source_klaviyo.api.retry.time.monotonic", lambda: now[0])
    monkeypatch.setattr(Hold, "wait_while_stalled", wait)
    requests_mock.get(URL, [{"content": b"{"}, {"content": b"{"}, {"json": PAGE}])
    assert len(talk.get().resources) == 1


def test_each_request_has_attempts_of_its_own(requests_mock: Mocker) -> None:
    requests_mock.get(URL, [{"status_code": 503}, {"json": PAGE}] * 3)
    talk = Conversation(tries=2)
    for _ in range(3):
        talk.get()
    assert requests_mock.call_count == 6


def test_the_timeout_doubles_with_each_failed_attempt(requests_mock: Mocker, talk: Conversation) -> None:
    requests_mock.get(URL, [{"json": PAGE}, *[{"exc": broken.ReadTimeout}] * 6, {"json": PAGE}])
    talk.get()
    talk.get()
    timeouts: list[Any] = [request.timeout for request in requests_mock.request_history]
    assert timeouts == [(10, seconds) for seconds in (30, 10, 20, 40, 80, 120, 120, 120)]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequest),
        (401, InvalidKey),
        (403, AccessDenied),
        (404, NotFound),
        (405, KlaviyoError),
        (410, RevisionRefused),
        (415, KlaviyoError),
    ],
)
def test_a_permanent_error_is_not_retried(
    requests_mock: Mocker, talk: Conversation, status: int, kind: type[KlaviyoError]
) -> None:
    requests_mock.get(URL, status_code=status, content=ERROR)
    assert type(talk.error()) is kind
    assert requests_mock.call_count == 1
    assert talk.waits == []


def test_each_retry_is_logged(requests_mock: Mocker, talk: Conversation, log: pytest.LogCaptureFixture) -> None:
    requests_mock.get(URL, [{"status_code": 503}, {"json": PAGE}])
    talk.get()
    (record,) = [record for record in log.records if record.name == "airbyte"]
    assert record.levelno == logging.INFO
    assert re.fullmatch(r".*\(503\)\. Retrying in 1 s\.", record.getMessage())


# --- 429 and Retry-After --------------------------------------------------------------------------------


def throttled(retry_after: str | None = None) -> dict[str, Any]:
    return {"status_code": 429, "headers": {"Retry-After": retry_after} if retry_after is not None else {}}


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [("0", 0, 1), ("1", 1, 2), ("30", 30, 31), ("60", 60, 61), ("61", 60, 61), ("73473", 60, 61), ("1e9", 60, 61)],
)
def test_the_backoff_is_at_least_retry_after_up_to_a_minute(
    requests_mock: Mocker, talk: Conversation, header: str, least: float, most: float
) -> None:
    requests_mock.get(URL, [throttled(header), {"json": PAGE}])
    talk.get()
    (wait,) = talk.waits
    assert least < wait < most


@pytest.mark.parametrize("header", ["", "soon", "-5", "nan", "Fri, 31 Dec 2027 23:59:59 GMT"])
def test_an_invalid_retry_after_is_ignored(requests_mock: Mocker, talk: Conversation, header: str) -> None:
    requests_mock.get(URL, [throttled(header), throttled(), throttled(), {"json": PAGE}])
    talk.get()
    assert [round(wait / nominal) for wait, nominal in zip(talk.waits, (1, 2, 4), strict=True)] == [1, 1, 1]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("header", ["0", "1"])
def test_a_small_retry_after_does_not_use_up_the_attempts_in_seconds(
    requests_mock: Mocker, talk: Conversation, status: int, header: str
) -> None:
    requests_mock.get(URL, status_code=status, headers={"Retry-After": header})
    talk.error()
    assert sum(talk.waits) > 200


def test_the_backoff_has_jitter_so_that_threads_do_not_retry_in_step(requests_mock: Mocker) -> None:
    waits = set()
    for _ in range(20):
        requests_mock.get(URL, [throttled("5"), {"status_code": 503}, {"json": PAGE}])
        talk = Conversation()
        talk.get()
        waits |= set(talk.waits)
    assert len(waits) == 40


def test_a_429_pauses_all_requests_that_count_against_its_limits(requests_mock: Mocker, talk: Conversation) -> None:
    requests_mock.get(URL, [throttled("7"), throttled(), {"json": PAGE}])
    talk.get()
    assert talk.budget.paused == [(LIMITS, wait) for wait in talk.waits]


@pytest.mark.parametrize(
    ("responses", "tries", "kind", "requests"),
    [
        ([throttled("1")], 4, RateLimited, 4 * RATE_LIMITS_PER_ATTEMPT),
        ([throttled()] * RATE_LIMITS_PER_ATTEMPT + [{"status_code": 503}], 3, ServerError, RATE_LIMITS_PER_ATTEMPT + 2),
    ],
    ids=["429 only", "429, then 503"],
)
def test_several_429_responses_count_as_one_failed_attempt(
    requests_mock: Mocker, responses: list[dict[str, Any]], tries: int, kind: type[KlaviyoError], requests: int
) -> None:
    requests_mock.get(URL, responses)
    assert type(Conversation(tries=tries).error()) is kind
    assert requests_mock.call_count == requests


def test_the_rate_limiter_learns_from_every_response(requests_mock: Mocker, talk: Conversation) -> None:
    requests_mock.get(URL, [{"status_code": 503, "headers": {"RateLimit-Remaining": "5"}}, {"json": PAGE}])
    talk.get()
    assert [headers.get("RateLimit-Remaining") for headers in talk.budget.learned] == ["5", None]
