"""Timeframes of reports: whole days of the account, both the first and the last of them included."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from klaviyo_simulator.protocol.errors import invalid_body

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

POINTER = "/data/attributes/timeframe"
SEGMENTS_SINCE = date(2023, 6, 1)

_DAY = timedelta(days=1)
# Offsets are ignored, so their form does not matter either: Airbyte's connector sends +0000.
_DATETIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?")
_LONGEST = {"hourly": 7, "daily": 60, "monthly": 52 * 7}  # days, by interval


class Timeframe(NamedTuple):
    """Days from the first to the last."""

    first: date
    last: date

    @property
    def length(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1

    def days(self) -> list[date]:
        """All its days."""
        return [self.first + n * _DAY for n in range(self.length)]


def monday(day: date) -> date:
    """The first day of a week."""
    return day - day.weekday() * _DAY


def months_before(day: date, months: int) -> date:
    """The same day some months earlier, or the last day of that month."""
    number = day.year * 12 + day.month - 1 - months
    first = date(number // 12, number % 12 + 1, 1)
    following = date((number + 1) // 12, (number + 1) % 12 + 1, 1)
    return first + min(day.day - 1, (following - first).days - 1) * _DAY


def _ago(days: int) -> Callable[[date], Timeframe]:
    return lambda today: Timeframe(today - (days - 1) * _DAY, today)


def _since(first: Callable[[date], date]) -> Callable[[date], Timeframe]:
    return lambda today: Timeframe(first(today), today)


def _before(first: Callable[[date], date], back: Callable[[date], date]) -> Callable[[date], Timeframe]:
    """The week, month or year before the present one."""
    return lambda today: Timeframe(back(first(today)), first(today) - _DAY)


KEYS: Mapping[str, Callable[[date], Timeframe]] = {
    "today": _ago(1),
    "yesterday": lambda today: Timeframe(today - _DAY, today - _DAY),
    "this_week": _since(monday),
    "last_week": _before(monday, lambda day: day - 7 * _DAY),
    "this_month": _since(lambda day: day.replace(day=1)),
    "last_month": _before(lambda day: day.replace(day=1), lambda day: months_before(day, 1)),
    "this_year": _since(lambda day: day.replace(month=1, day=1)),
    "last_year": _before(lambda day: day.replace(month=1, day=1), lambda day: months_before(day, 12)),
    "last_7_days": _ago(7),
    "last_30_days": _ago(30),
    "last_90_days": _ago(90),
    "last_365_days": _ago(365),
    "last_3_months": _since(lambda day: months_before(day, 3) + _DAY),
    "last_12_months": _since(lambda day: months_before(day, 12) + _DAY),
}
"""What each key stands for; where a week begins and what "last" includes, the document does not say."""


def read(given: object, today: date) -> Timeframe:
    """The timeframe of a body."""
    if not isinstance(given, dict) or set(given) not in ({"key"}, {"start", "end"}):
        raise invalid_body(POINTER, "A timeframe is either a key, or a start and an end.")
    if "key" in given:
        if not isinstance(given["key"], str) or given["key"] not in KEYS:
            raise invalid_body(f"{POINTER}/key", f"'{given['key']}' is not a timeframe; there are {', '.join(KEYS)}.")
        return KEYS[given["key"]](today)
    start, end = (_local(given[name], name) for name in ("start", "end"))
    if end < start:
        raise invalid_body(POINTER, "The end of the timeframe is before its start.")
    if end.date() > today:
        raise invalid_body(f"{POINTER}/end", "The end of the timeframe may not be in the future.")
    if months_before(end.date(), 12) > start.date():
        raise invalid_body(POINTER, "The timeframe may not be longer than 1 year.")
    return Timeframe(start.date(), end.date())


def _local(text: object, name: str) -> datetime:
    """A datetime of the account, whatever its offset says."""
    found = _DATETIME.fullmatch(text) if isinstance(text, str) else None
    try:
        return datetime.fromisoformat(found.group(1)) if found else _refuse(name)
    except ValueError:
        return _refuse(name)


def _refuse(name: str) -> datetime:
    raise invalid_body(f"{POINTER}/{name}", f"The {name} must be a datetime as 2023-08-15T12:30:00+00:00.")


def refuse_too_long(timeframe: Timeframe, interval: str) -> None:
    """Refuse timeframes that are too long for their interval."""
    longest = _LONGEST.get(interval)
    if longest is not None and timeframe.length > longest:
        raise invalid_body(POINTER, f"A timeframe with the interval '{interval}' may not exceed {longest} days.")


def begin_of(day: date, interval: str) -> date:
    """The first day of the interval that a day belongs to."""
    return {"weekly": monday(day), "monthly": day.replace(day=1)}.get(interval, day)


def widened(timeframe: Timeframe, interval: str) -> Timeframe:
    """A timeframe with one interval more before its first; for hours, with a day of them."""
    before = begin_of(timeframe.first, interval) - _DAY
    return Timeframe(begin_of(before, interval), timeframe.last)


def intervals(timeframe: Timeframe, interval: str | None) -> tuple[list[str], list[int]]:
    """The datetimes at which the intervals of a timeframe begin, and the place of the first day of each.

    Hours are counted within their days, so of them there are 24 for each day.
    """
    days = timeframe.days()
    if interval is None:
        return [_text(timeframe.first)], [0]
    starts = [at for at, day in enumerate(days) if at == 0 or begin_of(day, interval) == day]
    hours = range(24) if interval == "hourly" else range(1)
    return [_text(days[at], hour) for at in starts for hour in hours], starts


def _text(day: date, hour: int = 0) -> str:
    # Local times with the offset of UTC, as in the document's examples.
    return f"{day.isoformat()}T{hour:02d}:00:00+00:00"
