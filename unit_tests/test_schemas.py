"""The streams' schemas: true to Klaviyo's document, open to change, and no step back for Airbyte's users."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator

from tools import schemas

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = sorted(schemas.STREAMS)
AIRBYTE = json.loads((Path(__file__).parent / "data" / "catalog-2.13.1.json").read_text(encoding="utf-8"))

needs_document = pytest.mark.skipif(
    not schemas.DOCUMENT.exists(),
    reason=f"Klaviyo's document ({schemas.DOCUMENT.name}) is not beside the project",
)

# Where Airbyte declares what Klaviyo has never sent: the relationship leads to many flows, not to one.
CORRECTED = {
    "relationships.flow-triggers.data": "relationships.flow-triggers.data[]",
    "relationships.flow-triggers.data.type": "relationships.flow-triggers.data[].type",
    "relationships.flow-triggers.data.id": "relationships.flow-triggers.data[].id",
}


def declared(stream: str) -> dict[str, Any]:
    return json.loads((schemas.SCHEMAS / f"{stream}.json").read_text(encoding="utf-8"))


def types(schema: dict[str, Any]) -> set[str]:
    """The types of a property, a string with its format: string:date-time."""
    found = set()
    for option in schema.get("oneOf", [schema]):
        for name in [option["type"]] if isinstance(option["type"], str) else option["type"]:
            details = [option[key] for key in ("format", "airbyte_type") if key in option]
            found.add(":".join([name, *details]) if name == "string" else name)
    return found


def fields(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each property below a schema, and each array's items (path[])."""
    for name, value in schema.get("properties", {}).items():
        here = f"{path}.{name}".lstrip(".")
        yield here, value
        yield from fields(value, here)
        if "items" in value:
            yield f"{here}[]", value["items"]
            yield from fields(value["items"], f"{here}[]")


# --- the files ------------------------------------------------------------------------------------------


@needs_document
def test_the_files_are_what_the_tool_writes(capsys: pytest.CaptureFixture[str]) -> None:
    assert schemas.main(["--check"]) == 0, f"run python -m tools.schemas\n{capsys.readouterr().out}"


@pytest.mark.parametrize("stream", NAMES)
def test_each_property_may_be_null_and_is_described(stream: str) -> None:
    schema = declared(stream)
    Draft7Validator.check_schema(schema)
    assert types(schema) == {"null", "object"}
    for path, value in fields(schema):
        assert "null" in types(value), path
        assert "enum" not in value, path
        if not path.endswith("[]"):
            text = value["description"]
            assert len(text) > 5, path
            assert text.endswith((".", "!", "?")), path
            assert text == " ".join(text.split()), path


@pytest.mark.parametrize("stream", NAMES)
def test_each_object_may_hold_more(stream: str) -> None:
    for path, value in [("", declared(stream)), *fields(declared(stream))]:
        if "object" in types(value):
            assert value["additionalProperties"] is True, path


@pytest.mark.parametrize("stream", NAMES)
def test_the_cursor_is_at_the_top_with_the_type_of_its_original(stream: str) -> None:
    cursor = schemas.STREAMS[stream].cursor
    found = dict(fields(declared(stream)))
    assert types(found[cursor]) == types(found[f"attributes.{cursor}"]) == {"null", "string:date-time"}


@pytest.mark.parametrize("stream", NAMES)
@pytest.mark.parametrize("moment", ["2026-11-20 10:00:00+00:00", "2026-11-20T10:00:00", "2026-11-20T10:00:00.1Z"])
def test_every_form_of_datetime_that_klaviyo_sends_is_valid(stream: str, moment: str) -> None:
    cursor = schemas.STREAMS[stream].cursor
    record = {
        "type": "x",
        "id": "1",
        "attributes": {cursor: moment},
        cursor: moment,
        "new": {"by": ["Klaviyo"]},
    }
    Draft7Validator(declared(stream)).validate(record)


