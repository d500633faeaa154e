"""The rate limiter: it never exceeds a quota, uses nearly all of it, and keeps limits apart.

A simulated Klaviyo counts and a simulated clock runs, so no test waits.
"""

from __future__ import annotations

import math
import threading
from itertools import chain, cycle, repeat
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from source_klaviyo.api.budget import XL, XS, Budget, L, Limit, M, S, Tier
from unit_tests.api.world import EVENTS, FLOWS, World

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TICK = 1 / 1024
"""Times are multiples of it, so that sums and differences of them are exact."""
TIERS = {"XS": XS, "S": S, "M": M, "L": L, "XL": XL}


def within_quota(world: World, *limits: Limit) -> bool:
    return all(
        world.most_in_a_window(limit, 1.0) <= limit.tier.burst
        and world.most_in_a_window(limit, 60.0) <= limit.tier.steady
        for limit in limits
    )


latencies = st.lists(st.integers(0, 3 * 1024).map(lambda ticks: ticks * TICK), min_size=1, max_size=20).map(cycle)
moments = st.lists(st.integers(0, 8).map(lambda eighths: eighths / 8), min_size=1, max_size=20).map(cycle)
tiers = st.sampled_from([XS, S, M]) | st.integers(1, 5).flatmap(
    lambda burst: st.builds(Tier, st.just(burst), st.integers(burst, 10 * burst))
)
workers = st.integers(1, 60)


# --- never too many requests ---------------------------------------------------------------------------


@given(tiers, latencies, moments, workers)
def test_no_window_of_klaviyos_ever_holds_more_requests_than_its_quota(
    tier: Tier, latencies: Iterator[float], moments: Iterator[float], workers: int
) -> None:
    limit = Limit("x", tier)
    world = World(latencies, moments)
    for _ in world.send_all([[limit]] * (2 * tier.steady + 5), workers):
        pass
    assert within_quota(world, limit)


@pytest.mark.parametrize("tier", TIERS.values(), ids=TIERS)
@pytest.mark.parametrize("moment", [0.0, 0.5, 1.0])
def test_each_tier_is_used_up_and_not_exceeded_in_two_minutes(tier: Tier, moment: float) -> None:
    limit = Limit("x", tier)
    world = World(cycle(ticks * TICK for ticks in (400, 150, 900, 401, 30)), cycle([moment, 0.25, 1.0, 0.0]))
    for _ in world.send_all([[limit]] * (2 * tier.steady + 5), workers=60):
        pass
    assert within_quota(world, limit)
    # or else the test says nothing: the quota is used up
    assert world.most_in_a_window(limit, 60.0) == tier.steady


@given(tiers, tiers, latencies, moments, workers, st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=9))
@settings(max_examples=50)
def test_requests_that_count_against_two_limits_keep_to_both(
    one: Tier, other: Tier, latencies: Iterator[float], moments: Iterator[float], workers: int, kinds: list[str]
) -> None:
    both = {"a": Limit("a", one), "b": Limit("b", other)}
    world = World(latencies, moments)
    kinds += ["ab"]
    requests = ([both[name] for name in kind] for _, kind in zip(range(200), cycle(kinds), strict=False))
    for _ in world.send_all(requests, workers):
        pass
    assert within_quota(world, *both.values())


def test_a_request_without_a_response_counts_until_one_window_after_its_timeout() -> None:
    world = World(chain([30.0], repeat(0.0)), repeat(0.0))
    limit = Limit("x", XS)
    assert world.send(limit) == 0.0
    # Klaviyo may count it until then, and a window may start at that moment
    assert world.send(limit) == 31.0


# --- never much slower than allowed ---------------------------------------------------------------------


@pytest.mark.parametrize("tier", TIERS.values(), ids=TIERS)
@pytest.mark.parametrize(
    "latencies", [[410], [205, 410, 615], [50, 350, 830]], ids=["even", "some jitter", "much jitter"]
)
def test_at_400_ms_the_steady_rate_is_used_to_97_percent(tier: Tier, latencies: list[int]) -> None:
    world = World(cycle(ticks * TICK for ticks in latencies))
    *_, sent = world.send_all([[Limit("x", tier)]] * (5 * tier.steady + 1), workers=40)
    # the sixth minute's first request could be sent after five minutes at best
    assert sent <= 5 * 60 / 0.97


