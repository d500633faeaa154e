"""Whether a record meets the conditions of a filter."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from klaviyo_simulator.records import comparable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from klaviyo_simulator.filters import Condition
    from klaviyo_simulator.records import Record

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


def matcher(conditions: Iterable[Condition], *, gt_returns_boundary: bool) -> Callable[[Record], bool]:
    """A test that tells whether a record meets all conditions.

    Conditions on the elements of one list must be met by one element together: a profile suppressed in 2020
    and in 2024 was not suppressed between 2021 and 2023.
    """

    def holds(condition: Condition, value: Any) -> bool:
        operator, wanted = condition.operator, condition.value
        if operator == "has":
            return value is not None
        if operator == "equals":
            return value in wanted if isinstance(wanted, tuple) else bool(value == wanted)
        if operator == "greater-than" and gt_returns_boundary:
            operator = "greater-or-equal"
        return value is not None and _TESTS[operator](value, wanted)

    plain = [condition for condition in conditions if condition.each is None]
    by_list = sorted((c for c in conditions if c.each is not None), key=lambda c: c.each or "")
    groups = [(name or "", list(group)) for name, group in groupby(by_list, key=lambda c: c.each)]

    def element_holds(element: dict[str, Any], group: list[Condition]) -> bool:
        return all(holds(c, comparable(element.get(c.field.rpartition(".")[2]))) for c in group)

    def matches(record: Record) -> bool:
        return all(holds(c, _value(record, c)) for c in plain) and all(
            any(element_holds(element, group) for element in record.elements(name)) for name, group in groups
        )

    return matches


def _value(record: Record, condition: Condition) -> Any:
    value = record.value(condition.field)
    return comparable(value) if isinstance(condition.value, int) else value
