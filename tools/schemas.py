"""Write ``source_klaviyo/schemas/<stream>.json`` from Klaviyo's OpenAPI document.

    python -m tools.schemas [--check] [document]

Klaviyo's document says what a resource looks like; ``STREAMS`` says which resource a stream emits, and how
the stream differs from it. A new stream is one line there. ``--check`` writes nothing and fails if a file is
stale.

The schemas describe, they do not judge: each property may be null, each object may hold more than is
declared, and the values of an enumeration are named in its description only, because Klaviyo may add any of
these within a revision.
"""

from __future__ import annotations

import argparse
import copy
import gzip
import json
import re
import sys
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Schema: TypeAlias = dict[str, Any]
Edits: TypeAlias = "Mapping[str, tuple[str, str | None]]"

PROJECT = Path(__file__).resolve().parent.parent
DOCUMENT = PROJECT.parent / "shared" / "klaviyo" / "openapi-2026-07-15.json.gz"
SCHEMAS = PROJECT / "source_klaviyo" / "schemas"

# --- the streams -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stream:
    """What a stream emits: the resource of one collection, and the differences from it."""

    path: str
    """The operation that answers the records."""
    cursor: str | None
    """The attribute that the connector copies to the top of each record."""
    additional_fields: frozenset[str] = frozenset()
    """The attributes hidden by default for which the stream asks."""
    edits: Edits = field(default_factory=dict)
    """Properties to add or to retype: dotted path (``[]`` for the items of an array) -> (kind, description).

    Without a description the document's own stays. The kinds are the keys of ``KINDS``; "absent" removes.
    """


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

# Airbyte's own connector (2.13.1) declares these, so its users' tables have them. What Klaviyo no longer
# sends stays declared and empty. Where Klaviyo's document has another type, the one that users have wins.

OLD = "Not sent by this revision of the API; kept for connections made with earlier versions."

CAMPAIGN_EDITS: Edits = {
    "attributes.channel": (
        "string",
        "The channel of the campaign's messages (email, sms, mobile_push). Added by the connector.",
    ),
    "attributes.message": ("string", f"The ID of the campaign's message. {OLD}"),
    "attributes.send_options.ignore_unsubscribes": ("boolean", f"Whether unsubscribes are ignored. {OLD}"),
    "attributes.tracking_options.is_add_utm": ("boolean", f"Whether UTM parameters are added. {OLD}"),
    "attributes.tracking_options.utm_params": (
        "array of objects",
        f"The UTM parameters; now custom_tracking_params. {OLD}",
    ),
    "attributes.tracking_options.utm_params[].name": ("string", "The name of the UTM parameter."),
    "attributes.tracking_options.utm_params[].value": ("string", "The value of the UTM parameter."),
    "attributes.send_strategy.options_static": (
        "object",
        f"The options of a static send; now datetime and options. {OLD}",
    ),
    "attributes.send_strategy.options_static.datetime": ("local date-time", "The time to send at."),
    "attributes.send_strategy.options_static.is_local": (
        "boolean",
        "Whether the campaign is sent in the recipient's time zone.",
    ),
    "attributes.send_strategy.options_static.send_past_recipients_immediately": (
        "boolean",
        "Whether to send at once where the local time has passed.",
    ),
    "attributes.send_strategy.options_throttled": (
        "object",
        f"The options of a throttled send; now datetime and throttle_percentage. {OLD}",
    ),
    "attributes.send_strategy.options_throttled.datetime": ("local date-time", "The time to send at."),
    "attributes.send_strategy.options_throttled.throttle_percentage": (
        "integer",
        "The percentage of recipients per hour to send to.",
    ),
    "attributes.send_strategy.options_sto": ("object", f"The options of a smart send time; now date. {OLD}"),
    "attributes.send_strategy.options_sto.date": ("date", "The day to send on."),
}

PROFILE_EDITS: Edits = {
    "attributes.anonymous_id": ("string", f"The ID of an anonymous profile. {OLD}"),
    # the document has number and date-time here
    "attributes.predictive_analytics.historic_number_of_orders": ("integer", None),
    "attributes.predictive_analytics.expected_date_of_next_order": ("string", None),
    "attributes.subscriptions.email.marketing.suppressions": (
        "array of objects",
        f"The global email marketing suppressions; see suppression. {OLD}",
    ),
    "attributes.subscriptions.email.marketing.suppressions[].reason": (
        "string",
        "The reason the profile was suppressed from receiving email marketing.",
    ),
    "attributes.subscriptions.email.marketing.suppressions[].timestamp": (
        "date-time",
        "The timestamp when the profile was suppressed from receiving email marketing.",
    ),
    **{
        f"attributes.subscriptions.{consent}.timestamp": (
            "date-time",
            f"The timestamp of the consent; see consent_timestamp. {OLD}",
        )
        for consent in ("email.marketing", "sms.marketing", "sms.transactional")
    },
    "attributes.subscriptions.sms.transactional.can_receive_sms_marketing": (
        "boolean",
        f"Whether the profile can receive these messages; see can_receive_sms_transactional. {OLD}",
    ),
    "attributes.subscriptions.mobile_push.marketing.can_receive_sms_marketing": (
        "boolean",
        f"Whether the profile can receive these messages; see can_receive_push_marketing. {OLD}",
    ),
    "segments": ("open object", f"The segments of the profile. {OLD}"),
}

