"""A budget of bytes for the pages in memory, shared by all streams."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMORY_BYTES = 32_000_000
"""Bytes of all pages between the network and the output's queue."""
STALLED_SECONDS = 2.0
"""Seconds without any memory released after which the output counts as stalled."""


class MemoryBudget:
    """The memory that all readers together may hold; beyond it they wait.

    When the total is used up, one reader at a time may exceed it. Otherwise readers that hold some memory and need
    more could wait for each other. So the maximum is the total and one page.

    Args:
        total: bytes.
    """

    def __init__(self, total: int = MEMORY_BYTES) -> None:
        self._total = total
        self._used = 0
        self._waiting = 0
        self._exceeding: Hold | None = None
        self._released = monotonic()
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, free: int = 0) -> Iterator[Hold]:
        """Hold memory, none at first.

        Args:
            free: bytes that are not counted.
        """
        hold = Hold(self, free)
        try:
            yield hold
        finally:
            hold.resize(0)

    def resize(self, hold: Hold, size: int) -> None:
        """Give a reader more or less memory, after a wait if there is not enough."""
        with self._changed:
            more = size - hold.size
            if more > 0:
                self._wait_for(hold, more)
            hold.size = size
            self._used += more
            if self._exceeding is hold and (size == 0 or self._used <= self._total):
                self._exceeding = None
            if more < 0:
                self._released = monotonic()
                self._changed.notify_all()

    def wait_while_stalled(self, hold: Hold) -> None:
        """Wait while readers wait for memory that none releases, since the output is blocked."""
        with self._changed:
            while self._waiting and monotonic() - self._released > STALLED_SECONDS:
                self._wait(hold)

    def _wait_for(self, hold: Hold, more: int) -> None:
        self._waiting += 1
        try:
            while self._used + more > self._total:
                if self._exceeding in {None, hold}:
                    self._exceeding = hold
                    return
                self._wait(hold)
        finally:
            self._waiting -= 1

    def _wait(self, hold: Hold) -> None:
        since = monotonic()
        self._changed.wait()
        hold.wait_seconds += monotonic() - since


class Hold:
    """The memory of one reader.

    Attributes:
        size: bytes that are counted.
        wait_seconds: time spent waiting for memory.
    """

    def __init__(self, budget: MemoryBudget, free: int) -> None:
        self.size = 0
        self.wait_seconds = 0.0
        self._budget = budget
        self._free = free

    def resize(self, size: int) -> None:
        """Hold this many bytes from now on; wait for them if they are more than before."""
        self._budget.resize(self, max(0, size - self._free))

    def wait_while_stalled(self) -> None:
        """Wait while the output is blocked, so that no response waits on an open connection meanwhile.

        Readers with free bytes do not wait: they may be those that hold up the output.
        """
        if not self._free:
            self._budget.wait_while_stalled(self)
