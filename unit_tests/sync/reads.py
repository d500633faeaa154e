"""Reads in virtual time: readers, windows and Klaviyo's limits without a network, driven by the real planner.

    python -m unit_tests.sync.reads

prints how long reads of many shapes and sizes take, and how many requests they need.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from source_klaviyo.sync.instants import DAY, SECOND, Instant, floor, parse_instant
from source_klaviyo.sync.splitting import SplitPlanner, WindowPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = parse_instant("2026-11-25T12:00:00Z")
START = parse_instant("2012-01-01T00:00:00Z")
MAX_READERS = 64
PAGE = 10
"""Records of a page: few, so that reads of many pages can be simulated."""


class Tier(NamedTuple):
    """Requests that an endpoint takes in a second and in a minute."""

    burst: int
    steady: int


TIERS = {"M": Tier(10, 150), "L": Tier(75, 750), "XL": Tier(350, 3500)}

Instants: TypeAlias = np.ndarray[tuple[int], np.dtype[np.int64]]


class Limits:
    """Klaviyo's two windows as the connector keeps to them: a slot comes back one window after the response."""

    def __init__(self, tier: Tier) -> None:
        self._tier = tier
        self._responses: deque[float] = deque()
        self.in_flight = 0

    def free_at(self, now: float) -> float:
        """Return when the next request may be sent; infinite if only a response can free a slot."""
        while self._responses and self._responses[0] <= now - 60.0:
            self._responses.popleft()
        free = now
        for quota, seconds in ((self._tier.burst, 1.0), (self._tier.steady, 60.0)):
            room = quota - self.in_flight
            if room <= 0:
                return math.inf
            if len(self._responses) >= room:
                free = max(free, self._responses[-room] + seconds)
        return free

    def record_response(self, now: float) -> None:
        self.in_flight -= 1
        self._responses.append(now)


@dataclass
class Window:
    """A window, the progress of its reader, and what is known of its density."""

    number: int
    start: Instant
    end: Instant | None
    place: int
    plan: WindowPlan


@dataclass(frozen=True)
class Read:
    """The cost of a read: seconds, requests, and the most requests that one record after the other went through."""

    seconds: float
    requests: int
    rounds: int


def read(
    instants: Instants,
    tier: Tier,
    *,
    latency: float = 0.3,
    first: bool = True,
    start: Instant = START,
    ends: bool = True,
) -> Read:
    """Read records that carry these dates, in order, from `start` to the present; `ends`: the server takes an end."""
    return _Reading(instants, tier, latency, ends=ends).run(start, first=first)


class _Reading:
    def __init__(self, instants: Instants, tier: Tier, latency: float, *, ends: bool) -> None:
        self._instants = instants
        self._latency = latency
        self._limits = Limits(tier)
        self._ends = ends
        self._planner = SplitPlanner(*tier, MAX_READERS, load=lambda: 0.0)
        self._numbers = count()
        self._waiting: deque[Window] = deque()
        self._open = 0

    def run(self, start: Instant, *, first: bool) -> Read:
        bounds = self._planner.opening_bounds(start, NOW, ends=self._ends) if first else []
        for begin, end in zip([start, *bounds], [*bounds, None], strict=True):
            self._planner.opened(self._add(begin, end).number)
        now, requests, read_records = 0.0, 0, 0
        responses: list[tuple[float, int, Window]] = []
        while self._waiting or responses:
            may_send = bool(self._waiting) and self._limits.in_flight < MAX_READERS
            free = self._limits.free_at(now) if may_send else math.inf
            due = responses[0][0] if responses else math.inf
            if free <= now:
                window = self._waiting.popleft()
                self._limits.in_flight += 1
                requests += 1
                heapq.heappush(responses, (now + self._latency, requests, window))
            elif free < due:
                now = free
            else:
                now, _, window = heapq.heappop(responses)
                self._limits.record_response(now)
                read_records += self._serve(window)
        assert read_records == len(self._instants)
        return Read(now, requests, round(now / self._latency))

    def _add(self, start: Instant, end: Instant | None) -> Window:
        number = next(self._numbers)
        place = int(np.searchsorted(self._instants, start))
        window = Window(number, start, end, place, WindowPlan(self._planner, number, ends=self._ends))
        self._waiting.append(window)
        self._open += 1
        return window

    def _serve(self, window: Window) -> int:
        """Take a page, and return how many of its records lie in the window."""
        total = len(self._instants)
        stop = total if window.end is None else int(np.searchsorted(self._instants, window.end))
        sent = self._instants[window.place : min(window.place + PAGE, stop if self._ends else total)]
        page = sent[: max(stop - window.place, 0)]
        window.place += len(page)
        if len(page) < len(sent) or window.place >= (stop if self._ends else total):
            window.plan.note_last_page(self._latency, len(page) / PAGE)
            self._planner.window_done(window.number)
            self._open -= 1
            return len(page)
        end = NOW if window.end is None else window.end
        first, last = Instant(page[0]), Instant(page[-1])
        position = floor(last, SECOND)
        bounds = window.plan.split_after(first, last, end, self._latency, self._open)
        bounds = [bound for bound in bounds if position < bound < end]
        if bounds:
            for begin, until in zip(bounds, [*bounds[1:], window.end], strict=True):
                new = self._add(begin, until)
                self._planner.expect(new.number, window.plan.expected(begin, NOW if until is None else until))
            window.end = bounds[0]
            window.plan.note_end(position, window.end)
        self._waiting.append(window)
        return len(page)


