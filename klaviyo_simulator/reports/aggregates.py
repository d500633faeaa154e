"""Aggregates of metrics: the account's own events, counted and summed by interval and dimension."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

import numpy as np

from klaviyo_simulator.data.event_pages import NOBODY
from klaviyo_simulator.protocol.errors import invalid_body
from klaviyo_simulator.reports.bodies import POINTER, one, several, strings, text
from klaviyo_simulator.reports.timeframes import monday, months_before
from klaviyo_simulator.rules.reports import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from klaviyo_simulator.data.events import Columns, EventTable

_VALUES = OPERATIONS["/api/metric-aggregates"].values
_SMALLEST_PAGE = 500
_LAG = 5.0  # seconds that the counts are behind the events
_HOUR = timedelta(hours=1)
_UNKNOWN_ZONES = {"Factory", "Europe/Kyiv", "Pacific/Kanton"}  # as the document says
_BOUND = re.compile(r"(greater-or-equal|less-than)\(datetime,\s*([^()\s]+)\)")
_EQUALS = re.compile(r"equals\(([^,\"']+),\s*(\"|')(.*)\2\)", re.DOTALL)
_DATETIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?")


class Filtered(NamedTuple):
    """What the filter leaves: a range of time, and values of dimensions."""

    start: datetime
    end: datetime
    values: Mapping[str, str]


@dataclass(frozen=True)
class Query:
    """What is asked."""

    metric: str
    measurements: tuple[str, ...]
    interval: str
    by: tuple[str, ...]
    filtered: Filtered
    zone: ZoneInfo
    page_size: int

    def begins(self) -> list[datetime]:
        """When the intervals begin: one more before the range, those of the range, and the one that holds its end."""
        start, end = self.filtered.start.astimezone(self.zone), self.filtered.end
        if self.interval == "hour":
            first = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0) - _HOUR
            return [first + n * _HOUR for n in range((end - first) // _HOUR + 1)]
        day, found = start.date(), []
        day = _begin(_begin(day, self.interval) - timedelta(days=1), self.interval)
        while (begin := datetime.combine(day, time(), self.zone)) <= end:
            found.append(begin)
            day = _next(day, self.interval)
        return found

    def dates(self) -> list[str]:
        """The same as text."""
        return [begin.astimezone(UTC).isoformat() for begin in self.begins()]


def query(given: Mapping[str, Any]) -> Query:
    """What the attributes of a body ask."""
    zone = ZoneInfo(one(given, "timezone", _zones()) if "timezone" in given else "UTC")
    by = several(given, "by", _VALUES["by"]) if given.get("by") else ()
    measurements = several(given, "measurements", _VALUES["measurements"])
    if "sort" in given:  # documented, but it fails
        raise invalid_body(f"{POINTER}/sort", "unsupported operand type(s) for +: 'NoneType' and 'str'")
    if "return_fields" in given:
        strings(given, "return_fields")  # what it leaves out, nobody says
    size = given.get("page_size", _SMALLEST_PAGE)
    if not isinstance(size, int) or isinstance(size, bool) or size < _SMALLEST_PAGE:
        raise invalid_body(f"{POINTER}/page_size", f"The page size must be an integer of at least {_SMALLEST_PAGE}.")
    return Query(
        metric=text(given, "metric_id"),
        measurements=measurements,
        interval=one(given, "interval", _VALUES["interval"]) if "interval" in given else "day",
        by=by,
        filtered=_filtered(strings(given, "filter"), zone),
        zone=zone,
        page_size=size,
    )


def rows(asked: Query, events: EventTable, now: float) -> list[dict[str, Any]]:
    """All rows: one for each combination of dimensions that occurs, or one in all.

    The intervals at the edges, which the range does not cover, count half of what happened in them.
    """
    filtered, begins = asked.filtered, asked.begins()
    half = (begins[1] - begins[0]) / 2
    high = filtered.end + half if begins[-1] == filtered.end else filtered.end
    columns = events.of_metric(asked.metric, _second(begins[0] + half), _second(high), now - _LAG)
    # Dimensions and values are those of the bodies, of which there are only hundreds.
    bodies = [json.loads(body.properties) for body in columns.pool]
    chosen = [all(_dimension(body, name) == value for name, value in filtered.values.items()) for body in bodies]
    groups = [tuple(_dimension(body, name) for name in asked.by) for body in bodies]
    kept = np.array(chosen, np.bool_)[columns.bodies.astype(np.intp)]
    kept &= (columns.seconds < _second(begins[1])) | (columns.seconds >= _second(filtered.start))
    place = columns.bodies[kept].astype(np.intp)
    known = sorted({groups[at] for at in np.unique(place).tolist()}) if asked.by else [()]
    which = np.array([known.index(group) if group in known else -1 for group in groups], np.int64)
    interval = np.searchsorted([_second(begin) for begin in begins], columns.seconds[kept], "right") - 1
    cells = which[place] * len(begins) + interval
    shape = (len(known), len(begins))
    measured = _measured(asked, columns, bodies, kept, cells, shape)
    return [
        {"dimensions": list(group), "measurements": {name: measured[name][at].tolist() for name in asked.measurements}}
        for at, group in enumerate(known)
    ]


def _measured(
    asked: Query,
    columns: Columns,
    bodies: list[dict[str, Any]],
    kept: NDArray[np.bool_],
    cells: NDArray[np.int64],
    shape: tuple[int, int],
) -> dict[str, NDArray[Any]]:
    """Each measurement as a matrix of groups and intervals."""
    size = shape[0] * shape[1]
    measured: dict[str, NDArray[Any]] = {}
    if "count" in asked.measurements:
        measured["count"] = np.bincount(cells, minlength=size).astype(np.float64)
    if "sum_value" in asked.measurements:
        worth = np.array([_worth(body) for body in bodies], np.float64)[columns.bodies[kept].astype(np.intp)]
        measured["sum_value"] = np.bincount(cells, worth, minlength=size)
    if "unique" in asked.measurements:
        profiles = columns.profiles[kept]
        pairs = np.unique(np.stack((cells, profiles.astype(np.int64)))[:, profiles != NOBODY], axis=1)
        measured["unique"] = np.bincount(pairs[0], minlength=size).astype(np.float64)
    return {name: values.reshape(shape) for name, values in measured.items()}


def _filtered(given: tuple[str, ...], zone: ZoneInfo) -> Filtered:
    bounds: dict[str, datetime] = {}
    values: dict[str, str] = {}
    for each in given:
        if (bound := _BOUND.fullmatch(each)) and bound[1] not in bounds:
            bounds[bound[1]] = _moment(bound[2], zone)
        elif (equals := _EQUALS.fullmatch(each)) and equals[1] in _VALUES["by"] and equals[1] not in values:
            values[equals[1]] = equals[3]
        else:
            raise _refused(f"'{each}' is no filter, or the second of its kind.")
    if set(bounds) != {"greater-or-equal", "less-than"}:
        raise _refused("The filter must hold greater-or-equal(datetime,…) and less-than(datetime,…).")
    start, end = bounds["greater-or-equal"], bounds["less-than"]
    if end <= start:
        raise _refused("Datetime bounds are empty or invalid.")
    # The last day is that before the end, if it ends at midnight.
    last = (end.astimezone(zone) - timedelta(microseconds=1)).date()
    if months_before(last, 12) > start.astimezone(zone).date():
        raise _refused("The time range may not be longer than 1 year.")
    return Filtered(start, end, values)


def _moment(given: str, zone: ZoneInfo) -> datetime:
    """A moment; without an offset it is of the query's time zone."""
    try:
        if not _DATETIME.fullmatch(given):
            raise ValueError
        found = datetime.fromisoformat(given)
    except ValueError:
        raise _refused(f"'{given}' is not a datetime as 2022-12-01T00:00:00.") from None
    return found if found.tzinfo else found.replace(tzinfo=zone)


def _refused(detail: str) -> Exception:
    return invalid_body(f"{POINTER}/filter", f"Invalid filter provided: {detail}")


def _dimension(properties: Mapping[str, Any], name: str) -> str:
    """The value of a dimension, empty if an event has none."""
    found = properties.get(name, properties.get(name.replace("attributed_", "")))
    return "" if found is None else str(found)


def _worth(properties: Mapping[str, Any]) -> float:
    value = properties.get("$value")
    return float(value) if isinstance(value, (int, float)) else 0.0


def _begin(day: date, interval: str) -> date:
    return {"day": day, "week": monday(day), "month": day.replace(day=1)}[interval]


def _next(day: date, interval: str) -> date:
    if interval == "month":
        return (day.replace(day=28) + timedelta(days=4)).replace(day=1)
    return day + timedelta(days=7 if interval == "week" else 1)


def _second(moment: datetime) -> int:
    """The first whole second that is not before a moment."""
    return -int(-moment.timestamp() // 1)


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - _UNKNOWN_ZONES)
