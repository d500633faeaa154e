"""Request bodies: JSON:API documents, with every member checked against the operation's declaration."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from klaviyo_simulator.protocol.errors import ApiError, invalid, invalid_body
from klaviyo_simulator.protocol.messages import MEDIA_TYPE
from klaviyo_simulator.reports import timeframes
from klaviyo_simulator.rules import filters

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import date

    from klaviyo_simulator.protocol.messages import Request
    from klaviyo_simulator.reports.timeframes import Timeframe
    from klaviyo_simulator.rules.declarations import Filter
    from klaviyo_simulator.rules.filters import Condition
    from klaviyo_simulator.rules.reports import Operation, Report

POINTER = "/data/attributes"
_ACCEPTED = {MEDIA_TYPE, "application/json"}
_MAX_LIST_LENGTH = 100  # values in the list of a filter


@dataclass(frozen=True)
class ReportQuery:
    """The parsed attributes of a request for a report."""

    statistics: tuple[str, ...]
    timeframe: Timeframe
    interval: str | None
    metric: str | None
    groups: tuple[str, ...]
    conditions: tuple[Condition, ...]


def attributes(request: Request, operation: Operation) -> dict[str, Any]:
    """Return the attributes of a body after a check for unknown and missing ones."""
    if request.headers.get("Content-Type", "").split(";")[0].strip().lower() not in _ACCEPTED:
        raise ApiError(415, f"The content type must be '{MEDIA_TYPE}'.")
    try:
        document = json.loads(request.body)
    except ValueError as error:
        raise invalid_body("/data", "The body is not valid JSON.") from error
    data = _members(document, "", required={"data"}, optional=())["data"]
    given = _members(data, "/data", required={"type", "attributes"}, optional=())
    if given["type"] != operation.type:
        raise invalid_body("/data/type", f"'{given['type']}' is not the type '{operation.type}'.")
    found = _members(given["attributes"], POINTER, operation.required, operation.optional)
    for name, value in found.items():
        if value is None and name not in operation.nullable:
            raise invalid_body(f"{POINTER}/{name}", f"'{name}' may not be null.")
    return {name: value for name, value in found.items() if value is not None}


def parameters(request: Request, operation: Operation) -> dict[str, str]:
    """Return the checked parameters of the query string: sparse fieldsets and, for some operations, a page cursor."""
    given = dict(parse_qsl(request.query, keep_blank_values=True))
    fieldset = f"fields[{operation.type}]"
    for name, value in given.items():
        if name == fieldset:
            for each in value.split(","):
                if each not in operation.fields:
                    raise invalid(name, f"'{each}' is not a field of '{operation.type}'.")
        elif name not in operation.parameters | ({"page_cursor"} & operation.optional):
            # Clients may send the cursor in the body or follow the link that contains it.
            raise invalid(name, f"'{name}' is not a valid parameter for this endpoint.")
    return given


def parse_report_query(given: Mapping[str, Any], report: Report, today: date) -> ReportQuery:
    """Parse the attributes of a request for a report."""
    interval = one(given, "interval", report.values["interval"]) if report.is_series else None
    timeframe = timeframes.read(given["timeframe"], today)
    if interval:
        timeframes.check_length(timeframe, interval)
    if report.subject == "segment" and timeframe.first < timeframes.SEGMENTS_SINCE:
        raise invalid_body(timeframes.POINTER, "Data is unavailable before June 1st, 2023.")
    return ReportQuery(
        statistics=several(given, "statistics", report.statistics),
        timeframe=timeframe,
        interval=interval,
        metric=text(given, "conversion_metric_id") if report.needs_conversion_metric else None,
        groups=_groups(given, report),
        conditions=conditions(text(given, "filter"), report.filters) if "filter" in given else (),
    )


def text(given: Mapping[str, Any], name: str) -> str:
    """Return an attribute that must be a text."""
    value = given[name]
    if not isinstance(value, str) or not value:
        raise invalid_body(f"{POINTER}/{name}", f"'{name}' must be a string.")
    return value


def one(given: Mapping[str, Any], name: str, allowed: Collection[str]) -> str:
    """Return an attribute that must be one of some words."""
    value = text(given, name)
    if value not in allowed:
        raise _unknown(name, value, allowed)
    return value


def several(given: Mapping[str, Any], name: str, allowed: Collection[str]) -> tuple[str, ...]:
    """Return an attribute that must be a list of some words, each once."""
    values = strings(given, name)
    for value in values:
        if value not in allowed:
            raise _unknown(name, value, allowed)
    if not values or len(set(values)) != len(values):
        raise invalid_body(f"{POINTER}/{name}", f"'{name}' must not be empty or have duplicates.")
    return values


def strings(given: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return an attribute that must be a list of strings."""
    values = given[name]
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise invalid_body(f"{POINTER}/{name}", f"'{name}' must be a list of strings.")
    return tuple(values)


def conditions(given: str, declared: Mapping[str, Filter]) -> tuple[Condition, ...]:
    """Parse a filter with at most one condition for each attribute, and lists of limited length."""
    try:
        found = filters.parse(given, declared, 0)
    except ApiError as error:
        raise invalid_body(f"{POINTER}/filter", str(error)) from error
    names = [condition.field for condition in found]
    if len(set(names)) != len(names):
        raise invalid_body(f"{POINTER}/filter", "Only one filter can be used per attribute.")
    if any(isinstance(each.value, tuple) and len(each.value) > _MAX_LIST_LENGTH for each in found):
        raise invalid_body(f"{POINTER}/filter", f"At most {_MAX_LIST_LENGTH} items can be in a list.")
    return tuple(found)


def _groups(given: Mapping[str, Any], report: Report) -> tuple[str, ...]:
    if "group_by" not in given:
        return report.default_groups
    groups = several(given, "group_by", report.values["group_by"])
    missing = report.required_groups.difference(groups)
    if missing:
        raise invalid_body(f"{POINTER}/group_by", f"The data must be grouped by {', '.join(sorted(missing))} too.")
    return groups


def _members(document: object, pointer: str, required: Collection[str], optional: Collection[str]) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise invalid_body(pointer or "/data", "There must be an object here.")
    for name in sorted(required):
        if name not in document:
            raise invalid_body(f"{pointer}/{name}", f"'{name}' is required.")
    for name in document:
        if name not in required and name not in optional:
            raise invalid_body(f"{pointer}/{name}", f"'{name}' is not a valid field here.")
    return document


def _unknown(name: str, value: str, allowed: Collection[str]) -> ApiError:
    return invalid_body(
        f"{POINTER}/{name}", f"'{value}' is not a valid value for '{name}'; valid are {', '.join(sorted(allowed))}."
    )
