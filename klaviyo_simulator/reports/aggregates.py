"""Metric aggregates: the account's events, counted and summed by interval and dimension."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

import numpy as np

from klaviyo_simulator.data.event_pages import NO_PROFILE
from klaviyo_simulator.protocol.errors import invalid_body
from klaviyo_simulator.reports.bodies import POINTER, one, several, strings, text
from klaviyo_simulator.reports.timeframes import monday, months_before
from klaviyo_simulator.rules.reports import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from klaviyo_simulator.data.events import Columns, EventTable

_VALUES = OPERATIONS["/api/metric-aggregates"].values
_MIN_PAGE_SIZE = 500
_LAG_SECONDS = 5.0  # until an event is counted
_HOUR = timedelta(hours=1)
_UNKNOWN_ZONES = {"Factory", "Europe/Kyiv", "Pacific/Kanton"}  # according to Klaviyo's document
_BOUND = re.compile(r"(greater-or-equal|less-than)\(datetime,\s*([^()\s]+)\)")
_EQUALS = re.compile(r"equals\(([^,\"']+),\s*(\"|')(.*)\2\)", re.DOTALL)
_DATETIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?")


class Filter(NamedTuple):
    """The parsed filter: a time range, and values of dimensions."""

    start: datetime
    end: datetime
    values: Mapping[str, str]


@dataclass(frozen=True)
class Query:
    """The parsed attributes of a request."""

    metric: str
    measurements: tuple[str, ...]
    interval: str
    by: tuple[str, ...]
    filter: Filter
    zone: ZoneInfo
    page_size: int

    def begins(self) -> list[datetime]:
        """Return the starts of the intervals: one before the range, those in it, and the one that contains its end."""
        start, end = self.filter.start.astimezone(self.zone), self.filter.end
        if self.interval == "hour":
            first = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0) - _HOUR
            return [first + n * _HOUR for n in range((end - first) // _HOUR + 1)]
        day, found = start.date(), []
        day = _interval_start(_interval_start(day, self.interval) - timedelta(days=1), self.interval)
        while (begin := datetime.combine(day, time(), self.zone)) <= end:
            found.append(begin)
            day = _next_interval(day, self.interval)
        return found

    def dates(self) -> list[str]:
        """Return the starts of the intervals as text."""
        return [begin.astimezone(UTC).isoformat() for begin in self.begins()]


def parse(given: Mapping[str, Any]) -> Query:
    """Parse the attributes of a request body."""
    zone = ZoneInfo(one(given, "timezone", _time_zones()) if "timezone" in given else "UTC")
    by = several(given, "by", _VALUES["by"]) if given.get("by") else ()
    measurements = several(given, "measurements", _VALUES["measurements"])
    if "sort" in given:  # documented, but it fails at Klaviyo
        raise invalid_body(f"{POINTER}/sort", "unsupported operand type(s) for +: 'NoneType' and 'str'")
    if "return_fields" in given:
        strings(given, "return_fields")  # accepted without an effect, since none is documented
    size = given.get("page_size", _MIN_PAGE_SIZE)
    if not isinstance(size, int) or isinstance(size, bool) or size < _MIN_PAGE_SIZE:
        raise invalid_body(f"{POINTER}/page_size", f"The page size must be an integer of at least {_MIN_PAGE_SIZE}.")
    return Query(
        metric=text(given, "metric_id"),
        measurements=measurements,
        interval=one(given, "interval", _VALUES["interval"]) if "interval" in given else "day",
        by=by,
        filter=_parse_filter(strings(given, "filter"), zone),
        zone=zone,
        page_size=size,
    )


def rows(query: Query, events: EventTable, now: float) -> list[dict[str, Any]]:
    """Return one row for each combination of dimensions that occurs, or one in all.

    The intervals at the edges, which the range does not cover, count the events of half their time.
    """
    filter_, begins = query.filter, query.begins()
    half = (begins[1] - begins[0]) / 2
    high = filter_.end + half if begins[-1] == filter_.end else filter_.end
    columns = events.of_metric(query.metric, _second(begins[0] + half), _second(high), now - _LAG_SECONDS)
    # Events share a few hundred bodies, so dimensions and values are computed once for each body.
    bodies = [json.loads(body.properties) for body in columns.pool]
    chosen = [all(_dimension(body, name) == value for name, value in filter_.values.items()) for body in bodies]
    groups = [tuple(_dimension(body, name) for name in query.by) for body in bodies]
    kept = np.array(chosen, np.bool_)[columns.bodies.astype(np.intp)]
    kept &= (columns.seconds < _second(begins[1])) | (columns.seconds >= _second(filter_.start))
    place = columns.bodies[kept].astype(np.intp)
    known = sorted({groups[at] for at in np.unique(place).tolist()}) if query.by else [()]
    which = np.array([known.index(group) if group in known else -1 for group in groups], np.int64)
    interval = np.searchsorted([_second(begin) for begin in begins], columns.seconds[kept], "right") - 1
    cells = which[place] * len(begins) + interval
    shape = (len(known), len(begins))
    measured = _measurements(query, columns, bodies, kept, cells, shape)
    return [
        {"dimensions": list(group), "measurements": {name: measured[name][at].tolist() for name in query.measurements}}
        for at, group in enumerate(known)
    ]


def _measurements(
    query: Query,
    columns: Columns,
    bodies: list[dict[str, Any]],
    kept: NDArray[np.bool_],
    cells: NDArray[np.int64],
    shape: tuple[int, int],
) -> dict[str, NDArray[Any]]:
    """Return each measurement as a matrix of groups and intervals."""
    size = shape[0] * shape[1]
    measured: dict[str, NDArray[Any]] = {}
    if "count" in query.measurements:
        measured["count"] = np.bincount(cells, minlength=size).astype(np.float64)
    if "sum_value" in query.measurements:
        amounts = np.array([_amount(body) for body in bodies], np.float64)[columns.bodies[kept].astype(np.intp)]
        measured["sum_value"] = np.bincount(cells, amounts, minlength=size)
    if "unique" in query.measurements:
        profiles = columns.profiles[kept]
        pairs = np.unique(np.stack((cells, profiles.astype(np.int64)))[:, profiles != NO_PROFILE], axis=1)
        measured["unique"] = np.bincount(pairs[0], minlength=size).astype(np.float64)
    return {name: values.reshape(shape) for name, values in measured.items()}


def _parse_filter(given: tuple[str, ...], zone: ZoneInfo) -> Filter:
    bounds: dict[str, datetime] = {}
    values: dict[str, str] = {}
    for each in given:
        if (bound := _BOUND.fullmatch(each)) and bound[1] not in bounds:
            bounds[bound[1]] = _parse_datetime(bound[2], zone)
        elif (equals := _EQUALS.fullmatch(each)) and equals[1] in _VALUES["by"] and equals[1] not in values:
            values[equals[1]] = equals[3]
        else:
            raise _filter_error(f"'{each}' is not a filter, or is the second of its kind.")
    if set(bounds) != {"greater-or-equal", "less-than"}:
        raise _filter_error("The filter must hold greater-or-equal(datetime,…) and less-than(datetime,…).")
    start, end = bounds["greater-or-equal"], bounds["less-than"]
    if end <= start:
        raise _filter_error("Datetime bounds are empty or invalid.")
    # An end at midnight belongs to the day before.
    last = (end.astimezone(zone) - timedelta(microseconds=1)).date()
    if months_before(last, 12) > start.astimezone(zone).date():
        raise _filter_error("The time range may not be longer than 1 year.")
    return Filter(start, end, values)


def _parse_datetime(given: str, zone: ZoneInfo) -> datetime:
    """Parse a datetime; without an offset, it is in the query's time zone."""
    try:
        if not _DATETIME.fullmatch(given):
            raise ValueError
        found = datetime.fromisoformat(given)
    except ValueError:
        raise _filter_error(f"'{given}' is not a datetime as 2022-12-01T00:00:00.") from None
    return found if found.tzinfo else found.replace(tzinfo=zone)


def _filter_error(detail: str) -> Exception:
    return invalid_body(f"{POINTER}/filter", f"Invalid filter provided: {detail}")


def _dimension(properties: Mapping[str, Any], name: str) -> str:
    """Return the value of a dimension, empty if an event has none."""
    found = properties.get(name, properties.get(name.replace("attributed_", "")))
    return "" if found is None else str(found)


def _amount(properties: Mapping[str, Any]) -> float:
    value = properties.get("$value")
    return float(value) if isinstance(value, (int, float)) else 0.0


def _interval_start(day: date, interval: str) -> date:
    return {"day": day, "week": monday(day), "month": day.replace(day=1)}[interval]


def _next_interval(day: date, interval: str) -> date:
    if interval == "month":
        return (day.replace(day=28) + timedelta(days=4)).replace(day=1)
    return day + timedelta(days=7 if interval == "week" else 1)


def _second(when: datetime) -> int:
    """Round a datetime up to a second since 1970."""
    return -int(-when.timestamp() // 1)


@lru_cache(maxsize=1)
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones() - _UNKNOWN_ZONES)
