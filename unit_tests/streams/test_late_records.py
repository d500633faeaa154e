"""Records that appear minutes after their date: members of lists and segments, flow actions and flow messages."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from source_klaviyo.partitions.late_records import MAX_HELD_BYTES
from source_klaviyo.streams.children import VISIBILITY_LAG
from source_klaviyo.sync.instants import HOUR, SECOND, Instant, for_filter, parse_instant
from unit_tests.fake_api import FakeKlaviyo, Output, sync

if TYPE_CHECKING:
    from unit_tests.fake_api import Request

MINUTE = 60 * SECOND
STREAMS = {
    "list_profiles": ("lists", "lists/P1/profiles", "joined_group_at"),
    "segment_profiles": ("segments", "segments/P1/profiles", "joined_group_at"),
    "flow_messages": ("flows", "flow-actions/P1/flow-messages", "updated"),
    "flow_actions": ("flows", "", "updated"),
}
"""Each stream's parents, the path of its records (none if they come with the parents), and its cursor."""


class Server:
    """One parent with records that can be added at any time, with any date."""

    def __init__(self, klaviyo: FakeKlaviyo, stream: str) -> None:
        self.klaviyo = klaviyo
        self.parents, self.path, self.cursor = STREAMS[stream]
        self.rows: list[dict[str, Any]] = []
        klaviyo.before = self.answer

    def add(self, *ago: int) -> list[str]:
        """Add records with a date this many microseconds ago."""
        ids = [f"R{len(self.rows) + number:04}" for number in range(len(ago))]
        self.rows += [self.row(one, self.klaviyo.now - before) for one, before in zip(ids, ago, strict=True)]
        return ids

    def row(self, identity: str, instant: Instant) -> dict[str, Any]:
        return {"type": "flow-action", "id": identity, "attributes": {self.cursor: for_filter(instant)}}

    def answer(self, request: Request) -> tuple[int, bytes]:
        if request.resource == self.path:
            bound = re.search(r"greater-or-equal\(\w+,([^)]+)\)", request.params["filter"])
            start = parse_instant(bound.group(1)) if bound else 0
            found = [row for row in self.rows if parse_instant(row["attributes"][self.cursor]) >= start]
            found.sort(key=lambda row: row["attributes"][self.cursor])
            return 200, json.dumps({"data": found, "links": {"next": None}}).encode()
        return 200, json.dumps(self.parent("archived,true" in request.params.get("filter", ""))).encode()

    def parent(self, archived: bool) -> dict[str, Any]:
        if archived or "is_active,false" in str(self.klaviyo.requests[-1].params):
            return {"data": [], "links": {}}
        rows = [] if self.path else self.rows
        action = [] if self.parents != "flows" or rows else [{"type": "flow-action", "id": "P1", "attributes": {}}]
        children = [{"type": "flow-action", "id": row["id"]} for row in [*rows, *action]]
        parent = {
            "type": "list",
            "id": "F1" if self.parents == "flows" else "P1",
            "attributes": {"updated": "2024-01-02T00:00:00Z"},
            "relationships": {"flow-actions": {"data": children}},
        }
        return {"data": [parent], "included": [*rows, *action], "links": {"next": None}}


def ids_of(output: Output) -> list[str]:
    """The ids of the records, without the parents that others need."""
    assert output.raised is None
    return sorted(one.get("profile_id") or one["id"] for one in output.records() if one.get("id") != "P1")


