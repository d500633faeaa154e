"""The facts and schemas agree with Klaviyo's OpenAPI documents; collected only where these are at hand."""

from __future__ import annotations

import gzip
import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator

from tools.facts import __main__ as command
from tools.facts.columns import columns
from tools.facts.model import facts
from tools.snapshots import fields
from tools.streams import answering, by_name, path_of
from unit_tests.test_schemas import HIDDEN, OPEN_OBJECTS, RESOURCES, declared

if TYPE_CHECKING:
    from collections.abc import Iterator

STREAMS = by_name()
CONTENTS = [json.loads(gzip.decompress(path.read_bytes())) for path in command.DOCUMENTS]
BY_REVISION = {content["info"]["version"]: content for content in CONTENTS}
NOT_DECLARED = HIDDEN | OPEN_OBJECTS
"""Attributes that are never requested, and unions of many shapes with many properties."""

OPEN = {"definition"}
"""Attributes whose properties the facts leave out, in whole or in part."""
ANOTHER_SHAPE = {
    ("2026-10-15", f"/api/translations{path}", "fields[flow-message]") for path in ("", "/{id}", "/{id}/flow-message")
}
"""The document shows flow messages that come with translations in a shape that nothing else has."""


class Reader:
    """A second, plainer reading of a document, so that the tool's is not checked by itself."""

    def __init__(self, revision: str) -> None:
        self.paths = BY_REVISION[revision]["paths"]
        self.components = BY_REVISION[revision]["components"]["schemas"]

    def resource(self, path: str) -> dict[str, Any]:
        body = self.paths[path]["get"]["responses"]["200"]["content"]["application/vnd.api+json"]["schema"]
        data = self.components[body["$ref"].rpartition("/")[2]]["properties"]["data"]
        found: dict[str, Any] = data.get("items", data)
        return found

    def statistics(self, path: str) -> list[str]:
        body = self.paths[path]["post"]["requestBody"]["content"]["application/vnd.api+json"]["schema"]
        question = self.components[body["$ref"].rpartition("/")[2]]["properties"]["data"]
        attributes = self.components[question["$ref"].rpartition("/")[2]]["properties"]["attributes"]
        found: list[str] = attributes["properties"]["statistics"]["items"]["enum"]
        return found

    def names(self, schema: dict[str, Any], without: str | None = None, path: str = "") -> Iterator[str]:
        """The path of each property, whichever branch of the schema declares it, but those below one path."""
        if path == without:
            return
        if "$ref" in schema:
            yield from self.names(self.components[schema["$ref"].rpartition("/")[2]], without, path)
        for branch in (*schema.get("allOf", ()), *schema.get("oneOf", ())):
            yield from self.names(branch, without, path)
        for name, value in schema.get("properties", {}).items():
            here = f"{path}.{name}".lstrip(".")
            yield here
            yield from self.names(value, without, here)
        if "items" in schema:
            yield from self.names(schema["items"], without, f"{path}[]")

    def example(self, schema: dict[str, Any]) -> Any:
        """A value made of the document's examples, and of each property's first type where it has none."""
        if "$ref" in schema:
            schema = {**self.components[schema["$ref"].rpartition("/")[2]], **schema}
        if "example" in schema:
            return schema["example"]
        if "oneOf" in schema:
            return self.example(schema["oneOf"][0])
        if "allOf" in schema or "properties" in schema:
            merged = {name: self.example(value) for name, value in schema.get("properties", {}).items()}
            for part in schema.get("allOf", ()):
                for name, value in self.example(part).items():
                    merged[name] = {**merged.get(name, {}), **value} if isinstance(value, dict) else value
            return merged
        simple = {"string": "x", "integer": 1, "number": 1.5, "boolean": True, "object": {"a": 1}}
        kind = schema.get("type", "object")
        if kind == "array":
            return [self.example(schema["items"])]
        return schema.get("enum", [simple[kind]])[0]

    def prose(self) -> Iterator[str]:
        """Every description in the facts."""
        waiting: list[Any] = [self.paths, self.components]
        while waiting:
            part = waiting.pop()
            if isinstance(part, dict):
                yield from (text for name, text in part.items() if name == "description" and isinstance(text, str))
                waiting.extend(part.values())
            elif isinstance(part, list):
                waiting.extend(part)


