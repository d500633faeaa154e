"""The facts about the API: complete, readable, and taken from Klaviyo's documents without their prose."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tools.facts import __main__ as command
from tools.facts import model, writing
from tools.facts.document import MOST, Document
from tools.facts.extract import extracted
from tools.facts.model import FACTS, facts, overlaid, revisions, stored, typed

if TYPE_CHECKING:
    from pathlib import Path

FILES = [path for revision in revisions() for path in sorted((FACTS / revision).glob("*.yaml"))]


# --- the files ------------------------------------------------------------------------------------------


def test_every_fact_is_described() -> None:
    assert list(command.undescribed()) == []


@pytest.mark.parametrize("revision", revisions())
def test_each_description_is_a_line_of_sentences(revision: str) -> None:
    known = facts(revision)
    texts = {**known.statistics, **{f"{name} id": fact["id"] for name, fact in known.resources.items()}}
    for name, resource in known.resources.items():
        texts |= {f"{name} {path}": fact["description"] for path, fact in resource.get("attributes", {}).items()}
    assert len(texts) > 500
    for name, text in texts.items():
        assert text.endswith("."), name
        assert text == " ".join(text.split()), name
        assert text[0].isupper() or "_" in text.split()[0], name


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name} {path.stem}")
def test_each_file_is_in_canonical_form(path: Path) -> None:
    text = path.read_text("utf-8")
    head, body = text.split("\n", 1)
    assert head.startswith(f"# {path.parent.name}, ")
    assert body == writing.dumped(yaml.safe_load(text))


@pytest.mark.parametrize("revision", revisions())
def test_each_operation_returns_a_resource_of_the_facts(revision: str) -> None:
    known = facts(revision)
    for name in known.operations:
        path = name.partition(" ")[2]
        if known.type_of(path) in known.resources and known.operation(path).get("fieldsets"):
            properties = known.resource(path)["properties"]
            assert set(known.additional_fields(path)) <= properties["attributes"].get("properties", {}).keys()


def test_a_later_revision_inherits_what_it_does_not_change() -> None:
    july, october = map(facts, revisions())
    assert "billing-usage" not in july.resources
    assert october.operation("/api/events") == july.operation("/api/events")
    assert july.resources["profile"]["attributes"].items() <= october.resources["profile"]["attributes"].items()
    assert "attributes.audiences" in stored("2026-10-15")["resources"]["campaign"]["gone"]
    assert "audiences" not in october.resources["campaign"]["attributes"]


# --- the form -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        ("string", {"type": "string"}),
        ("date-time or null", {"type": "string", "format": "date-time", "nullable": True}),
        ("number or string or null", {"type": ["number", "string"], "nullable": True}),
        ("array of date or null", {"type": "array", "items": {"type": "string", "format": "date"}, "nullable": True}),
        ("array of array of object", {"type": "array", "items": {"type": "array", "items": {"type": "object"}}}),
    ],
)
def test_a_type_is_written_in_words(text: str, schema: dict[str, Any]) -> None:
    assert typed(text) == schema


def test_a_changed_attribute_keeps_its_description() -> None:
    old = {"operations": {}, "resources": {"tree": resource(age={"description": "In years.", "type": "integer"})}}
    new = {"operations": {}, "resources": {"tree": {"attributes": {"age": {"type": "number"}}}}}
    merged = overlaid({**old, "statistics": {}}, {**new, "statistics": {}})
    assert merged["resources"]["tree"] == resource(age={"description": "In years.", "type": "number"})


def resource(**attributes: dict[str, str]) -> dict[str, Any]:
    return {"id": "", "attributes": attributes}


# --- the tool -------------------------------------------------------------------------------------------


def document(attributes: dict[str, Any], *, revision: str = "2026-07-15", **components: Any) -> dict[str, Any]:
    """A document with one collection, /api/trees."""
    tree = {
        "type": "object",
        "properties": {
            "type": {"$ref": "#/components/schemas/TreeEnum"},
            "id": {"type": "string"},
            "attributes": {"type": "object", "properties": attributes},
            "links": {"type": "object", "properties": {"self": {"type": "string"}}},
        },
    }
    body = {"properties": {"data": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}}}
    operation = {
        "responses": {"200": {"content": {"application/vnd.api+json": {"schema": body}}}},
        "parameters": [
            {"name": "page[size]", "in": "query", "schema": {"default": 5, "maximum": 20}},
            {"name": "page[cursor]", "in": "query", "schema": {}},
            {"name": "sort", "in": "query", "schema": {"enum": ["age", "-age"]}},
            {"name": "additional-fields[tree]", "in": "query", "schema": {"items": {"enum": ["age"]}}},
        ],
        "description": "Get all trees.<br><br>*Rate limits*:<br>Burst: `1/s`<br>Steady: `15/m`<br><br>"
        "Rate limits when using the `additional-fields[tree]=age` parameter in your API request:<br>"
        "Burst: `1/s`<br>Steady: `2/m`",
        "tags": ["Old Trees"],
        "x-klaviyo-ratelimit": {"burst": "3/s", "steady": "60/m"},
        "x-klaviyo-scopes": ["trees:read"],
        "x-klaviyo-filters": {
            "age": {"operators": {"single": ["equals"], "list": ["any"]}, "value": {"type": "integer"}}
        },
    }
    enum = {"type": "string", "enum": ["tree"]}
    return {
        "info": {"version": revision},
        "paths": {"/api/trees": {"get": operation, "post": {}}, "/client/trees": {"get": {}}, "/api/cut": {"post": {}}},
        "components": {"schemas": {"Tree": tree, "TreeEnum": enum, **components}},
    }


def taken(attributes: dict[str, Any], **components: Any) -> dict[str, Any]:
    content, _ = extracted(Document(document(attributes, **components)))
    found: dict[str, Any] = content["resources"]["tree"]["attributes"]
    return found


def test_parameters_and_rates_of_an_operation_are_extracted() -> None:
    content, areas = extracted(Document(document({"age": {"type": "integer"}})))
    assert content["operations"] == {
        "GET /api/trees": {
            "answers": "many tree",
            "scopes": ["trees:read"],
            "rate": "3/s 60/min",
            "dearer": {"additional-fields[tree]=age": "1/s 2/min"},
            "page": {"default": 5, "maximum": 20},
            "filters": {"age": {"type": "integer", "operators": ["equals"], "of_lists": ["any"]}},
            "sorts": ["age"],
            "additional_fields": ["age"],
        }
    }
    assert areas == {"GET /api/trees": "old_trees", "tree": "old_trees"}


def test_the_documents_prose_is_not_extracted() -> None:
    attributes = taken({"age": {"type": "integer", "nullable": True, "description": "Years since planting."}})
    assert attributes == {"age": {"description": "", "type": "integer or null"}}


def test_a_union_of_objects_is_one_object_with_the_properties_of_all() -> None:
    leaf = {"properties": {"kind": {"type": "string", "enum": ["leaf"]}, "size": {"type": "integer"}}}
    needle = {"properties": {"kind": {"type": "string", "enum": ["needle"]}, "size": {"type": "string"}}}
    attributes = taken({"foliage": {"oneOf": [{"$ref": "#/components/schemas/Leaf"}, needle]}}, Leaf=leaf)
    assert attributes == {
        "foliage": {"description": "", "type": "object"},
        "foliage.kind": {"description": "", "type": "string", "values": ["leaf", "needle"]},
        "foliage.size": {"description": "", "type": "integer or string"},
    }


def test_a_union_of_many_properties_is_an_open_object() -> None:
    half = {"properties": {f"leaf_{place}": {"type": "string"} for place in range(MOST // 2)}}
    more = {"properties": {**half["properties"], "needle": {"type": "string"}}}
    attributes = taken({"fir": {"oneOf": [half, half]}, "oak": {"oneOf": [half, more]}})
    assert len([path for path in attributes if path.startswith("fir.")]) == MOST // 2
    assert [path for path in attributes if path.startswith("oak")] == ["oak"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of facts."""
    for module in (model, writing, command):
        monkeypatch.setattr(module, "FACTS", tmp_path / "facts")
    (tmp_path / "facts").mkdir()
    uncached = facts.__wrapped__
    monkeypatch.setattr(uncached, "cache_clear", lambda: None, raising=False)
    monkeypatch.setattr(command, "facts", uncached)
    return tmp_path