# --- shapes ---------------------------------------------------------------------------------------------------


def even(records: int, chance: np.random.Generator) -> Instants:
    return chance.integers(START, NOW - DAY, records)


def growing(records: int, chance: np.random.Generator) -> Instants:
    return (NOW - DAY - chance.random(records) ** 3 * (NOW - START - DAY)).astype(np.int64)


def skewed(records: int, chance: np.random.Generator) -> Instants:
    """Return dates of which nine tenths lie in a hundredth of the time."""
    begin = START + int((NOW - START) * chance.uniform(0.05, 0.9))
    dense = chance.integers(begin, begin + (NOW - START) // 100, records - records // 10)
    return np.concatenate([dense, chance.integers(START, NOW - DAY, records // 10)])


def last_hour(records: int, chance: np.random.Generator) -> Instants:
    return chance.integers(NOW - 3600 * SECOND, NOW - 10 * SECOND, records)


def ten_empty_years(records: int, chance: np.random.Generator) -> Instants:
    return chance.integers(NOW - 1500 * DAY, NOW - DAY, records)


def first_day(records: int, chance: np.random.Generator) -> Instants:
    return chance.integers(START, START + DAY, records)


def imports(records: int, chance: np.random.Generator) -> Instants:
    """Return evenly spread dates, but for a tenth in one second."""
    dense = np.full(records // 10, START + int((NOW - START) * chance.uniform(0.1, 0.9)) // SECOND * SECOND)
    return np.concatenate([dense, even(records - records // 10, chance)])


SHAPES: dict[str, Callable[[int, np.random.Generator], Instants]] = {
    "even": even,
    "growing": growing,
    "ten empty years": ten_empty_years,
    "last hour": last_hour,
    "skewed": skewed,
    "first day": first_day,
    "an import": imports,
}


def dates(shape: str, pages: int, seed: int) -> Instants:
    """Return the dates of this many full pages of records, in order."""
    return np.sort(SHAPES[shape](pages * PAGE, np.random.default_rng(seed)))


def bound(pages: int, tier: Tier, latency: float = 0.3) -> float:
    """Return three round trips, and the pages at the highest rate: the lower bound of the time."""
    minutes, rest = divmod(pages, tier.steady)
    return 3 * latency + minutes * 60.0 + rest / tier.burst


def sequence(pages: int, tier: Tier, shape: str, latency: float = 0.3) -> float:
    """The same, but the pages of one second can only be read one after the other."""
    return max(bound(pages, tier, latency), latency * (3 + pages / 10) if shape == "an import" else 0.0)


def rows(sizes: tuple[int, ...], seeds: int = 3) -> Iterator[str]:
    """A line for each size, tier and shape: the worst of some reads."""
    yield f"{'':3}{'pages':>8}{'bound':>9}  " + "".join(f"{shape:>26}" for shape in SHAPES)
    for name, tier in TIERS.items():
        for pages in sizes:
            cells = []
            for shape in SHAPES:
                least = sequence(pages, tier, shape)
                found = [read(dates(shape, pages, seed), tier) for seed in range(seeds)]
                seconds, requests = max(one.seconds for one in found), max(one.requests for one in found)
                cells.append(f"{seconds:7.1f} s {seconds / least:4.1f}x {requests / pages:5.2f} r")
            yield f"{name:3}{pages:8,}{bound(pages, tier):7.1f} s  " + "".join(f"{cell:>26}" for cell in cells)


if __name__ == "__main__":
    for line in rows((1, 5, 20, 70, 300, 1_000, 3_000, 10_000)):
        print(line, flush=True)  # noqa: T201 - its purpose
