"""Load the facts about one revision of the API, and look them up."""

from __future__ import annotations

from functools import cache, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Schema: TypeAlias = dict[str, Any]
Content: TypeAlias = dict[str, dict[str, Any]]
"""The sections ``operations``, ``resources`` and ``statistics``, each by name."""

PROJECT = Path(__file__).resolve().parents[2]
FACTS = PROJECT / "facts"
TYPES = frozenset({"array", "boolean", "integer", "number", "object", "string"})


class Facts:
    """The facts about one revision of the API.

    Attributes:
        revision: the API revision.
        operations: by method and path, such as ``GET /api/profiles``.
        resources: by type, such as ``profile``.
        statistics: the description of each statistic of the reports, by name.
    """

    def __init__(self, revision: str, content: Content) -> None:
        self.revision = revision
        self.operations: dict[str, Any] = content["operations"]
        self.resources: dict[str, Any] = content["resources"]
        self.statistics: dict[str, str] = content["statistics"]

    def operation(self, path: str) -> Mapping[str, Any]:
        """Return the operation at a path: GET, or POST for reports and aggregates."""
        found: Mapping[str, Any] = self.operations.get(f"GET {path}") or self.operations[f"POST {path}"]
        return found

    def type_of(self, path: str) -> str:
        """Return the type of the resources that a path returns."""
        answers: str = self.operation(path)["answers"]
        return answers.rpartition(" ")[2]

    def is_collection(self, path: str) -> bool:
        """Return whether a path returns many resources."""
        return str(self.operation(path)["answers"]).startswith("many ")

    def rate(self, path: str) -> tuple[int, int, int | None]:
        """Return how many requests an operation takes in a second, a minute and, if that is limited, a day."""
        burst, steady, *daily = (int(each.partition("/")[0]) for each in self.operation(path)["rate"].split())
        return burst, steady, daily[0] if daily else None

    def parameters(self, path: str) -> Mapping[str, frozenset[str] | None]:
        """Return the query parameters of an operation, each with the values it takes; None stands for any."""
        operation = self.operation(path)
        found: dict[str, frozenset[str] | None] = dict.fromkeys(operation.get("other_parameters", ()))
        if page := operation.get("page"):
            found |= {"page[cursor]": None} | ({} if page == "fixed" else {"page[size]": None})
        if "filters" in operation:
            found["filter"] = None
        if sorts := operation.get("sorts"):
            found["sort"] = frozenset(sorts) | {f"-{name}" for name in sorts}
        if "includes" in operation:
            found["include"] = frozenset(operation["includes"])
        if "additional_fields" in operation:
            found[f"additional-fields[{self.type_of(path)}]"] = self.additional_fields(path)
        return found | {f"fields[{kind}]": self.fields(kind, path) for kind in operation.get("fieldsets", ())}

    def fields(self, kind: str, path: str) -> frozenset[str] | None:
        """Return the names that a sparse fieldset of an operation may have; None if the facts do not have the resource.

        Names below an attribute that the facts leave open are not among them.
        """
        own = kind == self.type_of(path)
        more = set(self.operation(path).get("more_fields", ())) if own else set()
        if kind not in self.resources:
            return frozenset(more) or None
        if own:
            absent = set(self.operation(path).get("without", ()))
        else:  # included resources lack the attributes that only some operations return
            absent = {name for operation in self._answering(kind) for name in _partial(operation)}
        names = self.resources[kind].get("attributes", ())
        return frozenset(
            {"id"} | more | {name for name in names if "[]" not in name and name.split(".")[0] not in absent}
        )

    def relationships(self, path: str) -> Mapping[str, tuple[str, bool]]:
        """Return the relationships of an operation's resources: the type of the others, and whether many."""
        absent = self.operation(path).get("without", ())
        return {
            name: (fact["to"].partition(" ")[2], fact["to"].startswith("many "))
            for name, fact in self.resources[self.type_of(path)].get("relationships", {}).items()
            if f"relationships.{name}" not in absent
        }

    def _answering(self, kind: str) -> Iterator[Mapping[str, Any]]:
        return (one for one in self.operations.values() if one["answers"].endswith(f" {kind}"))

    def resource(self, path: str) -> Schema:
        """Return the schema of the resources that an operation returns, with the attributes hidden by default."""
        operation, name = self.operation(path), self.type_of(path)
        facts = self.resources[name]
        absent = set(operation.get("without", ()))
        shown = {
            path: fact
            for path, fact in facts.get("attributes", {}).items()
            if path.split(".")[0].rstrip("[]") not in absent
        }
        properties: Schema = {
            "type": {"type": "string", "title": name},
            "id": {"type": "string", "description": facts["id"]},
            "attributes": nested(shown),
        }
        if facts.get("links", True):
            properties["links"] = {"type": "object", "properties": {"self": {"type": "string"}}}
        related = {name: _relationship(facts["relationships"][name]) for name in self.relationships(path)}
        if related:
            properties["relationships"] = {"type": "object", "properties": related}
        return {"type": "object", "title": name, "properties": properties}

    def path_of(self, kind: str) -> str:
        """Return the path that returns resources of a type in full, their own rather than one below others."""
        paths = [name.removeprefix("GET ") for name in self.operations if name.startswith("GET ")]
        own = [path for path in paths if self.type_of(path) == kind and "/relationships/" not in path]
        return min(own, key=lambda path: (f"/{kind}" not in path, path.count("/"), path))

    def statistics_of(self, path: str) -> Sequence[str]:
        """Return the names of the statistics that a report has."""
        names: Sequence[str] = self.operation(path)["asks"]["statistics"]["values"]
        return names

    def additional_fields(self, path: str) -> frozenset[str]:
        """Return the attributes that an operation hides unless requested."""
        return frozenset(self.operation(path).get("additional_fields", ()))


