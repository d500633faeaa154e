"""The budget of requests: a simulated Klaviyo counts, a simulated clock runs, nobody waits."""

from __future__ import annotations

import heapq
import math
import threading
from itertools import chain, cycle, repeat
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from source_klaviyo.api.budget import LEARNED_SECONDS, REPORT, XL, XS, Budget, L, Limit, M, S, Tier
from source_klaviyo.api.errors import DailyQuotaExceeded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

TICK = 1 / 1024
"""Times are multiples of it, so that sums and differences of them are exact."""
TIERS = {"XS": XS, "S": S, "M": M, "L": L, "XL": XL}

EVENTS = Limit("events", M)
FLOWS = Limit("flows", M)


class World:
    """A clock, requests under way, and the moments at which Klaviyo counts them.

    It stands in for the budget's condition: where a thread would wait, the clock moves on to the end of
    the wait or to the next answer, whichever comes first.

    Args:
        latencies: seconds from each question to its answer.
        moments: when each request is counted: 0 when it is sent, 1 when it is answered.
        headers: what the answer says to a request that was counted then.
    """

    def __init__(
        self,
        latencies: Iterable[float] = repeat(0.0),
        moments: Iterable[float] = repeat(1.0),
        headers: Callable[[float], Mapping[str, str]] = lambda _: {},
    ) -> None:
        self.now = 0.0
        self.budget = Budget(clock=lambda: self.now)
        self.budget._changed = self  # type: ignore[assignment]
        self.counted: dict[str, list[float]] = {}
        self.under_way: list[tuple[float, int, Sequence[Limit], float]] = []
        self._latencies, self._moments, self._headers = iter(latencies), iter(moments), headers
        self._sent = 0

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def notify_all(self) -> None: ...

    def wait(self, timeout: float | None) -> None:
        end = math.inf if timeout is None else self.now + timeout
        if self.under_way and self.under_way[0][0] <= end:
            self.answer()
        else:
            assert end < math.inf, "nobody would ever wake it"
            self.now = end

    def ask(self, *limits: Limit) -> float:
        """Send a request as soon as the budget allows it; returns when that was."""
        self.budget.acquire(limits)
        latency = next(self._latencies)
        counted = self.now + next(self._moments) * latency
        for limit in limits:
            self.counted.setdefault(limit.name, []).append(counted)
        self._sent += 1
        heapq.heappush(self.under_way, (self.now + latency, self._sent, limits, counted))
        return self.now

    def answer(self) -> None:
        """Let the next answer arrive."""
        self.now, _, limits, counted = heapq.heappop(self.under_way)
        self.budget.release(limits)
        self.budget.learn(limits, self._headers(counted))

    def ask_all(self, requests: Iterable[Sequence[Limit]], workers: int) -> Iterator[float]:
        """Send requests with so many workers; yields when each was sent."""
        for limits in requests:
            while len(self.under_way) >= workers:
                self.answer()
            yield self.ask(*limits)

    def most_in_a_window(self, limit: Limit, seconds: float) -> int:
        """The most requests that a fixed window of Klaviyo's can have counted, wherever its windows begin."""
        counted = sorted(self.counted[limit.name])
        first = most = 0
        for last, moment in enumerate(counted):
            while moment - counted[first] >= seconds:
                first += 1
            most = max(most, last - first + 1)
        return most

    def wait_for(self, *limits: Limit) -> float:
        """How long a request has to wait now."""
        before = self.now
        return self.ask(*limits) - before


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


# --- never a request too many ---------------------------------------------------------------------------


@given(tiers, latencies, moments, workers)
def test_no_window_of_klaviyos_ever_holds_more_than_the_quota(
    tier: Tier, latencies: Iterator[float], moments: Iterator[float], workers: int
) -> None:
    limit = Limit("x", tier)
    world = World(latencies, moments)
    for _ in world.ask_all([[limit]] * (2 * tier.steady + 5), workers):
        pass
    assert within_quota(world, limit)


@pytest.mark.parametrize("tier", TIERS.values(), ids=TIERS)
@pytest.mark.parametrize("moment", [0.0, 0.5, 1.0])
def test_each_tier_is_kept_to_for_two_minutes(tier: Tier, moment: float) -> None:
    limit = Limit("x", tier)
    world = World(cycle(ticks * TICK for ticks in (400, 150, 900, 401, 30)), cycle([moment, 0.25, 1.0, 0.0]))
    for _ in world.ask_all([[limit]] * (2 * tier.steady + 5), workers=60):
        pass
    assert within_quota(world, limit)
    # or else the test says nothing: the quota is used up
    assert world.most_in_a_window(limit, 60.0) == tier.steady


