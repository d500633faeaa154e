"""The query string: parsing, and the check of every parameter against the endpoint's declaration."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from klaviyo_simulator.protocol.errors import ApiError, invalid, invalid_body
from klaviyo_simulator.rules import filters
from klaviyo_simulator.rules.endpoints import TYPES
from klaviyo_simulator.rules.exceptions import LIST_SUPPRESSIONS, SUPPRESSION
from klaviyo_simulator.rules.filters import Condition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from klaviyo_simulator.rules.declarations import Endpoint, ResourceType
    from klaviyo_simulator.settings import Settings


@dataclass(frozen=True)
class Query:
    """The parsed parameters of a request."""

    endpoint: Endpoint
    parameters: tuple[tuple[str, str], ...] = ()  # as received, without the cursor
    conditions: tuple[Condition, ...] = ()
    sort: str = "id"
    descending: bool = False
    size: int | None = None
    cursor: str | None = None
    includes: tuple[str, ...] = ()
    additional: frozenset[str] = frozenset()
    fields: dict[str, frozenset[str]] = field(default_factory=dict)
    sparse_drops_relationships: bool = True
    types: Mapping[str, ResourceType] = field(default_factory=lambda: TYPES)  # of the requested revision

    def identity(self, path: str) -> str:
        """Return the text that a cursor is bound to: the path and all other parameters."""
        return f"{path}?{'&'.join(sorted(self._encoded))}"

    def url(self, base: str, cursor: str | None) -> str:
        """Return the URL of a page of this query."""
        encoded = [*self._encoded, *([urlencode({"page[cursor]": cursor})] if cursor else [])]
        return f"{base}?{'&'.join(encoded)}" if encoded else base

    @cached_property
    def _encoded(self) -> list[str]:
        return [urlencode([parameter]) for parameter in self.parameters]


def parse(
    endpoint: Endpoint, raw: str, settings: Settings, now: float, types: Mapping[str, ResourceType] = TYPES
) -> Query:
    """Parse a raw query string.

    Raises:
        ApiError: a 400, if Klaviyo would reject a parameter.
    """
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, strict_parsing=bool(raw), errors="strict")
    except ValueError as error:
        raise ApiError(400, "The query string cannot be read.") from error
    given = dict(pairs)
    if len(given) != len(pairs):
        twice = next(name for name, _ in pairs if sum(name == other for other, _ in pairs) > 1)
        raise invalid(twice, f"The parameter '{twice}' may be given only once.")
    for name in given:
        _check_known(endpoint, name, types)
    conditions = _conditions(endpoint, given.get("filter"), settings, now)
    sort, descending = _sort_order(endpoint, given.get("sort"), conditions, settings)
    return Query(
        endpoint=endpoint,
        parameters=tuple(pair for pair in pairs if pair[0] != "page[cursor]"),
        conditions=tuple(conditions),
        sort=sort,
        descending=descending,
        size=_page_size(endpoint, given.get("page[size]"), settings),
        cursor=given.get("page[cursor]"),
        includes=tuple(_selected_names("include", given.get("include"), endpoint.includes)),
        additional=frozenset(_additional_fields(endpoint, given)),
        fields={
            name[7:-1]: frozenset(_sparse_fields(endpoint, name, value, types))
            for name, value in given.items()
            if name.startswith("fields[")
        },
        sparse_drops_relationships=settings.sparse_drops_relationships,
        types=types,
    )


def values(raw: str) -> dict[str, str]:
    """Return the parameters of a query string without checking them."""
    return dict(parse_qsl(raw, keep_blank_values=True))


def _check_known(endpoint: Endpoint, name: str, types: Mapping[str, ResourceType]) -> None:
    known = {"page[size]"} if endpoint.page and endpoint.page.maximum else set()
    known |= {"page[cursor]"} if endpoint.page else set()
    known |= {"filter"} if endpoint.filters else set()
    known |= {"sort"} if endpoint.sorts else set()
    known |= {"include"} if endpoint.includes else set()
    known |= {f"additional-fields[{endpoint.type}]"} if endpoint.additional else set()
    known |= endpoint.ignored_parameters
    related = (types[endpoint.type].relationships[each].type for each in endpoint.includes)
    known |= {f"fields[{each}]" for each in (endpoint.type, *related)}
    if name == "page[size]" and name not in known:
        raise _wrong_size(f"'page_size' is not a valid field for the resource '{endpoint.type}'")
    if name not in known:
        raise invalid(name, f"'{name}' is not a valid parameter for this endpoint.")


def _conditions(endpoint: Endpoint, text: str | None, settings: Settings, now: float) -> list[Condition]:
    conditions = filters.parse(text, endpoint.filters, now) if text is not None else []
    for operator, name in endpoint.required:
        if not any((each.operator, each.field) == (operator, name) for each in conditions):
            raise invalid("filter", f"A filter on '{name}' with '{operator}' is required for this endpoint.")
    filtered = {condition.field for condition in conditions}
    if endpoint.one_of and not endpoint.one_of & filtered:
        raise invalid("filter", f"A filter on one of {_quoted_list(endpoint.one_of)} is required for this endpoint.")
    if settings.refuse_status_all and any((each.field, each.value) == ("status", "all") for each in conditions):
        raise invalid("filter", "Invalid filter provided: 'all' is not a valid value for 'status'.")
    shows_all = bool(endpoint.defaults_disabled_by) and getattr(settings, endpoint.defaults_disabled_by)
    for name, value in endpoint.default_filters.items():
        if name not in filtered and not shows_all:
            conditions.append(Condition("equals", name, value))
    return [replace(each, field=endpoint.aliases.get(each.field, each.field)) for each in conditions]


def _sort_order(
    endpoint: Endpoint, given: str | None, conditions: list[Condition], settings: Settings
) -> tuple[str, bool]:
    """Return the sort key of the records, and whether the order is descending."""
    name = (given or endpoint.default_sort).removeprefix("-")
    if given is not None and name not in endpoint.sorts:
        raise invalid("sort", f"'{given}' is not a valid sort key; valid are {_quoted_list(endpoint.sorts)}.")
    dates = [each.field for each in conditions if _is_date(endpoint, each.field)]
    if found := _suppression_order(conditions, len(dates), given, settings):
        return found, False
    if dates and given is None and endpoint.pages_by_date:
        return dates[0], False
    if given is not None and endpoint.sorts_by_date and set(dates) - {name}:
        raise invalid("sort", f"With a filter on '{dates[0]}', only that can be sorted by.")
    archived = endpoint.aliases.get("archived", "archived")
    if Condition("equals", archived, True) in conditions and endpoint.type == "campaign":
        return "id", False  # Klaviyo ignores the sort of archived campaigns
    return endpoint.aliases.get(name, name), (given or endpoint.default_sort).startswith("-")


def _suppression_order(conditions: Sequence[Condition], dates: int, sort: str | None, settings: Settings) -> str | None:
    """Return the sort key for a filter on suppressions, or None for other filters.

    Args:
        conditions: The conditions of the filter.
        dates: The number of conditions on dates.
        sort: The requested sort, if any.
        settings: The simulator's settings.

    Raises:
        ApiError: a 400, if the filter breaks a rule for suppressions.
    """
    kinds = {each.element_of for each in conditions} & {SUPPRESSION, LIST_SUPPRESSIONS}
    if not kinds:
        return None
    if settings.refuse_suppression_filter:
        raise invalid("filter", "You may not filter on subscriptions.")
    if sort is not None:
        raise invalid("filter", f"You may not filter on subscriptions and sort by '{sort}' in one request.")
    if len(kinds) > 1:
        raise invalid("filter", "Global suppressions and list suppressions cannot be filtered on together.")
    if dates > 1:
        raise invalid("filter", "Together with suppressions, a filter may have one condition on a date.")
    kind = str(kinds.pop())
    if kind == LIST_SUPPRESSIONS and not any(each.field == f"{kind}.list_id" for each in conditions):
        raise invalid("filter", "A filter on list suppressions must name the list_id.")
    return f"{kind}.{'first' if settings.suppression_order == 'first' else 'timestamp'}"


def _is_date(endpoint: Endpoint, field: str) -> bool:
    return field in endpoint.filters and endpoint.filters[field].kind == "date-time"


def _page_size(endpoint: Endpoint, text: str | None, settings: Settings) -> int | None:
    if not endpoint.page or endpoint.unpaged:
        return None
    maximum = endpoint.page.maximum or endpoint.page.default
    if endpoint.type == "event":
        maximum = min(maximum, settings.events_max_page)
    if text is None:
        return min(endpoint.page.default, maximum)
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= maximum:
        raise _wrong_size(f"Page size must be an integer between 1 and {maximum}.")
    return int(text)


def _wrong_size(detail: str) -> ApiError:
    return invalid_body("/data/attributes/page_size", detail)


def _additional_fields(endpoint: Endpoint, given: dict[str, str]) -> Sequence[str]:
    name = f"additional-fields[{endpoint.type}]"
    return _selected_names(name, given.get(name), endpoint.additional)


def _selected_names(parameter: str, text: str | None, allowed: frozenset[str]) -> list[str]:
    names = text.split(",") if text is not None else []
    for name in names:
        if name not in allowed:
            raise invalid(parameter, f"'{name}' is not a valid value; valid are {_quoted_list(allowed)}.")
    return list(dict.fromkeys(names))


def _sparse_fields(endpoint: Endpoint, parameter: str, text: str, types: Mapping[str, ResourceType]) -> list[str]:
    declared = types[parameter[7:-1]]
    names = text.split(",")
    for name in names:
        top = name.partition(".")[0]
        own = declared.name == endpoint.type
        known = name in declared.fields or (top in declared.open_fields and top != name)
        visible = top not in declared.hidden or (own and top in endpoint.additional | endpoint.always_shown)
        if not (name == "id" or (known and visible) or (own and name in endpoint.more_fields)):
            raise invalid(parameter, f"'{name}' is not a field of '{declared.name}'.")
    return names


def _quoted_list(names: frozenset[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names))
