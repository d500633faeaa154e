"""The distribution of dates: denser towards the present, with bursts of equal seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from klaviyo_simulator.protocol.instants import DAY

if TYPE_CHECKING:
    from random import Random

    from numpy.typing import NDArray

_RECENT_SHARE = 0.01  # share of the time that has `skew` of the events
_RECENT_DENSITY = 1.3  # exponent; above 1, the last hours are denser than the last weeks
_BURST_COUNT = 12  # bulk imports
_BURST_SHARE = 0.08  # share of events in bulk imports
_FUTURE_SHARE = 0.002  # share of events dated hours to months in the future


class Timeline:
    """A distribution of seconds between the shop's first day and now."""

    def __init__(self, now: int, years: float, skew: float) -> None:
        self.now = now
        self.span = int(years * 365.25 * DAY)
        self.skew = min(max(skew, 0.0), 1.0)

    def quantile(self, share: float) -> int:
        """Return the second before which a share of all dates are."""
        early = 1.0 - self.skew
        if share < early:
            age = _RECENT_SHARE + (1.0 - _RECENT_SHARE) * (1.0 - share / early) ** 2
        else:
            age = _RECENT_SHARE * ((1.0 - share) / self.skew) ** _RECENT_DENSITY
        return self.now - max(1, int(age * self.span))

    def draw(self, random: Random) -> int:
        """Return a random second in the past."""
        return self.quantile(random.random())

    def draw_after(self, random: Random, second: int) -> int:
        """Return a random second between a given one and now."""
        return second + int((self.now - 1 - second) * random.random() ** 0.7)

    def events(self, seed: int, count: int) -> NDArray[np.int64]:
        """Return ascending seconds, with the bursts of bulk imports and some in the future."""
        random = np.random.default_rng(seed)
        future = min(max(int(count * _FUTURE_SHARE), 1), count // 50)
        past = count - future
        # One draw for each equal slice of the distribution is ascending without sorting, and smooth at any size.
        shares = (np.arange(past) + random.random(past)) / max(past, 1)
        early = 1.0 - self.skew
        old = _RECENT_SHARE + (1.0 - _RECENT_SHARE) * np.maximum(1.0 - shares / max(early, 1e-9), 0.0) ** 2
        new = _RECENT_SHARE * ((1.0 - shares) / max(self.skew, 1e-9)) ** _RECENT_DENSITY
        ages = np.maximum(np.where(shares < early, old, new) * self.span, 1.0).astype(np.int64)
        seconds = self.now - ages
        for _ in range(_BURST_COUNT if past else 0):
            length = min(past, max(2, int(past * _BURST_SHARE / _BURST_COUNT)))
            at = int(random.integers(past - length + 1))
            seconds[at : at + length] = seconds[at]
        ahead = self.now + 3600 + (180 * DAY * random.random(future) ** 3).astype(np.int64)
        return np.concatenate((seconds, np.sort(ahead)))
