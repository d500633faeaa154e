"""How many windows of a stream are worth reading at once, found while reading."""

from __future__ import annotations

import threading

SPARE = 2
"""Readers beyond what the rate limit takes: some are always busy with the page they have."""
HEADROOM = 1.5
"""Latency varies; the mean would leave the limit unused half of the time."""
PAGES_A_SPLIT = 25
"""A split costs about one page that is not full: at most one for so many pages keeps requests within 4 %."""
TRUST = 4.0
"""How many pages to come are believed in for each that has been read: the density of one page is a guess."""


class Parallelism:
    """Decides when a window is to be split.

    Klaviyo takes `rate` requests a second of a stream, and each takes `latency` seconds: their product
    is how many have to be under way to use the limit up. More would only wait. And since each split
    costs about one request more, splits are earned: by pages read, and by pages that the density of the
    data so far lets one expect.

    Args:
        rate: requests a second in the long run.
        most: the most readers whatever the figures say.
    """

    def __init__(self, rate: float, most: int) -> None:
        self._rate = rate
        self._most = most
        self._lock = threading.Lock()
        self._latency = 0.0
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
            self._latency = latency if self._pages == 1 else 0.8 * self._latency + 0.2 * latency
            self._expected[reader] = expected

    def window_done(self, reader: int) -> None:
        """A window has been read to its end."""
        with self._lock:
            self._expected.pop(reader, None)

    def wants_another(self, active: int) -> bool:
        """Whether the reader that asks should give half of its window away; counts the split if so.

        Args:
            active: windows being read or waiting to be.
        """
        with self._lock:
            if active >= min(self._most, SPARE + HEADROOM * self._rate * self._latency):
                return False
            expected = min(sum(self._expected.values()), TRUST * self._pages)
            if (self._splits + 1) * PAGES_A_SPLIT > self._pages + expected:
                return False
            self._splits += 1
            return True
