"""What is counted of requests: each asker by itself, what is asked again, and how long limits keep it waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

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
PAGE = {"json": {"data": []}}
REFUSED = {"status_code": 429, "headers": {"Retry-After": "7"}}
FAILED = {"status_code": 503}


class Clock:
    """A clock that goes on while a client sleeps."""

    now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(clock: Clock) -> KlaviyoClient:
    client = KlaviyoClient("pk_made_up", budget=Budget(clock), sleep=clock.sleep).with_own_stats()
    client.stats = RequestStats(clock)
    return client


def get(client: KlaviyoClient, *limits: Limit) -> Page:
    return client.get(Request("/api/events", None, limits or (EVENTS,), lambda body: decode_page(body, None)))


def test_requests_are_counted_with_the_reasons_why_they_are_made_again(
    requests_mock: Mocker, client: KlaviyoClient
) -> None:
    requests_mock.get(URL, [REFUSED, FAILED, FAILED, PAGE, {"status_code": 400}])

    get(client)
    with pytest.raises(BadRequest):
        get(client)

    assert (client.stats.requests, client.stats.limited, client.stats.failed) == (5, 1, 2)
    assert client.stats.limits == {"events": EVENTS}


def test_what_is_not_asked_again_is_not_counted_as_such(requests_mock: Mocker) -> None:
    requests_mock.get(URL, **FAILED)
    client = KlaviyoClient("pk_made_up", tries=3, sleep=lambda _: None)

    with pytest.raises(Exception, match="after 3 attempts"):
        get(client)

    assert (client.stats.requests, client.stats.failed) == (3, 2)


def test_the_wait_after_a_refusal_is_one_for_the_limit_and_that_after_a_failure_is_not(
    requests_mock: Mocker, client: KlaviyoClient
) -> None:
    requests_mock.get(URL, [REFUSED, PAGE])
    get(client)
    waited = client.stats.wait_seconds
    assert 7 < waited < 8

    requests_mock.get(URL, [FAILED, PAGE])
    get(client)
    assert client.stats.wait_seconds == waited


class Slow(Budget):
    """A budget that makes everyone wait."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._time = clock

    def acquire(self, limits: Sequence[Limit]) -> None:
        self._time.now += 5
        super().acquire(limits)


def test_the_wait_for_a_free_slot_is_one_for_the_limit(requests_mock: Mocker, clock: Clock) -> None:
    requests_mock.get(URL, **PAGE)
    client = KlaviyoClient("pk_made_up", budget=Slow(clock))
    client.stats = RequestStats(clock)

    get(client)

    assert client.stats.wait_seconds == 5


def test_each_asker_has_a_count_of_its_own_in_one_conversation(requests_mock: Mocker) -> None:
    requests_mock.get(URL, headers={"Date": "Tue, 01 Jan 2030 00:00:00 GMT"}, **PAGE)
    client = KlaviyoClient("pk_made_up")
    one, other = client.with_own_stats(), client.with_own_stats()

    get(one)
    get(one)
    get(other)

    assert (one.stats.requests, other.stats.requests, client.stats.requests) == (2, 1, 0)
    assert one.usage() == other.usage() == (3, M.steady)


def test_askers_share_klaviyos_clock(requests_mock: Mocker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("source_klaviyo.api.client.time.time", lambda: 1_893_456_000.0)  # 2030-01-01
    requests_mock.get(URL, headers={"Date": "Tue, 01 Jan 2030 00:10:00 GMT"}, **PAGE)
    client = KlaviyoClient("pk_made_up")

    get(client.with_own_stats())

    assert client.with_own_stats().now() == client.now() == 1_893_456_600.0


def test_the_limit_used_most_is_told(requests_mock: Mocker, client: KlaviyoClient, clock: Clock) -> None:
    requests_mock.get(URL, **PAGE)
    assert client.usage() == (0, 0)

    get(client, EVENTS)
    get(client, ESTIMATIONS, EVENTS)
    assert client.usage() == (2, M.steady)

    clock.now += 30
    get(client, ESTIMATIONS)
    clock.now += 30
    assert client.usage() == (1, L.steady)


def test_requests_that_wait_at_once_wait_once(clock: Clock) -> None:
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
