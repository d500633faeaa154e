"""How long an answer is waited for: short where answers are quick, longer after each failure."""

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


def test_the_first_answer_has_more_time_than_those_after_quick_ones() -> None:
    timeouts = Timeouts()
    assert timeouts.seconds(PROFILES, 0) == DEFAULT_SECONDS
    timeouts.learn(PROFILES, 0.3)
    assert timeouts.seconds(PROFILES, 0) == MIN_SECONDS


def test_each_further_try_may_take_twice_as_long() -> None:
    timeouts = Timeouts()
    timeouts.learn(PROFILES, 0.3)
    assert [timeouts.seconds(PROFILES, failures) for failures in range(4)] == [10, 20, 40, 80]


def test_slow_answers_are_waited_for_longer() -> None:
    timeouts = Timeouts()
    timeouts.learn(PREDICTIONS, 8.0)
    timeouts.learn(PREDICTIONS, 1.0)
    assert timeouts.seconds(PREDICTIONS, 0) == LATENCY_FACTOR * 8.0


def test_slow_answers_are_forgotten() -> None:
    timeouts = Timeouts()
    timeouts.learn(PROFILES, 8.0)
    for _ in range(RECENT_RESPONSES):
        timeouts.learn(PROFILES, 0.3)
    assert timeouts.seconds(PROFILES, 0) == MIN_SECONDS


def test_slow_answers_of_one_endpoint_say_nothing_of_another() -> None:
    timeouts = Timeouts()
    timeouts.learn(PREDICTIONS, 8.0)
    timeouts.learn(PROFILES, 0.3)
    assert timeouts.seconds(PROFILES, 0) == MIN_SECONDS


def test_what_has_a_quota_of_the_day_is_not_asked_for_again_soon() -> None:
    timeouts = Timeouts()
    timeouts.learn(REPORTS, 0.3)
    assert timeouts.seconds(REPORTS, 0) == MIN_REPORT_SECONDS


@pytest.mark.parametrize("failures", [100, 10_000])
def test_any_number_of_failures_has_a_timeout(failures: int) -> None:
    assert Timeouts().seconds(PROFILES, failures) > 0
