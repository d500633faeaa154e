"""The streams' schemas: true to Klaviyo's document and open to change."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator

from tools.schemas import __main__ as command
from tools.schemas.document import MOST, Document
from tools.schemas.streams import STREAMS, Built, Stream
from tools.schemas.writing import stream_schema
from tools.snapshots import fields, types

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = sorted(STREAMS)
RESOURCES = {name: stream for name, stream in STREAMS.items() if isinstance(stream, Stream)}
BUILT = {name: stream for name, stream in STREAMS.items() if isinstance(stream, Built)}
CURSORS = {name: stream.cursor for name, stream in STREAMS.items() if stream.cursor}
REPORTS = {name: stream.report for name, stream in BUILT.items() if stream.report}

needs_document = pytest.mark.skipif(
    not all(path.exists() for path in command.DOCUMENTS.values()),
    reason="Klaviyo's documents are not beside the project",
)
OCTOBER = "2026-10-15"


def declared(stream: str) -> dict[str, Any]:
    return json.loads((command.SCHEMAS / f"{stream}.json").read_text(encoding="utf-8"))


def below(path: str, parent: str) -> bool:
    return path.startswith((f"{parent}.", f"{parent}["))


# --- the files ------------------------------------------------------------------------------------------


@needs_document
def test_the_files_are_what_the_tool_writes(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--check"]) == 0, f"run python -m tools.schemas\n{capsys.readouterr().out}"


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


def test_there_is_no_other_file() -> None:
    assert {file.stem for file in command.SCHEMAS.iterdir()} == set(NAMES)


@pytest.mark.parametrize(("stream", "cursor"), CURSORS.items())
def test_the_cursor_is_at_the_top(stream: str, cursor: str) -> None:
    found = dict(fields(declared(stream)))
    assert types(found[cursor]) == {"null", "string:date-time"}
    if stream in RESOURCES:
        assert types(found[f"attributes.{cursor}"]) == {"null", "string:date-time"}


@pytest.mark.parametrize("stream", REPORTS)
def test_each_grouping_of_a_report_is_at_the_top_too(stream: str) -> None:
    found = declared(stream)["properties"]
    assert found["groupings"]["properties"]
    for name, value in found["groupings"]["properties"].items():
        assert types(found[name]) == types(value)


@pytest.mark.parametrize(("stream", "cursor"), [(stream, CURSORS[stream]) for stream in CURSORS if stream in RESOURCES])
@pytest.mark.parametrize("moment", ["2026-11-20 10:00:00+00:00", "2026-11-20T10:00:00", "2026-11-20T10:00:00.1Z"])
def test_every_form_of_datetime_that_klaviyo_sends_is_valid(stream: str, cursor: str, moment: str) -> None:
    record = {
        "type": "x",
        "id": "1",
        "attributes": {cursor: moment},
        cursor: moment,
        "new": {"by": ["Klaviyo"]},
    }
    Draft7Validator(declared(stream)).validate(record)


# --- Klaviyo's document ---------------------------------------------------------------------------------


class Reader:
    """A second, plainer reading of the document, so that the tool's is not checked by itself."""

    def __init__(self, revision: str) -> None:
        document = json.loads(gzip.decompress(command.DOCUMENTS[revision].read_bytes()))
        self.paths = document["paths"]
        self.components = document["components"]["schemas"]

    def resource(self, path: str) -> dict[str, Any]:
        body = self.paths[path]["get"]["responses"]["200"]["content"]["application/vnd.api+json"]["schema"]
        data = self.components[body["$ref"].rpartition("/")[2]]["properties"]["data"]
        return data.get("items", data)

    def statistics(self, path: str) -> list[str]:
        body = self.paths[path]["post"]["requestBody"]["content"]["application/vnd.api+json"]["schema"]
        question = self.components[body["$ref"].rpartition("/")[2]]["properties"]["data"]
        attributes = self.components[question["$ref"].rpartition("/")[2]]["properties"]["attributes"]
        return attributes["properties"]["statistics"]["items"]["enum"]

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


