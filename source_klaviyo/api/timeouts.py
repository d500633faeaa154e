"""Timeouts for the start of a response.

One answer in ten or twenty of Klaviyo's may never come, while good ones take less than ten seconds. So the first wait
is short where answers have been quick, and each further one is longer: an answer that takes long succeeds as well.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from source_klaviyo.api.budget import Limit

MIN_SECONDS = 10.0
"""The shortest wait."""
FIRST_SECONDS = 30.0
"""The wait as long as no answer has come."""
REPORT_SECONDS = 60.0
"""The shortest wait at endpoints with a daily quota, which each repeated request uses up."""
MAX_SECONDS = 120.0
"""The longest wait."""
LATENCIES = 5.0
"""Factor of the slowest recent latency to wait."""
RECENT_ANSWERS = 20


class Timeouts:
    """Timeouts of requests, from the latency of earlier answers of the same endpoint."""

    def __init__(self) -> None:
        self._latencies: dict[tuple[str, ...], deque[float]] = {}

    def learn(self, limits: Sequence[Limit], latency: float) -> None:
        """Note how many seconds a good answer took to begin."""
        self._latencies.setdefault(_key(limits), deque(maxlen=RECENT_ANSWERS)).append(latency)

    def seconds(self, limits: Sequence[Limit], failures: int) -> float:
        """Return the seconds to wait for an answer.

        Args:
            limits: the limits that the request draws on, which tell endpoints apart.
            failures: how often the request has failed.
        """
        latencies = self._latencies.get(_key(limits))
        least = REPORT_SECONDS if any(limit.tier.daily for limit in limits) else MIN_SECONDS
        first = max(least, LATENCIES * max(latencies) if latencies else FIRST_SECONDS)
        return min(first * 2.0 ** min(failures, 10), MAX_SECONDS)


def _key(limits: Sequence[Limit]) -> tuple[str, ...]:
    return tuple(limit.name for limit in limits)
