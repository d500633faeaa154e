"""Tables: the records of a type, with filters and any sort key."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from typing_extensions import override

from klaviyo_simulator.data.records import Record, comparable
from klaviyo_simulator.rules.declarations import LOWER_BOUNDS, UPPER_BOUNDS
from klaviyo_simulator.rules.filters import ANYTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from klaviyo_simulator.protocol.cursors import Place
    from klaviyo_simulator.rules.filters import Condition
    from klaviyo_simulator.rules.queries import Query
    from klaviyo_simulator.settings import Settings


_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "any": lambda value, wanted: value in wanted,
    "contains": lambda value, wanted: wanted in value,
    "starts-with": lambda value, wanted: value.startswith(wanted),
    "ends-with": lambda value, wanted: value.endswith(wanted),
    "greater-than": lambda value, wanted: value > wanted,
    "greater-or-equal": lambda value, wanted: value >= wanted,
    "less-than": lambda value, wanted: value < wanted,
    "less-or-equal": lambda value, wanted: value <= wanted,
}


class Selection(NamedTuple):
    """A page of a query: its records, and the place of the last one if there are more."""

    records: list[Record]
    more: Place | None
    body: bytes | memoryview | None = None  # the records as JSON, if the table has it ready
    length: int = 0
    related: Sequence[tuple[str, str]] = ()  # types and IDs of the resources to include with such a body


class Table(Protocol):
    """The records of one type."""

    def __len__(self) -> int: ...

    def get(self, identity: str) -> Record | None:
        """Return the record with an ID, if any."""

    def ids(self) -> list[str]:
        """Return all IDs."""

    def select(self, query: Query, after: Place | None, settings: Settings) -> Selection:
        """Return the page of a query that follows a place."""


class RecordTable:
    """Records in memory, with an index for each sort key that was requested."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._records = {record.id: record for record in records}
        self._orders: dict[str, list[Place]] = {}
        self._keys: dict[str, dict[str, Place]] = {}

    def __len__(self) -> int:
        return len(self._records)

    def get(self, identity: str) -> Record | None:
        """Return the record with an ID, if any."""
        return self._records.get(identity)

    def ids(self) -> list[str]:
        """Return all IDs."""
        return list(self._records)

    def records(self) -> list[Record]:
        """Return all records."""
        return list(self._records.values())

    def put(self, record: Record) -> None:
        """Add a record, or update the indices after a change."""
        self._records[record.id] = record
        for sort, order in self._orders.items():
            self._forget(sort, record.id)
            key = _key(record, sort)
            self._keys[sort][record.id] = key
            insort(order, key)

    def remove(self, identity: str) -> None:
        """Delete a record."""
        del self._records[identity]
        for sort in self._orders:
            self._forget(sort, identity)

    def select(self, query: Query, after: Place | None, settings: Settings) -> Selection:
        """Return the page of a query that follows a place."""
        matches = matcher(query.conditions, settings)
        found: list[Record] = []
        for record in self._walk(query, after):
            if matches(record):
                if len(found) == query.size:
                    return Selection(found, _key(found[-1], query.sort), length=len(found))
                found.append(record)
        return Selection(found, None, length=len(found))

    def _walk(self, query: Query, after: Place | None) -> Iterator[Record]:
        """Return the records after a place, in order and within the bounds of the sort key."""
        order = self._order(query.sort)
        start, end = _window(order, query)
        if after is not None and query.descending:
            end = min(end, bisect_left(order, after))
        elif after is not None:
            start = max(start, bisect_right(order, after))
        places = range(end - 1, start - 1, -1) if query.descending else range(start, end)
        return (self._records[order[at][-1]] for at in places)

    def _order(self, sort: str) -> list[Place]:
        if sort not in self._orders:
            self._keys[sort] = {record.id: _key(record, sort) for record in self._records.values()}
            self._orders[sort] = sorted(self._keys[sort].values())
        return self._orders[sort]

    def _forget(self, sort: str, identity: str) -> None:
        key = self._keys[sort].pop(identity, None)
        if key is not None:
            order = self._orders[sort]
            del order[bisect_left(order, key)]


