"""Timeframes of reports: whole days in the account's time zone, including the first and the last."""

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
# Klaviyo ignores offsets, so any form is valid: Airbyte's connector sends +0000.
_DATETIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?")
_MAX_DAYS = {"hourly": 7, "daily": 60, "monthly": 52 * 7}  # by interval


class Timeframe(NamedTuple):
    """The days from `first` to `last`."""

    first: date
    last: date

    @property
    def length(self) -> int:
        """The number of days."""
        return (self.last - self.first).days + 1

    def days(self) -> list[date]:
        """Return all days."""
        return [self.first + n * _DAY for n in range(self.length)]


def monday(day: date) -> date:
    """Return the Monday of a day's week."""
    return day - day.weekday() * _DAY


def months_before(day: date, months: int) -> date:
    """Return the same day some months earlier, or the last day of that month."""
    number = day.year * 12 + day.month - 1 - months
    first = date(number // 12, number % 12 + 1, 1)
    following = date((number + 1) // 12, (number + 1) % 12 + 1, 1)
    return first + min(day.day - 1, (following - first).days - 1) * _DAY


def _ago(days: int) -> Callable[[date], Timeframe]:
    return lambda today: Timeframe(today - (days - 1) * _DAY, today)


def _since(first: Callable[[date], date]) -> Callable[[date], Timeframe]:
    return lambda today: Timeframe(first(today), today)


def _before(first: Callable[[date], date], back: Callable[[date], date]) -> Callable[[date], Timeframe]:
    """Return a function for the week, month or year before the present one."""
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
"""Functions of the present day by key. Klaviyo does not document when weeks begin or what "last" includes."""


def read(given: object, today: date) -> Timeframe:
    """Parse the timeframe of a request body."""
    if not isinstance(given, dict) or set(given) not in ({"key"}, {"start", "end"}):
        raise invalid_body(POINTER, "A timeframe is either a key, or a start and an end.")
    if "key" in given:
        if not isinstance(given["key"], str) or given["key"] not in KEYS:
            raise invalid_body(f"{POINTER}/key", f"'{given['key']}' is not a timeframe; use one of {', '.join(KEYS)}.")
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
    """Parse a datetime in the account's time zone and ignore its offset."""
    found = _DATETIME.fullmatch(text) if isinstance(text, str) else None
    try:
        return datetime.fromisoformat(found.group(1)) if found else _reject(name)
    except ValueError:
        return _reject(name)


def _reject(name: str) -> datetime:
    raise invalid_body(f"{POINTER}/{name}", f"The {name} must be a datetime as 2023-08-15T12:30:00+00:00.")


def check_length(timeframe: Timeframe, interval: str) -> None:
    """Raise a 400 for a timeframe that is too long for its interval."""
    max_days = _MAX_DAYS.get(interval)
    if max_days is not None and timeframe.length > max_days:
        raise invalid_body(POINTER, f"A timeframe with the interval '{interval}' may not exceed {max_days} days.")


def interval_start(day: date, interval: str) -> date:
    """Return the first day of the interval that contains a day."""
    return {"weekly": monday(day), "monthly": day.replace(day=1)}.get(interval, day)


def with_interval_before(timeframe: Timeframe, interval: str) -> Timeframe:
    """Extend a timeframe by the interval before it; for hours, by a day."""
    before = interval_start(timeframe.first, interval) - _DAY
    return Timeframe(interval_start(before, interval), timeframe.last)


def intervals(timeframe: Timeframe, interval: str | None) -> tuple[list[str], list[int]]:
    """Return the starts of a timeframe's intervals as text, and the index of the first day of each.

    Hourly intervals have 24 starts for each day.
    """
    days = timeframe.days()
    if interval is None:
        return [_text(timeframe.first)], [0]
    starts = [at for at, day in enumerate(days) if at == 0 or interval_start(day, interval) == day]
    hours = range(24) if interval == "hourly" else range(1)
    return [_text(days[at], hour) for at in starts for hour in hours], starts


def _text(day: date, hour: int = 0) -> str:
    # Klaviyo's examples have local times with the offset of UTC.
    return f"{day.isoformat()}T{hour:02d}:00:00+00:00"
