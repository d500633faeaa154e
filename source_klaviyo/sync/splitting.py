"""Decide the concurrency of a read: whether, where and into how many windows to split what is left.

A read takes as long as its slowest window, so a window that would take longer than all the rest is split among workers
while it is read. How many pages it still holds is an estimate: its pages so far show how much time a page covers. Each
window ends with a page that is not full, which costs half a request; so requests are spent to save time where the
minute's quota is not the limit, and hardly any where it is. The constants come from
`unit_tests/sync/test_splitting.py`, which simulates reads of many shapes and sizes.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from itertools import accumulate
from typing import TYPE_CHECKING

from source_klaviyo.sync.instants import HOUR, SECOND, Instant, floor

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTE_SECONDS = 60.0
YOUNGEST_WINDOW = 3 * HOUR
"""The age at which the youngest of the first windows begins."""
MAX_OPENING_WINDOWS = 14
OPENING_SHARE = 0.01
"""The share of a minute's requests that the first windows may take."""

MIN_PAGES = 0.8
"""Pages. A window that seems to hold fewer is left to its reader."""
MIN_PAGES_IF_SCARCE = 6.0
"""The same if the minute's quota is the limit."""
LONG_PAGES = 4.0
"""Pages. A window that seems to hold as many may cost more than the usual share of requests, while they are plenty."""

SPARE_READERS, READERS_PER_REQUEST = 2, 1.2
"""Readers beyond those that the rate takes at the present latency: some are always busy with the page they have."""
PAGES_BELIEVED = 2.0
"""Pages to come that are believed in for each that has been read."""
PARTIAL_PAGE, PAGE_BEYOND = 0.5, 1.0
"""The average empty share of a window's last page; and the pages past the end if there is no upper bound."""
WASTE_IF_SCARCE = 0.025
"""Requests that may be spent on pages that are not full, for each page, where the minute's quota decides."""
WASTE, WASTE_AT_ONCE, WASTE_OF_MINUTE = 0.25, 16, 0.02
"""The same if it does not: for each page, and in advance, but at most this share of the minute's quota."""
WASTE_FOR_LONG = 0.4
"""Additional requests that may be spent, for each page, on windows of many pages."""
MOSTLY, WASTE_IF_IDLE, MIN_WASTE_IF_IDLE = 0.5, 0.02, 0.025
"""If most readers are idle, this much is spent in addition, and no less than the last share of the window's own pages:
one of them reads a long window alone."""
RELIABLE = 3.0
"""An estimate that exceeds the pages believed in by this factor does not show how the records are spread."""
GROWTH = 2.5
"""The factor by which each window is longer than the one before, if their records may lie anywhere."""

PAGES_OF_DENSITY = 5
"""Pages that the density of a window is taken from: one may hold an import of a single second."""
RECENT_PAGES = 20
"""Pages that the latency is taken from: the least, since the mean would grow with the readers, and they with it."""
BUSY = 0.8
"""Processors. Python runs on one at a time: if it is busy, one more reader only takes memory."""
LOAD_SECONDS = 0.25


class Load:
    """The number of processors that this process keeps busy, measured every quarter of a second."""

    def __init__(self) -> None:
        self._since = time.monotonic(), time.process_time()
        self._busy = 0.0

    def __call__(self) -> float:
        """Return the figure for the last moments."""
        now = time.monotonic(), time.process_time()
        seconds, busy = (this - then for this, then in zip(now, self._since, strict=True))
        if seconds > LOAD_SECONDS:
            self._busy, self._since = busy / seconds, now
        return self._busy


