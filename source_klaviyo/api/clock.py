"""Klaviyo's clock, as far as its answers tell it."""

from __future__ import annotations

import logging
import time
from email.utils import parsedate_to_datetime

logger = logging.getLogger("airbyte")

DATES = 5
"""Answers whose dates are compared, should one of them be wrong."""
NOTICED, WORTH_A_WARNING = 2, 300
"""Seconds. The header has whole seconds and is some latency old: less says nothing, and minutes are worth a warning."""


class Clock:
    """The lead of Klaviyo's clock over the host's: the smallest that recent responses show.

    If it is taken for slower than it is, some records are read again; if for faster, a state could cover records that
    do not exist yet.
    """

    def __init__(self) -> None:
        self._said: tuple[float, ...] = ()
        self._warned = False

    def learn(self, date: str | None) -> None:
        """Note the `Date` of one more answer; what is no date counts as none."""
        try:
            ahead = parsedate_to_datetime(date or "").timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return
        self._said = (*self._said, ahead if abs(ahead) > NOTICED else 0.0)[-DATES:]
        if abs(ahead) > WORTH_A_WARNING and not self._warned:
            self._warned = True
            logger.warning(
                "The clock of this machine is %s %s Klaviyo's: states keep to the one that is behind, so some records "
                "may come again. Set the machine's clock.",
                _readable(abs(ahead)),
                "behind" if ahead > 0 else "ahead of",
            )

    def now(self) -> float:
        """Return the time by Klaviyo's clock, by the host's before the first answer. Seconds since the epoch."""
        return time.time() + self._ahead

    def certain_now(self) -> float:
        """Return the time by the clock that is behind, the host's or Klaviyo's. Seconds since the epoch."""
        return time.time() + min(self._ahead, 0.0)

    @property
    def _ahead(self) -> float:
        return min(self._said, default=0.0)


def _readable(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("hours", 3_600)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 60:.0f} minutes"
