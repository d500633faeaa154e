"""Stream schemas, draft-07."""

from __future__ import annotations

import copy
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from tools.facts.document import types_of
from tools.facts.model import latest
from tools.schemas.streams import Stream

if TYPE_CHECKING:
    from tools.facts.model import Facts, Schema
    from tools.schemas.streams import Built

KINDS: dict[str, Schema] = {
    **{kind: {"type": ["null", kind]} for kind in ("boolean", "integer", "number", "string")},
    "array of objects": {
        "type": ["null", "array"],
        "items": {"type": ["null", "object"], "additionalProperties": True, "properties": {}},
    },
    "date": {"type": ["null", "string"], "format": "date"},
    "date-time": {"type": ["null", "string"], "format": "date-time"},
    "local date-time": {
        "type": ["null", "string"],
        "format": "date-time",
        "airbyte_type": "timestamp_without_timezone",
    },
    "object": {"type": ["null", "object"], "additionalProperties": True, "properties": {}},
    "open object": {"type": ["null", "object"], "additionalProperties": True},
}

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


def stream_schema(facts: Facts, stream: Stream | Built) -> Schema:
    """Return the JSON schema of a stream's records."""
    records = _records(facts, stream) if isinstance(stream, Stream) else _built_records(facts, stream)
    return {"$schema": "http://json-schema.org/draft-07/schema#", **records}


def _built_records(facts: Facts, stream: Built) -> Schema:
    schema = copy.deepcopy(KINDS["object"])
    for path, edit in stream.properties.items():
        _edit(facts, schema, path, edit)
    for name in facts.statistics_of(stream.report) if stream.report else ():
        _edit(facts, schema, f"statistics.{name}", ("number", facts.statistics[name]))
    return schema


def _records(facts: Facts, stream: Stream) -> Schema:
    resource = facts.type_of(stream.path)
    properties = facts.resource(stream.path, _early(resource, stream))["properties"]
    hidden = facts.additional_fields(stream.path) - stream.additional_fields
    attributes = properties.get("attributes", {})
    shown = {name: value for name, value in attributes.get("properties", {}).items() if name not in hidden}
    parts = {
        "type": properties["type"],
        "id": properties["id"],
        **({stream.cursor: shown[stream.cursor]} if stream.cursor else {}),
        "attributes": attributes | {"properties": shown},
        **{name: properties[name] for name in ("links", "relationships") if name in properties},
    }
    schema = copy.deepcopy(KINDS["object"])
    schema["properties"] |= {name: _property((name,), value, resource) for name, value in parts.items()}
    for path, edit in stream.edits.items():
        _edit(facts, schema, path, edit)
    if stream.cursor:  # a copy, so edits of the original are edits of it
        original = schema["properties"]["attributes"]["properties"][stream.cursor]
        note = f"A copy of attributes.{stream.cursor}, the cursor of this stream."
        schema["properties"][stream.cursor] = original | {"description": note}
    return schema


def _early(resource: str, stream: Stream) -> dict[str, Any]:
    """Return the attributes of the latest revision that a stream declares already."""
    later = latest().resources[resource].get("attributes", {}) if stream.early else {}
    return {
        path: fact
        for path, fact in later.items()
        if any(path == early or path.startswith(f"{early}.") for early in stream.early)
    }


def _property(path: tuple[str, ...], schema: Schema, resource: str) -> Schema:
    """Return the draft-07 form of a property, described."""
    return {"description": _description(path, schema, resource), **_shape(path, schema, resource)}


def _shape(path: tuple[str, ...], schema: Schema, resource: str) -> Schema:
    types = set(types_of(schema))
    if len(types) > 1:  # the form that Airbyte's connector uses for the coordinates of a profile
        types -= {"integer"} if "number" in types else set()  # an integer is both, and oneOf means exactly one
        return {"oneOf": [{"type": name} for name in sorted({"null", *types})]}
    (kind,) = types
    shape: Schema = {"type": ["null", kind]}
    if schema.get("format") in {"date", "date-time"}:
        shape["format"] = schema["format"]
    if kind == "object":
        shape["additionalProperties"] = True
        if properties := schema.get("properties"):
            shape["properties"] = {
                name: _property((*path, name), value, resource) for name, value in properties.items()
            }
    if kind == "array":
        shape["items"] = _shape(path, schema.get("items", {}), resource)
    return shape


def _description(path: tuple[str, ...], schema: Schema, resource: str) -> str:
    """Return the description of the facts, with the known values, or that of what every resource has."""
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


def _edit(facts: Facts, schema: Schema, path: str, edit: tuple[str | Stream, str | None]) -> None:
    """Add, retype, describe or remove one property."""
    kind, description = edit
    *parents, name = path.split(".")
    for parent in parents:
        schema = schema["properties"][parent.removesuffix("[]")]
        schema = schema["items"] if parent.endswith("[]") else schema
    properties = schema["properties"]
    if kind == "absent":
        del properties[name]
        return
    old = properties.get(name, {})
    if isinstance(kind, Stream):
        shape: Schema = {"type": ["null", "array"], "items": _records(facts, kind)}
    else:
        shape = old if kind == "as documented" else copy.deepcopy(KINDS[kind])
    properties[name] = {"description": "", **shape} | {"description": description or old["description"]}
