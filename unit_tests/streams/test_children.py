"""Streams below others: parents read once, a state for each, and what is included with them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from source_klaviyo.api.client import MAX_ATTEMPTS
from source_klaviyo.partitions.context import MAX_FAILED_WINDOWS
from unit_tests.fake_api import HOST, FakeKlaviyo, Request, error, sync

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DAY = "2024-06-{:02}T10:00:00+00:00"
ALL = {"states": [{"partition": {"event_metric_id": ""}, "cursor": {"datetime": DAY.format(1)}}]}
FORBIDDEN = (403, error(403, "permission_denied", "You do not have permission to perform this action."))
GONE = (404, error(404, "not_found", "No such resource."))


def page(*resources: Mapping[str, Any], following: str | None = None, **more: Any) -> tuple[int, bytes]:
    return 200, json.dumps({"data": resources, "links": {"next": following}, **more}).encode()


def resource(kind: str, identity: str, related: Mapping[str, list[str]] | None = None, **attributes: Any) -> Any:
    relationships = {
        name: {"data": [{"type": name.rstrip("s"), "id": one} for one in ids]} for name, ids in (related or {}).items()
    }
    return {"type": kind, "id": identity, "attributes": attributes, "relationships": relationships}


def answers(klaviyo: FakeKlaviyo, table: Mapping[str, tuple[int, bytes] | Callable[[Request], Any]]) -> None:
    """Answer each path so."""

    def before(request: Request) -> tuple[int, bytes]:
        answer = table[request.resource]
        return answer(request) if callable(answer) else answer

    klaviyo.before = before


def asked(klaviyo: FakeKlaviyo) -> list[str]:
    return [request.resource for request in klaviyo.requests]


def members(*days: int) -> tuple[int, bytes]:
    return page(*(resource("profile", f"P{day}", joined_group_at=DAY.format(day)) for day in days))


def partitions(state: Mapping[str, Any], name: str, cursor: str) -> dict[str, str]:
    return {one["partition"][name]: one["cursor"][cursor] for one in state["states"]}


# --- members ----------------------------------------------------------------------------------------------


def test_a_member_is_a_pair_of_ids_and_since_when(klaviyo: FakeKlaviyo) -> None:
    answers(klaviyo, {"lists": page(resource("list", "L1")), "lists/L1/profiles": members(3)})
    output = sync("list_profiles")
    assert output.records() == [{"list_id": "L1", "profile_id": "P3", "joined_group_at": DAY.format(3)}]
    assert klaviyo.questions("lists/L1/profiles") == [
        {
            "fields[profile]": "joined_group_at",
            "filter": "greater-or-equal(joined_group_at,2024-01-01T00:00:00Z)",
            "sort": "joined_group_at",
            "page[size]": "100",
        }
    ]


def test_the_parents_are_read_whole_and_each_keeps_its_state(klaviyo: FakeKlaviyo) -> None:
    lists = page(resource("list", "L1", updated="2009-01-01T00:00:00Z"), resource("list", "l1"), resource("list", "L1"))
    answers(klaviyo, {"lists": lists, "lists/L1/profiles": members(3), "lists/l1/profiles": members()})
    state = {
        "states": [
            {"partition": {"list_id": "L1"}, "cursor": {"joined_group_at": "2024-06-02T00:00:00+0000"}},
            {"partition": {"list_id": "l1"}, "cursor": {"joined_group_at": "2024-05-01T00:00:00+0000"}},
            {"partition": {"list_id": "gone"}, "cursor": {"joined_group_at": "2020-05-01T00:00:00+0000"}},
        ]
    }
    output = sync("list_profiles", state={"list_profiles": state})
    assert "filter" not in klaviyo.questions("lists")[0]
    assert klaviyo.questions("lists/L1/profiles")[0]["filter"].endswith("2024-06-01T18:00:00Z)")
    assert klaviyo.questions("lists/l1/profiles")[0]["filter"].endswith("2024-04-30T18:00:00Z)")
    now = "2024-07-01T11:59:55+0000"
    assert partitions(output.states("list_profiles")[-1], "list_id", "joined_group_at") == {"L1": now, "l1": now}


def test_a_new_parent_is_read_from_the_start_date_on(klaviyo: FakeKlaviyo) -> None:
    both = page(resource("list", "L1"), resource("list", "L2"))
    answers(klaviyo, {"lists": both, "lists/L1/profiles": members(), "lists/L2/profiles": members(4)})
    states = [{"partition": {"list_id": "L1"}, "cursor": {"joined_group_at": "2024-06-02T00:00:00+0000"}}]
    old = {"use_global_cursor": False, "states": states, "state": states[0]["cursor"], "lookback_window": 0}
    output = sync("list_profiles", state={"list_profiles": old})
    assert klaviyo.questions("lists/L2/profiles")[0]["filter"].endswith("2024-01-01T00:00:00Z)")
    assert [record["profile_id"] for record in output.records()] == ["P4"]


def test_a_parent_deleted_in_between_is_no_error(klaviyo: FakeKlaviyo) -> None:
    both = page(resource("list", "L1"), resource("list", "L2"))
    answers(klaviyo, {"lists": both, "lists/L1/profiles": GONE, "lists/L2/profiles": members(4)})
    output = sync("list_profiles")
    assert output.raised is None
    assert output.statuses("list_profiles")[-1] == "COMPLETE"
    assert len(output.records()) == 1


def test_no_parents_no_records_and_a_state_that_can_be_read_again(klaviyo: FakeKlaviyo) -> None:
    answers(klaviyo, {"lists": page()})
    first = sync("list_profiles")
    assert first.statuses("list_profiles") == ["STARTED", "COMPLETE"]
    again = sync("list_profiles", state={"list_profiles": first.states("list_profiles")[-1]})
    assert again.statuses("list_profiles") == ["STARTED", "COMPLETE"]


def test_a_scope_that_the_parents_need_is_named(klaviyo: FakeKlaviyo) -> None:
    answers(klaviyo, {"lists": FORBIDDEN, "profiles": page()})
    output = sync("list_profiles", "profiles")
    (said,) = output.errors()
    assert "it needs the scopes lists:read and profiles:read" in said.message
    assert output.statuses("profiles")[-1] == "COMPLETE"
    assert asked(klaviyo).count("lists") == 1


def test_parents_are_read_once_for_all_their_children(klaviyo: FakeKlaviyo) -> None:
    more = f"{HOST}/api/object-types?page%5Bcursor%5D=x"
    answers(
        klaviyo,
        {
            "object-types": page(resource("object-type", "T1"), following=more),
            "object-types/T1/schema-versions": page(resource("object-schema", "S1")),
            "object-types/T1/object-records": page(resource("object-record", "R1")),
        },
    )
    klaviyo.before = _second_page_is_empty(klaviyo.before)
    output = sync("object_schemas", "object_records", full_refresh=True)
    assert asked(klaviyo).count("object-types") == 2  # its two pages
    assert {record["id"]: record["object_type_id"] for record in output.records()} == {"S1": "T1", "R1": "T1"}


def _second_page_is_empty(first: Callable[[Request], Any]) -> Callable[[Request], Any]:
    return lambda request: first(request) if request.is_first_page else page()


def test_an_id_is_quoted_in_the_path(klaviyo: FakeKlaviyo) -> None:
    answers(klaviyo, {"lists": page(resource("list", "a/b?c")), "lists/a%2Fb%3Fc/profiles": members(1)})
    assert len(sync("list_profiles").records()) == 1


def test_grandchildren_are_asked_for_by_the_actions_of_all_flows(klaviyo: FakeKlaviyo) -> None:
    flow = resource("flow", "F1", {"flow-actions": ["A1", "A2"]})
    actions = [resource("flow-action", one, updated=DAY.format(1)) for one in ("A1", "A2")]

    def flows(request: Request) -> tuple[int, bytes]:
        return page(flow, included=actions) if "archived,true" in request.params["filter"] else page()

    message = resource("flow-message", "M1", updated=DAY.format(5))
    answers(
        klaviyo,
        {"flows": flows, "flow-actions/A1/flow-messages": page(message), "flow-actions/A2/flow-messages": page()},
    )
    (record,) = sync("flow_messages").records()
    assert (record["id"], record["flow_action_id"], record["updated"]) == ("M1", "A1", DAY.format(5))


def test_coupon_codes_are_asked_for_coupon_by_coupon(klaviyo: FakeKlaviyo) -> None:
    answers(klaviyo, {"coupons": page(resource("coupon", "C1")), "coupon-codes": page(resource("coupon-code", "X"))})
    (record,) = sync("coupon_codes", full_refresh=True).records()
    assert record["coupon_id"] == "C1"
    assert klaviyo.questions("coupon-codes")[0]["filter"] == 'any(coupon.id,["C1"])'


# --- included ---------------------------------------------------------------------------------------------


def test_included_resources_hold_their_parents_id_and_only_news_are_emitted(klaviyo: FakeKlaviyo) -> None:
    flow = resource("flow", "F1", {"flow-actions": ["A1", "A2", "A3"]}, updated=DAY.format(1))
    actions = [resource("flow-action", f"A{day}", updated=DAY.format(day)) for day in (1, 2, 3)]
    other = resource("tag", "T", updated=DAY.format(9))

    def flows(request: Request) -> tuple[int, bytes]:
        assert "updated" not in request.params["filter"]
        return page(flow, included=[*actions, other]) if "archived,false" in request.params["filter"] else page()

    answers(klaviyo, {"flows": flows})
    state = {"flow_actions": {"updated": "2024-06-02T00:00:00+0000"}}
    output = sync("flow_actions", state=state)
    assert [(one["id"], one["flow_id"], one["updated"]) for one in output.records()] == [
        ("A2", "F1", DAY.format(2)),
        ("A3", "F1", DAY.format(3)),
    ]
    assert all(request.params["include"] == "flow-actions" for request in klaviyo.requests)


def test_a_page_whose_parents_have_nothing_included(klaviyo: FakeKlaviyo) -> None:
    answers(klaviyo, {"profiles": page(resource("profile", "P1", {"conversations": []}))})
    output = sync("conversations", full_refresh=True)
    assert (output.raised, output.records()) == (None, [])


def test_a_conversation_names_its_profile_though_a_fieldset_would_drop_the_relationship(klaviyo: FakeKlaviyo) -> None:
    def profiles(request: Request) -> tuple[int, bytes]:
        related = {} if "fields[profile]" in request.params else {"conversations": ["C1"]}
        return page(resource("profile", "P1", related), included=[resource("conversation", "C1")])

    answers(klaviyo, {"profiles": profiles})
    (record,) = sync("conversations", full_refresh=True).records()
    assert (record["id"], record["profile_id"]) == ("C1", "P1")


def test_campaigns_detailed_have_messages_and_an_estimate(klaviyo: FakeKlaviyo) -> None:
    campaigns = [
        resource("campaign", "C1", {"campaign-messages": ["M2", "M1"]}, updated_at=DAY.format(1)),
        resource("campaign", "C2", {"campaign-messages": []}, updated_at=DAY.format(2)),
        resource("campaign", "C3", updated_at=DAY.format(3)),
    ]
    messages = [resource("campaign-message", one, definition={"channel": "email"}) for one in ("M1", "M2")]

    def by_channel(request: Request) -> tuple[int, bytes]:
        wanted = "'email'),equals(archived,false)" in request.params["filter"]
        return page(*campaigns, included=messages) if wanted else page()

    estimation = resource("campaign-recipient-estimation", "C1", estimated_recipient_count=12)
    answers(
        klaviyo,
        {
            "campaigns": by_channel,
            "campaign-recipient-estimations/C1": (200, json.dumps({"data": estimation}).encode()),
            "campaign-recipient-estimations/C2": GONE,
            "campaign-recipient-estimations/C3": GONE,
        },
    )
    first, second, third = sync("campaigns_detailed").records()
    assert [message["id"] for message in first["campaign_messages"]] == ["M2", "M1"]
    old = {"channel": "email"}  # where the column was in earlier revisions
    assert first["campaign_messages"][1] == {**messages[0], "attributes": {**messages[0]["attributes"], **old}}
    assert [one["estimated_recipient_count"] for one in (first, second, third)] == [12, 0, 0]
    assert (second["campaign_messages"], third["campaign_messages"]) == ([], [])
    assert "channel" not in first["attributes"]
    assert first["updated_at"] == DAY.format(1)


@pytest.mark.parametrize(("stream", "kind"), [("lists_detailed", "list"), ("segments_detailed", "segment")])
def test_detailed_groups_are_counted_and_deleted_ones_left_out(klaviyo: FakeKlaviyo, stream: str, kind: str) -> None:
    counted = resource(kind, "G1", updated=DAY.format(1), profile_count=5)
    answers(
        klaviyo,
        {
            f"{kind}s": page(*(resource(kind, one, updated=DAY.format(1), is_active=True) for one in ("G1", "G2"))),
            f"{kind}s/G1": (200, json.dumps({"data": counted}).encode()),
            f"{kind}s/G2": GONE,
        },
    )
    (record,) = sync(stream).records()
    assert record == {**counted, "updated": DAY.format(1)}
    assert klaviyo.questions(f"{kind}s/G1") == [{f"additional-fields[{kind}]": "profile_count"}]


def test_events_detailed_have_what_is_included_in_their_relationships(klaviyo: FakeKlaviyo) -> None:
    event = {
        "type": "event",
        "id": "E1",
        "attributes": {"datetime": DAY.format(1), "event_properties": {"n": 1}},
        "relationships": {
            "profile": {"data": {"type": "profile", "id": "P1"}},
            "metric": {"data": {"type": "metric", "id": "M1"}, "links": {"self": "x"}},
            "attributions": {"data": [{"type": "attribution", "id": "A1"}, {"type": "attribution", "id": "A2"}]},
        },
    }
    campaign = {"campaign": {"data": {"type": "campaign", "id": "C1"}}}
    included = [
        {"type": "metric", "id": "M1", "attributes": {"name": "Placed Order"}},
        {"type": "attribution", "id": "A1", "relationships": campaign},
    ]
    answers(klaviyo, {"events": page(event, included=included)})
    (record,) = sync("events_detailed").records()
    assert record["relationships"] == {
        "profile": {"data": {"type": "profile", "id": "P1"}},
        "metric": {"data": {"type": "metric", "id": "M1", "name": "Placed Order"}, "links": {"self": "x"}},
        "attributions": {
            "data": [
                {"type": "attribution", "id": "A1", "relationships": campaign},
                {"type": "attribution", "id": "A2"},
            ]
        },
    }
    assert record["datetime"] == DAY.format(1)


# --- what may be left out -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "refusal", [FORBIDDEN, (400, error(400, "invalid", "Invalid include.", "include"))], ids=["403", "400"]
)
def test_tags_that_the_key_may_not_read_are_left_out(
    klaviyo: FakeKlaviyo, log: pytest.LogCaptureFixture, refusal: tuple[int, bytes]
) -> None:
    group = page(resource("list", "L1", updated=DAY.format(1)))
    answers(klaviyo, {"lists": lambda request: refusal if "include" in request.params else group})
    output = sync("lists")
    assert output.raised is None
    assert output.ids() == ["L1"]
    assert any("continuing without them" in record.message for record in log.records)


def test_the_newest_reviews_come_first_and_what_is_known_is_not_asked_for(klaviyo: FakeKlaviyo) -> None:
    more = f"{HOST}/api/reviews?page%5Bcursor%5D=x"
    pages = [
        page(*(resource("review", f"R{day}", updated=DAY.format(day)) for day in days), following=f"{more}{days[0]}")
        for days in ((9, 8), (7, 6), (5, 4), (3, 2))
    ]
    answers(klaviyo, {"reviews": lambda _: pages[len(klaviyo.requests) - 1]})
    output = sync("reviews", state={"reviews": {"updated": "2024-06-07T00:00:00+0000"}})
    assert output.ids() == ["R9", "R8", "R7"]
    assert len(klaviyo.requests) == 3
    assert klaviyo.questions()[0]["sort"] == "-updated"
    assert output.states("reviews")[-1] == {"updated": "2024-07-01T11:59:55+0000"}


def test_reviews_out_of_order_are_read_to_the_end(klaviyo: FakeKlaviyo) -> None:
    more = f"{HOST}/api/reviews?page%5Bcursor%5D=x"
    pages = {
        True: page(*(resource("review", f"R{day}", updated=DAY.format(day)) for day in (5, 9, 4)), following=more),
        False: page(resource("review", "R8", updated=DAY.format(8))),
    }
    answers(klaviyo, {"reviews": lambda request: pages[request.is_first_page]})
    assert sync("reviews", state={"reviews": {"updated": "2024-06-07T00:00:00+0000"}}).ids() == ["R9", "R8"]


def test_reviews_that_come_pages_too_late_are_read(klaviyo: FakeKlaviyo) -> None:
    more = f"{HOST}/api/reviews?page%5Bcursor%5D="
    pages = [
        page(*(resource("review", f"R{day}", updated=DAY.format(day)) for day in days), following=following)
        for days, following in (((12, 11, 2), more), ((10, 9), more + "y"), ((1,), more + "z"), ((8,), None))
    ]
    answers(klaviyo, {"reviews": lambda _: pages[len(klaviyo.requests) - 1]})
    output = sync("reviews", state={"reviews": {"updated": "2024-06-07T00:00:00+0000"}})
    assert output.ids() == ["R12", "R11", "R10", "R9", "R8"]


def test_a_snapshot_is_a_full_refresh_without_a_promise(klaviyo: FakeKlaviyo) -> None:
    answers(klaviyo, {"tags": page(resource("tag", "T1", name="a"))})
    output = sync("tags", full_refresh=True)
    assert output.records()[0].keys() == {"type", "id", "attributes", "relationships"}
    assert output.states("tags") == [{"__ab_no_cursor_state_message": True}]


def test_events_of_some_metrics_keep_a_state_for_each(klaviyo: FakeKlaviyo) -> None:
    event = resource("event", "E1", datetime=DAY.format(2))
    answers(klaviyo, {"events": lambda request: page(event) if '"M1"' in request.params["filter"] else page()})
    state = {
        "use_global_cursor": False,
        "states": [{"partition": {"event_metric_id": "M1"}, "cursor": {"datetime": "2024-06-01T00:00:00+0000"}}],
        "state": {"datetime": "2024-06-01T00:00:00+0000"},
        "lookback_window": 0,
    }
    output = sync("events", state={"events": state}, event_metric_ids=" M1, M2,M1 ")
    assert sorted(params["filter"] for params in klaviyo.questions()) == [
        'equals(metric_id,"M1"),greater-or-equal(datetime,2024-06-01T00:00:00Z)',
        'equals(metric_id,"M2"),greater-or-equal(datetime,2024-01-01T00:00:00Z)',
    ]
    now = "2024-07-01T11:59:55+0000"
    assert partitions(output.states("events")[-1], "event_metric_id", "datetime") == {"M1": now, "M2": now}
    assert output.records()[0].keys() == {"type", "id", "attributes", "relationships", "datetime"}


@pytest.mark.parametrize(
    ("state", "since"),
    [
        ({"datetime": "2024-06-01T00:00:00+0000"}, "2024-06-01T00:00:00Z"),
        (
            {"states": [{"partition": {"event_metric_id": ""}, "cursor": {"datetime": DAY.format(1)}}]},
            "2024-06-01T10:00:00Z",
        ),
    ],
    ids=["flat", "of all"],
)
def test_a_state_of_all_events_serves_each_metric(klaviyo: FakeKlaviyo, state: dict[str, Any], since: str) -> None:
    answers(klaviyo, {"events": page()})
    sync("events", state={"events": state}, event_metric_ids="M1")
    assert klaviyo.questions()[0]["filter"] == f'equals(metric_id,"M1"),greater-or-equal(datetime,{since})'


def test_an_outage_ends_a_stream_after_some_of_its_parents(klaviyo: FakeKlaviyo) -> None:
    lists = page(*(resource("list", f"L{number}") for number in range(30)))

    def down(request: Request) -> tuple[int, bytes]:
        return lists if request.resource == "lists" else (503, b"")

    klaviyo.before = down
    output = sync("list_profiles", num_workers=1)
    assert output.statuses("list_profiles")[-1] == "INCOMPLETE"
    # one record might be the reason, so smaller pages are tried as well
    assert MAX_FAILED_WINDOWS * MAX_ATTEMPTS <= len(klaviyo.requests) - 1 <= 3 * MAX_FAILED_WINDOWS * MAX_ATTEMPTS


def test_parents_that_cannot_be_read_are_tried_once_for_all_their_children(klaviyo: FakeKlaviyo) -> None:
    klaviyo.before = lambda _: (503, b"")
    output = sync("object_schemas", "object_records", full_refresh=True)
    assert {output.statuses(one)[-1] for one in ("object_schemas", "object_records")} == {"INCOMPLETE"}
    assert len(klaviyo.requests) == MAX_ATTEMPTS


def test_the_id_of_a_coupon_may_hold_a_quote(klaviyo: FakeKlaviyo) -> None:
    answers(klaviyo, {"coupons": page(resource("coupon", '10"OFF')), "coupon-codes": page()})
    sync("coupon_codes", full_refresh=True)
    assert klaviyo.questions("coupon-codes")[0]["filter"] == 'any(coupon.id,["10\\"OFF"])'


def test_a_relationship_may_be_null(klaviyo: FakeKlaviyo) -> None:
    flow = {"type": "flow", "id": "F1", "relationships": {"flow-actions": None}}
    answers(klaviyo, {"flows": page(flow)})
    assert sync("flow_actions").raised is None


def test_a_campaign_may_have_no_messages_at_all(klaviyo: FakeKlaviyo) -> None:
    campaign = {"type": "campaign", "id": "C1", "attributes": {"updated_at": DAY.format(1)}}
    campaign["relationships"] = {"campaign-messages": None}

    def answer(request: Request) -> tuple[int, bytes]:
        if request.resource != "campaigns":
            return GONE
        return page(campaign) if "'email'),equals(archived,false)" in request.params["filter"] else page()

    klaviyo.before = answer
    (record,) = sync("campaigns_detailed").records()
    assert (record["campaign_messages"], record["estimated_recipient_count"]) == ([], 0)


def test_what_is_included_with_a_parent_that_changed_is_news(klaviyo: FakeKlaviyo) -> None:
    """A flow archived while flows are read may be on no page: its new action, with an old date, comes next time."""
    flows = [
        resource("flow", flow, {"flow-actions": [f"{flow}-1"]}, updated=DAY.format(day))
        for flow, day in (("still", 1), ("moved", 20))
    ]
    actions = [resource("flow-action", f"{flow}-1", updated=DAY.format(10)) for flow in ("still", "moved")]
    answers(klaviyo, {"flows": page(*flows, included=actions)})

    output = sync("flow_actions", state={"flow_actions": {"updated": DAY.format(15)}})

    assert {*output.ids("flow_actions")} == {"moved-1"}
    assert {one["updated"] for one in output.records("flow_actions")} == {DAY.format(10)}
