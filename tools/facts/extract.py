"""Take the facts out of an OpenAPI document of Klaviyo's, without its prose."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tools.facts.document import types_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tools.facts.document import Document, Schema
    from tools.facts.model import Content

NO_DATA_OF_A_SHOP = re.compile(r".*-job|import-error|object-ingestion-log|source-mapping")
"""Types of resources that no stream reads: the facts have their operations only."""
OPEN = {"form": "definition", "template": "definition"}
"""Attributes with many properties that no stream reads: the facts say that there is an object."""
DEARER = re.compile(
    r"Rate limits when using the `(?P<parameter>[^`]+)`[^`]*Burst: `(?P<burst>[^`]+)`[^`]*Steady: `(?P<steady>[^`]+)`"
)
GROUPS_BY_DEFAULT = re.compile(r"will be grouped by ([\w, ]+)\.")
GROUPS_ALWAYS = re.compile(r"(?:are required: |prerequisites for \w+ is )([\w, ]+)")
FILTERED = re.compile(r"(?:attributes \(|filters are )([\w, ]+)")
ANOTHER_SHAPE = {"/api/translations/{id}/flow-message"}
"""Operations that the document describes with a resource in a shape that nothing else has."""


def extracted(document: Document) -> tuple[Content, dict[str, str]]:
    """Return a document's facts with empty descriptions, and the area of each operation and resource."""
    content: Content = {"operations": {}, "resources": {}, "statistics": {}}
    areas: dict[str, str] = {}
    shapes: dict[str, dict[str, Schema]] = {}
    for name, operation in document.operations.items():
        path = name.partition(" ")[2]
        tag = operation.get("x-tag") or operation["tags"][0]
        areas[name] = re.sub(r"\W+", "_", tag.lower())
        content["operations"][name] = _operation(document, path, operation)
        kind = _kind(document.resource(path))
        if _is_read(name, kind) and path not in ANOTHER_SHAPE:
            shapes.setdefault(kind, {})[name] = document.resource(path)["properties"]
        for statistic in content["operations"][name].get("asks", {}).get("statistics", {}).get("values", ()):
            content["statistics"][statistic] = ""
            areas[statistic] = areas[name]
    for kind, found in shapes.items():
        merged = _merged(found.values())
        content["resources"][kind] = _resource(kind, merged)
        areas[kind] = areas[min(found, key=lambda name: (kind not in name, len(name)))]
        for name, shape in found.items():
            if without := [path for path in _top(merged) if path not in _top(shape)]:
                content["operations"][name]["without"] = without
            if more := _more_fields(document.operations[name], kind, merged):
                content["operations"][name]["more_fields"] = more
    return content, areas


def _is_read(name: str, kind: str) -> bool:
    return name.startswith("GET") and "/relationships/" not in name and not NO_DATA_OF_A_SHOP.fullmatch(kind)


def _kind(resource: Schema) -> str:
    kind: str = resource["properties"]["type"]["enum"][0]
    return kind


