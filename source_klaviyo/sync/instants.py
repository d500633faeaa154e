"""Instants: microseconds since 1970-01-01T00:00:00Z.

They are integers, which compare and subtract exactly and fast. For the type checker they are a type of their own, so
that none is confused with a duration. Text is parsed where it enters and written where it leaves.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from typing_extensions import override

    class Instant(int):
        """Microseconds since the epoch, UTC; the difference of two is a duration, in microseconds."""

        @override
        def __add__(self, microseconds: int, /) -> Instant: ...
        @overload
        def __sub__(self, other: Instant, /) -> int: ...  # type: ignore[overload-overlap]
        @overload
        def __sub__(self, microseconds: int, /) -> Instant: ...
        @override
        def __sub__(self, other: int, /) -> int: ...
else:
    Instant = int

Span = tuple[Instant, Instant]
"""A half-open span of time."""

SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR

_NONE = dt.timedelta()
_MICROSECOND = dt.timedelta(microseconds=1)
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - all here is UTC
# the library takes other forms as well, such as the number of a week
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}(:?\d{2})?)?)?", re.ASCII)


def parse_instant(text: str) -> Instant:
    """Read any ISO 8601 date or time; without an offset it counts as UTC.

    Raises:
        ValueError: it is no date, or one beyond the calendar.
    """
    text = text.strip()
    if not _DATE.fullmatch(text):
        raise ValueError(f"{text!r} is not a date")
    try:
        parsed = dt.datetime.fromisoformat(text)
        return Instant(((parsed.replace(tzinfo=None) - (parsed.utcoffset() or _NONE)) - _EPOCH) // _MICROSECOND)
    except (OverflowError, ValueError) as error:
        raise ValueError(f"{text!r} is not a date") from error


def from_seconds(seconds: float) -> Instant:
    """Return the instant that a clock shows in seconds since the epoch."""
    return Instant(seconds * SECOND)


def floor(instant: Instant, unit: int) -> Instant:
    """Return the start of the second, hour or day that contains an instant."""
    return instant - instant % unit


def steps(start: Instant, end: Instant, length: int) -> Iterator[Instant]:
    """Yield `start` and what follows it in steps of this many microseconds, up to `end`."""
    return map(Instant, range(start, end, length))


def merged_spans(spans: Iterable[Span]) -> list[Span]:
    """Return the same time as spans in order that do not touch; empty ones are left out."""
    merged: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((start, end))
    return merged


def _second(instant: Instant) -> str:
    return (_EPOCH + dt.timedelta(seconds=instant // SECOND)).isoformat()


def for_filter(instant: Instant) -> str:
    """Write the whole second as Klaviyo's filters take it: `2026-11-20T10:00:00Z`."""
    return f"{_second(instant)}Z"


def for_state(instant: Instant) -> str:
    """Write the whole second as Airbyte's connector writes it into states: `2026-11-20T10:00:00+0000`."""
    return f"{_second(instant)}+0000"
