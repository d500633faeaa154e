"""Klaviyo's OpenAPI document."""

from __future__ import annotations

import gzip
import json
from functools import reduce
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Schema: TypeAlias = dict[str, Any]

MOST = 50
"""Properties that the shapes of a union may declare together; with more it becomes an open object."""


class Document:
    """Klaviyo's OpenAPI document, with references and compositions resolved.

    Attributes:
        revision: the API revision that it describes.
    """

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.revision: str = content["info"]["version"]
        self._paths = {path: kept for path, methods in content["paths"].items() if (kept := _reading(path, methods))}
        self._components: Mapping[str, Any] = content["components"]["schemas"]

    @classmethod
    def load(cls, path: Path) -> Document:
        """Read the document, compressed or not."""
        content = path.read_bytes()
        return cls(json.loads(gzip.decompress(content) if path.suffix == ".gz" else content))

    @property
    def operations(self) -> Mapping[str, Any]:
        """Return the operations, as the document has them, by method and path (``GET /api/profiles``)."""
        return {
            f"{method.upper()} {path}": operation
            for path, operations in self._paths.items()
            for method, operation in operations.items()
        }

    def is_collection(self, path: str) -> bool:
        """Return whether the operation returns many resources."""
        return "items" in self._data(path)

    def resource(self, path: str) -> Schema:
        """Return the schema of the resources that the operation returns."""
        data = self._data(path)
        resource: Schema = data.get("items", data)
        return resource

    def request_attributes(self, path: str) -> Schema:
        """Return the schema of the attributes in the request body of a report or an aggregate."""
        body = next(iter(self._paths[path]["post"]["requestBody"]["content"].values()))["schema"]
        attributes: Schema = self._folded(body)["properties"]["data"]["properties"]["attributes"]
        return attributes

    def _data(self, path: str) -> Schema:
        (operation,) = self._paths[path].values()
        body = next(iter(operation["responses"]["200"]["content"].values()))["schema"]
        data: Schema = self._folded(body)["properties"]["data"]
        return data

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
            merged = reduce(_either, members)
            if types_of(merged) == ["object"] and sum(map(_size, members)) > MOST:
                merged = {"type": "object"}
            schema = merged | schema
        if "properties" in schema:
            schema["type"] = "object"
            schema["properties"] = {name: self._folded(value, inside) for name, value in schema["properties"].items()}
        if "items" in schema:
            schema["items"] = self._folded(schema["items"], inside)
        return schema


def _reading(path: str, methods: Mapping[str, Any]) -> dict[str, Any]:
    """Return the operation of a path that reads, if there is one: GET, or POST for reports and aggregates."""
    if not path.startswith("/api/"):  # other paths are for web pages and apps
        return {}
    method = "post" if path.endswith(("-reports", "/metric-aggregates")) else "get"
    return {method: methods[method]} if method in methods else {}


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
    types = sorted({*types_of(first), *types_of(second)})
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


def _size(schema: Schema) -> int:
    """Count the properties that a schema declares, at any depth."""
    properties = schema.get("properties", {}).values()
    return len(properties) + sum(map(_size, properties)) + (_size(schema["items"]) if "items" in schema else 0)


def types_of(schema: Schema) -> Sequence[str]:
    """Return the types of a schema; one without is an object."""
    declared = schema.get("type", "object")
    return [declared] if isinstance(declared, str) else declared
