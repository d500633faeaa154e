"""Reads in virtual time: readers, windows and Klaviyo's limits without a network, driven by the real planner.

    python -m unit_tests.sync.reads

prints how long reads of many shapes and sizes take, and how many requests they need.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from dataclasses import dataclass, field
from itertools import count, pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from source_klaviyo.sync.instants import DAY, SECOND, parse_instant, whole_second
from source_klaviyo.sync.splitting import PageTime, SplitPlanner, cuts, opening_bounds

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

Instants = "np.ndarray[tuple[int], np.dtype[np.int64]]"


class Limits:
    """Klaviyo's two windows as the connector keeps to them: a slot comes back one window after the answer."""

    def __init__(self, tier: Tier) -> None:
        self._tier = tier
        self._answered: deque[float] = deque()
        self.in_flight = 0

    def free_at(self, now: float) -> float:
        """When the next request may be sent; infinite if an answer has to come first."""
        while self._answered and self._answered[0] <= now - 60.0:
            self._answered.popleft()
        free = now
        for quota, seconds in ((self._tier.burst, 1.0), (self._tier.steady, 60.0)):
            room = quota - self.in_flight
            if room <= 0:
                return math.inf
            if len(self._answered) >= room:
                free = max(free, self._answered[-room] + seconds)
        return free

    def answered(self, now: float) -> None:
        self.in_flight -= 1
        self._answered.append(now)


@dataclass
class Window:
    """A window and how far its reader has come."""

    number: int
    start: int
    end: int | None
    place: int
    page_time: PageTime = field(default_factory=PageTime)


@dataclass(frozen=True)
class Read:
    """What a read took: seconds, requests, and the most requests that one record after the other went through."""

    seconds: float
    requests: int
    rounds: int


def read(instants: Instants, tier: Tier, *, latency: float = 0.3, first: bool = True, start: int = START) -> Read:
    """Read records that carry these dates, in order, from `start` to the present."""
    return _Reading(instants, tier, latency).run(start, first=first)


class _Reading:
    def __init__(self, instants: Instants, tier: Tier, latency: float) -> None:
        self._instants = instants
        self._latency = latency
        self._limits = Limits(tier)
        self._planner = SplitPlanner(*tier, MAX_READERS, load=lambda: 0.0)
        self._numbers = count()
        self._waiting: deque[Window] = deque()
        self._open = 0

    def run(self, start: int, *, first: bool) -> Read:
        opening = self._planner.opening_windows(1) if first else 1
        bounds = [start, *opening_bounds(start, NOW, opening), None]
        for begin, end in pairwise(bounds):
            self._planner.opened(self._add(begin or start, end).number)
        now, requests, read_records = 0.0, 0, 0
        answers: list[tuple[float, int, Window]] = []
        while self._waiting or answers:
            may_send = bool(self._waiting) and self._limits.in_flight < MAX_READERS
            free = self._limits.free_at(now) if may_send else math.inf
            due = answers[0][0] if answers else math.inf
            if free <= now:
                window = self._waiting.popleft()
                self._limits.in_flight += 1
                requests += 1
                heapq.heappush(answers, (now + self._latency, requests, window))
            elif free < due:
                now = free
            else:
                now, _, window = heapq.heappop(answers)
                self._limits.answered(now)
                read_records += self._answer(window)
        assert read_records == len(self._instants)
        return Read(now, requests, round(now / self._latency))

    def _add(self, start: int, end: int | None) -> Window:
        window = Window(next(self._numbers), start, end, int(np.searchsorted(self._instants, start)))
        self._waiting.append(window)
        self._open += 1
        return window

    def _answer(self, window: Window) -> int:
        stop = len(self._instants) if window.end is None else int(np.searchsorted(self._instants, window.end))
        page = self._instants[window.place : min(window.place + PAGE, stop)]
        window.place += len(page)
        fill = len(page) / PAGE
        if window.place >= stop:
            self._planner.page_read(window.number, self._latency, 0.0, fill)
            self._planner.window_done(window.number)
            self._open -= 1
            return len(page)
        position = whole_second(int(page[-1]))
        window.page_time.add(int(page[0]), int(page[-1]))
        end = NOW if window.end is None else window.end
        covered = window.page_time.microseconds
        expected = (end - position) / covered
        self._planner.page_read(window.number, self._latency, expected, fill)
        pieces, believed = self._planner.windows(window.number, self._open)
        bounds = cuts(position, end, covered, expected, believed, pieces) if pieces > 1 else []
        if bounds:
            for begin, until in zip(bounds, [*bounds[1:], window.end], strict=True):
                new = self._add(begin, until)
                self._planner.expect(new.number, ((NOW if until is None else until) - begin) / covered)
            window.end = bounds[0]
            self._planner.expect(window.number, (window.end - position) / covered)
        self._waiting.append(window)
        return len(page)


