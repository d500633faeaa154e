"""Instants: microseconds since 1970-01-01T00:00:00Z, as plain integers.

Integers compare and subtract exactly and at once; text is parsed only where it enters
and written only where it leaves.
"""

from __future__ import annotations

import datetime as dt
import re

Instant = int
"""Microseconds since the epoch, UTC."""

SECOND = 1_000_000
DAY = 86_400 * SECOND

_NONE = dt.timedelta()
_MICROSECOND = dt.timedelta(microseconds=1)
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - all here is UTC
# the standard library reads more forms, such as weeks, some of them only since Python 3.11
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}(:?\d{2})?)?)?", re.ASCII)


def parse_instant(text: str) -> Instant:
    """Read any ISO 8601 date or time; without an offset it counts as UTC.

    Raises:
        ValueError: it is no date, or one beyond the calendar.
    """
    if not _DATE.fullmatch(text.strip()):
        raise ValueError(f"{text!r} is not a date")
    try:
        parsed = dt.datetime.fromisoformat(text.strip())
        return ((parsed.replace(tzinfo=None) - (parsed.utcoffset() or _NONE)) - _EPOCH) // _MICROSECOND
    except (OverflowError, ValueError) as error:
        raise ValueError(f"{text!r} is not a date") from error


def _second(instant: Instant) -> str:
    return (_EPOCH + dt.timedelta(seconds=instant // SECOND)).isoformat()


def for_filter(instant: Instant) -> str:
    """The whole second, as Klaviyo's filters take it: `2026-11-20T10:00:00Z`."""
    return f"{_second(instant)}Z"


def for_state(instant: Instant) -> str:
    """The whole second, as Airbyte's connector writes it into states: `2026-11-20T10:00:00+0000`."""
    return f"{_second(instant)}+0000"


def whole_second(instant: Instant) -> Instant:
    """The start of the second that holds the instant: Klaviyo's filters know nothing finer."""
    return instant - instant % SECOND
