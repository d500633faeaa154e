"""The backoff: how long to wait before a failed request is repeated."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from source_klaviyo.api.errors import TransientError

MAX_BACKOFF_SECONDS = 60.0
"""The longest backoff; a longer Retry-After is cut to it."""


def backoff_seconds(tries: int, error: TransientError) -> float:
    """Return the seconds to wait after so many failed attempts: exponential backoff from one second, with jitter.

    Retry-After is a lower bound; Klaviyo has been seen to send 0 throughout an outage.
    """
    least = min(error.retry_after or 0.0, MAX_BACKOFF_SECONDS) + random.uniform(0.1, 0.5)  # noqa: S311 - no secret
    return max(least, min(2.0 ** (tries - 1), MAX_BACKOFF_SECONDS) * random.uniform(0.75, 1.0))  # noqa: S311
