"""Streams below others: parents read once, a state for each, and what is included with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from source_klaviyo.api.retry import MAX_ATTEMPTS
from source_klaviyo.partitions.context import MAX_FAILED_WINDOWS
from unit_tests.fake_api import HOST, FakeKlaviyo, Request, sync
from unit_tests.streams.documents import DAY, FORBIDDEN, GONE, page, partitions, requested_paths, resource, serve

if TYPE_CHECKING:
    from collections.abc import Callable

ALL = {"states": [{"partition": {"event_metric_id": ""}, "cursor": {"datetime": DAY.format(1)}}]}


def members(*days: int) -> tuple[int, bytes]:
    return page(*(resource("profile", f"P{day}", joined_group_at=DAY.format(day)) for day in days))


# --- members ----------------------------------------------------------------------------------------------


def test_a_member_is_a_pair_of_ids_and_the_date_of_joining(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo, {"lists": page(resource("list", "L1")), "lists/L1/profiles": members(3)})
    output = sync("list_profiles")
    assert output.records() == [{"list_id": "L1", "profile_id": "P3", "joined_group_at": DAY.format(3)}]
    assert klaviyo.first_pages("lists/L1/profiles") == [
        {
            "fields[profile]": "joined_group_at",
            "filter": "greater-or-equal(joined_group_at,2024-01-01T00:00:00Z)",
            "sort": "joined_group_at",
            "page[size]": "100",
        }
    ]


def test_all_parents_are_read_and_each_keeps_its_state(klaviyo: FakeKlaviyo) -> None:
    lists = page(resource("list", "L1", updated="2009-01-01T00:00:00Z"), resource("list", "l1"), resource("list", "L1"))
    serve(klaviyo, {"lists": lists, "lists/L1/profiles": members(3), "lists/l1/profiles": members()})
    state = {
        "states": [
            {"partition": {"list_id": "L1"}, "cursor": {"joined_group_at": "2024-06-02T00:00:00+0000"}},
            {"partition": {"list_id": "l1"}, "cursor": {"joined_group_at": "2024-05-01T00:00:00+0000"}},
            {"partition": {"list_id": "gone"}, "cursor": {"joined_group_at": "2020-05-01T00:00:00+0000"}},
        ]
    }
    output = sync("list_profiles", state={"list_profiles": state})
    assert "filter" not in klaviyo.first_pages("lists")[0]
    assert klaviyo.first_pages("lists/L1/profiles")[0]["filter"].endswith("2024-06-01T18:00:00Z)")
    assert klaviyo.first_pages("lists/l1/profiles")[0]["filter"].endswith("2024-04-30T18:00:00Z)")
    now = "2024-07-01T11:59:55+0000"
    assert partitions(output.states("list_profiles")[-1], "list_id", "joined_group_at") == {"L1": now, "l1": now}


def test_a_new_parent_is_read_from_the_start_date(klaviyo: FakeKlaviyo) -> None:
    both = page(resource("list", "L1"), resource("list", "L2"))
    serve(klaviyo, {"lists": both, "lists/L1/profiles": members(), "lists/L2/profiles": members(4)})
    states = [{"partition": {"list_id": "L1"}, "cursor": {"joined_group_at": "2024-06-02T00:00:00+0000"}}]
    old = {"use_global_cursor": False, "states": states, "state": states[0]["cursor"], "lookback_window": 0}
    output = sync("list_profiles", state={"list_profiles": old})
    assert klaviyo.first_pages("lists/L2/profiles")[0]["filter"].endswith("2024-01-01T00:00:00Z)")
    assert [record["profile_id"] for record in output.records()] == ["P4"]


def test_a_parent_deleted_since_it_was_listed_is_no_error(klaviyo: FakeKlaviyo) -> None:
    both = page(resource("list", "L1"), resource("list", "L2"))
    serve(klaviyo, {"lists": both, "lists/L1/profiles": GONE, "lists/L2/profiles": members(4)})
    output = sync("list_profiles")
    assert output.raised is None
    assert output.statuses("list_profiles")[-1] == "COMPLETE"
    assert len(output.records()) == 1


def test_a_stream_without_parents_completes_with_a_state_that_can_be_read(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo, {"lists": page()})
    first = sync("list_profiles")
    assert first.statuses("list_profiles") == ["STARTED", "COMPLETE"]
    again = sync("list_profiles", state={"list_profiles": first.states("list_profiles")[-1]})
    assert again.statuses("list_profiles") == ["STARTED", "COMPLETE"]


def test_a_scope_that_the_parents_need_is_named(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo, {"lists": FORBIDDEN, "profiles": page()})
    output = sync("list_profiles", "profiles")
    (said,) = output.errors()
    assert "it needs the scopes lists:read and profiles:read" in said.message
    assert output.statuses("profiles")[-1] == "COMPLETE"
    assert requested_paths(klaviyo).count("lists") == 1


def test_parents_are_read_once_for_all_their_children(klaviyo: FakeKlaviyo) -> None:
    more = f"{HOST}/api/object-types?page%5Bcursor%5D=x"
    serve(
        klaviyo,
        {
            "object-types": page(resource("object-type", "T1"), following=more),
            "object-types/T1/schema-versions": page(resource("object-schema", "S1")),
            "object-types/T1/object-records": page(resource("object-record", "R1")),
        },
    )
    klaviyo.before = _second_page_is_empty(klaviyo.before)
    output = sync("object_schemas", "object_records", full_refresh=True)
    assert requested_paths(klaviyo).count("object-types") == 2  # its two pages
    assert {record["id"]: record["object_type_id"] for record in output.records()} == {"S1": "T1", "R1": "T1"}


def _second_page_is_empty(first: Callable[[Request], Any]) -> Callable[[Request], Any]:
    return lambda request: first(request) if request.is_first_page else page()


def test_an_id_is_percent_encoded_in_the_path(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo, {"lists": page(resource("list", "a/b?c")), "lists/a%2Fb%3Fc/profiles": members(1)})
    assert len(sync("list_profiles").records()) == 1


def test_flow_messages_are_requested_for_the_actions_of_all_flows(klaviyo: FakeKlaviyo) -> None:
    flow = resource("flow", "F1", {"flow-actions": ["A1", "A2"]})
    actions = [resource("flow-action", one, updated=DAY.format(1)) for one in ("A1", "A2")]

    def flows(request: Request) -> tuple[int, bytes]:
        return page(flow, included=actions) if "archived,true" in request.params["filter"] else page()

    message = resource("flow-message", "M1", updated=DAY.format(5))
    serve(
        klaviyo,
        {"flows": flows, "flow-actions/A1/flow-messages": page(message), "flow-actions/A2/flow-messages": page()},
    )
    (record,) = sync("flow_messages").records()
    assert (record["id"], record["flow_action_id"], record["updated"]) == ("M1", "A1", DAY.format(5))


def test_coupon_codes_are_requested_coupon_by_coupon(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo, {"coupons": page(resource("coupon", "C1")), "coupon-codes": page(resource("coupon-code", "X"))})
    (record,) = sync("coupon_codes", full_refresh=True).records()
    assert record["coupon_id"] == "C1"
    assert klaviyo.first_pages("coupon-codes")[0]["filter"] == 'any(coupon.id,["C1"])'


# --- included ---------------------------------------------------------------------------------------------


# --- what may be left out -----------------------------------------------------------------------------------


def test_a_snapshot_has_no_cursor_in_its_records_and_states(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo, {"tags": page(resource("tag", "T1", name="a"))})
    output = sync("tags", full_refresh=True)
    assert output.records()[0].keys() == {"type", "id", "attributes", "relationships"}
    assert output.states("tags") == [{"__ab_no_cursor_state_message": True}]


def test_events_of_some_metrics_keep_a_state_for_each(klaviyo: FakeKlaviyo) -> None:
    event = resource("event", "E1", datetime=DAY.format(2))
    serve(klaviyo, {"events": lambda request: page(event) if '"M1"' in request.params["filter"] else page()})
    state = {
        "use_global_cursor": False,
        "states": [{"partition": {"event_metric_id": "M1"}, "cursor": {"datetime": "2024-06-01T00:00:00+0000"}}],
        "state": {"datetime": "2024-06-01T00:00:00+0000"},
        "lookback_window": 0,
    }
    output = sync("events", state={"events": state}, event_metric_ids=" M1, M2,M1 ")
    assert sorted(params["filter"] for params in klaviyo.first_pages()) == [
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
def test_a_state_of_all_events_is_the_start_of_each_metric(
    klaviyo: FakeKlaviyo, state: dict[str, Any], since: str
) -> None:
    serve(klaviyo, {"events": page()})
    sync("events", state={"events": state}, event_metric_ids="M1")
    assert klaviyo.first_pages()[0]["filter"] == f'equals(metric_id,"M1"),greater-or-equal(datetime,{since})'


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
    serve(klaviyo, {"coupons": page(resource("coupon", '10"OFF')), "coupon-codes": page()})
    sync("coupon_codes", full_refresh=True)
    assert klaviyo.first_pages("coupon-codes")[0]["filter"] == 'any(coupon.id,["10\\"OFF"])'