# The connector renames suppression, and does not ask for predictive analytics, which cost four fifths of the
# rate.
_MARKETING = "attributes.subscriptions.email.marketing"
GLOBAL_EXCLUSION_EDITS: Edits = {
    **PROFILE_EDITS,
    f"{_MARKETING}.suppression": ("absent", None),
    f"{_MARKETING}.suppressions": (
        "array of objects",
        "The global email marketing suppressions of the profile (suppression in Klaviyo's API).",
    ),
    f"{_MARKETING}.suppressions[].reason": PROFILE_EDITS[f"{_MARKETING}.suppressions[].reason"],
    f"{_MARKETING}.suppressions[].timestamp": PROFILE_EDITS[f"{_MARKETING}.suppressions[].timestamp"],
    "attributes.predictive_analytics": ("as documented", "Not asked for by this stream; see profiles."),
}

PROFILE_FIELDS = frozenset({"subscriptions", "predictive_analytics"})

STREAMS: dict[str, Stream] = {
    "campaigns": Stream("/api/campaigns", "updated_at", edits=CAMPAIGN_EDITS),
    "email_templates": Stream(
        "/api/templates",
        "updated",
        edits={"attributes.company_id": ("string", f"The ID of the account that owns the template. {OLD}")},
    ),
    "events": Stream("/api/events", "datetime"),
    "flows": Stream("/api/flows", "updated"),
    "global_exclusions": Stream("/api/profiles", "updated", PROFILE_FIELDS, GLOBAL_EXCLUSION_EDITS),
    "lists": Stream("/api/lists", "updated"),
    "metrics": Stream(
        "/api/metrics",
        "updated",
        # plain strings in the document
        edits={"attributes.created": ("date-time", None), "attributes.updated": ("date-time", None)},
    ),
    "profiles": Stream("/api/profiles", "updated", PROFILE_FIELDS, PROFILE_EDITS),
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
    "*.archived": "Whether the {resource} is archived.",
    "*.created": "The date and time when the {resource} was created.",
    "*.location": "The location of the {resource}.",
    "*.send_strategy.method": "The method of sending.",
    "*.updated": "The date and time when the {resource} was last updated.",
    "*": "The {name} of the {resource}.",
}

# --- reading the document ----------------------------------------------------------------------------------


class Document:
    """Klaviyo's OpenAPI document, with references and compositions resolved."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._paths: Mapping[str, Any] = content["paths"]
        self._components: Mapping[str, Any] = content["components"]["schemas"]

    @classmethod
    def load(cls, path: Path) -> Document:
        """Read the document, compressed or not."""
        content = path.read_bytes()
        return cls(json.loads(gzip.decompress(content) if path.suffix == ".gz" else content))

    def resource(self, path: str) -> Schema:
        """Return the schema of the resources that the operation answers."""
        body = next(iter(self._paths[path]["get"]["responses"]["200"]["content"].values()))["schema"]
        data = self._folded(body)["properties"]["data"]
        resource: Schema = data.get("items", data)
        return resource

    def additional_fields(self, path: str, resource: str) -> frozenset[str]:
        """Return the attributes of the resource that the operation hides by default."""
        return frozenset(
            name
            for parameter in self._paths[path]["get"].get("parameters", ())
            if parameter["name"] == f"additional-fields[{resource}]"
            for name in parameter["schema"]["items"]["enum"]
        )

    def _folded(self, schema: Schema, inside: tuple[str, ...] = ()) -> Schema:
        """Return the schema as plain types: no references, no allOf, no unions of objects."""
        schema = dict(schema)
        if reference := schema.pop("$ref", None):
            name = reference.rpartition("/")[2]
            if name in inside:  # a type within itself: declared once, open below
                return {"type": "object"} | schema
            inside = (*inside, name)
            schema = self._components[name] | schema
            if "$ref" in schema:
                return self._folded(schema, inside)
        for part in schema.pop("allOf", ()):
            schema = _both(self._folded(part, inside), schema)
        if union := schema.pop("oneOf", None) or schema.pop("anyOf", None):
            members = [self._folded(member, inside) for member in union]
            merged = members[0]
            for member in members[1:]:
                merged = _either(merged, member)
            schema = merged | schema
        if "properties" in schema:
            schema["type"] = "object"
            schema["properties"] = {name: self._folded(value, inside) for name, value in schema["properties"].items()}
        if "items" in schema:
            schema["items"] = self._folded(schema["items"], inside)
        return schema


def _both(first: Schema, second: Schema) -> Schema:
    """Merge two schemas that hold at the same time; the second decides where they differ."""
    merged = first | second
    if "properties" in first and "properties" in second:
        merged["properties"] = first["properties"] | second["properties"]
        for name in first["properties"].keys() & second["properties"].keys():
            merged["properties"][name] = _both(first["properties"][name], second["properties"][name])
    return merged


def _either(first: Schema, second: Schema) -> Schema:
    """Merge two schemas of which one holds: objects to all their properties, others to a list of types."""
    types = sorted({*_types(first), *_types(second)})
    merged: Schema = {"type": types[0] if len(types) == 1 else types}
    for key in ("description", "example"):
        if found := first.get(key) or second.get(key):
            merged[key] = found
    if first.get("format") and first["format"] == second.get("format"):
        merged["format"] = first["format"]
    if "enum" in first and "enum" in second:
        merged["enum"] = sorted({*first["enum"], *second["enum"]})
    if types == ["object"]:
        properties = dict(first.get("properties", {}))
        for name, value in second.get("properties", {}).items():
            properties[name] = _either(properties[name], value) if name in properties else value
        merged["properties"] = properties
    if types == ["array"]:
        merged["items"] = _either(first.get("items", {}), second.get("items", {}))
    return merged


def _types(schema: Schema) -> Sequence[str]:
    declared = schema.get("type", "object")
    return [declared] if isinstance(declared, str) else declared


# --- writing a schema --------------------------------------------------------------------------------------


def stream_schema(document: Document, stream: Stream) -> Schema:
    """Return the JSON schema of a stream's records."""
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
    schema: Schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": ["null", "object"],
        "additionalProperties": True,
        "properties": {name: _property((name,), value, resource) for name, value in parts.items()},
    }
    for path, (kind, description) in stream.edits.items():
        _edit(schema, path, kind, description)
    if stream.cursor:  # a copy, so edits of the original are edits of it
        original = schema["properties"]["attributes"]["properties"][stream.cursor]
        note = f"A copy of attributes.{stream.cursor}, the cursor of this stream."
        schema["properties"][stream.cursor] = original | {"description": note}
    return schema


