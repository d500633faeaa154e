"""The rate limiter: it spaces requests so that Klaviyo has no reason for a 429 response.

Klaviyo counts each endpoint's requests per account in two fixed windows, of one second (burst) and of one minute
(steady), and counts a request at some moment between its sending and its response. So a slot is taken when a request is
sent and comes back one window after its response: then no window of Klaviyo's, wherever it begins, can hold more
requests than its quota. That costs latency / 60 s of the steady rate (0.7 % at 400 ms), and nothing has to be known
about when Klaviyo's windows begin.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from source_klaviyo.api.errors import DailyQuotaExceeded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

BURST_SECONDS = 1.0
STEADY_SECONDS = 60.0
DAY_SECONDS = 86_400.0
LEARNED_SECONDS = 300.0
"""A quota that responses have lowered counts for this long; then the tier's is tried again."""


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier of Klaviyo's: requests per second (burst), per minute (steady) and, for reports, per day."""

    burst: int
    steady: int
    daily: int | None = None


XS = Tier(1, 15)
S = Tier(3, 60)
M = Tier(10, 150)
L = Tier(75, 750)
XL = Tier(350, 3500)
REPORT = Tier(1, 2, 225)


@dataclass(frozen=True, slots=True)
class Limit:
    """A rate limit that requests count against: an endpoint's own, or one that endpoints share."""

    name: str
    tier: Tier


class _Bucket:
    """The requests of this process that count against one limit. Times are monotonic seconds."""

    def __init__(self, limit: Limit) -> None:
        self._tier = {BURST_SECONDS: limit.tier.burst, STEADY_SECONDS: limit.tier.steady, DAY_SECONDS: limit.tier.daily}
        self._learned: dict[float, tuple[int, float]] = {}
        self.left_today = limit.tier.daily
        self.in_flight = 0
        self.paused_until = 0.0
        self._responses: deque[float] = deque()

    def quota(self, window: float, now: float) -> int | None:
        """Return the requests that a window of this many seconds allows; None if the limit has no such window."""
        quota, until = self._learned.get(window, (0, 0.0))
        return quota if now < until else self._tier.get(window)

    def lower(self, window: float, quota: int, now: float) -> None:
        """Use a quota below the tier's for some minutes: the response may be wrong, or the lower quota temporary."""
        tier = self._tier.get(window) or 0
        if window == DAY_SECONDS and self.left_today is not None:
            self.left_today = max(0, min(self.left_today, quota - (tier - self.left_today)))
        elif 0 < quota < tier:
            self._learned[window] = quota, now + LEARNED_SECONDS

    def delay(self, now: float) -> float:
        """Return the seconds until a slot is free; infinity if only a response can free one."""
        self._forget(now)
        burst, steady = (self._free_in(window, now) for window in (BURST_SECONDS, STEADY_SECONDS))
        return max(self.paused_until - now, burst, steady)

    def used(self, now: float) -> int:
        """Return how many slots of the last minute are taken."""
        self._forget(now)
        return len(self._responses) + self.in_flight

    def _forget(self, now: float) -> None:
        while self._responses and self._responses[0] <= now - STEADY_SECONDS:
            self._responses.popleft()

    def _free_in(self, window: float, now: float) -> float:
        free = (self.quota(window, now) or 1) - self.in_flight
        if free <= 0:
            return float("inf")
        return self._responses[-free] + window - now if len(self._responses) >= free else 0.0

    def record_response(self, now: float) -> None:
        """Record the response to a request."""
        self.in_flight -= 1
        self._responses.append(now)