class SplitPlanner:
    """The estimates for all windows of a stream, and how many requests may be spent on splitting them.

    Args:
        burst: requests that Klaviyo takes in a second.
        steady: requests that Klaviyo takes in a minute.
        max_readers: the most windows to read at once.
        load: returns how many processors are busy.
    """

    def __init__(self, burst: int, steady: int, max_readers: int, load: Callable[[], float] | None = None) -> None:
        self._burst = burst
        self._steady = steady
        self._max_readers = max_readers
        self._load = load or Load()
        self._lock = threading.Lock()
        self._latencies: deque[float] = deque(maxlen=RECENT_PAGES)
        self._opening: set[int] = set()
        self._expected: dict[int, float] = {}
        self._pages = 0.0
        self._wasted = 0.0

    def opening_bounds(self, start: Instant, now: Instant, partitions: int = 1, *, ends: bool = True) -> list[Instant]:
        """Return where to split the time of a partition at a first read: the older a window, the longer.

        Args:
            start: where the read begins.
            now: where it ends.
            partitions: how many partitions are read.
            ends: whether the server takes the end of a window.
        """
        share = int(OPENING_SHARE * self._steady) + 1
        most = min(self._max_readers, self._burst, share, MAX_OPENING_WINDOWS)
        count = (most if ends else most // 2) // max(partitions, 1)
        span = now - start
        if count < 2 or span <= 2 * YOUNGEST_WINDOW:
            return []
        growth = (span / YOUNGEST_WINDOW) ** (1 / (count - 1))
        bounds = {floor(now - int(YOUNGEST_WINDOW * growth**number), SECOND) for number in range(count - 1)}
        return sorted(bound for bound in bounds if bound > start)

    def opened(self, reader: int) -> None:
        """Note one of the first windows: before each has shown a page, little is known of where the records lie."""
        with self._lock:
            self._opening.add(reader)

    def page_read(self, reader: int, latency: float, expected: float, fill: float = 1.0) -> None:
        """Note a page.

        Args:
            reader: who read it.
            latency: seconds from the request to the response.
            expected: how many more pages the reader's window seems to hold.
            fill: how full it is, from 0 to 1.
        """
        with self._lock:
            self._opening.discard(reader)
            self._latencies.append(latency)
            self._pages += fill
            self._wasted += 1.0 - fill
            self._expected[reader] = expected

    def expect(self, reader: int, pages: float) -> None:
        """Note how many pages a window is expected to hold that has not been read yet."""
        with self._lock:
            self._expected[reader] = pages

    def window_done(self, reader: int) -> None:
        """Note that a window has been read to its end."""
        with self._lock:
            self._opening.discard(reader)
            self._expected.pop(reader, None)

    @property
    def expected(self) -> float:
        """Return the expected number of further pages of all windows being read."""
        with self._lock:
            return sum(self._expected.values())

    def windows(self, reader: int, open_windows: int, cost: float = PARTIAL_PAGE) -> tuple[int, float]:
        """Return into how many windows to split what a reader has left, and how many pages of it are believed in.

        Args:
            reader: the worker that asks.
            open_windows: windows being read or waiting to be.
            cost: requests that a window costs in addition to its pages.
        """
        with self._lock:
            own = self._expected.get(reader, 0.0)
            expected = max(sum(self._expected.values()), own)
            believed = self._believed(expected)
            is_scarce = self._pages + believed > self._steady
            min_pages = MIN_PAGES_IF_SCARCE if is_scarce else MIN_PAGES
            if self._opening or own < min_pages or self._load() > BUSY:
                return 1, own
            rate = self._steady / MINUTE_SECONDS if is_scarce else float(self._burst)
            latency = min(self._latencies, default=0.0)
            readers = min(self._max_readers, SPARE_READERS + READERS_PER_REQUEST * rate * latency)
            # useful is what makes no window take longer than all the rest, and leaves no slot unused
            as_long_as_the_rest = own * latency / max(expected / rate, latency, 1e-9)
            idle = max(readers - open_windows, 0.0)
            share = own / expected
            affordable = self._affordable(own, expected) - cost * open_windows
            if idle > MOSTLY * readers:
                affordable += WASTE_IF_IDLE * (self._pages + believed)
                affordable = max(affordable, MIN_WASTE_IF_IDLE * cost * believed * share)
            count = min(
                max(math.ceil(as_long_as_the_rest), math.ceil(1 + idle * share)),
                1 + self._max_readers - open_windows,
                1 + int(affordable / cost),
                int(believed * share / (MIN_PAGES_IF_SCARCE / 2 if is_scarce else MIN_PAGES)),
            )
            return max(1, count), believed * share

    def has_room(self, open_windows: int, cost: float = PARTIAL_PAGE) -> bool:
        """Return whether one more window may be read, although its contents are unknown.

        Args:
            open_windows: windows being read or waiting to be.
            cost: requests that a window costs in addition to its pages.
        """
        with self._lock:
            affordable = self._affordable(0.0, sum(self._expected.values())) - cost * open_windows
            return open_windows < self._max_readers and affordable >= cost and self._load() <= BUSY

    def _believed(self, expected: float) -> float:
        return min(expected, PAGES_BELIEVED * self._pages)

    def _affordable(self, own: float, expected: float) -> float:
        """Return how many requests may be spent on pages that are not full."""
        total = self._pages + self._believed(expected)
        left = 0.97 * self._steady - total
        plenty = min(WASTE * total + min(WASTE_AT_ONCE, WASTE_OF_MINUTE * self._steady), left)
        seems_scarce = self._pages + expected > self._steady
        if seems_scarce and total <= self._steady:
            plenty = min(plenty, WASTE_IF_SCARCE / 2 * self._steady + 0.1 * self._pages)
        if own >= LONG_PAGES and self._pages + expected < 0.7 * self._steady:
            plenty += WASTE_FOR_LONG * total
        return max(WASTE_IF_SCARCE * total, plenty) - self._wasted


class PageTime:
    """The time that a page of a window covers, estimated from its last pages.

    Pages of a single second do not count: they come from an import, and do not show how dense the time after it is.
    """

    def __init__(self) -> None:
        self._covered: deque[int] = deque(maxlen=PAGES_OF_DENSITY)

    def add(self, first: Instant, last: Instant) -> None:
        """Note a page by its first and its last record."""
        if floor(first, SECOND) != floor(last, SECOND):
            self._covered.append(max(last - first, SECOND))

    @property
    def microseconds(self) -> int | None:
        """Return the time that the next page may cover; None if it is unknown.

        A page of much denser records counts more than those before it.
        """
        if not self._covered:
            return None
        average = sum(self._covered) / len(self._covered)
        return int(math.sqrt(average * min(self._covered[-1], average)))


class WindowPlan:
    """The expected pages of the rest of one window, and where to split it.

    Args:
        planner: that of the stream.
        reader: who reads the window.
        ends: whether the server takes the end of a window.
    """

    def __init__(self, planner: SplitPlanner, reader: int, *, ends: bool = True) -> None:
        self._planner = planner
        self._reader = reader
        self._cost = PARTIAL_PAGE if ends else PARTIAL_PAGE + PAGE_BEYOND
        self._page_time = PageTime()
        self._dense: Instant | None = None

    def split_after(
        self, first: Instant, last: Instant, end: Instant, latency: float, open_windows: int
    ) -> list[Instant]:
        """Note a page that another one follows, and return where to split what is left of the window.

        Args:
            first: the instant of the page's first record.
            last: that of its last record.
            end: where the window ends.
            latency: seconds from the request to the response.
            open_windows: windows being read or waiting to be.
        """
        position = floor(last, SECOND)
        self._page_time.add(first, last)
        expected = self.expected(position, end)
        self._planner.page_read(self._reader, latency, expected)
        if floor(first, SECOND) == position:
            return self._behind(position, end, open_windows)
        count, believed = self._planner.windows(self._reader, open_windows, self._cost)
        return cuts(position, end, self._page_time.microseconds or SECOND, expected, believed, count)

    def note_last_page(self, latency: float, fill: float) -> None:
        """Note a page after which there is nothing to split, and how full it is, from 0 to 1."""
        self._planner.page_read(self._reader, latency, 0.0, fill)

    def note_end(self, position: Instant, end: Instant) -> None:
        """Note the new end of the window, now that it has been split."""
        self._planner.expect(self._reader, self.expected(position, end))

    def expected(self, start: Instant, end: Instant) -> float:
        """Return how many pages a part of the window seems to hold."""
        page = self._page_time.microseconds
        return max(end - start, 0) / page if page else 1.0

    def _behind(self, second: Instant, end: Instant, open_windows: int) -> list[Instant]:
        """Return the end of a second that fills pages, and that cannot be split: the rest is for another worker."""
        bound = second + SECOND
        if self._dense == second or end - bound <= SECOND or not self._planner.has_room(open_windows, self._cost):
            return []
        self._dense = second
        return [bound]


def cuts(position: Instant, end: Instant, page: int, expected: float, believed: float, count: int) -> list[Instant]:
    """Return where to split what is left of a window into `count` windows, or fewer.

    Records that are spread evenly are split evenly. If the estimate is far higher than what can be believed, a reader
    has come among many records in little time, and it is unknown how far they reach: then each window is longer than
    the one before.

    Args:
        position: how far the window has been read.
        end: where it ends.
        page: how much time a page covers, in microseconds.
        expected: how many pages the rest seems to hold.
        believed: how many of them are believed in.
        count: how many windows, at most.
    """
    if count < 2:
        return []
    rest = end - position
    lengths = [rest / count] * count
    first = max(1.0, believed / count) * page
    if expected > RELIABLE * believed and first * count < rest:
        needed = 1 + math.ceil(math.log(max(rest / first, 2.0), GROWTH))
        lengths = _growing(first, rest, min(count, needed))
    bounds = {floor(Instant(at), SECOND) for at in accumulate(lengths[:-1], initial=float(position))}
    return sorted(bound for bound in bounds if position + SECOND < bound < end)


def _growing(first: float, rest: float, count: int) -> list[float]:
    """Return `count` lengths that grow from the first by one factor, and take up the rest together."""
    low, high = 1.0, rest / first
    for _ in range(60):
        factor = math.sqrt(low * high)
        total = first * (factor**count - 1) / (factor - 1) if factor > 1 + 1e-9 else first * count
        low, high = (low, factor) if total > rest else (factor, high)
    return [first * high**number for number in range(count)]
