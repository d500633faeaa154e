"""A clock, and a Klaviyo that counts the requests of a rate limiter, so that no test waits."""

from __future__ import annotations

import heapq
import math
from itertools import repeat
from typing import TYPE_CHECKING

from source_klaviyo.api.budget import Budget, Limit, M

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

EVENTS = Limit("events", M)
FLOWS = Limit("flows", M)


class World:
    """A clock, requests under way, and the moments at which Klaviyo counts them.

    It replaces the budget's condition: when a thread would wait, the clock moves on to the end of
    the wait or to the next response, whichever comes first.

    Args:
        latencies: seconds from each request to its response.
        moments: when each request is counted: 0 when it is sent, 1 when its response is sent.
        headers: those of the response to a request that was counted then.
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
            self.receive()
        else:
            assert end < math.inf, "nothing would ever wake it"
            self.now = end

    def send(self, *limits: Limit) -> float:
        """Send a request as soon as the budget allows it; return when that was."""
        self.budget.acquire(limits)
        latency = next(self._latencies)
        counted = self.now + next(self._moments) * latency
        for limit in limits:
            self.counted.setdefault(limit.name, []).append(counted)
        self._sent += 1
        heapq.heappush(self.under_way, (self.now + latency, self._sent, limits, counted))
        return self.now

    def receive(self) -> None:
        """Let the next response arrive."""
        self.now, _, limits, counted = heapq.heappop(self.under_way)
        self.budget.release(limits)
        self.budget.learn(limits, self._headers(counted))

    def send_all(self, requests: Iterable[Sequence[Limit]], workers: int) -> Iterator[float]:
        """Send requests with this many workers; yield when each was sent."""
        for limits in requests:
            while len(self.under_way) >= workers:
                self.receive()
            yield self.send(*limits)

    def most_in_a_window(self, limit: Limit, seconds: float) -> int:
        """Return the most requests that a fixed window of Klaviyo's can have counted, wherever its windows begin."""
        counted = sorted(self.counted[limit.name])
        first = most = 0
        for last, moment in enumerate(counted):
            while moment - counted[first] >= seconds:
                first += 1
            most = max(most, last - first + 1)
        return most

    def wait_for(self, *limits: Limit) -> float:
        """Return the seconds that a request has to wait now."""
        before = self.now
        return self.send(*limits) - before
