"""The streams' schemas: true to the facts about the API and open to change."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator

from tools.facts.model import Content, Facts, facts
from tools.schemas import __main__ as command
from tools.schemas.streams import STREAMS, Built, Stream
from tools.schemas.writing import stream_schema
from tools.snapshots import fields, types

if TYPE_CHECKING:
    from pathlib import Path

NAMES = sorted(STREAMS)
RESOURCES = {name: stream for name, stream in STREAMS.items() if isinstance(stream, Stream)}
BUILT = {name: stream for name, stream in STREAMS.items() if isinstance(stream, Built)}
CURSORS = {name: stream.cursor for name, stream in STREAMS.items() if stream.cursor}
REPORTS = {name: stream.report for name, stream in BUILT.items() if stream.report}


def declared(stream: str) -> dict[str, Any]:
    return json.loads((command.SCHEMAS / f"{stream}.json").read_text(encoding="utf-8"))


def below(path: str, parent: str) -> bool:
    return path.startswith((f"{parent}.", f"{parent}["))


# --- the files ------------------------------------------------------------------------------------------


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


# --- the facts ------------------------------------------------------------------------------------------

# never requested
HIDDEN = {"email_templates": "attributes.definition"}

# unions of many shapes with many properties
OPEN = {
    "flow_actions": "attributes.definition",
    "flow_messages": "attributes.definition",
    "segments": "attributes.definition.condition_groups[].conditions[]",
    "segments_detailed": "attributes.definition.condition_groups[].conditions[]",
    "template_universal_content": "attributes.definition",
}


@pytest.mark.parametrize(("stream", "resource"), RESOURCES.items())
def test_each_attribute_of_the_facts_is_declared(stream: str, resource: Stream) -> None:
    known, hidden = facts(resource.revision), HIDDEN.get(stream)
    removed = [path for path, (kind, _) in resource.edits.items() if kind == "absent"]
    never = set(known.operation(resource.path).get("without", ()))
    ours = dict(fields(declared(stream)))
    attributes = known.resources[known.type_of(resource.path)].get("attributes", {})
    for path in (f"attributes.{name}" for name in attributes if re.split(r"\W", name)[0] not in never):
        if path == hidden:
            assert path not in ours
        elif not any(path == gone or below(path, gone) for gone in removed):
            assert path in ours


@pytest.mark.parametrize(("stream", "path"), OPEN.items())
def test_a_union_that_says_too_much_is_an_open_object(stream: str, path: str) -> None:
    ours = dict(fields(declared(stream)))
    assert types(ours[path]) == {"null", "object"}
    assert not [name for name in ours if below(name, path)]


def test_a_detailed_campaign_holds_all_of_its_messages() -> None:
    ours = dict(fields(declared("campaigns_detailed")))
    known = facts(RESOURCES["campaigns_detailed"].revision).resources["campaign-message"]["attributes"]
    assert "definition.content.subject" in known
    assert {f"campaign_messages[].attributes.{path}" for path in known} <= set(ours)


@pytest.mark.parametrize(("stream", "report"), REPORTS.items())
def test_the_statistics_are_those_of_the_report(stream: str, report: str) -> None:
    ours = declared(stream)["properties"]["statistics"]["properties"]
    assert list(ours) == facts(BUILT[stream].revision).statistics_of(report)
    assert all(types(value) == {"null", "number"} for value in ours.values())


# --- the tool -------------------------------------------------------------------------------------------


def tree(attributes: dict[str, str], **operation: Any) -> Facts:
    """Facts with one collection, /api/trees; attributes by type."""
    described = {path: {"description": f"About {path}.", "type": kind} for path, kind in attributes.items()}
    content: Content = {
        "operations": {"GET /api/trees": {"answers": "many tree", **operation}},
        "resources": {"tree": {"id": "ID of the tree.", "attributes": described}},
        "statistics": {},
    }
    return Facts("1", content)


def attributes(known: Facts, **options: Any) -> dict[str, Any]:
    stream = Stream("/api/trees", None, **options)
    return stream_schema(known, stream)["properties"]["attributes"]["properties"]


def test_a_value_of_several_types_is_valid_once() -> None:
    validator = Draft7Validator(attributes(tree({"size": "integer or number or string"}))["size"])
    assert all(map(validator.is_valid, (3, 3.5, "3", None)))
    assert not validator.is_valid([])


def test_known_values_are_named_in_the_description_only() -> None:
    known = tree({"kind": "string"})
    known.resources["tree"]["attributes"]["kind"]["values"] = ["oak", "elm"]
    assert attributes(known)["kind"] == {
        "description": "About kind. Known values: oak, elm.",
        "type": ["null", "string"],
    }


def test_a_hidden_attribute_is_declared_if_the_stream_requests_it() -> None:
    known = tree({"age": "integer", "height": "number"}, additional_fields=["age"])
    assert set(attributes(known)) == {"height"}
    assert set(attributes(known, additional_fields=frozenset({"age"}))) == {"age", "height"}


def test_an_attribute_without_a_description_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    known = tree({"age": "integer"})
    monkeypatch.setitem(known.resources["tree"]["attributes"]["age"], "description", "")
    with pytest.raises(ValueError, match=r"tree has no description of attributes.age"):
        attributes(known)


def test_a_record_may_hold_those_of_another_stream() -> None:
    known = tree({"height": "integer"})
    trees = Stream("/api/trees", edits={"attributes.height": ("number", "The height.")})
    edits = {"neighbors": (trees, "The trees around.")}
    neighbors = stream_schema(known, Stream("/api/trees", edits=edits))["properties"]["neighbors"]
    assert (neighbors["type"], neighbors["description"]) == (["null", "array"], "The trees around.")
    assert types(dict(fields(neighbors["items"]))["attributes.height"]) == {"null", "number"}


def test_the_check_names_a_stale_file_and_leaves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "trees.json"
    monkeypatch.setattr(command, "generated", lambda: [(file, "{}\n")])
    assert command.main(["--check"]) == 1
    assert capsys.readouterr().out == "stale: trees.json\n"
    assert not file.exists()
    assert command.main([]) == 0
    assert file.read_text(encoding="utf-8") == "{}\n"
    assert command.main(["--check"]) == 0
