"""How many windows of a stream are worth reading at once, found while reading."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SPARE = 3
"""Readers beyond what the rate limit takes: some are always busy with the page they have."""
HEADROOM = 2.5
"""Latency is counted as the least of the last pages: the mean would grow with the readers, and they with it."""
RECENT = 20
"""How many pages the latency is told from."""
BUSY = 0.8
"""Processors. Python runs on one at a time: where it is busy, one more reader only takes memory."""
LOAD_SECONDS = 0.25
"""The while over which the load is told."""
PAGES_A_SPLIT = 25
"""A split costs about one page that is not full: at most one for so many pages keeps requests within 4 %."""
WORTHWHILE = 40
"""Pages. A window that seems to hold as many is split whenever another reader is of use."""
FEW = 6
"""Pages. A window that seems to hold fewer is left to its reader."""
LARGEST = 0.9
"""What lies between is split if it seems nearly as large as the largest: towards the end, all are small."""
MANY = 200.0
"""Pages."""
TRUST = 4.0
"""How many pages to come are believed in for each that has been read: the density of one page is a guess."""


class Load:
    """How many processors this process has kept busy, told anew every now and then."""

    def __init__(self) -> None:
        self._since = time.monotonic(), time.process_time()
        self._busy = 0.0

    def __call__(self) -> float:
        """The figure for a while that has just gone by."""
        now = time.monotonic(), time.process_time()
        seconds, busy = (this - then for this, then in zip(now, self._since, strict=True))
        if seconds > LOAD_SECONDS:
            self._busy, self._since = busy / seconds, now
        return self._busy


def pages_to_keep(expected: float) -> float:
    """After how many pages to cut a window that seems to hold so many.

    Half of them suits records that are spread evenly. Where they are not, a reader among many records in little
    time expects millions to come in the rest of its window: the geometric mean of that half and of the pages that
    are surely many gets to where the records are within a few splits.
    """
    return math.sqrt(min(MANY, expected / 2) * expected / 2)


class Parallelism:
    """Decides when a window is to be split.

    Klaviyo takes `rate` requests a second of a stream, and each takes `latency` seconds: their product
    is how many have to be under way to use the limit up. More would only wait. And since each split
    costs about one request more, splits are earned: by pages read, and by pages that the density of the
    data so far lets one expect. Where the processor is busy, a further reader is of no use either.

    Args:
        rate: requests a second that Klaviyo takes in the long run.
        most: the most readers whatever the figures say.
        load: how many processors this process has kept busy of late.
    """

    def __init__(self, rate: float, most: int, load: Callable[[], float] | None = None) -> None:
        self._rate = rate
        self._most = most
        self._load = load or Load()
        self._lock = threading.Lock()
        self._latencies: deque[float] = deque(maxlen=RECENT)
        self._pages = 0
        self._splits = 0
        self._expected: dict[int, float] = {}

    def page_read(self, reader: int, latency: float, expected: float) -> None:
        """A page has been read.

        Args:
            reader: who read it.
            latency: seconds from the question to the answer.
            expected: how many more pages its window seems to hold.
        """
        with self._lock:
            self._pages += 1
            self._latencies.append(latency)
            self._expected[reader] = expected

    @property
    def expected(self) -> float:
        """How many more pages the windows that are being read seem to hold."""
        with self._lock:
            return sum(self._expected.values())

    def window_done(self, reader: int) -> None:
        """A window has been read to its end."""
        with self._lock:
            self._expected.pop(reader, None)

    def wants_another(self, reader: int, active: int) -> bool:
        """Whether the reader that asks should give part of its window away; counts the split if so.

        Args:
            reader: who asks.
            active: windows being read or waiting to be.
        """
        with self._lock:
            own, largest = self._expected.get(reader, 0.0), max(self._expected.values(), default=0.0)
            if own < FEW or own < min(WORTHWHILE, LARGEST * largest):
                return False
            latency = min(self._latencies, default=0.0)
            if active >= min(self._most, SPARE + HEADROOM * self._rate * latency) or self._load() > BUSY:
                return False
            expected = min(sum(self._expected.values()), TRUST * self._pages)
            if (self._splits + 1) * PAGES_A_SPLIT > self._pages + expected:
                return False
            self._splits += 1
            return True
