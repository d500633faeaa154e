"""Conversion of instants, which are microseconds since 1970 as integers, from and to text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

SECOND = 1_000_000
DAY = 86400

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Klaviyo's filter guide requires RFC 3339 with upper-case letters and an offset.
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d*)?(Z|[+-]\d\d:\d\d)")


def instant_of(text: str) -> int | None:
    """Parse an RFC 3339 text; None if it is invalid."""
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
"""The same with a cache, for the dates of records, which are compared repeatedly."""


def iso(seconds: int) -> str:
    """Format a second since 1970 like most of Klaviyo's attributes."""
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()


def iso_micro(instant: int) -> str:
    """Format an instant with its microseconds."""
    return (_EPOCH + timedelta(microseconds=instant)).isoformat(timespec="microseconds")


@lru_cache(maxsize=8192)
def day_text(day: int) -> str:
    """Return the date of the n-th day since 1970."""
    return (_EPOCH + timedelta(days=day)).date().isoformat()


def seconds_of(when: datetime) -> float:
    """Return the seconds since 1970; a datetime without a time zone is in UTC."""
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
