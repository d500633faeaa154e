"""The streams' JSON schemas, draft-07, from the facts about the API and the streams' declarations.

The schemas describe and do not validate strictly: each property may be null, each object may hold more than is
declared, and the values of an enumeration are named in its description only, because Klaviyo may add any of these
within a revision.
"""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from source_klaviyo.streams.reports import Report
from tools.facts.columns import add, columns
from tools.facts.document import types_of
from tools.facts.model import PROJECT, declare
from tools.streams import answering, facts_of, is_built, parent_key, path_of, requested_fields, streams

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from source_klaviyo.streams import KlaviyoStream
    from tools.facts.columns import Columns
    from tools.facts.model import Facts, Schema

SCHEMAS = PROJECT / "source_klaviyo" / "schemas"

STRUCTURE = {
    "type": "Type of the resource: always {type}.",
    "attributes": "Attributes of the {resource}.",
    "links": "Addresses of the {resource} in Klaviyo's API.",
    "links.self": "Address of the {resource} in Klaviyo's API; reading it takes an API key.",
    "relationships": "Resources that the {resource} is related to.",
    "relationships.*.data": "Type and ID of what is related; null if the stream does not request it.",
    "relationships.*.data.type": "Type of the related resource: always {value}.",
    "relationships.*.data.id": "Joins with the ID of that {value}.",
    "relationships.*.links": "Addresses of the relationship in Klaviyo's API.",
    "relationships.*.links.self": "Address that lists the IDs of what is related.",
    "relationships.*.links.related": "Address that lists the related resources themselves.",
    "relationships.*": "Link from the {resource} to its {name}.",
}
"""Descriptions of what every resource has: the first pattern that matches the path."""


def generated() -> Iterator[tuple[Path, str]]:
    """Yield each schema file and its text."""
    for stream in streams():
        text = json.dumps(schema_of(stream), indent=2, ensure_ascii=False)
        text = re.sub(r'\[\s+("\w+"),\s+("\w+")\s+]', r"[\1, \2]", text)  # the pairs of types on one line
        yield SCHEMAS / f"{stream.name}.json", text + "\n"


def schema_of(stream: KlaviyoStream) -> Schema:
    """Return the JSON schema of a stream's records."""
    known = facts_of(stream)
    if is_built(stream):
        schema = built(known, columns("built")[stream.name])
        for name in known.statistics_of(path_of(stream)) if isinstance(stream, Report) else ():
            declare(schema, f"statistics.{name}", {"type": "number", "description": known.statistics[name]})
    else:
        schema = adapted(known, answering(stream), columns("adapted").get(stream.name, {}), requested_fields(stream))
        if key := parent_key(stream):
            text = f"ID of the {_words(key.removesuffix('_id'))} that the record belongs to."
            declare(schema, key, {"type": "string", "description": text})
        if stream.cursor_attribute:
            _copy_cursor(schema, stream.cursor_attribute)
    return {"$schema": "http://json-schema.org/draft-07/schema#", **draft_07(schema)}


def built(known: Facts, changes: Columns) -> Schema:
    """Return the records that consist of columns only."""
    schema: Schema = {"type": "object"}
    for path, column in changes.items():
        add(known, schema, path, column)
    return schema


def adapted(known: Facts, path: str, changes: Columns, requested: Iterable[str] = ()) -> Schema:
    """Return the resources that an operation returns, with the attributes requested and the columns changed."""
    schema = known.resource(path)
    for place, column in changes.items():
        add(known, schema, place, column)
    attributes = schema["properties"]["attributes"].get("properties", {})
    for name in known.additional_fields(path) - set(requested):
        if f"attributes.{name}" not in changes:
            attributes.pop(name, None)
    return schema


def _copy_cursor(schema: Schema, cursor: str) -> None:
    """Insert a copy of the cursor after the type and the ID."""
    kind, identity, *others = schema["properties"].items()
    note = f"A copy of attributes.{cursor}, the cursor of this stream."
    copy = schema["properties"]["attributes"]["properties"][cursor] | {"description": note}
    schema["properties"] = dict([kind, identity, (cursor, copy), *others])


def draft_07(schema: Schema, path: tuple[str, ...] = (), resource: str = "") -> Schema:
    """Return the draft-07 form of a schema, each property of which is described.

    Args:
        schema: the schema, as the facts have it.
        path: where it stands in its resource.
        resource: the type of that resource.
    """
    types = set(types_of(schema))
    if len(types) > 1:  # the form that Airbyte's connector uses for the coordinates of a profile
        types -= {"integer"} if "number" in types else set()  # an integer is both, and oneOf means exactly one
        return {"oneOf": [{"type": name} for name in sorted({"null", *types})]}
    (kind,) = types
    shape: Schema = {"type": ["null", kind]} | _format(schema.get("format", ""))
    if kind == "object":
        if "title" in schema:
            path, resource = (), schema["title"]
        shape["additionalProperties"] = True
        if properties := schema.get("properties"):
            shape["properties"] = {
                name: {"description": _description((*path, name), value, resource)}
                | draft_07(value, (*path, name), resource)
                for name, value in properties.items()
            }
    if kind == "array":
        shape["items"] = draft_07(schema.get("items", {}), path, resource)
    return shape


def _format(name: str) -> dict[str, str]:
    if name == "local date-time":
        return {"format": "date-time", "airbyte_type": "timestamp_without_timezone"}
    return {"format": name} if name in {"date", "date-time"} else {}


def _description(path: tuple[str, ...], schema: Mapping[str, Any], resource: str) -> str:
    """Return the description of the facts, with the known values; that of a member which every resource has."""
    dotted = ".".join(path)
    text: str = schema.get("description", "")
    if not text:
        pattern = next((text for pattern, text in STRUCTURE.items() if fnmatchcase(dotted, pattern)), None)
        if pattern is None:
            raise ValueError(f"{resource} has no description of {dotted}; write it in facts/")
        value = _words(schema.get("title", ""))
        return pattern.format(type=resource, resource=_words(resource), name=_words(path[-1]), value=value)
    known = schema.get("enum") or schema.get("items", {}).get("enum") or ()
    if any(str(value) not in text for value in known):
        text += f" Known values: {', '.join(map(str, known))}."
    return text


def _words(name: str) -> str:
    return name.replace("_", " ").replace("-", " ")
