"""Stream schemas, draft-07."""

from __future__ import annotations

import copy
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from tools.schemas.document import types_of
from tools.schemas.streams import Stream
from tools.schemas.words import words_for

if TYPE_CHECKING:
    from tools.schemas.document import Document, Schema
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

# For properties that the document does not describe: the first pattern that fits the path.
DESCRIPTIONS = {
    "attributes": "The attributes of the {resource}.",
    "id": "The ID of the {resource}.",
    "type": "The type of the resource: {type}.",
    "links": "Links of the {resource} in Klaviyo's API.",
    "links.self": "The address of the {resource}.",
    "relationships": "The resources related to the {resource}.",
    "relationships.*.data": "The type and ID of what is related, where the stream asks for it.",
    "relationships.*.data.type": "The type of the related resource.",
    "relationships.*.data.id": "The ID of the related resource.",
    "relationships.*.links": "Links of the relationship in Klaviyo's API.",
    "relationships.*.links.self": "The address of the relationship.",
    "relationships.*.links.related": "The address of what is related.",
    "statistics.*_rate": "Klaviyo's statistic {name}, as a fraction: 0.25 is 25 %.",
    "statistics.*": "Klaviyo's statistic {name}.",
    "*.ab_test": "The A/B test of the {resource}.",
    "*.add_opt_out_language": "Whether to add how to opt out.",
    "*.address?": "A line of the street address.",
    "*.archived": "Whether the {resource} is archived.",
    "*.badge_options.*": "The {name} of the badge.",
    "*.created": "The date and time when the {resource} was created.",
    "*.created_at": "The date and time when the {resource} was created.",
    "*.definition.options": "The options of the push notification.",
    "*.hidden": "Whether the {resource} is hidden.",
    "*.image_url": "The address of the {resource}.",
    "*.is_processing": "Whether the {resource} is being processed.",
    "*.is_starred": "Whether the {resource} is starred.",
    "*.location": "The location of the {resource}.",
    "*.metric_filters.filter": "The condition on the property.",
    "*.metric_filters.filter.*": "The {name} of the condition.",
    "*.metric_filters.property": "The property that is filtered by.",
    "*.on_open": "What happens when the push notification is opened.",
    "*.on_open.type": "The kind of what happens.",
    "*.profile_count": "How many profiles are in the {resource}.",
    "*.render_options.*": "Whether to {name}.",
    "*.sample_values": "Samples of the property's values.",
    "*.screenshot_url": "The address of a screenshot of the {resource}.",
    "*.send_strategy.method": "The method of sending.",
    "*.updated": "The date and time when the {resource} was last updated.",
    "*.updated_at": "The date and time when the {resource} was last updated.",
    "*.website_url": "The address of the website.",
    "*.zip": "The postal code.",
    "*": "The {name} of the {resource}.",
}


def stream_schema(document: Document, stream: Stream | Built) -> Schema:
    """Return the JSON schema of a stream's records."""
    records = _records(document, stream) if isinstance(stream, Stream) else _built_records(document, stream)
    return {"$schema": "http://json-schema.org/draft-07/schema#", **records}


def _built_records(document: Document, stream: Built) -> Schema:
    schema = copy.deepcopy(KINDS["object"])
    for path, edit in stream.properties.items():
        _edit(document, schema, path, edit)
    for name in document.statistics(stream.report) if stream.report else ():
        _edit(document, schema, f"statistics.{name}", ("number", _description(("statistics", name), {}, "report")))
    return schema


def _records(document: Document, stream: Stream) -> Schema:
    properties = document.resource(stream.path)["properties"]
    resource = properties["type"]["enum"][0]
    hidden = document.additional_fields(stream.path, resource) - stream.additional_fields
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
        _edit(document, schema, path, edit)
    if stream.cursor:  # a copy, so edits of the original are edits of it
        original = schema["properties"]["attributes"]["properties"][stream.cursor]
        note = f"A copy of attributes.{stream.cursor}, the cursor of this stream."
        schema["properties"][stream.cursor] = original | {"description": note}
    return schema


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
    """Return the document's description in one line, with the known values, or one made from the name."""
    text = schema.get("description", "")
    text = re.sub(r"\[([^]]+)]\([^)]*\)", r"\1", text)  # Markdown links
    text = re.sub(r"</?[a-z]+[0-9]?( [^>]*)?/?>", "", text)  # HTML, but no <placeholder_of_a_value>
    text = re.sub(r":\s*\n\s*[*-] ", ": ", text)
    text = re.sub(r"\n\s*[*-] ", "; ", text)  # lists
    text = re.sub(r" ([.,])", r"\1", " ".join(text.split()))
    dotted = ".".join(path)
    text = text or words_for(resource, dotted)
    if not text:
        pattern = next(text for pattern, text in DESCRIPTIONS.items() if fnmatchcase(dotted, pattern))
        text = pattern.format(type=resource, resource=_words(resource), name=_words(path[-1]))
    if not text.endswith((".", "!", "?")):
        text += "."
    known = schema.get("enum") or schema.get("items", {}).get("enum") or ()
    if len(known) > 1 and schema.get("type") != "boolean" and any(str(value) not in text for value in known):
        text += f" Known values: {', '.join(map(str, known))}."
    return text


def _words(name: str) -> str:
    return name.replace("_", " ").replace("-", " ")


def _edit(document: Document, schema: Schema, path: str, edit: tuple[str | Stream, str | None]) -> None:
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
        shape: Schema = {"type": ["null", "array"], "items": _records(document, kind)}
    else:
        shape = old if kind == "as documented" else copy.deepcopy(KINDS[kind])
    properties[name] = {"description": "", **shape} | {"description": description or old["description"]}
