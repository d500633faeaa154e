"""Resources that come with their parents' pages."""

from __future__ import annotations

import pytest

from unit_tests.fake_api import FakeKlaviyo, Request, error, sync
from unit_tests.streams.documents import DAY, FORBIDDEN, page, resource, serve


def test_included_resources_hold_their_parents_id_and_only_changed_ones_are_emitted(klaviyo: FakeKlaviyo) -> None:
    flow = resource("flow", "F1", {"flow-actions": ["A1", "A2", "A3"]}, updated=DAY.format(1))
    actions = [resource("flow-action", f"A{day}", updated=DAY.format(day)) for day in (1, 2, 3)]
    other = resource("tag", "T", updated=DAY.format(9))

    def flows(request: Request) -> tuple[int, bytes]:
        assert "updated" not in request.params["filter"]
        return page(flow, included=[*actions, other]) if "archived,false" in request.params["filter"] else page()

    serve(klaviyo, {"flows": flows})
    state = {"flow_actions": {"updated": "2024-06-02T00:00:00+0000"}}
    output = sync("flow_actions", state=state)
    assert [(one["id"], one["flow_id"], one["updated"]) for one in output.records()] == [
        ("A2", "F1", DAY.format(2)),
        ("A3", "F1", DAY.format(3)),
    ]
    assert all(request.params["include"] == "flow-actions" for request in klaviyo.requests)


def test_a_page_whose_parents_include_nothing_has_no_records(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo, {"profiles": page(resource("profile", "P1", {"conversations": []}))})
    output = sync("conversations", full_refresh=True)
    assert (output.raised, output.records()) == (None, [])


def test_a_conversation_names_its_profile_though_a_fieldset_would_drop_the_relationship(klaviyo: FakeKlaviyo) -> None:
    def profiles(request: Request) -> tuple[int, bytes]:
        related = {} if "fields[profile]" in request.params else {"conversations": ["C1"]}
        return page(resource("profile", "P1", related), included=[resource("conversation", "C1")])

    serve(klaviyo, {"profiles": profiles})
    (record,) = sync("conversations", full_refresh=True).records()
    assert (record["id"], record["profile_id"]) == ("C1", "P1")


def test_a_relationship_may_be_null(klaviyo: FakeKlaviyo) -> None:
    flow = {"type": "flow", "id": "F1", "relationships": {"flow-actions": None}}
    serve(klaviyo, {"flows": page(flow)})
    assert sync("flow_actions").raised is None


def test_resources_included_with_a_changed_parent_count_as_changed(klaviyo: FakeKlaviyo) -> None:
    """A flow archived while flows are read may be on no page: its new action, with an old date, comes next time."""
    flows = [
        resource("flow", flow, {"flow-actions": [f"{flow}-1"]}, updated=DAY.format(day))
        for flow, day in (("still", 1), ("moved", 20))
    ]
    actions = [resource("flow-action", f"{flow}-1", updated=DAY.format(10)) for flow in ("still", "moved")]
    serve(klaviyo, {"flows": page(*flows, included=actions)})

    output = sync("flow_actions", state={"flow_actions": {"updated": DAY.format(15)}})

    assert {*output.ids("flow_actions")} == {"moved-1"}
    assert {one["updated"] for one in output.records("flow_actions")} == {DAY.format(10)}


@pytest.mark.parametrize(
    "refusal", [FORBIDDEN, (400, error(400, "invalid", "Invalid include.", "include"))], ids=["403", "400"]
)
def test_tags_that_the_key_may_not_read_are_left_out(
    klaviyo: FakeKlaviyo, log: pytest.LogCaptureFixture, refusal: tuple[int, bytes]
) -> None:
    group = page(resource("list", "L1", updated=DAY.format(1)))
    serve(klaviyo, {"lists": lambda request: refusal if "include" in request.params else group})
    output = sync("lists")
    assert output.raised is None
    assert output.ids() == ["L1"]
    assert any("continuing without them" in record.message for record in log.records)
