"""Klaviyo's rate limits: fixed windows of a second (burst), a minute (steady) and, for reports, a day."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from klaviyo_simulator.rules.declarations import Rate

_BURST, _STEADY, _DAILY = 1.0, 60.0, 86400.0
_MAX_INITIAL_AGE = 0.25  # of a daily window when it is first used, as a share of its length


class Window:
    """A fixed window of `length` seconds with `limit` requests."""

    def __init__(self, length: float, limit: int, phase: float) -> None:
        self.length = length
        self.limit = limit
        self._phase = phase
        self._number: int | None = None
        self._used = 0

    def remaining(self, now: float, other_usage: float) -> int:
        """Return the free requests of the window that contains `now`."""
        number = math.floor((now - self._phase) / self.length)
        if number != self._number:
            # Another client of the account uses its share at the start of the window.
            self._number, self._used = number, int(self.limit * other_usage)
        return self.limit - self._used

    def use(self) -> None:
        """Count a request."""
        self._used += 1

    def ends_in(self, now: float) -> float:
        """Return the seconds until the next window."""
        return self.length - (now - self._phase) % self.length


class Usage(NamedTuple):
    """The state of an endpoint's own bucket after a request."""

    wait: int | None  # seconds until a retry, if the request was throttled
    limits: str = ""  # requests of each window, with its length in seconds
    remaining: int = 0  # in the burst window

    def headers(self) -> dict[str, str]:
        """Return the rate limit headers of a response that was not throttled.

        All recorded responses name every window, count the burst window, and have a reset of 0.
        """
        return {"RateLimit-Limit": self.limits, "RateLimit-Remaining": str(self.remaining), "RateLimit-Reset": "0"}


class Limits:
    """All buckets of an account: each has a burst and a steady window, some also a daily one."""

    def __init__(self, random: Random, phase: float | None) -> None:
        self._random = random
        self._phase = phase
        self._buckets: dict[str, list[Window]] = {}

    def take(
        self, buckets: Sequence[tuple[str, Rate]], now: float, other_usage: float, daily: int | None = None
    ) -> Usage:
        """Count a request in all its buckets, or throttle it and count nothing.

        The endpoint's own bucket comes first. `daily` replaces the daily quota of the rates.
        """
        windows = [window for name, rate in buckets for window in self._bucket(name, rate, now, daily)]
        full = [window for window in windows if window.remaining(now, other_usage) <= 0]
        if full:
            return Usage(wait=max(1, math.ceil(max(window.ends_in(now) for window in full))))
        for window in windows:
            window.use()
        own = self._buckets[buckets[0][0]]
        limits = ", ".join([str(own[0].limit), *(f"{window.limit};w={window.length:.0f}" for window in own)])
        return Usage(None, limits, own[0].remaining(now, other_usage))

    def _bucket(self, name: str, rate: Rate, now: float, daily: int | None) -> list[Window]:
        if name not in self._buckets:
            self._buckets[name] = [
                Window(_BURST, rate.burst, self._phase_of(_BURST)),
                Window(_STEADY, rate.steady, self._phase_of(_STEADY)),
            ]
            if rate.daily is not None:
                self._buckets[name].append(Window(_DAILY, rate.daily, self._day_start(now)))
        windows = self._buckets[name]
        if rate.daily is not None and daily is not None:
            windows[-1].limit = daily
        return windows

    def _phase_of(self, length: float) -> float:
        # Klaviyo does not say when its windows begin, so clients must not rely on it.
        return self._random.random() * length if self._phase is None else self._phase

    def _day_start(self, now: float) -> float:
        # A daily window is young when it is first used, so that exhausting it means hours of waiting.
        return now - self._random.random() * _DAILY * _MAX_INITIAL_AGE if self._phase is None else self._phase
