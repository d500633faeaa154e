"""Records made up from the facts: each attribute by its type, its known values and its name.

A type of which nothing else is known gets records that a reader may stumble over: nulls, empty lists, missing members,
scripts, and numbers that few programs hold exactly.
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

_NULL = 0.15  # share of nulls among the values that can be null
_ABSENT = 0.05  # share of the members that are left out, of those in an object that can be null
_MANAGED = {side for pair in PARENT_CHILD for side in ((pair.parent, pair.relation), (pair.child, pair.inverse))}
"""Relations that records get by being joined to others."""


class Birth(NamedTuple):
    """The moments of a record to be made, chance, and what there is already."""

    random: Random
    number: int  # how many of its type were made before
    created: int
    updated: int
    pick: Callable[[str], str | None]  # the id of some record of a type, if there is one
    copy_template: Callable[[], str]  # makes a template that is in no list; its id
    parent: Record | None = None  # what it will belong to


Value = Callable[[Birth], Any]
Attributes = Mapping[str, Mapping[str, Any]]


def record(name: str, birth: Birth, revision: str | None = None, kind: type[Record] = Record) -> Record:
    """One record of a type, with the attributes of one revision or of all of them."""
    relations: dict[str, Related] = {
        relation: [each for _ in range(birth.random.randrange(3)) if (each := birth.pick(other))]
        if many
        else birth.pick(other)
        for relation, other, many in _relations(name)
    }
    attributes = {each: make(birth) for each, make in _shape(name, revision).items()}
    return kind(words.ulid(birth.random, birth.created), attributes, relations)


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
    """What makes the members of an object, of which the facts are given by dotted path."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for path, fact in attributes.items():
        name, _, rest = path.partition(".")
        found.setdefault(name.removesuffix("[]"), {})[rest] = fact
    return {name: _value(name, facts.pop(""), facts) for name, facts in found.items()}


def _value(name: str, fact: Mapping[str, Any], below: Attributes) -> Value:
    kind, nullable, _ = fact["type"].partition(" or null")
    outer, _, inner = kind.partition(" of ")
    one = _one(name, inner or outer, fact.get("values"), below)

    def several(birth: Birth) -> list[Any]:
        return [one(birth) for _ in range(birth.random.randrange(3))]

    make = several if inner else one
    if not nullable or name in _MOMENTS:
        return make
    return lambda birth: None if birth.random.random() < _NULL else make(birth)


def _one(name: str, kind: str, values: list[Any] | None, below: Attributes) -> Value:
    """What makes a value that is no list."""
    if below:
        members = _members(below)
        optional = {each for each, fact in below.items() if fact["type"].endswith(" or null")}
        return lambda birth: {
            each: make(birth)
            for each, make in members.items()
            if each not in optional or birth.random.random() >= _ABSENT
        }
    if values:
        return lambda birth: birth.random.choice(values)
    if name in _MOMENTS:
        return _MOMENTS[name]
    if kind == "string":
        return next(make for pattern, make in _TEXTS if re.search(pattern, name))
    kinds = [_KINDS[each] for each in kind.split(" or ")]
    return kinds[0] if len(kinds) == 1 else lambda birth: birth.random.choice(kinds)(birth)


def _micro(birth: Birth, second: int) -> str:
    """A second with some part of one, the same for both moments of a record."""
    return iso_micro(second * SECOND + (birth.number * 7919 + birth.created) % SECOND)


_MOMENTS: dict[str, Value] = {
    "created": lambda birth: iso(birth.created),
    "updated": lambda birth: iso(birth.updated),
    "created_at": lambda birth: _micro(birth, birth.created),
    "updated_at": lambda birth: _micro(birth, birth.updated - (birth.updated > birth.created)),
}
"""When a record was made and changed. They are never null, since records are walked in their order."""

_KINDS: dict[str, Value] = {
    "array": lambda birth: [birth.number],
    "boolean": lambda birth: birth.random.random() < 0.5,
    "date": lambda birth: iso(birth.updated)[:10],
    "date-time": lambda birth: iso(birth.updated),
    "integer": lambda birth: birth.random.choice((0, 1, 42, 2**31, 2**53)),
    "number": lambda birth: birth.random.choice((0, 19.99, 0.1 + 0.2, 1e-7, 1e6)),
    "object": lambda birth: birth.random.choice(({"Größe": words.HUGE[0], "nested": {"list": [1, None]}}, {})),
    "string": lambda birth: birth.random.choice(words.PRODUCTS),
}

_TEXTS: tuple[tuple[str, Value], ...] = (
    ("email", lambda birth: f"person.{birth.random.randrange(500)}@example.com"),
    ("url|link", lambda birth: f"https://shop.example.com/{birth.number}?q=%C3%BC&x=1"),
    ("color|hex", lambda birth: birth.random.choice(("#ff5733", "#000", "black"))),
    ("phone|number|identifier", lambda birth: f"+1800555{birth.number:04}"),
    ("locale", lambda birth: birth.random.choice(("en", "tr", "ja"))),
    ("country", lambda birth: birth.random.choice(words.PLACES)[2]),
    ("city", lambda birth: birth.random.choice(words.PLACES)[0]),
    ("region", lambda birth: birth.random.choice(words.PLACES)[1]),
    ("timezone", lambda birth: birth.random.choice(words.PLACES)[3]),
    ("currency", lambda birth: birth.random.choice(("USD", "TRY"))),
    ("author", lambda birth: birth.random.choice(words.FIRST_NAMES)),
    ("(^|_)id$|key|token", lambda birth: words.short_id(birth.random)),
    ("name|title|label|subject", lambda birth: f"{words.title(birth.random)} {birth.number}"),
    ("html", lambda birth: f"<p>{birth.random.choice(words.PRODUCTS)}</p>{words.filler(birth.random, 600)}"),
    (
        "description|text|content|body|detail|quote",
        lambda birth: birth.random.choice((words.filler(birth.random, 40), "Teşekkürler! 🙏", "")),
    ),
    ("", _KINDS["string"]),
)
"""What makes a text, by what its name has in it; the first that fits."""
