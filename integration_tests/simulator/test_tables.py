"""Tables: pages in the order of a sort key, found without a scan of all records."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from typing_extensions import override

from klaviyo_simulator import Settings
from klaviyo_simulator.data.records import Record
from klaviyo_simulator.data.tables import RecordTable
from klaviyo_simulator.protocol.instants import instant_of
from klaviyo_simulator.rules.endpoints import ENDPOINTS
from klaviyo_simulator.rules.filters import Condition
from klaviyo_simulator.rules.queries import Query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from klaviyo_simulator.protocol.cursors import Place

DATES = [f"2026-01-{day:02}T00:00:00+00:00" for day in range(1, 11)]
OPERATORS = ("greater-than", "greater-or-equal", "less-than", "less-or-equal")


class CountingRecord(Record):
    """A record that counts the reads of the date of any record."""

    __slots__ = ()
    reads = 0

    @override
    def value(self, name: str) -> Any:
        CountingRecord.reads += name == "updated"
        return super().value(name)


def table() -> RecordTable:
    """Return a table with three records of each date, and two without a date."""
    dates = [date for date in [*DATES, None] for _ in range(3 if date else 2)]
    return RecordTable([CountingRecord(f"{number:03}", {"updated": date}) for number, date in enumerate(dates)])


def pages(of: RecordTable, conditions: Sequence[Condition], settings: Settings, *, descending: bool) -> list[str]:
    """Return the IDs on pages of two records, in order."""
    query = Query(ENDPOINTS["/api/profiles"], (), tuple(conditions), "updated", descending, size=2)
    found: list[str] = []
    after: Place | None = None
    while True:
        page = of.select(query, after, settings)
        found += [record.id for record in page.records]
        after = page.more
        if after is None:
            return found


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("boundary", [False, True], ids=["", "gt returns its boundary"])
@pytest.mark.parametrize("operators", [*itertools.product(OPERATORS), *itertools.product(OPERATORS[:2], OPERATORS[2:])])
def test_bounds_on_the_sort_key_find_the_same_as_a_full_scan(
    operators: tuple[str, ...], boundary: bool, descending: bool
) -> None:
    settings = Settings(gt_returns_boundary=boundary)
    for dates in itertools.product([DATES[0], DATES[3], DATES[6], DATES[9]], repeat=len(operators)):
        given = [Condition(name, "updated", instant_of(date)) for name, date in zip(operators, dates, strict=True)]
        # "created" has the same date, but is not the sort key, so these conditions are checked for each record.
        others = [Condition(each.operator, "created", each.value) for each in given]
        every = RecordTable(
            [
                Record(record.id, {**record.attributes, "created": record.value("updated")})
                for record in table().records()
            ]
        )
        expected = pages(every, others, settings, descending=descending)
        assert pages(table(), given, settings, descending=descending) == expected


def test_a_narrow_window_of_a_large_table_is_found_without_a_full_scan() -> None:
    large = RecordTable(
        [CountingRecord(f"{number:05}", {"updated": DATES[number // 1000]}) for number in range(10_000)]
    )
    pages(
        large, [Condition("greater-than", "updated", instant_of(DATES[8]))], Settings(), descending=True
    )  # builds the index
    CountingRecord.reads = 0
    bounds = (
        Condition("greater-than", "updated", instant_of(DATES[5])),
        Condition("less-than", "updated", instant_of(DATES[6])),
    )
    assert pages(large, bounds, Settings(), descending=False) == []
    assert CountingRecord.reads < 4_000  # the two dates of the bounds themselves
