"""Request stats: requests, retries, and the time spent waiting for limits."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from source_klaviyo.api.budget import Limit


class RequestStats:
    """Counts requests, from any number of threads.

    Attributes:
        requests: requests sent.
        limited: requests repeated after a 429 response.
        failed: requests repeated after another transient error.
        limits: the limits that they count against, by name.
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
    def wait_seconds(self) -> float:
        """Return the seconds in which at least one request waited for a limit."""
        with self._lock:
            return self._waited + (self._clock() - self._since if self._waiting else 0.0)

    def record_request(self, limits: Sequence[Limit]) -> None:
        """Count a request that is about to be sent."""
        with self._lock:
            self.requests += 1
            for limit in limits:
                self.limits.setdefault(limit.name, limit)

    def record_retry(self, *, limited: bool) -> None:
        """Count a retry, after a 429 response or another transient error."""
        with self._lock:
            self.limited += limited
            self.failed += not limited

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time in which a request waits for a limit."""
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
