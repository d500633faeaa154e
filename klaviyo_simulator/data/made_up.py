"""Records made up from the facts: each attribute by its type, known values and name.

They are awkward on purpose: nulls, empty lists, missing members, many scripts, and numbers that few programs hold
exactly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from klaviyo_simulator.data import words
from klaviyo_simulator.data.records import Record, Related
from klaviyo_simulator.protocol.instants import SECOND, iso, iso_micro
from klaviyo_simulator.rules.endpoints import TYPES_BY_REVISION
from klaviyo_simulator.rules.hierarchy import PARENT_CHILD

if TYPE_CHECKING:
    from random import Random

_NULL = 0.15  # share of nulls among nullable values
_MISSING = 0.05  # share of missing members among the nullable members of an object
_MANAGED = {side for pair in PARENT_CHILD for side in ((pair.parent, pair.relation), (pair.child, pair.inverse))}
"""Relationships that are set when records join others."""


class MakerContext(NamedTuple):
    """The context of a new record: randomness, its dates, and the existing records."""

    random: Random
    number: int  # number of earlier records of its type
    created: int
    updated: int
    pick: Callable[[str], str | None]  # the ID of a random record of a type, if any
    copy_template: Callable[[], str]  # makes a template that no list shows, and returns its ID
    parent: Record | None = None  # the parent that it will join


Value = Callable[[MakerContext], Any]
Attributes = Mapping[str, Mapping[str, Any]]


def record(name: str, context: MakerContext, revision: str | None = None, kind: type[Record] = Record) -> Record:
    """Make a record of a type, with the attributes of one revision or of all."""
    relations: dict[str, Related] = {
        relation: [each for _ in range(context.random.randrange(3)) if (each := context.pick(other))]
        if many
        else context.pick(other)
        for relation, other, many in _relations(name)
    }
    attributes = {each: make(context) for each, make in _shape(name, revision).items()}
    return kind(words.ulid(context.random, context.created), attributes, relations)


@cache
def _relations(name: str) -> list[tuple[str, str, bool]]:
    return [
        (relation, target.type, target.many)
        for relation, target in _of_all_revisions(name, "relationships").items()
        if (name, relation) not in _MANAGED
    ]


@cache
def _shape(name: str, revision: str | None) -> dict[str, Value]:
    return _members(TYPES_BY_REVISION[revision][name].attributes if revision else _of_all_revisions(name, "attributes"))


def _of_all_revisions(name: str, section: str) -> dict[str, Any]:
    known = [getattr(types[name], section) for types in TYPES_BY_REVISION.values() if name in types]
    return {key: fact for facts in known for key, fact in facts.items()}


def _members(attributes: Attributes) -> dict[str, Value]:
    """Return a maker for each member of an object, from facts by dotted path."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for path, fact in attributes.items():
        name, _, rest = path.partition(".")
        found.setdefault(name.removesuffix("[]"), {})[rest] = fact
    return {name: _value(name, facts.pop(""), facts) for name, facts in found.items()}


def _value(name: str, fact: Mapping[str, Any], below: Attributes) -> Value:
    kind, nullable, _ = fact["type"].partition(" or null")
    outer, _, inner = kind.partition(" of ")
    one = _single(name, inner or outer, fact.get("values"), below)

    def several(context: MakerContext) -> list[Any]:
        return [one(context) for _ in range(context.random.randrange(3))]

    make = several if inner else one
    if not nullable or name in _DATES:
        return make
    return lambda context: None if context.random.random() < _NULL else make(context)


def _single(name: str, kind: str, values: list[Any] | None, below: Attributes) -> Value:
    """Return the maker of a value that is not a list."""
    if below:
        members = _members(below)
        optional = {each for each, fact in below.items() if fact["type"].endswith(" or null")}
        return lambda context: {
            each: make(context)
            for each, make in members.items()
            if each not in optional or context.random.random() >= _MISSING
        }
    if values:
        return lambda context: context.random.choice(values)
    if name in _DATES:
        return _DATES[name]
    if kind == "string":
        return next(make for pattern, make in _TEXTS if re.search(pattern, name))
    kinds = [_KINDS[each] for each in kind.split(" or ")]
    return kinds[0] if len(kinds) == 1 else lambda context: context.random.choice(kinds)(context)


def _micro(context: MakerContext, second: int) -> str:
    """Format a second with a fraction, which is the same for both dates of a record."""
    return iso_micro(second * SECOND + (context.number * 7919 + context.created) % SECOND)


_DATES: dict[str, Value] = {
    "created": lambda context: iso(context.created),
    "updated": lambda context: iso(context.updated),
    "created_at": lambda context: _micro(context, context.created),
    "updated_at": lambda context: _micro(context, context.updated - (context.updated > context.created)),
}
"""Makers of the dates of creation and change, which are never null, since streams sort by them."""

_KINDS: dict[str, Value] = {
    "array": lambda context: [context.number],
    "boolean": lambda context: context.random.random() < 0.5,
    "date": lambda context: iso(context.updated)[:10],
    "date-time": lambda context: iso(context.updated),
    "integer": lambda context: context.random.choice((0, 1, 42, 2**31, 2**53)),
    "number": lambda context: context.random.choice((0, 19.99, 0.1 + 0.2, 1e-7, 1e6)),
    "object": lambda context: context.random.choice(({"Größe": words.HUGE[0], "nested": {"list": [1, None]}}, {})),
    "string": lambda context: context.random.choice(words.PRODUCTS),
}

_TEXTS: tuple[tuple[str, Value], ...] = (
    ("email", lambda context: f"person.{context.random.randrange(500)}@example.com"),
    ("url|link", lambda context: f"https://shop.example.com/{context.number}?q=%C3%BC&x=1"),
    ("color|hex", lambda context: context.random.choice(("#ff5733", "#000", "black"))),
    ("phone|number|identifier", lambda context: f"+1800555{context.number:04}"),
    ("locale", lambda context: context.random.choice(("en", "tr", "ja"))),
    ("country", lambda context: context.random.choice(words.PLACES)[2]),
    ("city", lambda context: context.random.choice(words.PLACES)[0]),
    ("region", lambda context: context.random.choice(words.PLACES)[1]),
    ("timezone", lambda context: context.random.choice(words.PLACES)[3]),
    ("currency", lambda context: context.random.choice(("USD", "TRY"))),
    ("author", lambda context: context.random.choice(words.FIRST_NAMES)),
    ("(^|_)id$|key|token", lambda context: words.short_id(context.random)),
    ("name|title|label|subject", lambda context: f"{words.title(context.random)} {context.number}"),
    ("html", lambda context: f"<p>{context.random.choice(words.PRODUCTS)}</p>{words.filler(context.random, 600)}"),
    (
        "description|text|content|body|detail|quote",
        lambda context: context.random.choice((words.filler(context.random, 40), "Teşekkürler! 🙏", "")),
    ),
    ("", _KINDS["string"]),
)
"""Makers of texts by a pattern of the name; the first match applies."""
