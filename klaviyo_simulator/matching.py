"""Whether a record meets the conditions of a filter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klaviyo_simulator.filters import ANYTHING
from klaviyo_simulator.records import comparable
from klaviyo_simulator.suppressions import compared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from klaviyo_simulator.filters import Condition
    from klaviyo_simulator.records import Record
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


def matcher(conditions: Sequence[Condition], settings: Settings) -> Callable[[Record], bool]:
    """A test whether a record meets all conditions.

    Conditions on the elements of one list must be met by one element together. Which of several suppressions is
    compared with a date is one of the settings.
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
        return any(meets(each, dates) for each in (compared(found, settings.suppression_order) if dates else found))

    plain = [condition for condition in conditions if condition.each is None]
    groups: dict[str, tuple[list[Condition], list[Condition]]] = {}
    for condition in conditions:
        if condition.each is not None:
            group = groups.setdefault(condition.each, ([], []))
            group[not condition.field.endswith(".timestamp")].append(condition)

    def matches(record: Record) -> bool:
        return all(holds(c, _value(record, c)) for c in plain) and all(
            has_element(record, name, *group) for name, group in groups.items()
        )

    return matches


def _value(record: Record, condition: Condition) -> Any:
    value = record.value(condition.field)
    return comparable(value) if isinstance(condition.value, int) else value