# --- Airbyte's own connector ----------------------------------------------------------------------------


@pytest.mark.parametrize("stream", NAMES)
def test_what_airbyte_declares_is_declared_with_its_type(stream: str) -> None:
    ours = dict(fields(declared(stream)))
    for path, theirs in AIRBYTE[stream]["fields"].items():
        now = CORRECTED.get(path, path)
        assert now in ours
        assert types(ours[now]) == {*theirs, "null"}, path


@pytest.mark.parametrize("stream", NAMES)
def test_the_cursor_is_airbytes(stream: str) -> None:
    assert AIRBYTE[stream]["cursor"] == [schemas.STREAMS[stream].cursor]
    assert AIRBYTE[stream]["primary_key"] == [["id"]]


# --- Klaviyo's document ---------------------------------------------------------------------------------


class Reader:
    """A second, plainer reading of the document, so that the tool's is not checked by itself."""

    def __init__(self) -> None:
        document = json.loads(gzip.decompress(schemas.DOCUMENT.read_bytes()))
        self.paths = document["paths"]
        self.components = document["components"]["schemas"]

    def resource(self, path: str) -> dict[str, Any]:
        body = self.paths[path]["get"]["responses"]["200"]["content"]["application/vnd.api+json"]["schema"]
        return self.components[body["$ref"].rpartition("/")[2]]["properties"]["data"]["items"]

    def names(self, schema: dict[str, Any], path: str = "") -> Iterator[str]:
        """The path of each property, whichever branch of the schema declares it."""
        if "$ref" in schema:
            yield from self.names(self.components[schema["$ref"].rpartition("/")[2]], path)
        for branch in (*schema.get("allOf", ()), *schema.get("oneOf", ())):
            yield from self.names(branch, path)
        for name, value in schema.get("properties", {}).items():
            here = f"{path}.{name}".lstrip(".")
            yield here
            yield from self.names(value, here)
        if "items" in schema:
            yield from self.names(schema["items"], f"{path}[]")

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
        if schema["type"] == "array":
            return [self.example(schema["items"])]
        return schema.get("enum", [simple[schema["type"]]])[0]


@needs_document
@pytest.mark.parametrize("stream", NAMES)
def test_each_attribute_of_the_document_is_declared(stream: str) -> None:
    reader, declaration = Reader(), schemas.STREAMS[stream]
    removed = {path for path, (kind, _) in declaration.edits.items() if kind == "absent"}
    # never asked for by these streams
    hidden = {"/api/templates": "attributes.definition"}.get(declaration.path)
    ours = dict(fields(declared(stream)))
    documented = set(reader.names(reader.resource(declaration.path)))
    assert len(documented) > 10
    for path in sorted(documented):
        if hidden and f"{path}.".startswith(f"{hidden}."):
            assert path not in ours
        elif not any(f"{path}.".startswith((f"{gone}.", f"{gone}[")) for gone in removed):
            assert path in ours


@needs_document
@pytest.mark.parametrize("stream", NAMES)
def test_the_examples_of_the_document_are_valid(stream: str) -> None:
    reader, declaration = Reader(), schemas.STREAMS[stream]
    record = reader.example(reader.resource(declaration.path))
    assert record["attributes"]
    record[declaration.cursor] = record["attributes"][declaration.cursor]
    Draft7Validator(declared(stream)).validate(record)


# --- the tool -------------------------------------------------------------------------------------------


def tree(attributes: dict[str, Any], **components: Any) -> schemas.Document:
    """A document with one collection, /api/trees."""
    resource = {
        "type": "object",
        "properties": {
            "type": {"$ref": "#/components/schemas/TreeEnum"},
            "id": {"type": "string"},
            "attributes": {"type": "object", "properties": attributes},
            "links": {"type": "object", "properties": {"self": {"type": "string", "format": "uri"}}},
        },
    }
    body = {"properties": {"data": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}}}
    operation = {
        "responses": {"200": {"content": {"application/vnd.api+json": {"schema": body}}}},
        "parameters": [{"name": "additional-fields[tree]", "schema": {"items": {"enum": ["age"]}}}],
    }
    enum = {"type": "string", "enum": ["tree"]}
    return schemas.Document(
        {
            "paths": {"/api/trees": {"get": operation}},
            "components": {"schemas": {"Tree": resource, "TreeEnum": enum, **components}},
        }
    )