def _operation(document: Document, path: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of an operation, its rate limits and the type of its resources."""
    parameters = {each["name"]: each for each in operation["parameters"] if each["in"] == "query"}
    schemas = {name: each["schema"] for name, each in parameters.items()}
    kind = _kind(document.resource(path))
    known = {"page[size]", "page[cursor]", "filter", "sort", "include", f"additional-fields[{kind}]"}
    size, sorts = schemas.get("page[size]"), schemas.get("sort", {}).get("enum", ())
    others = [name for name in parameters if name not in known and not name.startswith("fields[")]
    found: dict[str, Any] = {
        "answers": f"{'many' if document.is_collection(path) else 'one'} {kind}",
        "scopes": operation["x-klaviyo-scopes"],
        "rate": _rate(**operation["x-klaviyo-ratelimit"]),
        "dearer": dict(_dearer(operation)),
        "page": {key: size[key] for key in ("default", "maximum")}
        if size
        else "page[cursor]" in parameters and "fixed",
        "filters": {name: _filter(one) for name, one in operation.get("x-klaviyo-filters", {}).items()},
        "filter_required": parameters.get("filter", {}).get("required", False),
        "sorts": [name for name in sorts if not name.startswith("-")],
        "includes": schemas.get("include", {}).get("items", {}).get("enum", ()),
        "additional_fields": schemas.get(f"additional-fields[{kind}]", {}).get("items", {}).get("enum", ()),
        "fieldsets": [name[7:-1] for name in parameters if name.startswith("fields[")],
        "other_parameters": others,
    }
    if "requestBody" in operation:
        found["more_fields"] = schemas[f"fields[{kind}]"]["items"]["enum"]
        found["asks"] = dict(_request_body(document.request_attributes(path)))
    return {name: list(value) if isinstance(value, tuple | list) else value for name, value in found.items() if value}


def _request_body(attributes: Schema) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the facts about each attribute of a request body, by dotted path, with those in the document's prose."""
    prose = {name: property_.get("description", "") for name, property_ in attributes["properties"].items()}
    patterns = {"group_by": {"default": GROUPS_BY_DEFAULT, "always": GROUPS_ALWAYS}, "filter": {"names": FILTERED}}
    for path, fact in _attributes("", "", attributes):
        required = {"required": True} if path in attributes.get("required", ()) else {}
        plain = {key: value for key, value in fact.items() if key != "description"}
        names = {key: _names(pattern, prose[path]) for key, pattern in patterns.get(path, {}).items()}
        yield path, {**required, **plain, **{key: value for key, value in names.items() if value}}


def _names(pattern: re.Pattern[str], prose: str) -> list[str]:
    return [name for found in pattern.findall(prose) for name in found.split(", ")]


def _rate(burst: str, steady: str, daily: str = "") -> str:
    """Return limits such as 1/s, 2/m and 225/d as the facts write them."""
    minute, day = (limit.partition("/")[0] for limit in (steady, daily))
    return f"{burst} {minute}/min" + (f" {day}/day" if day else "")


def _dearer(operation: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the parameters that lower the rate limits of an operation, and these limits.

    Klaviyo has them in an operation's description only; a trimmed document has them as `x-tiers`.
    """
    for tier in operation.get("x-tiers", ()):
        if tier["when"]:
            yield "=".join(tier["when"]), _rate(f"{tier['burst']}/s", f"{tier['steady']}/m")
    for found in DEARER.finditer(operation["description"]):
        yield found["parameter"], _rate(found["burst"], found["steady"])


def _filter(documented: Mapping[str, Any]) -> dict[str, Any]:
    value, operators = documented.get("value", {}), documented["operators"]
    found = {
        "type": value and (value.get("format") or value["type"]),
        "operators": [*operators.get("single", ()), *operators.get("none", ())],
        "of_lists": operators.get("list", ()),
        "values": value.get("enum", ()),
    }
    return {name: list(one) if isinstance(one, tuple | list) else one for name, one in found.items() if one}


def _merged(shapes: Iterable[Schema]) -> Schema:
    """Return the properties of a resource with the attributes and relationships of all operations that return it."""
    merged: Schema = {}
    for shape in shapes:
        for name, value in shape.items():
            both = merged.get(name, {}).get("properties", {}) | value.get("properties", {})
            merged[name] = value | ({"properties": both} if both else {})
    return merged


def _top(shape: Schema) -> list[str]:
    attributes = shape.get("attributes", {}).get("properties", {})
    relationships = shape.get("relationships", {}).get("properties", {})
    return [*attributes, *(f"relationships.{name}" for name in relationships)]


def _more_fields(operation: Mapping[str, Any], kind: str, shape: Schema) -> list[str]:
    """Return the names in the sparse fieldset of an operation that are no attributes of the resource."""
    known = {"id", *_top(shape)}
    names = [
        name
        for parameter in operation["parameters"]
        if parameter["name"] == f"fields[{kind}]"
        for name in parameter["schema"]["items"]["enum"]
    ]
    return [name for name in names if name.split(".")[0] not in known]


def _resource(kind: str, shape: Schema) -> dict[str, Any]:
    found: dict[str, Any] = {"id": ""}
    if "attributes" in shape:
        found["attributes"] = dict(_attributes(kind, "", shape["attributes"]))
    if related := shape.get("relationships", {}).get("properties", {}):
        found["relationships"] = {name: _related(one["properties"]) for name, one in related.items()}
    if "links" not in shape:
        found["links"] = False
    return found


def _related(shape: Schema) -> dict[str, Any]:
    data = shape["data"]
    kind = data.get("items", data)["properties"]["type"]["enum"][0]
    partly = {} if "self" in shape["links"]["properties"] else {"links": "related"}
    return {"to": f"{'many' if 'items' in data else 'one'} {kind}", **partly}


def _attributes(kind: str, path: str, schema: Schema) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each property below an object or array, the outer ones first."""
    for name, value in schema.get("properties", {}).items():
        here = f"{path}.{name}".lstrip(".")
        inner = _innermost(value)
        known = [] if inner.get("type") == "boolean" else list(inner.get("enum", ()))
        fact = {"description": "", "type": _type(value), **({"values": known} if len(known) > 1 else {})}
        if OPEN.get(kind) == here:
            yield here, {"description": "", "type": "object"}
            continue
        yield here, fact
        yield from _attributes(kind, here + "[]" * _type(value).count("array of "), inner)


def _innermost(schema: Schema) -> Schema:
    while "items" in schema:
        schema = schema["items"]
    return schema


def _type(schema: Schema) -> str:
    name = schema.get("format") or " or ".join(types_of(schema))
    items = f" of {_type(schema['items'])}" if schema.get("items") else ""
    return f"{name}{items}{' or null' if schema.get('nullable') else ''}"