def _window(order: Sequence[Place], query: Query) -> tuple[int, int]:
    """Return the index range of the bounds on the sort key; the filter decides about records on a bound."""
    start, end = 0, len(order)
    for condition in query.conditions:
        if condition.field != query.sort or condition.element_of is not None or not isinstance(condition.value, int):
            continue
        if condition.operator in LOWER_BOUNDS:
            start = max(start, bisect_left(order, (False, condition.value)))
        elif condition.operator in UPPER_BOUNDS:
            end = min(end, bisect_left(order, (False, condition.value + 1)))
    return start, end


def _key(record: Record, sort: str) -> Place:
    """Return the sort key of a record: nulls are last, and equal values are ordered by ID."""
    value: Any = comparable(record.value(sort))
    return (value is None, "" if value is None else value, record.id)


class JointTable:
    """The records of several tables as one, converted to the shape of a revision."""

    def __init__(self, *parts: tuple[RecordTable, Callable[[Record], Record]]) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return sum(len(table) for table, _ in self._parts)

    def get(self, identity: str) -> Record | None:
        """Return the record with an ID, if any."""
        found = ((table.get(identity), convert) for table, convert in self._parts)
        return next((convert(record) for record, convert in found if record), None)

    def ids(self) -> list[str]:
        """Return all IDs."""
        return [identity for table, _ in self._parts for identity in table.ids()]

    def select(self, query: Query, after: Place | None, settings: Settings) -> Selection:
        """Return the page of a query that follows a place."""
        together = RecordTable(convert(record) for table, convert in self._parts for record in table.records())
        return together.select(query, after, settings)


class TemplateTable(RecordTable):
    """Templates: listed ones, and the unlisted copies of flows."""

    def __init__(self) -> None:
        super().__init__()
        self._unlisted: dict[str, Record] = {}

    def put_unlisted(self, record: Record) -> None:
        """Add a template that can be read by ID, but is in no list."""
        self._unlisted[record.id] = record

    @override
    def get(self, identity: str) -> Record | None:
        """Return the template with an ID, listed or not."""
        return super().get(identity) or self._unlisted.get(identity)

    @override
    def put(self, record: Record) -> None:
        """Add a listed template, or update the indices after a change."""
        if record.id not in self._unlisted:
            super().put(record)

    @override
    def remove(self, identity: str) -> None:
        if self._unlisted.pop(identity, None) is None:
            super().remove(identity)


def matcher(conditions: Sequence[Condition], settings: Settings) -> Callable[[Record], bool]:
    """Return a function that returns whether a record meets all conditions.

    One element of a list must meet all conditions on that list. A setting decides which of several suppressions is
    compared with a date.
    """

    def holds(condition: Condition, value: Any) -> bool:
        operator, wanted = condition.operator, condition.value
        if operator == ANYTHING:
            return True
        if operator == "has":
            return value is not None
        if operator == "equals":
            return value in wanted if isinstance(wanted, tuple) else bool(value == wanted)
        if operator == "greater-than" and settings.gt_returns_boundary:
            operator = "greater-or-equal"
        return value is not None and _TESTS[operator](value, wanted)

    def meets(element: dict[str, Any], group: Iterable[Condition]) -> bool:
        return all(holds(c, comparable(element.get(c.field.rpartition(".")[2]))) for c in group)

    def has_element(record: Record, name: str, dates: list[Condition], others: list[Condition]) -> bool:
        found = [element for element in record.elements(name) if meets(element, others)]
        return any(meets(each, dates) for each in (_compared(found, settings.suppression_order) if dates else found))

    plain = [condition for condition in conditions if condition.element_of is None]
    groups: dict[str, tuple[list[Condition], list[Condition]]] = {}
    for condition in conditions:
        if condition.element_of is not None:
            group = groups.setdefault(condition.element_of, ([], []))
            group[not condition.field.endswith(".timestamp")].append(condition)

    def matches(record: Record) -> bool:
        return all(holds(c, _comparable_value(record, c)) for c in plain) and all(
            has_element(record, name, *group) for name, group in groups.items()
        )

    return matches


def _comparable_value(record: Record, condition: Condition) -> Any:
    value = record.value(condition.field)
    return comparable(value) if isinstance(condition.value, int) else value


def _compared(suppressions: list[dict[str, Any]], which: str) -> list[dict[str, Any]]:
    """Return the suppressions to compare with a date: the latest, the first, or all."""
    if which == "any" or not suppressions:
        return suppressions
    pick = max if which == "latest" else min
    return [pick(suppressions, key=lambda each: str(each["timestamp"]))]