def attributes(document: schemas.Document, **options: Any) -> dict[str, Any]:
    stream = schemas.Stream("/api/trees", None, **options)
    return schemas.stream_schema(document, stream)["properties"]["attributes"]["properties"]


@needs_document
def test_every_collection_of_the_document_can_become_a_stream() -> None:
    document = schemas.Document.load(schemas.DOCUMENT)
    collections = [
        path for path, operations in Reader().paths.items() if "get" in operations and "/relationships/" not in path
    ]
    assert len(collections) > 100
    for path in collections:
        schema = schemas.stream_schema(document, schemas.Stream(path, None))
        Draft7Validator.check_schema(schema)
        assert all(value["description"] for name, value in fields(schema) if not name.endswith("[]")), path


def test_a_union_of_objects_is_one_object_with_the_properties_of_all() -> None:
    leaf = {"properties": {"kind": {"type": "string", "enum": ["leaf"]}, "size": {"type": "integer"}}}
    needle = {"properties": {"kind": {"type": "string", "enum": ["needle"]}, "size": {"type": "string"}}}
    document = tree({"foliage": {"oneOf": [{"$ref": "#/components/schemas/Leaf"}, needle]}}, Leaf=leaf)
    foliage = attributes(document)["foliage"]
    assert foliage["type"] == ["null", "object"]
    assert foliage["properties"]["kind"] == {
        "description": "The kind of the tree. Known values: leaf, needle.",
        "type": ["null", "string"],
    }
    assert types(foliage["properties"]["size"]) == {"null", "integer", "string"}


def test_a_type_within_itself_ends_as_an_open_object() -> None:
    branch = {"properties": {"branches": {"type": "array", "items": {"$ref": "#/components/schemas/Branch"}}}}
    document = tree({"trunk": {"$ref": "#/components/schemas/Branch", "description": "The stem"}}, Branch=branch)
    trunk = attributes(document)["trunk"]
    assert trunk["description"] == "The stem."
    assert trunk["properties"]["branches"]["items"] == {
        "type": ["null", "object"],
        "additionalProperties": True,
    }


def test_a_hidden_attribute_is_declared_only_where_the_stream_asks_for_it() -> None:
    document = tree({"age": {"type": "integer"}, "name": {"type": "string"}})
    assert list(attributes(document)) == ["name"]
    assert list(attributes(document, additional_fields=frozenset({"age"}))) == ["age", "name"]


def test_a_description_is_one_line_without_markup() -> None:
    text = "See [the\nguide](https://example.com) for <b>trees</b>:\n* oak\n* elm"
    assert attributes(tree({"kind": {"type": "string", "description": text}}))["kind"]["description"] == (
        "See the guide for trees: oak; elm."
    )


def test_the_check_names_a_stale_file_and_leaves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "trees.json"
    monkeypatch.setattr(schemas, "generated", lambda _: [(file, "{}\n")])
    monkeypatch.setattr(schemas.Document, "load", lambda _: None)
    document = tmp_path / "document.json"
    document.touch()
    assert schemas.main(["--check", str(document)]) == 1
    assert capsys.readouterr().out == "stale: trees.json\n"
    assert not file.exists()
    assert schemas.main([str(document)]) == 0
    assert file.read_text(encoding="utf-8") == "{}\n"
    assert schemas.main(["--check", str(document)]) == 0


def test_a_document_that_is_missing_is_said_to_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        schemas.main([str(tmp_path / "openapi.json")])
    assert "there is no openapi.json" in capsys.readouterr().err
