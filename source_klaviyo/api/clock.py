"""Klaviyo's clock, as far as its answers tell it."""

from __future__ import annotations

DATES = 5
"""Answers whose dates are compared, should one of them be wrong."""


class Clock:
    """How far Klaviyo's clock is ahead of ours, in seconds: the least that its last answers say.

    If the clock is slow, some records are read again; if it is fast, a state could cover records that do not exist yet.
    """

    def __init__(self) -> None:
        self._said: tuple[float, ...] = ()

    def learn(self, ahead: float) -> None:
        """Note what one more answer says."""
        self._said = (*self._said, ahead)[-DATES:]

    @property
    def ahead(self) -> float:
        """Seconds; 0 before the first answer."""
        return min(self._said, default=0.0)