@pytest.mark.parametrize("tier", TIERS.values(), ids=TIERS)
@pytest.mark.parametrize("phase", [0, 7, 31, 59])
def test_ratelimit_headers_do_not_slow_down_the_only_client_of_an_account(tier: Tier, phase: int) -> None:
    used: dict[float, int] = {}

    def headers(counted: float) -> dict[str, str]:
        window, into = divmod(counted + phase, 60)
        used[window] = used.get(window, 0) + 1
        return {
            "RateLimit-Limit": str(tier.steady),
            "RateLimit-Remaining": str(tier.steady - used[window]),
            "RateLimit-Reset": str(math.ceil(60 - into)),
        }

    world = World(repeat(410 * TICK), headers=headers)
    *_, sent = world.send_all([[Limit("x", tier)]] * (5 * tier.steady + 1), workers=40)
    assert sent <= 5 * 60 / 0.97


def test_the_first_second_allows_a_whole_burst() -> None:
    world = World()
    assert [world.send(EVENTS) for _ in range(11)] == [0.0] * 10 + [1.0]


def test_a_request_beyond_the_steady_quota_waits_until_a_minute_has_passed() -> None:
    world = World()
    sent = list(world.send_all([[EVENTS]] * 151, workers=1))
    assert sent[149] == 14.0
    assert sent[150] == 60.0


def test_only_the_requests_of_the_last_minute_are_remembered() -> None:
    world = World()
    for _ in world.send_all([[EVENTS]] * 1000, workers=1):
        pass
    assert len(world.budget._buckets["events"]._responses) <= EVENTS.tier.steady


def test_a_request_without_limits_never_waits() -> None:
    assert World().wait_for() == 0.0


# --- limits are independent ------------------------------------------------------------------------------


def test_limits_are_identified_by_their_names() -> None:
    world = World()
    assert world.send(Limit("a", XS)) == 0.0
    assert world.send(Limit("b", XS)) == 0.0
    assert world.send(Limit("a", XS)) == 1.0


class Waiting:
    """A thread that waits for a slot of `limits`, of which the first is in use."""

    def __init__(self, *limits: Limit) -> None:
        self.now = 0.0
        self.budget = Budget(clock=lambda: self.now)
        self.budget.acquire(limits[:1])
        self.waits, self.got = threading.Event(), threading.Event()
        inner = self.budget._changed.wait

        def wait(timeout: float | None = None) -> bool:
            self.waits.set()
            return inner(timeout)

        self.budget._changed.wait = wait  # type: ignore[method-assign]
        self.thread = threading.Thread(target=self._acquire, args=(limits,), daemon=True)
        self.thread.start()
        assert self.waits.wait(30)

    def _acquire(self, limits: Sequence[Limit]) -> None:
        self.budget.acquire(limits)
        self.got.set()


def test_a_wait_for_one_limit_does_not_delay_requests_of_another() -> None:
    slow, fast = Limit("slow", XS), Limit("fast", XS)
    waiting = Waiting(slow, fast)
    # it holds neither the lock nor a slot of the fast limit
    acquired = threading.Thread(target=waiting.budget.acquire, args=([fast],), daemon=True)
    acquired.start()
    acquired.join(30)
    assert not acquired.is_alive()
    assert not waiting.got.is_set()


def test_a_response_wakes_a_thread_that_waits_for_its_slot() -> None:
    slow = Limit("slow", XS)
    waiting = Waiting(slow)
    with waiting.budget._changed:
        waiting.budget.release([slow])
        waiting.now += 1.0
    assert waiting.got.wait(30)


# --- pauses ---------------------------------------------------------------------------------------------


def test_a_pause_holds_for_all_requests_of_its_limit_and_no_others() -> None:
    world = World()
    world.budget.pause([EVENTS], 30.0)
    assert world.send(FLOWS) == 0.0
    assert world.send(EVENTS) == 30.0
    assert world.send(EVENTS) == 30.0


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    world = World()
    world.budget.pause([EVENTS], 30.0)
    world.budget.pause([EVENTS], 5.0)
    assert world.send(EVENTS) == 30.0


def test_a_pause_of_two_limits_holds_for_each() -> None:
    world = World()
    world.budget.pause([EVENTS, FLOWS], 30.0)
    assert world.send(FLOWS) == 30.0
    assert world.send(EVENTS) == 30.0


def test_a_pause_holds_for_threads_that_already_wait() -> None:
    slow = Limit("slow", XS)
    waiting = Waiting(slow)
    with waiting.budget._changed:
        waiting.budget.release([slow])
        waiting.budget.pause([slow], 3600.0)
        waiting.waits.clear()
        waiting.now += 1.0
    assert waiting.waits.wait(30)
    assert not waiting.got.is_set()
