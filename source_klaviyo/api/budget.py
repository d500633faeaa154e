"""Klaviyo's rate limits: what may be asked now without ever earning a 429.

Klaviyo counts each endpoint's requests per account in two fixed windows, of one second (burst) and of
one minute (steady), and counts a request at some moment between its sending and its answer. A slot is
therefore taken when a request is sent and comes back one window after it was answered: then no window
of Klaviyo's, wherever it begins, can hold more requests than its quota. That costs latency / 60 s of the
steady rate (0.7 % at 400 ms), and nothing has to be known about when Klaviyo's windows begin.
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
"""A quota that answers have lowered counts for so long; then the tier's is tried again."""


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier of Klaviyo's rate limits: requests per second (burst), per minute (steady) and, for reports, per day."""

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
    """A quota that requests draw on: an endpoint's own, or one that endpoints share."""

    name: str
    tier: Tier


class _Bucket:
    """The use of one limit, as seen from here. Times are monotonic seconds."""

    def __init__(self, limit: Limit) -> None:
        self._tier = {BURST_SECONDS: limit.tier.burst, STEADY_SECONDS: limit.tier.steady}
        self._learned: dict[float, tuple[int, float]] = {}
        self._daily = limit.tier.daily
        self.left_today = limit.tier.daily
        self.in_flight = 0
        self.paused_until = 0.0
        self._answered: deque[float] = deque()

    def quota(self, window: float, now: float) -> int | None:
        """Return the requests that a window of so many seconds allows; None if the limit has no such window."""
        if window == DAY_SECONDS:
            return self._daily
        quota, until = self._learned.get(window, (0, 0.0))
        return quota if now < until else self._tier.get(window)

    def lower(self, window: float, quota: int, now: float) -> None:
        """Believe a quota below the tier's for some minutes: it may be an odd answer, or others' use that passes."""
        if window == DAY_SECONDS and self._daily is not None and self.left_today is not None:
            used = self._daily - self.left_today
            self.left_today = max(0, min(self.left_today, quota - used))
        elif 0 < quota < self._tier.get(window, 0):
            self._learned[window] = quota, now + LEARNED_SECONDS

    def delay(self, now: float) -> float:
        """Seconds until a slot is free; infinite when only an answer can free one."""
        self._forget(now)
        free = [self._free_in(self.quota(window, now) or tier, window, now) for window, tier in self._tier.items()]
        return max(self.paused_until - now, *free)

    def used(self, now: float) -> int:
        """The slots of the last minute that are taken."""
        self._forget(now)
        return len(self._answered) + self.in_flight

    def _forget(self, now: float) -> None:
        while self._answered and self._answered[0] <= now - STEADY_SECONDS:
            self._answered.popleft()

    def _free_in(self, quota: int, window: float, now: float) -> float:
        room = quota - self.in_flight
        if room <= 0:
            return float("inf")
        if len(self._answered) < room:
            return 0.0
        return self._answered[-room] + window - now

    def answered(self, now: float) -> None:
        self.in_flight -= 1
        self._answered.append(now)


class Budget:
    """The slots of all limits of one account, shared by all threads of a sync."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}
        self._changed = threading.Condition()

    def acquire(self, limits: Sequence[Limit]) -> float:
        """Wait until each limit has a free slot and take one of each; returns the seconds waited.

        Waiting for one limit never holds up a request that draws on others.

        Raises:
            DailyQuotaExceeded: the daily quota is exhausted, which is too long to wait for.
        """
        with self._changed:
            began = self._clock()
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
            return self._clock() - began

    def release(self, limits: Sequence[Limit]) -> None:
        """The answer is here (or will never come): the slots come back one window from now."""
        with self._changed:
            for bucket in self._of(limits):
                bucket.answered(self._clock())
            self._changed.notify_all()

    def usage(self, limits: Sequence[Limit]) -> tuple[int, int]:
        """Of these limits, the one used most: requests of the last minute, and how many it takes; (0, 0) of none."""
        with self._changed:
            now = self._clock()
            uses = [(bucket.used(now), bucket.quota(STEADY_SECONDS, now) or 1) for bucket in self._of(limits)]
            return max(uses, key=lambda use: use[0] / use[1], default=(0, 0))

    def exhaust_daily_quota(self, limits: Sequence[Limit]) -> bool:
        """Klaviyo wants hours of patience: where there is a quota of the day, it is used up; whether there is one."""
        with self._changed:
            daily = [bucket for bucket in self._of(limits) if bucket.left_today is not None]
            for bucket in daily:
                bucket.left_today = 0
            self._changed.notify_all()
            return bool(daily)

    def pause(self, limits: Sequence[Limit], seconds: float) -> None:
        """Klaviyo refused a request: nobody asks again before `seconds` have passed."""
        with self._changed:
            for bucket in self._of(limits):
                bucket.paused_until = max(bucket.paused_until, self._clock() + seconds)

    def learn(self, limits: Sequence[Limit], headers: Mapping[str, str]) -> None:
        """Adjust to the RateLimit headers of an answer, in either of their forms.

        Klaviyo sends `RateLimit-Limit: 350, 350;w=1, 3500;w=60` (reports also `225;w=86400`), where Remaining counts
        the burst window and Reset is 0 (recorded answers). Its guide describes plain numbers about the steady window.
        A quota below the tier's is believed for some minutes; a higher one never is.
        """
        remaining, reset = _number(headers.get("RateLimit-Remaining")), _number(headers.get("RateLimit-Reset"))
        policy = _Policy.read(headers.get("RateLimit-Limit"))
        with self._changed:
            now, buckets = self._clock(), list(self._of(limits))
            for window, quota in policy.quotas.items():
                known = [(found, bucket) for bucket in buckets if (found := bucket.quota(window, now)) is not None]
                # an answer names one of the limits that its request draws on, which can only be the tightest
                for _, tightest in sorted(known, key=lambda one: one[0])[:1]:
                    # a plain number that is no higher than the burst would be that of another window
                    if policy.names_windows or quota > (tightest.quota(BURST_SECONDS, now) or 0):
                        tightest.lower(window, quota, now)
            if remaining is None or reset is None or reset > STEADY_SECONDS:
                return
            for bucket in buckets:
                if policy.counts_burst:
                    # with nothing left, the burst window is over in a second at most
                    pause = BURST_SECONDS if remaining == 0 else 0.0
                else:
                    # fewer left than are in flight: somebody else uses the account
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
        installation: what tells the app and the account.
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


@dataclass(frozen=True, slots=True)
class _Policy:
    """Parse a RateLimit-Limit header.

    Attributes:
        quotas: the quota of each window, by its length in seconds.
        names_windows: whether it says which windows these are.
        counts_burst: whether Remaining and Reset are about the burst window.
    """

    quotas: Mapping[float, int]
    names_windows: bool
    counts_burst: bool

    @classmethod
    def read(cls, header: str | None) -> _Policy:
        """Read `350, 350;w=1, 3500;w=60`, whose first number is that of the window counted, or a plain `3500`."""
        counted = _number(header)
        listed = re.findall(r"(\d{1,9})\s*;\s*w=(\d{1,6})\b", header or "")
        quotas = {float(window): int(quota) for quota, window in listed}
        if not quotas and counted is not None:
            return cls({STEADY_SECONDS: counted}, names_windows=False, counts_burst=False)
        return cls(quotas, names_windows=True, counts_burst=quotas.get(BURST_SECONDS, -1) == counted)