def _partial(operation: Mapping[str, Any]) -> Sequence[str]:
    """Return the attributes that an operation does not return, or only if requested."""
    return [*operation.get("without", ()), *operation.get("additional_fields", ())]


def nested(attributes: Mapping[str, Mapping[str, Any]]) -> Schema:
    """Return attributes by dotted path, ``[]`` for the items of an array, as the schema of an object."""
    root: Schema = {"type": "object"}
    for path, fact in attributes.items():
        declare(root, path, fact)
    return root


def declare(root: Schema, path: str, fact: Mapping[str, Any]) -> None:
    """Declare a property of an object; the type and description that a fact leaves out stay as they are."""
    properties, name = place(root, path)
    old = properties.get(name, {})
    schema = typed(fact["type"]) if "type" in fact else dict(old)
    schema["description"] = fact.get("description", old.get("description", ""))
    if "values" in fact:
        innermost = schema
        while "items" in innermost:
            innermost = innermost["items"]
        innermost["enum"] = fact["values"]
    properties[name] = schema


def place(root: Schema, path: str) -> tuple[Schema, str]:
    """Return the properties that a dotted path leads to, and the name of the last one."""
    *parents, name = path.split(".")
    for step in parents:
        root = root["properties"][step.rstrip("[]")]
        for _ in range(step.count("[]")):
            root = root["items"]
    properties: Schema = root.setdefault("properties", {})
    return properties, name


def typed(kind: str) -> Schema:
    """Return the schema of a type as the facts write it.

    >>> typed("array of date-time or null")
    {'type': 'array', 'items': {'type': 'string', 'format': 'date-time'}, 'nullable': True}
    """
    kind, nullable, _ = kind.partition(" or null")
    outer, _, inner = kind.partition(" of ")
    names = outer.split(" or ")
    schema: Schema = {"type": names[0] if len(names) == 1 else names}
    if len(names) == 1 and outer not in TYPES:
        schema = {"type": "string", "format": outer}
    if inner:
        schema["items"] = typed(inner)
    return schema | ({"nullable": True} if nullable else {})


def _relationship(fact: Mapping[str, Any]) -> Schema:
    count, _, kind = fact["to"].partition(" ")
    pair = {"type": {"type": "string", "title": kind}, "id": {"type": "string", "title": kind}}
    one = {"type": "object", "properties": pair}
    links = ["related"] if fact.get("links") == "related" else ["self", "related"]
    return {
        "type": "object",
        "properties": {
            "data": {"type": "array", "items": one} if count == "many" else one,
            "links": {"type": "object", "properties": {link: {"type": "string"} for link in links}},
        },
    }


def revisions() -> Sequence[str]:
    """Return the revisions with facts, the earliest first."""
    return sorted(folder.name for folder in FACTS.glob("*-*-*"))


@cache
def facts(revision: str) -> Facts:
    """Return the facts of a revision."""
    return Facts(revision, overlaid(before(revision), stored(revision)))


def before(revision: str) -> Content:
    """Return the facts before a revision: those of all earlier files together."""
    earlier = (stored(known) for known in revisions() if known < revision)
    return reduce(overlaid, earlier, {"operations": {}, "resources": {}, "statistics": {}})


def latest() -> Facts:
    """Return the facts of the latest revision."""
    return facts(revisions()[-1])


def stored(revision: str) -> Content:
    """Return the contents of a revision's files: for a later revision, the differences from the one before."""
    content: Content = {"operations": {}, "resources": {}, "statistics": {}}
    for path in sorted((FACTS / revision).glob("*.yaml")):
        for section, entries in (yaml.safe_load(path.read_text("utf-8")) or {}).items():
            content[section] |= entries
    return content


def overlaid(base: Content, later: Content) -> Content:
    """Return the facts of a later revision: operations replaced, resources by their attributes.

    An attribute without a description keeps the one of the earlier revision.
    """
    resources = dict(base["resources"])
    for name, fact in later["resources"].items():
        old = resources.get(name, {})
        new = old | fact
        gone = set(new.pop("gone", ()))
        for section in ("attributes", "relationships"):
            entries = dict(old.get(section, {}))
            for key, entry in fact.get(section, {}).items():
                entries[key] = _described(entries.get(key, {}), entry)
            if kept := {key: value for key, value in entries.items() if f"{section}.{key}" not in gone}:
                new[section] = kept
        resources[name] = new
    return {
        "operations": base["operations"] | later["operations"],
        "resources": resources,
        "statistics": base["statistics"] | later["statistics"],
    }


def _described(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return the new entry, with the old one's description if it has none."""
    return {key: old[key] for key in ("description",) if key in old} | dict(new)
