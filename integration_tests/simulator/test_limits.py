"""Rate limits: windows, headers and buckets."""

from __future__ import annotations

import time
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_simulator.access.limits import Limits
from klaviyo_simulator.account import api
from klaviyo_simulator.rules.declarations import Rate

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration_tests.simulator.conftest import Client

RATES = {rate: Rate.of(rate) for rate in ("1/s 15/min", "3/s 60/min", "10/s 150/min", "75/s 750/min", "350/s 3500/min")}
LARGE, LARGEST = RATES["75/s 750/min"], RATES["350/s 3500/min"]
SMALL = [("small", RATES["1/s 15/min"])]


def test_the_burst_window_ends_after_a_second() -> None:
    limits = Limits(Random(1), phase=0.0)
    assert limits.take(SMALL, 100.1, 0).wait is None
    assert limits.take(SMALL, 100.9, 0).wait == 1
    assert limits.take(SMALL, 101.0, 0).wait is None


def test_the_steady_window_ends_after_a_minute() -> None:
    limits = Limits(Random(1), phase=0.0)
    assert [limits.take(SMALL, 120.0 + second, 0).wait for second in range(15)] == [None] * 15
    assert limits.take(SMALL, 140.5, 0).wait == 40
    assert limits.take(SMALL, 180.0, 0).wait is None


def test_headers_name_all_windows_and_count_the_burst_window() -> None:
    limits = Limits(Random(1), phase=0.0)
    bucket = [("large", LARGEST)]
    assert [limits.take(bucket, 120.0, 0).remaining for _ in range(3)] == [349, 348, 347]
    assert limits.take(bucket, 121.0, 0).headers() == {
        "RateLimit-Limit": "350, 350;w=1, 3500;w=60",
        "RateLimit-Remaining": "349",
        "RateLimit-Reset": "0",
    }
    report = limits.take([("report", Rate(1, 2, 225))], 120.0, 0)
    assert report.headers()["RateLimit-Limit"] == "1, 1;w=1, 2;w=60, 225;w=86400"


def test_throttled_requests_are_not_counted() -> None:
    limits = Limits(Random(1), phase=0.0)
    limits.take(SMALL, 120.0, 0)
    for _ in range(50):
        assert limits.take(SMALL, 120.5, 0).wait
    assert [limits.take(SMALL, 121.0 + second, 0).wait for second in range(15)] == [None] * 14 + [45]


@pytest.mark.parametrize("rate", RATES.values(), ids=RATES)
def test_each_rate_allows_its_burst_and_steady_number_of_requests(rate: Rate) -> None:
    limits = Limits(Random(1), phase=0.0)
    bucket = [("any", rate)]
    burst = [limits.take(bucket, 120.0, 0).wait for _ in range(rate.burst + 1)]
    assert burst == [*[None] * rate.burst, 1]
    taken = rate.burst
    for second in range(1, 60):
        while taken < rate.steady and limits.take(bucket, 120.0 + second, 0).wait is None:
            taken += 1
    assert taken == rate.steady
    assert limits.take(bucket, 179.5, 0).wait == 1


def test_one_full_bucket_throttles_a_request_that_uses_several() -> None:
    limits = Limits(Random(1), phase=0.0)
    limits.take(SMALL, 120.0, 0)
    assert limits.take([("large", LARGE), *SMALL], 120.0, 0).wait == 1
    assert limits.take([("large", LARGE)], 120.0, 0).remaining == 74


def test_windows_begin_at_random() -> None:
    ends = set()
    for limits in (Limits(Random(n), None) for n in range(9)):
        for second in range(15):
            limits.take(SMALL, 120.0 + second, 0)
        ends.add(limits.take(SMALL, 135.0, 0).wait)
    assert len(ends) > 3


def test_another_client_uses_its_share() -> None:
    limits = Limits(Random(1), phase=0.0)
    bucket = [("any", RATES["10/s 150/min"])]
    assert limits.take(bucket, 120.0, 0.5).remaining == 4
    waits = [limits.take(bucket, 120.0, 0.5).wait for _ in range(5)]
    assert waits == [None] * 4 + [1]


def test_an_endpoint_has_its_own_bucket(start: Callable[..., Client]) -> None:
    client = start(limits=True)
    identity = client.simulator.ids("accounts")[0]
    for path in ("/api/accounts", f"/api/accounts/{identity}"):
        assert client.get(path).headers["RateLimit-Limit"] == "1, 1;w=1, 15;w=60"
    responses = [client.get("/api/accounts") for _ in range(16)]
    throttled = next(response for response in responses if response.status_code == 429)
    assert throttled.headers["Retry-After"] == "1"
    assert not any(name.startswith("RateLimit") for name in throttled.headers)
    (error,) = throttled.json()["errors"]
    assert (error["code"], error["source"]) == ("throttled", {"pointer": "/data"})
    assert error["detail"] == "Request was throttled. Expected available in 1 second."
    assert client.simulator.stats()["throttled"] >= 1


def test_invalid_requests_are_counted(start: Callable[..., Client], monkeypatch: pytest.MonkeyPatch) -> None:
    client = start(limits=True)
    # The clock is frozen, so that the burst window does not end in between.
    monkeypatch.setattr(api, "time", SimpleNamespace(time=time.time, monotonic=lambda: 120.0))
    client.get("/api/events")
    assert client.get("/api/events", sort="nothing").headers["RateLimit-Remaining"] == "348"


def test_predictions_have_one_bucket_for_all_endpoints(
    start: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = start(limits=True)
    monkeypatch.setattr(api, "time", SimpleNamespace(time=time.time, monotonic=lambda: 120.0))
    expensive: dict[str, Any] = {"additional-fields[profile]": "subscriptions,predictive_analytics"}
    one = f"/api/profiles/{client.simulator.ids('profiles')[0]}"
    statuses = [client.get("/api/profiles", **expensive).status_code for _ in range(11)]
    assert statuses == [200] * 10 + [429]  # the endpoint alone allows 75
    assert client.get(one, **expensive).status_code == 429
    assert client.get(one).status_code == 200
    assert client.get("/api/profiles").headers["RateLimit-Remaining"] == "64"


def test_without_limits_there_are_no_rate_limit_headers(client: Client) -> None:
    assert not any(name.startswith("RateLimit") for name in client.get("/api/accounts").headers)
    assert {client.get("/api/accounts").status_code for _ in range(20)} == {200}


def test_the_clock_of_the_account_does_not_move_rate_windows(
    start: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = start(limits=True)
    monkeypatch.setattr(api, "time", SimpleNamespace(time=time.time, monotonic=lambda: 120.0))
    assert client.get("/api/accounts").status_code == 200
    client.simulator.advance(3600)
    assert client.get("/api/accounts").status_code == 429


def test_latency_delays_each_response(start: Callable[..., Client]) -> None:
    client = start(latency=0.05, jitter=0.01)
    assert client.get("/api/accounts").elapsed.total_seconds() >= 0.05
