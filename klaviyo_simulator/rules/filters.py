"""The filter grammar, and its check against the endpoint's declaration.

A filter is `op(field,value)`, several of them joined by commas or wrapped in `and(…)`. Strings are quoted,
datetimes, numbers, booleans and null are not; lists are in brackets. There is neither `or` nor `not`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from klaviyo_simulator.protocol.errors import CODES, ApiError, invalid, invalid_body
from klaviyo_simulator.protocol.instants import SECOND, instant_of
from klaviyo_simulator.rules.declarations import LOWER_BOUNDS, OPERATORS, UPPER_BOUNDS, Filter

if TYPE_CHECKING:
    from collections.abc import Mapping

Scalar = str | int | float | bool | None
_NAME = re.compile(r"[a-z-]+")
_FIELD = re.compile(r"[A-Za-z_$][\w.$-]*")
_BARE = re.compile(r"[^,()\[\]\"'\s]+")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
ANYTHING = "anything"
"""The operator of a condition that every record meets."""
_RANGE_MARGIN = 1.0  # seconds; bounds closer to the present than this count as future


@dataclass(frozen=True)
class Bare:
    """An unquoted value; its type depends on the field."""

    text: str


RawValue = str | Bare | list[str | Bare] | None


@dataclass(frozen=True)
class Condition:
    """A comparison; datetimes are instants."""

    operator: str
    field: str
    value: Scalar | tuple[Scalar, ...] = None
    element_of: str | None = None  # the list of which one element must meet all conditions on it


class _Parser:
    """A parser of filters into (operator, field, raw value) triples."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def parse(self) -> list[tuple[str, str, RawValue]]:
        found = self._calls()
        if self.at != len(self.text):
            raise self._error()
        return found

    def _calls(self) -> list[tuple[str, str, RawValue]]:
        found = self._call()
        while self._skip(","):
            found += self._call()
        return found

    def _call(self) -> list[tuple[str, str, RawValue]]:
        operator = self._match(_NAME)
        self._expect("(")
        if operator == "and":
            found = self._calls()
        elif operator in OPERATORS:
            field = self._match(_FIELD)
            found = [(operator, field, self._value() if self._skip(",") else None)]
        else:
            raise invalid("filter", f"Invalid filter provided: there is no operator '{operator}'.")
        self._expect(")")
        return found

    def _value(self) -> str | Bare | list[str | Bare]:
        if not self._skip("["):
            return self._scalar()
        values = [self._scalar()]
        while self._skip(","):
            values.append(self._scalar())
        self._expect("]")
        return values

    def _scalar(self) -> str | Bare:
        quote = self.text[self.at : self.at + 1]
        if quote not in {'"', "'"} or not quote:
            return Bare(self._match(_BARE))
        self.at += 1
        chars: list[str] = []
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "\\" and self.text[self.at + 1 : self.at + 2] in {quote, "\\"}:
                self.at += 1
                char = self.text[self.at]
            elif char == quote:
                self.at += 1
                return "".join(chars)
            chars.append(char)
            self.at += 1
        raise self._error()

    def _match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if not found:
            raise self._error()
        self.at = found.end()
        return found.group()

    def _skip(self, char: str) -> bool:
        if self.text[self.at : self.at + 1] != char:
            return False
        self.at += 1
        return True

    def _expect(self, char: str) -> None:
        if not self._skip(char):
            raise self._error()

    def _error(self) -> Exception:
        return invalid("filter", f"Invalid filter provided: cannot be read from character {self.at} on.")


def parse(text: str, declared: Mapping[str, Filter], now: float) -> list[Condition]:
    """Parse a filter and check it against the endpoint's declaration.

    Raises:
        ApiError: a 400, if the filter is malformed or not allowed.
    """
    conditions: list[Condition] = []
    for operator, field, raw in _Parser(text).parse():
        if field not in declared:
            raise invalid("filter", f"Invalid filter provided: '{field}' cannot be filtered on.")
        rule = declared[field]
        value = _value(operator, field, raw, rule)
        applies = rule.applies and (value is None or value != rule.matches_all)
        conditions.append(Condition(operator if applies else ANYTHING, field, value, rule.element_of))
        if operator in UPPER_BOUNDS and not rule.may_be_future:
            _check_not_future(field, rule, value, now)
    for field, rule in declared.items():
        if not rule.allows_subsecond:
            _check_not_empty(field, [condition for condition in conditions if condition.field == field])
    return conditions


def _value(operator: str, field: str, raw: RawValue, rule: Filter) -> Scalar | tuple[Scalar, ...]:
    listed = isinstance(raw, list)
    if operator not in (rule.listed if listed else rule.single):
        form = " with a list" if listed else ""
        raise invalid("filter", f"Invalid filter provided: '{operator}'{form} is not allowed for '{field}'.")
    if listed and rule.lists_fail:
        raise ApiError(500, CODES[500][1])
    if not rule.kind:
        if raw is not None:
            raise invalid("filter", f"Invalid filter provided: '{operator}({field})' takes no value.")
        return None
    if isinstance(raw, list):
        return tuple(_scalar(operator, field, each, rule) for each in raw)
    return _scalar(operator, field, raw, rule)


def _scalar(operator: str, field: str, raw: str | Bare | None, rule: Filter) -> Scalar:
    if isinstance(raw, Bare):
        if raw.text == "null" and operator == "equals":
            return None
        if rule.kind == "date-time" and (instant := instant_of(raw.text)) is not None:
            return instant
        if rule.kind == "boolean" and raw.text in {"true", "false"}:
            return raw.text == "true"
        if rule.kind in {"number", "integer"} and _NUMBER.fullmatch(raw.text):
            return float(raw.text) if "." in raw.text else int(raw.text)
    elif raw is not None and rule.kind == "string" and (not rule.choices or raw in rule.choices):
        return raw
    expected = {
        "date-time": "an unquoted datetime as 2023-08-15T12:30:00Z",
        "boolean": "true or false",
        **dict.fromkeys(("number", "integer"), "an unquoted number"),
    }.get(rule.kind, f"one of {', '.join(rule.choices)}, quoted" if rule.choices else "a quoted string")
    raise invalid("filter", f"Invalid filter provided: '{field}' takes {expected}.")


def _check_not_future(field: str, rule: Filter, value: Scalar | tuple[Scalar, ...], now: float) -> None:
    if rule.kind == "date-time" and isinstance(value, int) and value > (now - _RANGE_MARGIN) * SECOND:
        raise invalid_body(field, "End date may not be in the future")


def _check_not_empty(field: str, conditions: list[Condition]) -> None:
    """Raise a 400 for bounds within one second, since Klaviyo compares them by the second."""
    lower, upper = _seconds(conditions, LOWER_BOUNDS), _seconds(conditions, UPPER_BOUNDS)
    if lower and upper and min(upper) <= max(lower):
        raise invalid_body(field, f"Datetime bounds for '{field}' is empty or invalid.")


def _seconds(conditions: list[Condition], operators: frozenset[str]) -> list[int]:
    return [
        condition.value // SECOND
        for condition in conditions
        if condition.operator in operators and isinstance(condition.value, int)
    ]