def test_the_facts_are_those_of_the_documents(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--check"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("revision", BY_REVISION)
def test_each_operation_of_the_document_is_known(revision: str) -> None:
    documented = {
        f"{method.upper()} {path}": operation
        for path, operations in BY_REVISION[revision]["paths"].items()
        for method, operation in operations.items()
    }
    known = facts(revision)
    assert known.operations.keys() == documented.keys()
    for name, operation in documented.items():
        path = name.partition(" ")[2]
        parameters = {each["name"]: each["schema"] for each in operation["parameters"] if each["in"] == "query"}
        assert known.parameters(path).keys() == parameters.keys(), name
        assert known.operation(path)["scopes"] == operation["x-klaviyo-scopes"], name
        for parameter, values in known.parameters(path).items():
            if values is not None and (revision, path, parameter) not in ANOTHER_SHAPE:
                schema = parameters[parameter]
                taken = set(schema.get("items", schema)["enum"])
                assert values <= taken, (name, parameter)
                assert {value.split(".")[0] for value in taken - values} <= OPEN, (name, parameter)


@pytest.mark.parametrize("stream", RESOURCES)
def test_each_attribute_of_the_document_is_declared(stream: str) -> None:
    reader, open_ = Reader(STREAMS[stream].revision), NOT_DECLARED.get(stream)
    changes = columns("adapted").get(stream, {}).items()
    removed = tuple(path for path, change in changes if change.get("type") == "absent")
    documented = set(reader.names(reader.resource(answering(STREAMS[stream])), open_))
    assert {"type", "id", "links.self"} <= documented
    kept = {path for path in documented if path != open_ and not any(path.startswith(gone) for gone in removed)}
    assert kept - {path for path, _ in fields(declared(stream))} == set()


@pytest.mark.parametrize("stream", [name for name in STREAMS if name.endswith("_reports")])
def test_the_statistics_are_the_documents(stream: str) -> None:
    ours = declared(stream)["properties"]["statistics"]["properties"]
    assert set(ours) == set(Reader(STREAMS[stream].revision).statistics(path_of(STREAMS[stream])))


@pytest.mark.parametrize("stream", RESOURCES)
def test_the_examples_of_the_document_are_valid(stream: str) -> None:
    reader, cursor = Reader(STREAMS[stream].revision), STREAMS[stream].cursor_attribute
    record = reader.example(reader.resource(answering(STREAMS[stream])))
    if cursor:
        record[cursor] = record["attributes"][cursor]
    Draft7Validator(declared(stream)).validate(record)


def plain(text: str) -> str:
    """A text without case, punctuation and articles."""
    return " ".join(word for word in re.findall(r"[a-z0-9_]+", text.lower()) if word not in {"a", "an", "the"})


def sentences(text: str) -> set[str]:
    return {plain(sentence) for sentence in re.split(r"(?<=[.!?;])\s+|\n", text)} - {""}


@cache
def klaviyos() -> tuple[frozenset[str], str]:
    """Each sentence of the documents, and all of them in one text."""
    found = {text for revision in BY_REVISION for text in Reader(revision).prose()}
    known = {sentence for text in found for sentence in (*sentences(text), plain(text))}
    return frozenset(known), f" {' | '.join(sorted(known))} "


@pytest.mark.parametrize("stream", STREAMS)
def test_no_description_is_a_sentence_of_klaviyos(stream: str) -> None:
    known, whole = klaviyos()
    assert len(known) > 1000
    for path, value in fields(declared(stream)):
        if not path.endswith("[]"):
            text = value["description"].partition(" Known values: ")[0]
            ours = {one for one in sentences(text) if len(one.split()) > 3}  # shorter ones have one wording only
            copied = {one for one in ours if one in known or (len(one.split()) > 5 and f" {one} " in whole)}
            assert copied == set(), path