def saved(folder: Path, content: dict[str, Any]) -> str:
    path = folder / f"{content['info']['version']}.json"
    path.write_text(json.dumps(content), "utf-8")
    return str(path)


def test_the_tool_adds_new_facts_and_keeps_descriptions(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([saved(folder, document({"age": {"type": "integer"}}))]) == 0
    file = folder / "facts" / "2026-07-15" / "old_trees.yaml"
    assert "to be described: 2026-07-15 tree attributes.age" in capsys.readouterr().out
    described = file.read_text("utf-8").replace("description: ''", "description: In years.").replace("''", "Of it.")
    file.write_text(described, "utf-8")
    grown = saved(folder, document({"age": {"type": "integer"}, "height": {"type": "number"}}))
    assert command.main(["--check", grown]) == 1
    assert "+      height:" in capsys.readouterr().out
    assert file.read_text("utf-8") == described
    command.main([grown])
    attributes = yaml.safe_load(file.read_text("utf-8"))["resources"]["tree"]["attributes"]
    assert attributes == {
        "age": {"description": "In years.", "type": "integer"},
        "height": {"description": "", "type": "number"},
    }


def test_a_later_revision_holds_its_differences_only(folder: Path) -> None:
    july = saved(folder, document({"age": {"type": "integer"}, "bark": {"type": "string"}}))
    changed = {"age": {"type": "integer"}, "height": {"type": "number"}}
    command.main([july])
    command.main([saved(folder, document(changed, revision="2026-10-15"))])
    later = yaml.safe_load((folder / "facts" / "2026-10-15" / "old_trees.yaml").read_text("utf-8"))
    assert later == {
        "resources": {
            "tree": {
                "gone": ["attributes.bark"],
                "attributes": {"height": {"description": "", "type": "number"}},
            }
        }
    }


def test_a_missing_document_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main([str(tmp_path / "openapi.json")])
    assert "there is no openapi.json" in capsys.readouterr().err


def test_without_a_document_the_facts_stay(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "DOCUMENTS", [folder / "openapi.json"])
    assert command.main([]) == 0
    assert "no document is at hand" in capsys.readouterr().out
    assert list((folder / "facts").iterdir()) == []