# --- shapes ---------------------------------------------------------------------------------------------------


def even(records: int, chance: np.random.Generator) -> Instants:
    return chance.integers(START, NOW - DAY, records)


def growing(records: int, chance: np.random.Generator) -> Instants:
    return (NOW - DAY - chance.random(records) ** 3 * (NOW - START - DAY)).astype(np.int64)


def skewed(records: int, chance: np.random.Generator) -> Instants:
    """Nine tenths of the records in a hundredth of the time."""
    begin = START + int((NOW - START) * chance.uniform(0.05, 0.9))
    dense = chance.integers(begin, begin + (NOW - START) // 100, records - records // 10)
    return np.concatenate([dense, chance.integers(START, NOW - DAY, records // 10)])


def last_hour(records: int, chance: np.random.Generator) -> Instants:
    return chance.integers(NOW - 3600 * SECOND, NOW - 10 * SECOND, records)


def ten_empty_years(records: int, chance: np.random.Generator) -> Instants:
    return chance.integers(NOW - 1500 * DAY, NOW - DAY, records)


def first_day(records: int, chance: np.random.Generator) -> Instants:
    return chance.integers(START, START + DAY, records)


SHAPES: dict[str, Callable[[int, np.random.Generator], Instants]] = {
    "even": even,
    "growing": growing,
    "ten empty years": ten_empty_years,
    "last hour": last_hour,
    "skewed": skewed,
    "first day": first_day,
}


def dates(shape: str, pages: int, seed: int) -> Instants:
    """The dates of so many full pages of records, in order."""
    return np.sort(SHAPES[shape](pages * PAGE, np.random.default_rng(seed)))


def bound(pages: int, tier: Tier, latency: float = 0.3) -> float:
    """Three round trips, and the pages at the highest rate: the least that one could hope for."""
    minutes, rest = divmod(pages, tier.steady)
    return 3 * latency + minutes * 60.0 + rest / tier.burst


def rows(sizes: tuple[int, ...], seeds: int = 3) -> Iterator[str]:
    """A line for each size, tier and shape: the worst of some reads."""
    yield f"{'':3}{'pages':>8}{'bound':>9}  " + "".join(f"{shape:>26}" for shape in SHAPES)
    for name, tier in TIERS.items():
        for pages in sizes:
            least = bound(pages, tier)
            cells = []
            for shape in SHAPES:
                found = [read(dates(shape, pages, seed), tier) for seed in range(seeds)]
                seconds, requests = max(one.seconds for one in found), max(one.requests for one in found)
                cells.append(f"{seconds:7.1f} s {seconds / least:4.1f}x {requests / pages:5.2f} r")
            yield f"{name:3}{pages:8,}{least:7.1f} s  " + "".join(f"{cell:>26}" for cell in cells)


if __name__ == "__main__":
    for line in rows((1, 5, 20, 70, 300, 1_000, 3_000, 10_000)):
        print(line, flush=True)  # noqa: T201 - this is what it is for
