"""Moments are integers, microseconds since 1970; here they become text and back."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

SECOND = 1_000_000
DAY = 86400

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# RFC 3339 with upper-case letters, as the filter guide asks; an offset is part of it.
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d*)?(Z|[+-]\d\d:\d\d)")


def instant_of(text: str) -> int | None:
    """The moment that an RFC 3339 text names, or None if it is none."""
    found = _RFC3339.fullmatch(text)
    if not found:
        return None
    whole, fraction, offset = found.groups()
    try:
        parsed = datetime.fromisoformat(whole + ("+00:00" if offset == "Z" else offset))
    except ValueError:
        return None
    return (parsed - _EPOCH) // timedelta(seconds=1) * SECOND + int((fraction or "").ljust(6, "0"))


cached_instant_of = lru_cache(maxsize=65536)(instant_of)
"""For the moments inside records, which are asked for again and again."""


def iso(seconds: int) -> str:
    """A whole second in the form of most of Klaviyo's attributes."""
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()


def iso_micro(moment: int) -> str:
    """A moment with its microseconds."""
    return (_EPOCH + timedelta(microseconds=moment)).isoformat(timespec="microseconds")


@lru_cache(maxsize=8192)
def day_text(day: int) -> str:
    """The date of the n-th day since 1970."""
    return (_EPOCH + timedelta(days=day)).date().isoformat()


def seconds_of(when: datetime) -> float:
    """Seconds since 1970; a moment without zone is taken as UTC."""
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
