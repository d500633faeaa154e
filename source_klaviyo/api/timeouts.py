"""Timeouts for the start of a response.

One response in ten or twenty of Klaviyo's may never come, while the others take less than ten seconds. So the first
timeout is short if responses have been quick, and each further one is longer: a slow response succeeds as well.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from source_klaviyo.api.budget import Limit

MIN_SECONDS = 10.0
"""The shortest timeout."""
DEFAULT_SECONDS = 30.0
"""The timeout before the first response."""
MIN_REPORT_SECONDS = 60.0
"""The shortest timeout of endpoints with a daily quota, which each retry uses up."""
MAX_SECONDS = 120.0
"""The longest timeout."""
LATENCY_FACTOR = 5.0
"""The timeout as a multiple of the slowest recent latency."""
RECENT_RESPONSES = 20


class Timeouts:
    """Timeouts of requests, from the latency of earlier responses of the same endpoint."""

    def __init__(self) -> None:
        self._latencies: dict[tuple[Limit, ...], deque[float]] = {}

    def learn(self, limits: Sequence[Limit], latency: float) -> None:
        """Learn from the seconds that a successful response took to begin."""
        self._latencies.setdefault(tuple(limits), deque(maxlen=RECENT_RESPONSES)).append(latency)

    def seconds(self, limits: Sequence[Limit], failures: int) -> float:
        """Return the timeout of a request in seconds.

        Args:
            limits: the limits that the request counts against, which identify the endpoint.
            failures: how often the request has failed.
        """
        latencies = self._latencies.get(tuple(limits))
        least = MIN_REPORT_SECONDS if any(limit.tier.daily for limit in limits) else MIN_SECONDS
        first = max(least, LATENCY_FACTOR * max(latencies) if latencies else DEFAULT_SECONDS)
        return min(first * 2.0 ** min(failures, 10), MAX_SECONDS)
