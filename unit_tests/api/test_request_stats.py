"""Request stats: requests and retries of each copy of a client, and how long limits keep it waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from typing_extensions import override

from source_klaviyo.api.budget import Budget, L, Limit, M
from source_klaviyo.api.client import HOST, KlaviyoClient
from source_klaviyo.api.errors import BadRequest
from source_klaviyo.api.page import decode_page
from source_klaviyo.api.request import Request
from source_klaviyo.api.request_stats import RequestStats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from requests_mock import Mocker

    from source_klaviyo.api.page import Page

EVENTS = Limit("events", M)
ESTIMATIONS = Limit("estimations", L)
URL = f"{HOST}/api/events"
PAGE: dict[str, Any] = {"json": {"data": []}}
RATE_LIMITED = {"status_code": 429, "headers": {"Retry-After": "7"}}
FAILED = {"status_code": 503}


class Clock:
    """A clock that a client moves by its sleep."""

    now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Slow(Budget):
    """A rate limiter whose slots take this many seconds."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        super().__init__(clock)
        self._time, self._seconds = clock, seconds

    @override
    def acquire(self, limits: Sequence[Limit]) -> None:
        self._time.now += self._seconds
        super().acquire(limits)


def client_of(clock: Clock, seconds: float = 0.0) -> KlaviyoClient:
    client = KlaviyoClient("pk_made_up", budget=Slow(clock, seconds), sleep=clock.sleep).with_own_stats()
    client.stats = RequestStats(clock)
    return client


def get(client: KlaviyoClient, *limits: Limit, **options: Any) -> Page:
    return client.get(
        Request("/api/events", None, limits or (EVENTS,), lambda body: decode_page(body, None), **options)
    )


def test_requests_and_the_reasons_of_retries_are_counted(requests_mock: Mocker, clock: Clock) -> None:
    client = client_of(clock)
    requests_mock.get(URL, [RATE_LIMITED, FAILED, FAILED, PAGE, {"status_code": 400}])

    get(client)
    with pytest.raises(BadRequest):
        get(client)

    assert (client.stats.requests, client.stats.limited, client.stats.failed) == (5, 1, 2)
    assert client.stats.limits == {"events": EVENTS}


def test_the_last_attempt_is_not_counted_as_retried(requests_mock: Mocker, clock: Clock) -> None:
    client = client_of(clock)
    requests_mock.get(URL, [FAILED])
    with pytest.raises(Exception, match="after 3 attempts"):
        get(client, tries=3)
    assert (client.stats.requests, client.stats.failed) == (3, 2)


@pytest.mark.parametrize(
    ("responses", "slot", "least", "most"),
    [([RATE_LIMITED, PAGE], 0.0, 7, 8), ([FAILED, PAGE], 0.0, 0, 0), ([PAGE], 5.0, 5, 5)],
    ids=["after a 429", "after another error", "for a slot"],
)
def test_waits_for_limits_are_counted_and_no_others(
    requests_mock: Mocker, clock: Clock, responses: list[dict[str, Any]], slot: float, least: float, most: float
) -> None:
    client = client_of(clock, slot)
    requests_mock.get(URL, responses)
    get(client)
    assert least <= client.stats.wait_seconds <= most


def test_copies_of_a_client_have_stats_of_their_own_and_share_limits_and_clock(
    requests_mock: Mocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("source_klaviyo.api.client.time.time", lambda: 1_893_456_000.0)  # 2030-01-01
    requests_mock.get(URL, json={"data": []}, headers={"Date": "Tue, 01 Jan 2030 00:10:00 GMT"})
    client = KlaviyoClient("pk_made_up")
    one, other = client.with_own_stats(), client.with_own_stats()

    get(one)
    get(one)
    get(other)

    assert (one.stats.requests, other.stats.requests, client.stats.requests) == (2, 1, 0)
    assert one.usage() == other.usage() == (3, M.steady)
    assert one.now() == other.now() == client.now() == 1_893_456_600.0


def test_the_usage_is_that_of_the_most_used_limit(requests_mock: Mocker, clock: Clock) -> None:
    client = client_of(clock)
    requests_mock.get(URL, json={"data": []})
    assert client.usage() == (0, 0)

    get(client, EVENTS)
    get(client, ESTIMATIONS, EVENTS)
    assert client.usage() == (2, M.steady)

    clock.now += 30
    get(client, ESTIMATIONS)
    clock.now += 30
    assert client.usage() == (1, L.steady)


def test_requests_that_wait_at_the_same_time_are_counted_once(clock: Clock) -> None:
    stats = RequestStats(clock)
    with stats.waiting():
        clock.now += 1
        with stats.waiting():
            clock.now += 2
        clock.now += 4
        assert stats.wait_seconds == 7
    clock.now += 8
    assert stats.wait_seconds == 7
    with stats.waiting():
        clock.now += 16
    assert stats.wait_seconds == 23
