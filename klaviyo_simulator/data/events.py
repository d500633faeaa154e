"""Events by the million: an array of seconds, from which each page is put together when it is asked for.

An event is known by its number. Its id, its body and its profile follow from the number, its second stands in
the array. Events that come later lie in a short sorted list besides.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from typing_extensions import override

from klaviyo_simulator.data.event_pages import NOBODY, EventIds, EventPages
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

_SCAN = 50_000  # events that a filter on metric or profile looks at in one go

Row = tuple[int, int]  # second and number, which together are the order of events


class Columns(NamedTuple):
    """Some events, column by column."""

    seconds: Seconds
    bodies: Numbers  # places in `pool`
    profiles: Numbers  # places among the profiles, or `NOBODY`
    pool: Sequence[Body]


class EventTable:
    """All events of the account."""

    def __init__(self, seconds: Seconds, bodies: Sequence[Body], profiles: Sequence[str], seed: int) -> None:
        self._seconds = seconds
        self._ids = EventIds(seed)
        self._pages = EventPages(self._ids, bodies, profiles) if len(seconds) else None
        self._later: list[Row] = []
        self._later_seconds: dict[int, int] = {}
        self._came: dict[int, float] = {}
        self._deleted: set[int] = set()

    def __len__(self) -> int:
        return self._made - len(self._deleted)

    @property
    def _made(self) -> int:
        return len(self._seconds) + len(self._later)

    def add(self, second: int, came: float = 0.0) -> str:
        """One more event at a second, which came at a moment; its id."""
        if not self._pages:
            raise ValueError("an account that began without events gets none")
        number = self._made
        insort(self._later, (second, number))
        self._later_seconds[number] = second
        self._came[number] = came
        return self._ids.texts(np.array([number], np.uint64))[0]

    def remove(self, identity: str) -> None:
        """Delete an event."""
        number = self._number(identity)
        if number is None:
            raise ValueError(f"there is no event {identity!r}")
        self._deleted.add(number)

    def ids(self) -> list[str]:
        """All ids."""
        numbers = np.arange(self._made, dtype=np.uint64)
        return self._ids.texts(numbers[self._test((), numbers)])

    def at(self, share: float) -> str | None:
        """The id of the event behind that share of all that there ever were, if there was any."""
        return self._ids.texts(np.array([int(share * self._made)], np.uint64))[0] if self._made else None

    def get(self, identity: str) -> Record | None:
        """The event of an id."""
        number = self._number(identity)
        if number is None:
            return None
        stored = number < len(self._seconds)
        return self._record((int(self._seconds[number]) if stored else self._later_seconds[number], number))

    def _number(self, identity: str) -> int | None:
        """The number of an event that there is."""
        number = self._ids.number(identity)
        return None if number is None or number >= self._made or number in self._deleted else number

    def of_metric(self, metric: str, low: int, high: int, known: float) -> Columns:
        """The events of a metric with low <= second < high that had come by the moment `known`."""
        start, end = np.searchsorted(self._seconds, (low, high))
        later = self._later[bisect_left(self._later, (low, 0)) : bisect_left(self._later, (high, 0))]
        later = [row for row in later if self._came[row[1]] <= known]
        seconds = np.concatenate((self._seconds[start:end], np.array([row[0] for row in later], np.int64)))
        numbers = np.concatenate(
            (np.arange(start, end, dtype=np.uint64), np.array([row[1] for row in later], np.uint64))
        )
        if not self._pages:
            return Columns(seconds, numbers, numbers, ())
        chosen = self._pages.with_metric(numbers, {metric}) & self._test((), numbers)
        seconds, numbers = seconds[chosen], numbers[chosen]
        return Columns(seconds, self._pages.body_of(numbers), self._pages.profile_of(numbers), self._pages.bodies)

    def select(self, query: Query, after: Place | None, settings: Settings) -> Selection:
        """One page of a query, behind a place."""
        size = query.size or 1
        low, high = _bounds(query.conditions, gt_returns_boundary=settings.gt_returns_boundary)
        place: Row | None = (int(after[0]), int(after[1])) if after else None
        seconds, numbers = self._rows(query, low, high, place, size + 1)
        more = (int(seconds[size - 1]), int(numbers[size - 1])) if len(numbers) > size else None
        seconds, numbers = seconds[:size], numbers[:size]
        # Attributes that were asked for one by one need the records themselves.
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
        """The first rows with low <= second < high behind a place, in order."""
        stock = len(self._seconds)
        start = 0 if low is None else int(np.searchsorted(self._seconds, low))
        end = stock if high is None else int(np.searchsorted(self._seconds, high))
        first = 0 if low is None else bisect_left(self._later, (low, 0))
        last = len(self._later) if high is None else bisect_left(self._later, (high, 0))
        if after:
            # In the array numbers ascend with the seconds; of one second, they come before all later ones.
            known = after[1] < stock
            behind = after[1] if known else int(np.searchsorted(self._seconds, after[0], "right"))
            if query.descending:
                end = min(end, behind)
                last = min(last, bisect_left(self._later, after))
            else:
                start = max(start, behind + known)
                first = max(first, bisect_right(self._later, after))
        numbers = self._stored(query, start, end, wanted)
        seconds = self._seconds[numbers]
        if first >= last:
            return seconds, numbers
        later = np.array(self._later[first:last], np.int64)
        later = later[self._test(query.conditions, later[:, 1].astype(np.uint64))]
        seconds = np.concatenate((seconds, later[:, 0]))
        numbers = np.concatenate((numbers, later[:, 1].astype(np.uint64)))
        order = np.lexsort((numbers, seconds))
        order = (order[::-1] if query.descending else order)[:wanted]
        return seconds[order], numbers[order]

    def _stored(self, query: Query, start: int, end: int, wanted: int) -> Numbers:
        """The first numbers of a stretch of the array that meet the conditions on metric and profile."""
        found: list[Numbers] = [np.empty(0, np.uint64)]
        step = _SCAN if _tests(query.conditions) else wanted
        while start < end and wanted > 0:
            length = min(step, end - start)
            if query.descending:
                numbers = np.arange(end - 1, end - 1 - length, -1).astype(np.uint64)
                end -= length
            else:
                numbers = np.arange(start, start + length, dtype=np.uint64)
                start += length
            numbers = numbers[self._test(query.conditions, numbers)][:wanted]
            wanted -= len(numbers)
            found.append(numbers)
        return np.concatenate(found)

    def _test(self, conditions: Iterable[Condition], numbers: Numbers) -> NDArray[np.bool_]:
        """Which events are there and meet the conditions; `has(metric)` is true of every one."""
        passed = np.isin(numbers, np.array(list(self._deleted), np.uint64), invert=True)
        pages = self._pages
        if pages is None:
            return passed
        for condition in _tests(conditions):
            if condition.operator == "has":
                passed &= pages.profile_of(numbers) != NOBODY
                continue
            values: set[Any] = set(condition.value if isinstance(condition.value, tuple) else (condition.value,))
            test = pages.with_metric if condition.field == "metric_id" else pages.with_profile
            passed &= test(numbers, values)
        return passed

    def _record(self, row: Row) -> Record:
        pages: EventPages = self._pages  # type: ignore[assignment] # there is no row without it
        seconds, numbers = np.array(row[:1], np.int64), np.array(row[1:], np.uint64)
        document = json.loads(bytes(pages.write(seconds, numbers)))
        relations: dict[str, Related] = {
            name: next((identity for _, identity in pages.related(name, numbers)), None)
            for name in ("profile", "metric", "attributions")
        }
        return Record(document["id"], document["attributes"], relations)


class AttributionTable(RecordTable):
    """Attributions have no collection; they follow from the events that they belong to."""

    @override
    def get(self, identity: str) -> Record | None:
        """An attribution, which has no attributes."""
        return Record(identity, {})


def _related(pages: EventPages, query: Query, numbers: Numbers) -> list[tuple[str, str]]:
    """Type and id of all that is to be included with some events, each once and in their order."""
    found = sorted(
        (place, at, identity)
        for at, relation in enumerate(query.includes)
        for place, identity in pages.related(relation, numbers)
    )
    names = [query.types[query.endpoint.type].relationships[relation].type for relation in query.includes]
    return [(names[at], identity) for _, at, identity in found]


def _tests(conditions: Iterable[Condition]) -> list[Condition]:
    return [condition for condition in conditions if condition.field in {"metric_id", "profile", "profile_id"}]


def _bounds(conditions: Iterable[Condition], *, gt_returns_boundary: bool) -> tuple[int | None, int | None]:
    """The seconds that datetime and timestamp conditions leave: from the first, up to before the second."""
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