# never asked for
HIDDEN = {"email_templates": "attributes.definition"}

# unions of many shapes with many properties
OPEN = {
    "flow_actions": "attributes.definition",
    "flow_messages": "attributes.definition",
    "segments": "attributes.definition.condition_groups[].conditions[]",
    "segments_detailed": "attributes.definition.condition_groups[].conditions[]",
    "template_universal_content": "attributes.definition",
}


@needs_document
@pytest.mark.parametrize(("stream", "resource"), RESOURCES.items())
def test_each_attribute_of_the_document_is_declared(stream: str, resource: Stream) -> None:
    reader, hidden = Reader(resource.revision), HIDDEN.get(stream)
    removed = [path for path, (kind, _) in resource.edits.items() if kind == "absent"]
    ours = dict(fields(declared(stream)))
    documented = set(reader.names(reader.resource(resource.path), hidden or OPEN.get(stream)))
    assert {"type", "id", "links.self"} <= documented
    for path in sorted(documented):
        if path == hidden:
            assert path not in ours
        elif not any(path == gone or below(path, gone) for gone in removed):
            assert path in ours


@pytest.mark.parametrize(("stream", "path"), OPEN.items())
def test_a_union_that_says_too_much_is_an_open_object(stream: str, path: str) -> None:
    ours = dict(fields(declared(stream)))
    assert types(ours[path]) == {"null", "object"}
    assert not [name for name in ours if below(name, path)]


@needs_document
def test_a_detailed_campaign_holds_all_of_its_messages() -> None:
    reader = Reader(RESOURCES["campaigns_detailed"].revision)
    ours = dict(fields(declared("campaigns_detailed")))
    documented = list(reader.names(reader.resource("/api/campaign-messages/{id}")))
    assert "attributes.definition.content.subject" in documented
    assert {f"campaign_messages[].{path}" for path in documented} <= set(ours)


@needs_document
@pytest.mark.parametrize(("stream", "report"), REPORTS.items())
def test_the_statistics_are_the_documents(stream: str, report: str) -> None:
    ours = declared(stream)["properties"]["statistics"]["properties"]
    assert set(ours) == set(Reader(BUILT[stream].revision).statistics(report))
    assert all(types(value) == {"null", "number"} for value in ours.values())


@needs_document
@pytest.mark.parametrize(("stream", "resource"), RESOURCES.items())
def test_the_examples_of_the_document_are_valid(stream: str, resource: Stream) -> None:
    reader = Reader(resource.revision)
    record = reader.example(reader.resource(resource.path))
    if resource.cursor:
        record[resource.cursor] = record["attributes"][resource.cursor]
    Draft7Validator(declared(stream)).validate(record)


# --- the tool -------------------------------------------------------------------------------------------


def tree(attributes: dict[str, Any], *, derived: bool = False, **components: Any) -> Document:
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
    return Document(
        {
            "info": {"version": "1"} | ({"x-derived-from": {}} if derived else {}),
            "paths": {"/api/trees": {"get": operation}},
            "components": {"schemas": {"Tree": resource, "TreeEnum": enum, **components}},
        }
    )


def attributes(document: Document, **options: Any) -> dict[str, Any]:
    stream = Stream("/api/trees", None, **options)
    return stream_schema(document, stream)["properties"]["attributes"]["properties"]


@needs_document
@pytest.mark.parametrize("revision", command.DOCUMENTS)
def test_every_collection_of_the_document_can_become_a_stream(revision: str) -> None:
    document = Document.load(command.DOCUMENTS[revision])
    paths = Reader(revision).paths.items()
    collections = [path for path, operations in paths if "get" in operations and "/relationships/" not in path]
    assert len(collections) > 100
    for path in collections:
        schema = stream_schema(document, Stream(path))
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


