"""What the requests of one asker have come to: how many, how many again, and how long limits kept them waiting."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from source_klaviyo.api.budget import Limit


class Traffic:
    """Counts requests, from any number of threads.

    Attributes:
        requests: how many have been sent.
        limited: how many of them were sent again because Klaviyo refused them for the rate.
        failed: how many of them were sent again because they failed for another passing reason.
        limits: what they have drawn on, by name.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.requests = self.limited = self.failed = 0
        self.limits: dict[str, Limit] = {}
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting = 0
        self._since = 0.0
        self._waited = 0.0

    @property
    def waited(self) -> float:
        """Seconds in which at least one request waited for its limits; many that wait at once count once."""
        with self._lock:
            return self._waited + (self._clock() - self._since if self._waiting else 0.0)

    def sent(self, limits: Sequence[Limit]) -> None:
        """A request is on its way."""
        with self._lock:
            self.requests += 1
            for limit in limits:
                self.limits.setdefault(limit.name, limit)

    def again(self, *, limited: bool) -> None:
        """A request will be made again: refused for the rate, or failed otherwise."""
        with self._lock:
            self.limited += limited
            self.failed += not limited

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """While this lasts, a request waits for its limits."""
        with self._lock:
            if not self._waiting:
                self._since = self._clock()
            self._waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1
                if not self._waiting:
                    self._waited += self._clock() - self._since
