"""The rate limiter learns from the RateLimit headers of responses, in either of their forms."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING

import pytest

from source_klaviyo.api.budget import LEARNED_SECONDS, REPORT, L, Limit, M
from source_klaviyo.api.errors import DailyQuotaExceeded
from unit_tests.api.world import EVENTS, FLOWS, World

if TYPE_CHECKING:
    from collections.abc import Mapping


def learned(headers: Mapping[str, str], *limits: Limit, in_flight: int = 0) -> World:
    world = World(repeat(1000.0))
    for _ in range(in_flight):
        world.send(*limits)
    world.budget.learn(limits, headers)
    return world


def remaining(number: object, reset: object) -> dict[str, str]:
    return {"RateLimit-Limit": "150", "RateLimit-Remaining": str(number), "RateLimit-Reset": str(reset)}


@pytest.mark.parametrize(
    ("number", "reset", "in_flight", "wait"),
    [
        (150, 60, 0, 0),
        (1, 12, 0, 0),
        (0, 12, 0, 12),
        (0, 60, 0, 60),
        (0, 0, 0, 0),
        (5, 12, 5, 0),
        (4, 12, 5, 12),
        (0, 12, 5, 12),
    ],
)
def test_requests_wait_for_the_end_of_the_window_if_other_clients_use_the_account(
    number: int, reset: int, in_flight: int, wait: int
) -> None:
    assert learned(remaining(number, reset), EVENTS, in_flight=in_flight).wait_for(EVENTS) == wait


def test_a_window_that_ends_soon_does_not_shorten_a_pause() -> None:
    world = World()
    world.budget.pause([EVENTS], 30.0)
    world.budget.learn([EVENTS], remaining(0, 1))
    assert world.wait_for(EVENTS) == 30


def test_headers_about_one_limit_do_not_affect_another() -> None:
    assert learned(remaining(0, 12), EVENTS).wait_for(FLOWS) == 0


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"RateLimit-Remaining": "0"},
        {"RateLimit-Reset": "12"},
        remaining("none", 12),
        remaining("", 12),
        remaining(-1, 12),
        remaining(0, ""),
        remaining(0, "soon"),
        remaining(0, -5),
        remaining(0, 61),
        remaining(0, 86_400),
        remaining(0, "9" * 400),
        remaining("0x0", 61),
        {"Retry-After": "12", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "12"},
    ],
    ids=str,
)
def test_invalid_headers_are_ignored(headers: dict[str, str]) -> None:
    world = learned(headers, EVENTS)
    assert world.wait_for(EVENTS) == 0
    assert world.wait_for(EVENTS) == 0


def test_headers_may_list_all_windows() -> None:
    headers = {
        "RateLimit-Limit": "100, 10;w=1, 100;w=60",
        "RateLimit-Remaining": "0, 10;w=1, 0;w=60",
        "RateLimit-Reset": "12;w=60",
    }
    assert learned(headers, EVENTS).wait_for(EVENTS) == 12
    assert per_minute({"RateLimit-Limit": headers["RateLimit-Limit"]}, EVENTS) == 100


def per_minute(headers: Mapping[str, str], *limits: Limit) -> int:
    """Return the number of requests that are sent in a minute after these headers."""
    world = World()
    world.budget.learn(limits, headers)
    return sum(sent < 60 for sent in world.send_all([limits] * 200, workers=1))


@pytest.mark.parametrize(
    ("quota", "used"),
    [
        ("150", 150),
        ("100", 100),
        ("11", 11),
        ("10", 150),
        ("1", 150),
        ("0", 150),
        ("151", 150),
        ("3500", 150),
        ("-60", 150),
        ("", 150),
        ("many", 150),
        ("150, 10;w=1, 150;w=60", 150),
        ("10, 10;w=1, 150;w=60", 150),
        ("10, 10;w=1, 100;w=60", 100),
        ("10, 10;w=1, 5;w=60", 5),
        ("10, 10;w=1, 200;w=60", 150),
        ("10, 10;w=1, 0;w=60", 150),
        ("1, 1;w=1, 100;w=60", 60),
    ],
)
def test_a_lower_quota_is_used(quota: str, used: int) -> None:
    assert per_minute({"RateLimit-Limit": quota}, EVENTS) == used


def test_a_lower_quota_is_that_of_the_tighter_of_two_limits() -> None:
    world = World()
    wide, tight = Limit("wide", L), Limit("tight", M)
    world.budget.learn([wide, tight], {"RateLimit-Limit": "10, 10;w=1, 100;w=60"})
    assert world.budget.usage([tight]) == (0, 100)
    assert world.budget.usage([wide]) == (0, 750)


def test_a_lower_quota_is_forgotten_after_five_minutes() -> None:
    world = World(repeat(1000.0))
    world.budget.learn([EVENTS], {"RateLimit-Limit": "76"})
    assert world.budget.usage([EVENTS]) == (0, 76)
    world.now += LEARNED_SECONDS
    assert world.budget.usage([EVENTS]) == (0, 150)


def test_a_lower_daily_quota_is_used() -> None:
    world = World()
    reports = Limit("reports", REPORT)
    world.send(reports)
    world.budget.learn([reports], {"RateLimit-Limit": "1, 1;w=1, 2;w=60, 2;w=86400"})
    world.send(reports)
    with pytest.raises(DailyQuotaExceeded):
        world.send(reports)


@pytest.mark.parametrize(("left", "wait"), [(9, 0.0), (1, 0.0), (0, 1.0)])
def test_an_exhausted_burst_window_ends_within_a_second(left: int, wait: float) -> None:
    headers = {
        "RateLimit-Limit": "10, 10;w=1, 150;w=60",
        "RateLimit-Remaining": str(left),
        "RateLimit-Reset": "0",
    }
    assert learned(headers, EVENTS, in_flight=5).wait_for(EVENTS) == wait