def test_a_union_of_very_much_is_an_open_object() -> None:
    half = {"properties": {f"leaf_{place}": {"type": "string"} for place in range(MOST // 2)}}
    more = {"properties": {**half["properties"], "needle": {"type": "string"}}}
    document = tree({"fir": {"oneOf": [half, half]}, "oak": {"description": "An oak", "oneOf": [half, more]}})
    assert len(attributes(document)["fir"]["properties"]) == MOST // 2
    assert attributes(document)["oak"] == {
        "description": "An oak.",
        "type": ["null", "object"],
        "additionalProperties": True,
    }


def test_a_union_of_numbers_and_text_takes_each_value_once() -> None:
    union = {"oneOf": [{"type": name} for name in ("integer", "number", "string")]}
    validator = Draft7Validator(attributes(tree({"size": union}))["size"])
    assert all(map(validator.is_valid, (3, 3.5, "3", None)))
    assert not validator.is_valid([])


def test_a_record_may_hold_those_of_another_stream() -> None:
    document = tree({"height": {"type": "integer"}})
    trees = Stream("/api/trees", edits={"attributes.height": ("number", "The height.")})
    edits = {"neighbours": (trees, "The trees around.")}
    neighbours = stream_schema(document, Stream("/api/trees", edits=edits))["properties"]["neighbours"]
    assert (neighbours["type"], neighbours["description"]) == (["null", "array"], "The trees around.")
    assert types(dict(fields(neighbours["items"]))["attributes.height"]) == {"null", "number"}


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


def test_a_placeholder_is_not_markup() -> None:
    text = "Either `forest` or `park/<park_id>`."
    assert attributes(tree({"kind": {"type": "string", "description": text}}))["kind"]["description"] == text


def test_what_a_derived_document_says_in_prose_is_not_repeated() -> None:
    document = tree({"age": {"type": "integer", "description": "Years since planting"}})
    assert attributes(document, additional_fields=frozenset({"age"}))["age"]["description"] == "Years since planting."
    derived = tree({"age": {"type": "integer", "description": "Years since planting"}}, derived=True)
    assert attributes(derived, additional_fields=frozenset({"age"}))["age"]["description"] == "The age of the tree."


@needs_document
def test_no_sentence_of_klaviyos_client_is_in_a_schema() -> None:
    text = gzip.decompress(command.DOCUMENTS[OCTOBER].read_bytes()).decode()
    ours = [
        value["description"].rstrip(".")
        for stream, resource in STREAMS.items()
        if resource.revision == OCTOBER
        for path, value in fields(declared(stream))
        if not path.endswith("[]")
    ]
    assert len(ours) > 300
    sentences = [text for text in ours if len(text.split()) > 4 and not text.startswith("The ID of")]
    assert [sentence for sentence in sentences if sentence in text] == []


def test_the_check_names_a_stale_file_and_leaves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "trees.json"
    monkeypatch.setattr(command, "generated", lambda _: [(file, "{}\n")])
    documents = [str(document(tmp_path, revision)) for revision in command.DOCUMENTS]
    assert command.main(["--check", *documents]) == 1
    assert capsys.readouterr().out == "stale: trees.json\n"
    assert not file.exists()
    assert command.main(documents) == 0
    assert file.read_text(encoding="utf-8") == "{}\n"
    assert command.main(["--check", *documents]) == 0


def document(folder: Path, revision: str) -> Path:
    path = folder / f"{revision}.json"
    content = {"info": {"version": revision}, "paths": {}, "components": {"schemas": {}}}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_a_revision_without_a_document_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main([str(document(tmp_path, "2026-07-15"))])
    assert "there is no document of revision 2026-10-15" in capsys.readouterr().err


def test_a_document_that_is_missing_is_said_to_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main([str(tmp_path / "openapi.json")])
    assert "there is no openapi.json" in capsys.readouterr().err
