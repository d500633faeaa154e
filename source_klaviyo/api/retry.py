"""The retry policy: which failed requests are repeated, how often, and after what backoff."""

from __future__ import annotations

import random
import time

from source_klaviyo.api.errors import (
    DailyQuotaExceeded,
    KlaviyoError,
    RateLimited,
    ResponseTooLarge,
    TokenUnavailable,
    TransientError,
)

MAX_BACKOFF_SECONDS = 60.0
"""The longest backoff; a longer Retry-After is cut to it."""
MAX_ATTEMPTS = 11
"""Attempts of a request that fails with transient errors; with the backoff, about four minutes."""
MAX_ATTEMPTS_TOO_LARGE = 3
"""Attempts if the response is too large and cannot be requested in smaller pages."""
MAX_RETRY_SECONDS = 600.0
"""Seconds after which a failing request is given up, however few its attempts: each may have timed out."""
RATE_LIMITS_PER_ATTEMPT = 3
"""429 responses that count as one failed attempt: another client may be using the account."""


def backoff_seconds(attempts: int, error: TransientError) -> float:
    """Return the backoff after this many failed attempts: exponential from one second, with jitter.

    Retry-After is a lower bound; Klaviyo has been seen to send 0 throughout an outage.
    """
    least = min(error.retry_after or 0.0, MAX_BACKOFF_SECONDS) + random.uniform(0.1, 0.5)  # noqa: S311 - no secret
    return max(least, min(2.0 ** (attempts - 1), MAX_BACKOFF_SECONDS) * random.uniform(0.75, 1.0))  # noqa: S311


class RetryPolicy:
    """The retry policy of one request: counts its failed attempts, and decides whether and when to repeat it.

    Args:
        max_attempts: attempts if it fails with transient errors.
        max_too_large: attempts if the response is too large.
        rate_limits_per_attempt: 429 responses that count as one failed attempt.

    Attributes:
        failures: failed attempts, apart from 429 responses.
    """

    def __init__(
        self,
        max_attempts: int,
        max_too_large: int = MAX_ATTEMPTS_TOO_LARGE,
        rate_limits_per_attempt: int = RATE_LIMITS_PER_ATTEMPT,
    ) -> None:
        self._max_attempts = max_attempts
        self._max_too_large = max_too_large
        self._rate_limits_per_attempt = rate_limits_per_attempt
        self.failures = self._rate_limits = 0
        self._since: float | None = None

    def backoff(self, error: KlaviyoError, paused: float = 0.0) -> float:
        """Count a failed attempt and return the seconds to wait before the next one.

        Args:
            error: why it failed.
            paused: seconds since the first attempt that do not count as an outage.

        Raises:
            KlaviyoError: the request is given up; `error` itself if a retry would not help.
        """
        if not isinstance(error, TransientError) or isinstance(error, DailyQuotaExceeded | TokenUnavailable):
            raise error
        if isinstance(error, RateLimited):
            self._rate_limits += 1
        else:
            self.failures += 1
        now = time.monotonic() - paused
        self._since = now if self._since is None else self._since
        is_too_large = isinstance(error, ResponseTooLarge)
        attempts = self.failures + self._rate_limits // self._rate_limits_per_attempt
        is_exhausted = attempts >= (self._max_too_large if is_too_large else self._max_attempts)
        made = self.failures + self._rate_limits
        if is_exhausted or now - self._since > MAX_RETRY_SECONDS:
            if made == 1 or is_too_large:
                raise error
            raise type(error)(f"{error} Given up after {made} attempts: run the sync again later.")
        return backoff_seconds(made, error)