@pytest.fixture(params=STREAMS)
def stream(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def read_again(klaviyo: FakeKlaviyo, stream: str, before: Output, after: int = 10 * MINUTE) -> Output:
    klaviyo.now += after
    return sync(stream, state={stream: before.states(stream)[-1]})


def test_a_record_that_appears_with_a_date_before_the_state_is_emitted_by_the_next_sync(
    klaviyo: FakeKlaviyo, stream: str
) -> None:
    server = Server(klaviyo, stream)
    old = server.add(48 * HOUR, 3 * HOUR)
    first = sync(stream)
    (late,) = server.add(9 * MINUTE)
    second = read_again(klaviyo, stream, first)
    third = read_again(klaviyo, stream, second)
    assert [ids_of(one) for one in (first, second, third)] == [old, [late], []]


def test_records_that_were_emitted_are_not_emitted_again(klaviyo: FakeKlaviyo, stream: str) -> None:
    server = Server(klaviyo, stream)
    server.add(5 * HOUR, 2 * HOUR, HOUR, MINUTE, 10 * SECOND)
    output = sync(stream)
    for _ in range(8):
        output = read_again(klaviyo, stream, output, 55 * MINUTE)
        assert ids_of(output) == []


def test_only_the_hour_of_a_late_record_is_emitted_again(klaviyo: FakeKlaviyo, stream: str) -> None:
    server = Server(klaviyo, stream)
    two_hours_ago, _ = server.add(2 * HOUR + MINUTE, 40 * MINUTE)
    first = sync(stream)
    (late,) = server.add(2 * HOUR + 2 * MINUTE)
    assert ids_of(read_again(klaviyo, stream, first)) == sorted([two_hours_ago, late])


def test_a_record_that_appears_after_the_lag_is_not_emitted(klaviyo: FakeKlaviyo) -> None:
    server = Server(klaviyo, "list_profiles")
    first = sync("list_profiles")
    server.add(VISIBILITY_LAG + 2 * HOUR)
    assert ids_of(read_again(klaviyo, "list_profiles", first)) == []


def test_if_a_member_leaves_only_its_hour_is_emitted_again(klaviyo: FakeKlaviyo) -> None:
    server = Server(klaviyo, "list_profiles")
    one, _ = server.add(2 * HOUR, 2 * HOUR)
    first = sync("list_profiles")
    del server.rows[1]
    assert ids_of(read_again(klaviyo, "list_profiles", first)) == [one]


def test_after_a_state_without_fingerprints_the_hours_of_the_lag_are_emitted_again(klaviyo: FakeKlaviyo) -> None:
    server = Server(klaviyo, "list_profiles")
    _, recent = server.add(10 * HOUR, 2 * HOUR)
    first = sync("list_profiles")
    state = {name: value for name, value in first.states("list_profiles")[-1].items() if name != "recent_hours"}
    assert ids_of(sync("list_profiles", state={"list_profiles": state})) == [recent]


def test_a_parent_without_recent_records_has_no_fingerprints_in_the_state(klaviyo: FakeKlaviyo) -> None:
    server = Server(klaviyo, "list_profiles")
    server.add(100 * HOUR)
    assert sync("list_profiles").states("list_profiles")[-1]["recent_hours"] == []


def test_more_records_than_can_be_held_back_are_emitted_again(klaviyo: FakeKlaviyo) -> None:
    server = Server(klaviyo, "list_profiles")
    row = len(json.dumps(server.row("R0000", Instant(0)), separators=(",", ":")))
    many = server.add(*[2 * HOUR] * (MAX_HELD_BYTES // row + 100))
    first = sync("list_profiles")
    assert ids_of(read_again(klaviyo, "list_profiles", first)) == many


def test_no_state_covers_held_back_records_of_a_sync_that_fails_before_they_are_emitted(klaviyo: FakeKlaviyo) -> None:
    server = Server(klaviyo, "list_profiles")
    server.add(3 * HOUR, MINUTE)
    first = sync("list_profiles")
    (late,) = server.add(90 * MINUTE)  # of an hour that the first page holds as a whole

    def broken(request: Request) -> tuple[int, bytes]:
        status, body = server.answer(request)
        following = {**json.loads(body), "links": {"next": f"{request.url}&page%5Bcursor%5D=x"}}
        if request.resource != server.path:
            return status, body
        return (status, json.dumps(following).encode()) if request.is_first_page else (401, b"")

    klaviyo.before = broken
    klaviyo.now += 10 * MINUTE
    second = sync("list_profiles", state={"list_profiles": first.states("list_profiles")[-1]})
    assert second.raised is not None
    klaviyo.before = server.answer
    third = read_again(klaviyo, "list_profiles", second)
    assert {*ids_of_any(second), *ids_of(third)} >= {late}


def ids_of_any(output: Output) -> list[str]:
    return [one["profile_id"] for one in output.records()]