def _property(path: tuple[str, ...], schema: Schema, resource: str) -> Schema:
    """Return the draft-07 form of a property, described."""
    return {"description": _description(path, schema, resource), **_shape(path, schema, resource)}


def _shape(path: tuple[str, ...], schema: Schema, resource: str) -> Schema:
    types = _types(schema)
    if len(types) > 1:  # the form that Airbyte's connector uses for the coordinates of a profile
        return {"oneOf": [{"type": name} for name in sorted({"null", *types})]}
    shape: Schema = {"type": ["null", types[0]]}
    if schema.get("format") in {"date", "date-time"}:
        shape["format"] = schema["format"]
    if types[0] == "object":
        shape["additionalProperties"] = True
        if properties := schema.get("properties"):
            shape["properties"] = {
                name: _property((*path, name), value, resource) for name, value in properties.items()
            }
    if types[0] == "array":
        shape["items"] = _shape(path, schema.get("items", {}), resource)
    return shape


def _description(path: tuple[str, ...], schema: Schema, resource: str) -> str:
    """Return the document's description in one line, with the known values, or one made from the name."""
    text = schema.get("description", "")
    text = re.sub(r"\[([^]]+)]\([^)]*\)", r"\1", text)  # Markdown links
    text = re.sub(r"<[^>]+>", "", text)
    text = re.sub(r":\s*\n\s*[*-] ", ": ", text)
    text = re.sub(r"\n\s*[*-] ", "; ", text)  # lists
    text = re.sub(r" ([.,])", r"\1", " ".join(text.split()))
    if not text:
        dotted = ".".join(path)
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


def _edit(schema: Schema, path: str, kind: str, description: str | None) -> None:
    """Add, retype, describe or remove one property."""
    *parents, name = path.split(".")
    for parent in parents:
        schema = schema["properties"][parent.removesuffix("[]")]
        schema = schema["items"] if parent.endswith("[]") else schema
    properties = schema["properties"]
    if kind == "absent":
        del properties[name]
        return
    old = properties.get(name, {})
    shape = old if kind == "as documented" else copy.deepcopy(KINDS[kind])
    properties[name] = {"description": "", **shape} | {"description": description or old["description"]}


# --- the command -------------------------------------------------------------------------------------------


def generated(document: Document) -> Iterator[tuple[Path, str]]:
    """Yield each schema file and what it should hold."""
    for name, stream in STREAMS.items():
        text = json.dumps(stream_schema(document, stream), indent=2, ensure_ascii=False)
        text = re.sub(r'\[\s+("\w+"),\s+("\w+")\s+]', r"[\1, \2]", text)  # the pairs of types on one line
        yield SCHEMAS / f"{name}.json", text + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the schemas, or check them; return the exit code."""
    parser = argparse.ArgumentParser("python -m tools.schemas", description="Write the streams' schemas.")
    parser.add_argument("document", nargs="?", type=Path, default=DOCUMENT, help="Klaviyo's OpenAPI document")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is not current")
    options = parser.parse_args(arguments)
    if not options.document.exists():
        parser.error(f"there is no {options.document.name}; name the document as an argument")
    stale = [
        (path, text)
        for path, text in generated(Document.load(options.document))
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path, text in stale:
        print(f"{'stale' if options.check else 'written'}: {path.name}")
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
