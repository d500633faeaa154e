"""Millions of events as an array of seconds, from which each requested page is built.

An event has a number, from which its ID, body and profile are computed; the array has its second. Events that are
added later are in a short sorted list.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from typing_extensions import override

from klaviyo_simulator.data.event_pages import NO_PROFILE, EventIds, EventPages
from klaviyo_simulator.data.records import Record, Related
from klaviyo_simulator.data.tables import RecordTable, Selection
from klaviyo_simulator.protocol.instants import SECOND
from klaviyo_simulator.rules.declarations import LOWER_BOUNDS, UPPER_BOUNDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from klaviyo_simulator.data.event_bodies import Body
    from klaviyo_simulator.data.event_pages import Numbers, Seconds
    from klaviyo_simulator.protocol.cursors import Place
    from klaviyo_simulator.rules.filters import Condition
    from klaviyo_simulator.rules.queries import Query
    from klaviyo_simulator.settings import Settings

_SCAN_LENGTH = 50_000  # events that a filter on metric or profile checks at once

Row = tuple[int, int]  # second and number, the sort key of events


class Columns(NamedTuple):
    """Events by column."""

    seconds: Seconds
    bodies: Numbers  # indices in `pool`
    profiles: Numbers  # profile numbers, or `NO_PROFILE`
    pool: Sequence[Body]


class EventTable:
    """All events of the account."""

    def __init__(self, seconds: Seconds, bodies: Sequence[Body], profiles: Sequence[str], seed: int) -> None:
        self._seconds = seconds
        self._ids = EventIds(seed)
        self._pages = EventPages(self._ids, bodies, profiles) if len(seconds) else None
        self._later: list[Row] = []
        self._later_seconds: dict[int, int] = {}
        self._arrived: dict[int, float] = {}
        self._deleted: set[int] = set()

    def __len__(self) -> int:
        return self._count - len(self._deleted)

    @property
    def _count(self) -> int:
        return len(self._seconds) + len(self._later)

    def add(self, second: int, arrived: float = 0.0) -> str:
        """Add an event dated `second` that arrives at `arrived`, and return its ID."""
        if not self._pages:
            raise ValueError("events cannot be added to an account that started without any")
        number = self._count
        insort(self._later, (second, number))
        self._later_seconds[number] = second
        self._arrived[number] = arrived
        return self._ids.texts(np.array([number], np.uint64))[0]

    def remove(self, identity: str) -> None:
        """Delete an event."""
        number = self._number(identity)
        if number is None:
            raise ValueError(f"there is no event {identity!r}")
        self._deleted.add(number)

    def ids(self) -> list[str]:
        """Return all IDs."""
        numbers = np.arange(self._count, dtype=np.uint64)
        return self._ids.texts(numbers[self._passing((), numbers)])

    def at(self, share: float) -> str | None:
        """Return the ID of the event at a share of the numbers, deleted ones included; None if there are no events."""
        return self._ids.texts(np.array([int(share * self._count)], np.uint64))[0] if self._count else None

    def get(self, identity: str) -> Record | None:
        """Return the event with an ID, if any."""
        number = self._number(identity)
        if number is None:
            return None
        stored = number < len(self._seconds)
        return self._record((int(self._seconds[number]) if stored else self._later_seconds[number], number))

    def _number(self, identity: str) -> int | None:
        """Return the number of an existing event."""
        number = self._ids.number(identity)
        return None if number is None or number >= self._count or number in self._deleted else number

    def of_metric(self, metric: str, low: int, high: int, known: float) -> Columns:
        """Return the events of a metric with low <= second < high that arrived by `known`."""
        start, end = np.searchsorted(self._seconds, (low, high))
        later = self._later[bisect_left(self._later, (low, 0)) : bisect_left(self._later, (high, 0))]
        later = [row for row in later if self._arrived[row[1]] <= known]
        seconds = np.concatenate((self._seconds[start:end], np.array([row[0] for row in later], np.int64)))
        numbers = np.concatenate(
            (np.arange(start, end, dtype=np.uint64), np.array([row[1] for row in later], np.uint64))
        )
        if not self._pages:
            return Columns(seconds, numbers, numbers, ())
        chosen = self._pages.with_metric(numbers, {metric}) & self._passing((), numbers)
        seconds, numbers = seconds[chosen], numbers[chosen]
        return Columns(seconds, self._pages.body_of(numbers), self._pages.profile_of(numbers), self._pages.bodies)

    def select(self, query: Query, after: Place | None, settings: Settings) -> Selection:
        """Return the page of a query that follows a place."""
        size = query.size or 1
        low, high = _bounds(query.conditions, gt_returns_boundary=settings.gt_returns_boundary)
        place: Row | None = (int(after[0]), int(after[1])) if after else None
        seconds, numbers = self._rows(query, low, high, place, size + 1)
        more = (int(seconds[size - 1]), int(numbers[size - 1])) if len(numbers) > size else None
        seconds, numbers = seconds[:size], numbers[:size]
        # Sparse fieldsets need the records themselves.
        if query.endpoint.type in query.fields:
            rows = zip(seconds.tolist(), numbers.tolist(), strict=True)
            return Selection([self._record(row) for row in rows], more, length=len(numbers))
        if not self._pages or not len(numbers):
            return Selection([], more, b"")
        body = self._pages.write(seconds, numbers, "attributions" in query.includes)
        return Selection([], more, body, len(numbers), _related(self._pages, query, numbers))

    def _rows(
        self, query: Query, low: int | None, high: int | None, after: Row | None, wanted: int
    ) -> tuple[Seconds, Numbers]:
        """Return the first rows with low <= second < high after a place, in order."""
        stock = len(self._seconds)
        start = 0 if low is None else int(np.searchsorted(self._seconds, low))
        end = stock if high is None else int(np.searchsorted(self._seconds, high))
        first = 0 if low is None else bisect_left(self._later, (low, 0))
        last = len(self._later) if high is None else bisect_left(self._later, (high, 0))
        if after:
            # In the array, numbers ascend with seconds; within a second, they precede events that were added later.
            known = after[1] < stock
            behind = after[1] if known else int(np.searchsorted(self._seconds, after[0], "right"))
            if query.descending:
                end = min(end, behind)
                last = min(last, bisect_left(self._later, after))
            else:
                start = max(start, behind + known)
                first = max(first, bisect_right(self._later, after))
        numbers = self._initial_rows(query, start, end, wanted)
        seconds = self._seconds[numbers]
        if first >= last:
            return seconds, numbers
        later = np.array(self._later[first:last], np.int64)
        later = later[self._passing(query.conditions, later[:, 1].astype(np.uint64))]
        seconds = np.concatenate((seconds, later[:, 0]))
        numbers = np.concatenate((numbers, later[:, 1].astype(np.uint64)))
        order = np.lexsort((numbers, seconds))
        order = (order[::-1] if query.descending else order)[:wanted]
        return seconds[order], numbers[order]

    def _initial_rows(self, query: Query, start: int, end: int, wanted: int) -> Numbers:
        """Return the first numbers in a range of the array that meet the conditions on metric and profile."""
        found: list[Numbers] = [np.empty(0, np.uint64)]
        step = _SCAN_LENGTH if _id_conditions(query.conditions) else wanted
        while start < end and wanted > 0:
            length = min(step, end - start)
            if query.descending:
                numbers = np.arange(end - 1, end - 1 - length, -1).astype(np.uint64)
                end -= length
            else:
                numbers = np.arange(start, start + length, dtype=np.uint64)
                start += length
            numbers = numbers[self._passing(query.conditions, numbers)][:wanted]
            wanted -= len(numbers)
            found.append(numbers)
        return np.concatenate(found)

    def _passing(self, conditions: Iterable[Condition], numbers: Numbers) -> NDArray[np.bool_]:
        """Return whether each event exists and meets the conditions; every event meets `has(metric)`."""
        passed = np.isin(numbers, np.array(list(self._deleted), np.uint64), invert=True)
        pages = self._pages
        if pages is None:
            return passed
        for condition in _id_conditions(conditions):
            if condition.operator == "has":
                passed &= pages.profile_of(numbers) != NO_PROFILE
                continue
            values: set[Any] = set(condition.value if isinstance(condition.value, tuple) else (condition.value,))
            test = pages.with_metric if condition.field == "metric_id" else pages.with_profile
            passed &= test(numbers, values)
        return passed

    def _record(self, row: Row) -> Record:
        pages: EventPages = self._pages  # type: ignore[assignment] # rows exist only with pages
        seconds, numbers = np.array(row[:1], np.int64), np.array(row[1:], np.uint64)
        document = json.loads(bytes(pages.write(seconds, numbers)))
        relations: dict[str, Related] = {
            name: next((identity for _, identity in pages.related(name, numbers)), None)
            for name in ("profile", "metric", "attributions")
        }
        return Record(document["id"], document["attributes"], relations)


class AttributionTable(RecordTable):
    """Attributions, which have no collection: any ID is valid."""

    @override
    def get(self, identity: str) -> Record | None:
        """Return an attribution, which has no attributes."""
        return Record(identity, {})


def _related(pages: EventPages, query: Query, numbers: Numbers) -> list[tuple[str, str]]:
    """Return type and ID of the resources to include with some events, each once and in order."""
    found = sorted(
        (place, at, identity)
        for at, relation in enumerate(query.includes)
        for place, identity in pages.related(relation, numbers)
    )
    names = [query.types[query.endpoint.type].relationships[relation].type for relation in query.includes]
    return [(names[at], identity) for _, at, identity in found]


def _id_conditions(conditions: Iterable[Condition]) -> list[Condition]:
    return [condition for condition in conditions if condition.field in {"metric_id", "profile", "profile_id"}]


def _bounds(conditions: Iterable[Condition], *, gt_returns_boundary: bool) -> tuple[int | None, int | None]:
    """Return the seconds allowed by conditions on datetime and timestamp, as low <= second < high."""
    low: int | None = None
    high: int | None = None
    for condition in conditions:
        if condition.field not in {"datetime", "timestamp"} or not isinstance(condition.value, (int, float)):
            continue
        unit = SECOND if condition.field == "datetime" else 1
        floor = int(condition.value // unit)
        ceiling = int(-(-condition.value // unit))
        if condition.operator in LOWER_BOUNDS:
            inclusive = condition.operator == "greater-or-equal" or gt_returns_boundary
            bound = ceiling if inclusive else floor + 1
            low = bound if low is None else max(low, bound)
        elif condition.operator in UPPER_BOUNDS:
            bound = floor + 1 if condition.operator == "less-or-equal" else ceiling
            high = bound if high is None else min(high, bound)
    return low, high
