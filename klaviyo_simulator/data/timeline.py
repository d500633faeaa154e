"""When things happened: ten years, denser towards the present, with bursts of equal seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from klaviyo_simulator.protocol.instants import DAY

if TYPE_CHECKING:
    from random import Random

    from numpy.typing import NDArray

_RECENT = 0.01  # the last hundredth of the time, which holds `skew` of the events
_FRESHNESS = 1.3  # how much denser the last hours are than the last weeks
_BURSTS = 12  # bulk imports in the life of the shop
_BURST_SHARE = 0.08  # of all events are bulk imports
_FUTURE_SHARE = 0.002  # of all events are dated ahead, by hours to months


class Timeline:
    """Draws moments between the shop's first day and now."""

    def __init__(self, now: int, years: float, skew: float) -> None:
        self.now = now
        self.span = int(years * 365.25 * DAY)
        self.skew = min(max(skew, 0.0), 1.0)

    def quantile(self, share: float) -> int:
        """The second before which that share of everything happened."""
        early = 1.0 - self.skew
        if share < early:
            age = _RECENT + (1.0 - _RECENT) * (1.0 - share / early) ** 2
        else:
            age = _RECENT * ((1.0 - share) / self.skew) ** _FRESHNESS
        return self.now - max(1, int(age * self.span))

    def some(self, random: Random) -> int:
        """Some second of the past."""
        return self.quantile(random.random())

    def later(self, random: Random, than: int) -> int:
        """Some second between another one and now."""
        return than + int((self.now - 1 - than) * random.random() ** 0.7)

    def events(self, seed: int, count: int) -> NDArray[np.int64]:
        """Seconds in ascending order, with the bursts of bulk imports and some in the future."""
        random = np.random.default_rng(seed)
        future = min(max(int(count * _FUTURE_SHARE), 1), count // 50)
        past = count - future
        # One draw per equal slice of the distribution: ascending without sorting, and smooth at any size.
        shares = (np.arange(past) + random.random(past)) / max(past, 1)
        early = 1.0 - self.skew
        old = _RECENT + (1.0 - _RECENT) * np.maximum(1.0 - shares / max(early, 1e-9), 0.0) ** 2
        new = _RECENT * ((1.0 - shares) / max(self.skew, 1e-9)) ** _FRESHNESS
        ages = np.maximum(np.where(shares < early, old, new) * self.span, 1.0).astype(np.int64)
        seconds = self.now - ages
        for _ in range(_BURSTS if past else 0):
            length = min(past, max(2, int(past * _BURST_SHARE / _BURSTS)))
            at = int(random.integers(past - length + 1))
            seconds[at : at + length] = seconds[at]
        ahead = self.now + 3600 + (180 * DAY * random.random(future) ** 3).astype(np.int64)
        return np.concatenate((seconds, np.sort(ahead)))
