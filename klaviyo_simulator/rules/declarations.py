"""Declarations of resources and endpoints."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

OPERATORS = frozenset(
    {
        *("any", "contains", "contains-all", "contains-any", "ends-with", "equals", "has", "starts-with"),
        *("greater-or-equal", "greater-than", "less-or-equal", "less-than"),
    }
)
UPPER_BOUNDS = frozenset({"less-than", "less-or-equal"})
LOWER_BOUNDS = frozenset({"greater-than", "greater-or-equal"})


class Rate(NamedTuple):
    """A rate limit: requests in a second (burst), in a minute (steady), and perhaps in a day."""

    burst: int
    steady: int
    daily: int | None = None

    @classmethod
    def of(cls, text: str) -> Rate:
        """Parse the notation of the facts, such as `1/s 2/min 225/day`."""
        return cls(*(int(part.partition("/")[0]) for part in text.split()))


@dataclass(frozen=True)
class Filter:
    """A field that can be filtered on."""

    kind: str  # type of the value: string, date-time, boolean, number or integer; empty: no value
    single: frozenset[str] = frozenset()  # operators that take one value
    listed: frozenset[str] = frozenset()  # operators that take a list of values
    choices: tuple[str, ...] = ()
    may_be_future: bool = False  # whether an upper bound may lie in the future
    allows_subsecond: bool = True  # whether a range may be narrower than a second
    element_of: str | None = (
        None  # the list that the field is an element's of, or the relationship whose IDs it compares
    )
    matches_all: str | None = None  # the value that every record meets
    lists_fail: bool = False  # whether a list of values is a 500
    applies: bool = True  # whether it has an effect; Klaviyo accepts and ignores some

    @classmethod
    def of(cls, fact: Mapping[str, Any], **more: Any) -> Filter:
        """Parse the notation of the facts."""
        operators, listed = (frozenset(fact.get(key, ())) for key in ("operators", "of_lists"))
        return cls(fact.get("type", ""), operators, listed, tuple(fact.get("values", ())), **more)


class Page(NamedTuple):
    """Page sizes of a collection; without a maximum, there is no parameter `page[size]`."""

    default: int
    maximum: int | None = None


class Cost(NamedTuple):
    """A further rate limit bucket, shared by all endpoints, for requests with an expensive parameter."""

    bucket: str
    rate: Rate


@dataclass(frozen=True)
class Relationship:
    """A relationship of a resource type."""

    type: str
    many: bool = True
    always: bool = False  # whether it has data without being included
    optional: bool = False  # whether it is omitted if there is no related resource
    name_elsewhere: str = ""  # its name outside the responses of its own collection


@dataclass(frozen=True)
class ResourceType:
    """A resource type: its collection, attributes and relationships."""

    name: str
    collection: str  # path of its collection and prefix of its links
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # facts by dotted path
    relationships: Mapping[str, Relationship] = field(default_factory=dict)
    fields: frozenset[str] = frozenset()  # attributes by dotted path, for sparse fieldsets
    open_fields: frozenset[str] = frozenset()  # attributes below which any path is valid
    hidden: frozenset[str] = (
        frozenset()
    )  # attributes that need `additional-fields` or an endpoint that always shows them
    id_form: str = ""  # pattern of its IDs, if others are a 400


@dataclass(frozen=True)
class Endpoint:
    """A GET operation."""

    path: str
    type: str
    rate: Rate
    scopes: tuple[str, ...]
    parent: str | None = None  # type of the parent, for a collection below a resource
    page: Page | None = None
    filters: Mapping[str, Filter] = field(default_factory=dict)
    required: tuple[tuple[str, str], ...] = ()  # (operator, field) that the filter must contain
    one_of: frozenset[str] = frozenset()  # fields of which the filter must contain one
    default_filters: Mapping[str, Any] = field(
        default_factory=dict
    )  # values of fields that the filter does not contain
    defaults_disabled_by: str = ""  # switch that turns these off, if they are unconfirmed
    sorts: frozenset[str] = frozenset()
    default_sort: str = "id"
    aliases: Mapping[str, str] = field(default_factory=dict)  # dotted paths behind names in filters and sorts
    includes: frozenset[str] = frozenset()
    additional: frozenset[str] = frozenset()  # names for additional-fields[type]
    ignored_parameters: frozenset[str] = frozenset()  # accepted without an effect
    more_fields: frozenset[str] = frozenset()  # further names for sparse fieldsets
    costs: Mapping[tuple[str, str], Cost] = field(default_factory=dict)  # by parameter and name in it
    always_shown: frozenset[str] = frozenset()  # hidden attributes that are in every response
    hidden_relationships: frozenset[str] = frozenset()  # relationships that are in no response
    needs_kdp: bool = False  # whether the account needs the add-on "Advanced KDP"
    bare_links: bool = False  # whether the only link is `self`
    unpaged: bool = False  # whether one page has all records, for any page size
    pages_by_date: bool = False  # whether the default sort is the date in the filter
    sorts_by_date: bool = False  # whether the sort must be the date in the filter

    @property
    def many(self) -> bool:
        """Return whether the response is a collection."""
        return not self.path.endswith("{id}")

    @property
    def relation(self) -> str:
        """The parent's relationship with the records."""
        return self.path.rpartition("/")[2]
