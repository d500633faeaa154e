"""The vocabulary in which resources and endpoints are declared."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

OPERATORS = {
    "eq": "equals",
    "any": "any",
    "some": "contains-any",
    "all": "contains-all",
    "has": "has",
    "contains": "contains",
    "sw": "starts-with",
    "ew": "ends-with",
    "gt": "greater-than",
    "ge": "greater-or-equal",
    "lt": "less-than",
    "le": "less-or-equal",
}
UPPER_BOUNDS = frozenset({"less-than", "less-or-equal"})
LOWER_BOUNDS = frozenset({"greater-than", "greater-or-equal"})


class Tier(Enum):
    """Klaviyo's rate-limit tiers: requests in a second (burst), in a minute (steady), and perhaps in a day."""

    XS = (1, 15)
    S = (3, 60)
    M = (10, 150)
    L = (75, 750)
    XL = (350, 3500)
    REPORT = (1, 2, 225)

    @property
    def burst(self) -> int:
        """Requests allowed in one second."""
        return int(self.value[0])

    @property
    def steady(self) -> int:
        """Requests allowed in one minute."""
        return int(self.value[1])

    @property
    def daily(self) -> int | None:
        """Requests allowed in one day, if they are counted."""
        return int(self.value[2]) if len(self.value) > 2 else None


class Kind(Enum):
    """What a filter compares with."""

    STR = "str"
    DATETIME = "dt"
    BOOL = "bool"
    NUMBER = "num"
    NONE = "none"


@dataclass(frozen=True)
class Filter:
    """One field that can be filtered on."""

    kind: Kind
    single: frozenset[str]  # operators that take one value
    listed: frozenset[str]  # operators that take a list of values
    choices: tuple[str, ...] = ()
    may_be_future: bool = False  # whether an upper bound may lie in the future
    narrow: bool = True  # whether a range may be narrower than a second
    each: str | None = None  # the list whose elements the field belongs to, or the relation whose ids it compares
    everything: str | None = None  # the value that every record meets
    lists_fail: bool = False  # whether a list of values is a 500
    applies: bool = True  # whether it leaves anything out; some are accepted and ignored

    @classmethod
    def of(cls, text: str, **more: Any) -> Filter:
        """Read the short form: `"dt: ge gt"`, `"str: eq any[]"`; `[]` marks what takes a list."""
        kind, _, operators = text.partition(":")
        names = operators.split()
        return cls(
            Kind(kind),
            frozenset(OPERATORS[name] for name in names if not name.endswith("[]")),
            frozenset(OPERATORS[name[:-2]] for name in names if name.endswith("[]")),
            **more,
        )


@dataclass(frozen=True)
class Page:
    """Page sizes of a collection; without a maximum there is no `page[size]` to choose."""

    default: int
    maximum: int | None = None


@dataclass(frozen=True)
class Cost:
    """Requests that ask for something dear draw on one more bucket, shared by all endpoints."""

    bucket: str
    tier: Tier


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
    fields: frozenset[str]  # attributes by dotted path, for sparse fieldsets
    relationships: Mapping[str, Relationship] = field(default_factory=dict)
    open_fields: frozenset[str] = frozenset()  # attributes below which any path is taken
    hidden: frozenset[str] = frozenset()  # attributes that come as additional fields, or where an endpoint shows them
    id_form: str = ""  # what its ids look like, for types where another form is a 400


@dataclass(frozen=True)
class Endpoint:
    """One GET operation."""

    path: str
    type: str
    tier: Tier
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


class Area(NamedTuple):
    """What belongs together: some resource types and the endpoints that answer them."""

    types: tuple[ResourceType, ...]
    endpoints: tuple[Endpoint, ...]


def tree(text: str) -> frozenset[str]:
    """Dotted paths of a compact notation: `"a b(c d(e))"` has a, b, b.c, b.d, and b.d.e."""
    paths: set[str] = set()
    above: list[str] = []
    name = ""
    for char in text.replace("(", " ( ").replace(")", " ) ").split():
        if char == "(":
            above.append(name)
        elif char == ")":
            above.pop()
        else:
            name = ".".join([above[-1], char]) if above else char
            paths.add(name)
    return frozenset(paths)
