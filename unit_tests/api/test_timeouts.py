"""The timeout of a request: short if responses are quick, longer after each failure."""

from __future__ import annotations

import pytest

from source_klaviyo.api.budget import REPORT, L, Limit, M
from source_klaviyo.api.timeouts import (
    DEFAULT_SECONDS,
    LATENCY_FACTOR,
    MIN_REPORT_SECONDS,
    MIN_SECONDS,
    RECENT_RESPONSES,
    Timeouts,
)

PROFILES = (Limit("profiles", L),)
PREDICTIONS = (Limit("profiles", L), Limit("predictive_analytics", M))
REPORTS = (Limit("flow-series-reports", REPORT),)


def test_the_first_timeout_is_longer_than_those_after_quick_responses() -> None:
    timeouts = Timeouts()
    assert timeouts.seconds(PROFILES, 0) == DEFAULT_SECONDS
    timeouts.learn(PROFILES, 0.3)
    assert timeouts.seconds(PROFILES, 0) == MIN_SECONDS


def test_the_timeout_doubles_after_each_failure_up_to_two_minutes() -> None:
    timeouts = Timeouts()
    timeouts.learn(PROFILES, 0.3)
    assert [timeouts.seconds(PROFILES, failures) for failures in range(6)] == [10, 20, 40, 80, 120, 120]


def test_the_timeout_is_a_multiple_of_the_slowest_latency() -> None:
    timeouts = Timeouts()
    timeouts.learn(PREDICTIONS, 8.0)
    timeouts.learn(PREDICTIONS, 1.0)
    assert timeouts.seconds(PREDICTIONS, 0) == LATENCY_FACTOR * 8.0


def test_slow_responses_are_forgotten() -> None:
    timeouts = Timeouts()
    timeouts.learn(PROFILES, 8.0)
    for _ in range(RECENT_RESPONSES):
        timeouts.learn(PROFILES, 0.3)
    assert timeouts.seconds(PROFILES, 0) == MIN_SECONDS


def test_endpoints_have_timeouts_of_their_own() -> None:
    timeouts = Timeouts()
    timeouts.learn(PREDICTIONS, 8.0)
    timeouts.learn(PROFILES, 0.3)
    assert timeouts.seconds(PROFILES, 0) == MIN_SECONDS


def test_endpoints_with_a_daily_quota_have_longer_timeouts() -> None:
    timeouts = Timeouts()
    timeouts.learn(REPORTS, 0.3)
    assert timeouts.seconds(REPORTS, 0) == MIN_REPORT_SECONDS


@pytest.mark.parametrize("failures", [100, 10_000])
def test_any_number_of_failures_has_a_timeout(failures: int) -> None:
    assert Timeouts().seconds(PROFILES, failures) > 0
