"""Load ``facts/columns/``: the columns that the connector adds to the resources of the API, changes or builds.

A column has its path in the record and what differs from the resource: ``type`` (as in the facts; ``absent`` removes
it, a resource's type stands for the resource) and ``description``. Further keys:

- ``copy``: the path that the connector copies the column from.
- ``kept``: true for a column that Klaviyo no longer sends.
- ``link``: the type to which a relationship below an included resource leads.
- ``since``: the revision that introduces an attribute, which the stream declares already.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import yaml

from tools.facts.model import FACTS, declare, facts, place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.facts.model import Facts, Schema

Columns = dict[str, dict[str, Any]]

KEPT = "Not sent by this revision of the API; kept for connections made with earlier versions."


@cache
def columns(section: str) -> Mapping[str, Columns]:
    """Return the columns of each stream: ``adapted`` for those of resources, ``built`` for those without one."""
    found: dict[str, Columns] = {}
    for path in sorted((FACTS / "columns").glob("*.yaml")):
        found |= yaml.safe_load(path.read_text("utf-8")).get(section, {})
    return found


def add(known: Facts, record: Schema, path: str, column: Mapping[str, Any]) -> None:
    """Add a column to the schema of a record, or change it."""
    properties, name = place(record, path)
    if column.get("type") == "absent":
        del properties[name]
    elif "since" in column:
        _declare_early(record, path, column["since"])
    elif "link" in column:
        for below, kind, what in (
            ("", "object", "Link to"),
            (".data", "object", "Type and ID of"),
            (".data.type", "string", "Type of"),
            (".data.id", "string", "ID of"),
        ):
            declare(record, f"{path}{below}", {"type": kind, "description": f"{what} the {column['link']}."})
    else:
        declare(record, path, column if "copy" not in column else _copied(record, column))
        if column.get("kept"):
            properties[name]["description"] += f" {KEPT}"
        resource = properties[name].get("items", {}).get("format")
        if resource in known.resources:
            properties[name]["items"] = known.resource(known.path_of(resource))


def _copied(record: Schema, column: Mapping[str, Any]) -> dict[str, Any]:
    """Return a column that is a copy, described by its original if that is a column too."""
    path = column["copy"]
    outer, _, name = path.partition(".")
    original = record["properties"].get(outer, {}).get("properties", {}).get(name, {})
    texts = [column.get("description", original.get("description", "")), f"A copy of {path}."]
    return {"type": column.get("type", original.get("type")), "description": " ".join(filter(None, texts))}


def _declare_early(record: Schema, path: str, revision: str) -> None:
    """Declare an attribute of a later revision, and all below it."""
    later = facts(revision).resources[record["title"]]["attributes"]
    for name, fact in later.items():
        if f"attributes.{name}" == path or f"attributes.{name}".startswith(f"{path}."):
            declare(record, f"attributes.{name}", fact)
