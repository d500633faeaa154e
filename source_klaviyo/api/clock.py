"""Klaviyo's clock, as the Date headers of its responses show it."""

from __future__ import annotations

import logging
import time
from email.utils import parsedate_to_datetime

logger = logging.getLogger("airbyte")

CLOCK_SAMPLES = 5
"""Responses whose dates are compared, in case one of them is wrong."""
MIN_LEAD_SECONDS = 2
"""A smaller difference is ignored: the header has whole seconds, and is as old as the latency."""
WARNING_SECONDS = 300
"""A larger difference is worth a warning."""


class Clock:
    """The lead of Klaviyo's clock over the host's: the smallest that recent responses show.

    If the clock is taken for slower than it is, some records are read again; if for faster, a state could cover records
    that do not exist yet.
    """

    def __init__(self) -> None:
        self._leads: tuple[float, ...] = ()
        self._warned = False

    def learn(self, date: str | None) -> None:
        """Learn from the `Date` header of a response; an invalid one is ignored."""
        try:
            ahead = parsedate_to_datetime(date or "").timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return
        self._leads = (*self._leads, ahead if abs(ahead) > MIN_LEAD_SECONDS else 0.0)[-CLOCK_SAMPLES:]
        if abs(ahead) > WARNING_SECONDS and not self._warned:
            self._warned = True
            logger.warning(
                "The clock of this machine is %s %s Klaviyo's: states keep to the one that is behind, so some records "
                "may be read again. Set the machine's clock.",
                _readable(abs(ahead)),
                "behind" if ahead > 0 else "ahead of",
            )

    def now(self) -> float:
        """Return the time by Klaviyo's clock, by the host's before the first response. Seconds since the epoch."""
        return time.time() + self._ahead

    def certain_now(self) -> float:
        """Return the time by the clock that is behind, the host's or Klaviyo's. Seconds since the epoch."""
        return time.time() + min(self._ahead, 0.0)

    @property
    def _ahead(self) -> float:
        return min(self._leads, default=0.0)


def _readable(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("hours", 3_600)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 60:.0f} minutes"
