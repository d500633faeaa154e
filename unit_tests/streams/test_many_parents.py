"""Streams with thousands of parents: small states that lose nothing, whenever a sync is stopped or a parent is new."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from source_klaviyo.sync.compact import MAX_LISTED_PARTITIONS, compact_state
from source_klaviyo.sync.instants import DAY, SECOND, Instant, for_filter, for_state, parse_instant
from source_klaviyo.sync.state import StoredState
from unit_tests.fake_api import NOW, FakeKlaviyo, Output, sync

if TYPE_CHECKING:
    from unit_tests.fake_api import Request

STREAM = "list_profiles"


class Lists:
    """Lists and their members, by list."""

    def __init__(self, klaviyo: FakeKlaviyo) -> None:
        self.klaviyo = klaviyo
        self.members: dict[str, list[tuple[str, Instant]]] = {}
        klaviyo.before = self.answer

    def answer(self, request: Request) -> tuple[int, bytes]:
        if request.resource == "lists":
            rows = [{"type": "list", "id": one, "attributes": {}} for one in self.members]
        else:
            bound = re.search(r"joined_group_at,([^)]+)", request.params["filter"])
            since = parse_instant(bound.group(1)) if bound else 0
            found = [one for one in self.members[request.resource.split("/")[1]] if one[1] >= since]
            rows = [
                {"type": "profile", "id": one, "attributes": {"joined_group_at": for_filter(at)}}
                for one, at in sorted(found, key=lambda pair: pair[1])
            ]
        return 200, json.dumps({"data": rows}).encode()

    @property
    def pairs(self) -> set[tuple[str, str]]:
        return {(one, member) for one, members in self.members.items() for member, _ in members}


def pairs(output: Output) -> set[tuple[str, str]]:
    return {(record["list_id"], record["profile_id"]) for record in output.records()}


@pytest.fixture
def lists(klaviyo: FakeKlaviyo, monkeypatch: pytest.MonkeyPatch) -> Lists:
    """Thousands of lists are five here."""
    monkeypatch.setattr("source_klaviyo.sync.compact.MAX_LISTED_PARTITIONS", 4)
    found = Lists(klaviyo)
    for number in range(9):
        found.members[f"L{number * 2}"] = [(f"P{number}{day}", NOW - day * DAY) for day in (90, 40, 2)]
    return found


def stopped_at(output: Output, number: int) -> tuple[set[tuple[str, str]], dict[str, Any]]:
    """Return the records emitted before a state, and the state."""
    found = output.checkpoints(STREAM)
    out, state = found[number % len(found)]
    return pairs(out), state


def test_the_state_of_thousands_of_parents_is_small_and_is_read_again(klaviyo: FakeKlaviyo, lists: Lists) -> None:
    first = sync(STREAM)
    assert pairs(first) == lists.pairs
    state = first.states(STREAM)[-1]
    assert "states" not in state
    assert state["use_global_cursor"] is True
    klaviyo.now += DAY
    lists.members["L3"] = [("new", NOW + 10 * SECOND)]
    lists.members["L4"].append(("joined", NOW + 3600 * SECOND))
    assert pairs(sync(STREAM, state={STREAM: state})) == {("L3", "new"), ("L4", "joined")}


@pytest.mark.parametrize("number", range(0, 12, 2))
def test_a_sync_of_thousands_of_parents_resumes_from_where_it_was_stopped(
    klaviyo: FakeKlaviyo, lists: Lists, number: int
) -> None:
    out, state = stopped_at(sync(STREAM, num_workers=1), number)
    klaviyo.now += DAY
    lists.members["L1"] = [("new in an early list", NOW + 3600 * SECOND)]
    lists.members["L2"].append(("joined", NOW + 3600 * SECOND))
    output = sync(STREAM, state={STREAM: state}, num_workers=1)
    assert out | pairs(output) == lists.pairs
    if number:
        assert len(output.records()) < len(lists.pairs)  # it did not begin from the beginning
    for again in range(0, 8, 3):
        more, later = stopped_at(output, again)
        assert out | more | pairs(sync(STREAM, state={STREAM: later})) == lists.pairs


def test_a_state_of_a_hundred_thousand_parents_takes_less_than_a_kilobyte() -> None:
    partitions = [{"list_id": f"L{number:06}"} for number in range(100_000)]
    positions = [NOW if number < 30_000 else NOW - DAY for number in range(100_000)]
    state = compact_state("joined_group_at", list(zip(partitions, positions, strict=True)), [NOW])
    assert len(json.dumps(state)) < 1_000
    stored = StoredState(state, STREAM, "joined_group_at")
    assert [stored.position({"list_id": one}) for one in ("L000000", "L029999", "L030000")] == [NOW, NOW, NOW - DAY]
    assert MAX_LISTED_PARTITIONS < 100_000


def test_a_parent_that_is_new_is_read_from_before_it_was_listed() -> None:
    partitions = [{"list_id": "A"}, {"list_id": "B"}]
    state = compact_state("joined_group_at", [(one, NOW) for one in partitions], [NOW - 60 * SECOND])
    assert state["state"] == {"joined_group_at": for_state(NOW - 60 * SECOND)}
