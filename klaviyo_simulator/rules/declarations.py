"""What is declared of resources and endpoints, as the rest of the simulator reads it."""

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
        """Read the form of the facts, such as `1/s 2/min 225/day`."""
        return cls(*(int(part.partition("/")[0]) for part in text.split()))


@dataclass(frozen=True)
class Filter:
    """One field that can be filtered on."""

    kind: str  # type of the value: string, date-time, boolean, number or integer; empty: there is no value
    single: frozenset[str] = frozenset()  # operators that take one value
    listed: frozenset[str] = frozenset()  # operators that take a list of values
    choices: tuple[str, ...] = ()
    may_be_future: bool = False  # whether an upper bound may lie in the future
    narrow: bool = True  # whether a range may be narrower than a second
    each: str | None = None  # the list whose elements the field belongs to, or the relation whose ids it compares
    everything: str | None = None  # the value that every record meets
    lists_fail: bool = False  # whether a list of values is a 500
    applies: bool = True  # whether it leaves anything out; some are accepted and ignored

    @classmethod
    def of(cls, fact: Mapping[str, Any], **more: Any) -> Filter:
        """Read the form of the facts."""
        operators, listed = (frozenset(fact.get(key, ())) for key in ("operators", "of_lists"))
        return cls(fact.get("type", ""), operators, listed, tuple(fact.get("values", ())), **more)


class Page(NamedTuple):
    """Page sizes of a collection; without a maximum there is no `page[size]` to choose."""

    default: int
    maximum: int | None = None


class Cost(NamedTuple):
    """One more bucket, shared by all endpoints, that requests for something dear draw on."""

    bucket: str
    rate: Rate


@dataclass(frozen=True)
class Relationship:
    """One relationship of a resource type."""

    type: str
    many: bool = True
    always: bool = False  # whether its data come without being included
    optional: bool = False  # whether it is left out if there is nothing related
    elsewhere: str = ""  # its name in answers of other collections than its resource's own


@dataclass(frozen=True)
class ResourceType:
    """One type of resource: where it lives, its attributes and its relationships."""

    name: str
    collection: str  # the path of its collection, also where its links lead
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # facts by dotted path
    relationships: Mapping[str, Relationship] = field(default_factory=dict)
    fields: frozenset[str] = frozenset()  # attributes by dotted path, for sparse fieldsets
    open_fields: frozenset[str] = frozenset()  # attributes below which any path is taken
    hidden: frozenset[str] = frozenset()  # attributes that come as additional fields, or where an endpoint shows them
    id_form: str = ""  # what its ids look like, for types where another form is a 400


@dataclass(frozen=True)
class Endpoint:
    """One GET operation."""

    path: str
    type: str
    rate: Rate
    scopes: tuple[str, ...]
    parent: str | None = None  # of a collection below another resource: that resource's type
    page: Page | None = None
    filters: Mapping[str, Filter] = field(default_factory=dict)
    required: tuple[tuple[str, str], ...] = ()  # (operator, field) that the filter must hold
    one_of: frozenset[str] = frozenset()  # fields of which the filter must name one
    unless_filtered: Mapping[str, Any] = field(default_factory=dict)  # values of fields nobody filters on
    unless_switched: str = ""  # the switch that turns this off, if nobody knows whether it is so
    sorts: frozenset[str] = frozenset()
    default_sort: str = "id"
    aliases: Mapping[str, str] = field(default_factory=dict)  # what names in filters and sorts stand for
    includes: frozenset[str] = frozenset()
    additional: frozenset[str] = frozenset()  # names for additional-fields[type]
    others: frozenset[str] = frozenset()  # further parameters, which change nothing here
    more_fields: frozenset[str] = frozenset()  # further names for sparse fieldsets
    costs: Mapping[tuple[str, str], Cost] = field(default_factory=dict)  # by parameter and name in it
    shows: frozenset[str] = frozenset()  # hidden attributes that always come
    lacks: frozenset[str] = frozenset()  # relationships that never come
    needs_kdp: bool = False  # whether the account must have the add-on "Advanced KDP"
    bare_links: bool = False  # whether the answer links to itself only, even on the last page
    unpaged: bool = False  # whether everything comes at once, for any page size
    pages_by_date: bool = False  # whether pages come by the date that is filtered on, if no sort is given
    sorts_by_date: bool = False  # whether a sort must be by the date that is filtered on

    @property
    def many(self) -> bool:
        """Whether the answer is a collection."""
        return not self.path.endswith("{id}")

    @property
    def relation(self) -> str:
        """The relation by which the parent knows the records."""
        return self.path.rpartition("/")[2]
