"""The streams' schemas: true to the facts about the API and open to change."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from jsonschema import Draft7Validator

from tools.facts.columns import columns
from tools.facts.model import Content, Facts
from tools.schemas import SCHEMAS, adapted, built, draft_07
from tools.snapshots import fields, types
from tools.streams import answering, by_name, facts_of, is_built, path_of

STREAMS = by_name()
RESOURCES = [name for name, stream in STREAMS.items() if not is_built(stream)]
CURSORS = {name: stream.cursor_attribute for name, stream in STREAMS.items() if stream.cursor_attribute}
REPORTS = [name for name in STREAMS if name.endswith("_reports")]


def declared(stream: str) -> dict[str, Any]:
    return dict(json.loads((SCHEMAS / f"{stream}.json").read_text("utf-8")))


def below(path: str, parent: str) -> bool:
    return path.startswith((f"{parent}.", f"{parent}["))


# --- the files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", STREAMS)
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


@pytest.mark.parametrize("stream", STREAMS)
def test_each_object_may_hold_more_than_is_declared(stream: str) -> None:
    for path, value in [("", declared(stream)), *fields(declared(stream))]:
        if "object" in types(value):
            assert value["additionalProperties"] is True, path


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
OPEN_OBJECTS = {
    "flow_actions": "attributes.definition",
    "flow_messages": "attributes.definition",
    "segments": "attributes.definition.condition_groups[].conditions[]",
    "segments_detailed": "attributes.definition.condition_groups[].conditions[]",
    "template_universal_content": "attributes.definition",
}


@pytest.mark.parametrize("stream", RESOURCES)
def test_each_attribute_of_the_facts_is_declared(stream: str) -> None:
    known, path = facts_of(STREAMS[stream]), answering(STREAMS[stream])
    changes = columns("adapted").get(stream, {}).items()
    removed = [column for column, change in changes if change.get("type") == "absent"]
    never = set(known.operation(path).get("without", ()))
    ours = dict(fields(declared(stream)))
    attributes = known.resources[known.type_of(path)].get("attributes", {})
    for name in (f"attributes.{name}" for name in attributes if re.split(r"\W", name)[0] not in never):
        if name == HIDDEN.get(stream):
            assert name not in ours
        elif not any(name == gone or below(name, gone) for gone in removed):
            assert name in ours


@pytest.mark.parametrize(("stream", "path"), OPEN_OBJECTS.items())
def test_a_large_union_is_an_open_object(stream: str, path: str) -> None:
    ours = dict(fields(declared(stream)))
    assert types(ours[path]) == {"null", "object"}
    assert not [name for name in ours if below(name, path)]


def test_a_detailed_campaign_holds_all_of_its_messages() -> None:
    ours = dict(fields(declared("campaigns_detailed")))
    known = facts_of(STREAMS["campaigns_detailed"]).resources["campaign-message"]["attributes"]
    assert "definition.content.subject" in known
    assert {f"campaign_messages[].attributes.{path}" for path in known} <= set(ours)


@pytest.mark.parametrize("stream", REPORTS)
def test_the_statistics_are_those_of_the_report(stream: str) -> None:
    ours = declared(stream)["properties"]["statistics"]["properties"]
    assert list(ours) == facts_of(STREAMS[stream]).statistics_of(path_of(STREAMS[stream]))
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


def attributes(known: Facts, *requested: str, **changes: dict[str, Any]) -> dict[str, Any]:
    """The attributes of the collection with those requested, after changes of columns by name."""
    paths = {f"attributes.{name}": change for name, change in changes.items()}
    schema = draft_07(adapted(known, "/api/trees", paths, requested))
    found: dict[str, Any] = schema["properties"]["attributes"]["properties"]
    return found


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
    assert set(attributes(known, "age")) == {"age", "height"}


def test_an_attribute_without_a_description_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    known = tree({"age": "integer"})
    monkeypatch.setitem(known.resources["tree"]["attributes"]["age"], "description", "")
    with pytest.raises(ValueError, match=r"tree has no description of attributes.age"):
        attributes(known)


# --- columns that differ from the resource ----------------------------------------------------------------


def test_columns_are_of_streams_that_exist() -> None:
    assert columns("adapted").keys() | columns("built").keys() <= STREAMS.keys()
    assert columns("adapted").keys() & columns("built").keys() == set()


def test_a_column_keeps_what_its_change_leaves_out() -> None:
    known = tree({"age": "integer", "height": "number"})
    found = attributes(known, age={"type": "string"}, height={"description": "In meters."})
    assert found["age"] == {"description": "About age.", "type": ["null", "string"]}
    assert found["height"] == {"description": "In meters.", "type": ["null", "number"]}


def test_a_column_may_be_added_or_absent() -> None:
    found = attributes(
        tree({"age": "integer"}), age={"type": "absent"}, bark={"type": "string", "description": "Bark."}
    )
    assert found == {"bark": {"description": "Bark.", "type": ["null", "string"]}}


def test_a_hidden_attribute_that_a_column_names_is_declared() -> None:
    known = tree({"age": "integer"}, additional_fields=["age"])
    assert attributes(known, age={"description": "Not requested."})["age"]["description"] == "Not requested."


def test_a_column_that_klaviyo_no_longer_sends_says_so() -> None:
    found = attributes(tree({}), age={"type": "integer", "description": "Rings.", "kept": True})
    assert found["age"]["description"].startswith("Rings. Not sent by this revision")


def test_a_copy_is_described_by_its_original() -> None:
    columns = {
        "of": {"type": "object", "description": "Of it."},
        "of.tree_id": {"type": "string", "description": "ID."},
        "tree_id": {"copy": "of.tree_id"},
    }
    found = draft_07(built(tree({}), columns))["properties"]
    assert found["tree_id"] == {"description": "ID. A copy of of.tree_id.", "type": ["null", "string"]}


def test_a_relationship_below_an_included_resource_has_type_and_id() -> None:
    columns = {"flow": {"link": "flow that sent it"}}
    found = dict(fields(draft_07(built(tree({}), columns))))
    assert {path: value["description"] for path, value in found.items()} == {
        "flow": "Link to the flow that sent it.",
        "flow.data": "Type and ID of the flow that sent it.",
        "flow.data.type": "Type of the flow that sent it.",
        "flow.data.id": "ID of the flow that sent it.",
    }


def test_a_local_date_has_no_time_zone() -> None:
    found = attributes(tree({"planted": "date-time"}), planted={"type": "local date-time"})
    assert found["planted"]["airbyte_type"] == "timestamp_without_timezone"


def test_a_record_may_hold_other_resources() -> None:
    columns = {
        "neighbors": {"type": "array of tree", "description": "The trees around."},
        "neighbors[].attributes.height": {"type": "number", "description": "The height."},
    }
    neighbors = draft_07(built(tree({"height": "integer"}), columns))["properties"]["neighbors"]
    assert (neighbors["type"], neighbors["description"]) == (["null", "array"], "The trees around.")
    assert types(dict(fields(neighbors["items"]))["attributes.height"]) == {"null", "number"}
    assert neighbors["items"]["properties"]["type"]["description"] == "Type of the resource: always tree."


def test_an_attribute_of_a_later_revision_can_be_declared_with_all_below_it() -> None:
    subscriptions = {path for path, _ in fields(declared("profiles")) if ".click_tracking" in path}
    assert "attributes.subscriptions.email.click_tracking" in subscriptions
    assert len(subscriptions) > 1