class Budget:
    """The slots of each rate limit of one account, shared by all threads of a sync."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}
        self._changed = threading.Condition()

    def acquire(self, limits: Sequence[Limit]) -> None:
        """Wait until each limit has a free slot, and take one of each.

        Waiting for one limit never delays a request that counts against others.

        Raises:
            DailyQuotaExceeded: the daily quota is exhausted, which is too long to wait for.
        """
        with self._changed:
            buckets = list(self._of(limits))
            while True:
                if any(bucket.left_today == 0 for bucket in buckets):
                    raise DailyQuotaExceeded("Klaviyo's quota of reports of this kind is used up for today.")
                delay = max((bucket.delay(self._clock()) for bucket in buckets), default=0.0)
                if delay <= 0:
                    break
                self._changed.wait(None if delay == float("inf") else delay)
            for bucket in buckets:
                bucket.in_flight += 1
                if bucket.left_today is not None:
                    bucket.left_today -= 1

    def release(self, limits: Sequence[Limit]) -> None:
        """Let the slots come back one window from now: the response has come, or never will."""
        with self._changed:
            for bucket in self._of(limits):
                bucket.record_response(self._clock())
            self._changed.notify_all()

    def usage(self, limits: Sequence[Limit]) -> tuple[int, int]:
        """Return the requests of the last minute, and the quota, of the most used of these limits; (0, 0) of none."""
        with self._changed:
            now = self._clock()
            uses = [(bucket.used(now), bucket.quota(STEADY_SECONDS, now) or 1) for bucket in self._of(limits)]
            return max(uses, key=lambda use: use[0] / use[1], default=(0, 0))

    def exhaust_daily_quota(self, limits: Sequence[Limit]) -> bool:
        """Count the daily quota of these limits as exhausted; return whether there is one."""
        with self._changed:
            daily = [bucket for bucket in self._of(limits) if bucket.left_today is not None]
            for bucket in daily:
                bucket.left_today = 0
            self._changed.notify_all()
            return bool(daily)

    def pause(self, limits: Sequence[Limit], seconds: float) -> None:
        """Send no request before `seconds` have passed, since Klaviyo record_response one with 429."""
        with self._changed:
            for bucket in self._of(limits):
                bucket.paused_until = max(bucket.paused_until, self._clock() + seconds)

    def learn(self, limits: Sequence[Limit], headers: Mapping[str, str]) -> None:
        """Adjust to the RateLimit headers of a response, in either of their forms.

        Klaviyo sends `RateLimit-Limit: 350, 350;w=1, 3500;w=60` (reports also `225;w=86400`), where Remaining counts
        the burst window and Reset is 0 (recorded responses). Its guide describes plain numbers about the steady window.
        A quota below the tier's is used for some minutes; a higher one is ignored.
        """
        counted = _number(headers.get("RateLimit-Limit"))
        windows = re.findall(r"(\d{1,9})\s*;\s*w=(\d{1,6})\b", headers.get("RateLimit-Limit", ""))
        quotas = {float(window): int(quota) for quota, window in windows}
        counts_burst = bool(quotas) and quotas.get(BURST_SECONDS) == counted
        remaining, reset = _number(headers.get("RateLimit-Remaining")), _number(headers.get("RateLimit-Reset"))
        if counted is not None and not windows:
            quotas[STEADY_SECONDS] = counted
        with self._changed:
            now, buckets = self._clock(), list(self._of(limits))
            for window, quota in quotas.items():
                known = [(found, bucket) for bucket in buckets if (found := bucket.quota(window, now)) is not None]
                # a response names one of the limits that its request counts against, which can only be the tightest
                for _, tightest in sorted(known, key=lambda one: one[0])[:1]:
                    # a plain number that is no higher than the burst would be that of another window
                    if windows or quota > (tightest.quota(BURST_SECONDS, now) or 0):
                        tightest.lower(window, quota, now)
            if remaining is None or reset is None or reset > STEADY_SECONDS:
                return
            for bucket in buckets:
                if counts_burst:
                    # with nothing left, the burst window is over in a second at most
                    pause = BURST_SECONDS if remaining == 0 else 0.0
                else:
                    # fewer left than are in flight: another program uses the account
                    pause = float(reset) if remaining < bucket.in_flight or remaining == 0 else 0.0
                bucket.paused_until = max(bucket.paused_until, now + pause)

    def _of(self, limits: Sequence[Limit]) -> Iterator[_Bucket]:
        for limit in limits:
            bucket = self._buckets.get(limit.name)
            if bucket is None:
                bucket = self._buckets[limit.name] = _Bucket(limit)
            yield bucket


_shared: WeakValueDictionary[int, Budget] = WeakValueDictionary()
_sharing = threading.Lock()


def shared_budget(*installation: str) -> Budget:
    """Return the budget of an installed OAuth app, the same for all clients that this process makes of it.

    Klaviyo gives each app a quota of its own in each account, apart from that of the account's keys.
    Source: https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling.

    Args:
        installation: identifies the app and the account.
    """
    with _sharing:
        budget = _shared.get(hash(installation))
        if budget is None:
            budget = _shared[hash(installation)] = Budget()
        return budget


def _number(header: str | None) -> int | None:
    """Read the leading integer of a RateLimit header (`149`, or `149, 9;w=1`)."""
    found = re.match(r"\s*(\d{1,9})", header or "")
    return int(found.group(1)) if found else None