@given(tiers, tiers, latencies, moments, workers, st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=9))
@settings(max_examples=50)
def test_requests_that_draw_on_two_limits_keep_to_both(
    one: Tier, other: Tier, latencies: Iterator[float], moments: Iterator[float], workers: int, kinds: list[str]
) -> None:
    both = {"a": Limit("a", one), "b": Limit("b", other)}
    world = World(latencies, moments)
    kinds += ["ab"]
    requests = ([both[name] for name in kind] for _, kind in zip(range(200), cycle(kinds), strict=False))
    for _ in world.ask_all(requests, workers):
        pass
    assert within_quota(world, *both.values())


def test_a_request_that_was_never_answered_counts_like_any_other() -> None:
    world = World(chain([30.0], repeat(0.0)), repeat(0.0))
    limit = Limit("x", XS)
    assert world.ask(limit) == 0.0
    # it may be counted until its very end, and one window begins anew then
    assert world.ask(limit) == 31.0


# --- never much slower than allowed ---------------------------------------------------------------------


@pytest.mark.parametrize("tier", TIERS.values(), ids=TIERS)
@pytest.mark.parametrize(
    "latencies", [[410], [205, 410, 615], [50, 350, 830]], ids=["even", "some jitter", "much jitter"]
)
def test_at_400_ms_the_steady_rate_is_used_to_97_percent(tier: Tier, latencies: list[int]) -> None:
    world = World(cycle(ticks * TICK for ticks in latencies))
    *_, sent = world.ask_all([[Limit("x", tier)]] * (5 * tier.steady + 1), workers=40)
    # the sixth minute's first request could be sent after five minutes at best
    assert sent <= 5 * 60 / 0.97


@pytest.mark.parametrize("tier", TIERS.values(), ids=TIERS)
@pytest.mark.parametrize("phase", [0, 7, 31, 59])
def test_what_klaviyo_says_of_its_windows_does_not_slow_down_who_is_alone(tier: Tier, phase: int) -> None:
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
    *_, sent = world.ask_all([[Limit("x", tier)]] * (5 * tier.steady + 1), workers=40)
    assert sent <= 5 * 60 / 0.97


def test_the_first_second_takes_a_whole_burst() -> None:
    world = World()
    assert [world.ask(EVENTS) for _ in range(11)] == [0.0] * 10 + [1.0]


def test_after_the_steady_quota_one_waits_for_the_minute() -> None:
    world = World()
    sent = list(world.ask_all([[EVENTS]] * 151, workers=1))
    assert sent[149] == 14.0
    assert sent[150] == 60.0


def test_only_the_last_minute_is_remembered() -> None:
    world = World()
    for _ in world.ask_all([[EVENTS]] * 1000, workers=1):
        pass
    assert len(world.budget._buckets["events"]._answered) <= EVENTS.tier.steady


def test_a_request_without_limits_never_waits() -> None:
    assert World().wait_for() == 0.0


# --- each limit for itself ------------------------------------------------------------------------------


def test_limits_of_one_name_are_one_and_others_are_their_own() -> None:
    world = World()
    assert world.ask(Limit("a", XS)) == 0.0
    assert world.ask(Limit("b", XS)) == 0.0
    assert world.ask(Limit("a", XS)) == 1.0


class Waiting:
    """A thread that waits for a slot of `limits`, of which the first is in use."""

    def __init__(self, *limits: Limit) -> None:
        self.now = 0.0
        self.budget = Budget(clock=lambda: self.now)
        self.budget.acquire(limits[:1])
        self.waits, self.got = threading.Event(), threading.Event()
        inner = self.budget._changed.wait
        self.budget._changed.wait = lambda timeout: (self.waits.set(), inner(timeout))[1]  # type: ignore[method-assign]
        self.thread = threading.Thread(target=self._acquire, args=(limits,), daemon=True)
        self.thread.start()
        assert self.waits.wait(30)

    def _acquire(self, limits: Sequence[Limit]) -> None:
        self.budget.acquire(limits)
        self.got.set()


def test_a_wait_for_one_limit_never_delays_another() -> None:
    slow, fast = Limit("slow", XS), Limit("fast", XS)
    waiting = Waiting(slow, fast)
    # it holds neither the lock nor a slot of the fast limit
    acquired = threading.Thread(target=waiting.budget.acquire, args=([fast],), daemon=True)
    acquired.start()
    acquired.join(30)
    assert not acquired.is_alive()
    assert not waiting.got.is_set()


def test_an_answer_wakes_who_waits_for_its_slot() -> None:
    slow = Limit("slow", XS)
    waiting = Waiting(slow)
    with waiting.budget._changed:
        waiting.budget.release([slow])
        waiting.now += 1.0
    assert waiting.got.wait(30)


# --- pauses ---------------------------------------------------------------------------------------------


def test_a_pause_holds_for_all_requests_of_the_limit_and_no_others() -> None:
    world = World()
    world.budget.pause([EVENTS], 30.0)
    assert world.ask(FLOWS) == 0.0
    assert world.ask(EVENTS) == 30.0
    assert world.ask(EVENTS) == 30.0


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    world = World()
    world.budget.pause([EVENTS], 30.0)
    world.budget.pause([EVENTS], 5.0)
    assert world.ask(EVENTS) == 30.0


def test_a_pause_of_two_limits_holds_for_each() -> None:
    world = World()
    world.budget.pause([EVENTS, FLOWS], 30.0)
    assert world.ask(FLOWS) == 30.0
    assert world.ask(EVENTS) == 30.0


def test_a_pause_holds_for_who_waits_already() -> None:
    slow = Limit("slow", XS)
    waiting = Waiting(slow)
    with waiting.budget._changed:
        waiting.budget.release([slow])
        waiting.budget.pause([slow], 3600.0)
        waiting.waits.clear()
        waiting.now += 1.0
    assert waiting.waits.wait(30)
    assert not waiting.got.is_set()


# --- what answers tell ----------------------------------------------------------------------------------


def learnt(headers: Mapping[str, str], *limits: Limit, in_flight: int = 0) -> World:
    world = World(repeat(1000.0))
    for _ in range(in_flight):
        world.ask(*limits)
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
def test_when_others_use_the_account_one_waits_for_the_windows_end(
    number: int, reset: int, in_flight: int, wait: int
) -> None:
    assert learnt(remaining(number, reset), EVENTS, in_flight=in_flight).wait_for(EVENTS) == wait


def test_a_window_that_ends_soon_does_not_end_a_pause() -> None:
    world = World()
    world.budget.pause([EVENTS], 30.0)
    world.budget.learn([EVENTS], remaining(0, 1))
    assert world.wait_for(EVENTS) == 30


def test_what_one_limit_says_holds_for_no_other() -> None:
    assert learnt(remaining(0, 12), EVENTS).wait_for(FLOWS) == 0


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
def test_nonsense_is_not_obeyed(headers: dict[str, str]) -> None:
    world = learnt(headers, EVENTS)
    assert world.wait_for(EVENTS) == 0
    assert world.wait_for(EVENTS) == 0


def test_headers_may_list_all_windows() -> None:
    headers = {
        "RateLimit-Limit": "100, 10;w=1, 100;w=60",
        "RateLimit-Remaining": "0, 10;w=1, 0;w=60",
        "RateLimit-Reset": "12;w=60",
    }
    assert learnt(headers, EVENTS).wait_for(EVENTS) == 12
    assert per_minute({"RateLimit-Limit": headers["RateLimit-Limit"]}, EVENTS) == 100


def per_minute(headers: Mapping[str, str], *limits: Limit) -> int:
    """How many requests the budget lets through in a minute after it has learnt."""
    world = World()
    world.budget.learn(limits, headers)
    return sum(sent < 60 for sent in world.ask_all([limits] * 200, workers=1))


@pytest.mark.parametrize(
    ("quota", "believed"),
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
def test_a_lower_quota_is_believed(quota: str, believed: int) -> None:
    assert per_minute({"RateLimit-Limit": quota}, EVENTS) == believed


def test_a_lower_quota_is_believed_of_the_tighter_of_two_limits() -> None:
    world = World()
    wide, tight = Limit("wide", L), Limit("tight", M)
    world.budget.learn([wide, tight], {"RateLimit-Limit": "10, 10;w=1, 100;w=60"})
    assert world.budget.usage([tight]) == (0, 100)
    assert world.budget.usage([wide]) == (0, 750)


def test_a_lower_quota_is_forgotten_after_some_minutes() -> None:
    world = World(repeat(1000.0))
    world.budget.learn([EVENTS], {"RateLimit-Limit": "76"})
    assert world.budget.usage([EVENTS]) == (0, 76)
    world.now += LEARNED_SECONDS
    assert world.budget.usage([EVENTS]) == (0, 150)


def test_a_lower_quota_of_the_day_is_believed() -> None:
    world = World()
    reports = Limit("reports", REPORT)
    world.ask(reports)
    world.budget.learn([reports], {"RateLimit-Limit": "1, 1;w=1, 2;w=60, 2;w=86400"})
    world.ask(reports)
    with pytest.raises(DailyQuotaExceeded):
        world.ask(reports)


@pytest.mark.parametrize(("left", "wait"), [(9, 0.0), (1, 0.0), (0, 1.0)])
def test_a_used_up_burst_window_is_over_in_a_second(left: int, wait: float) -> None:
    headers = {
        "RateLimit-Limit": "10, 10;w=1, 150;w=60",
        "RateLimit-Remaining": str(left),
        "RateLimit-Reset": "0",
    }
    assert learnt(headers, EVENTS, in_flight=5).wait_for(EVENTS) == wait
