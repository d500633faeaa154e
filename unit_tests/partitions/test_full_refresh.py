"""A full refresh that a later attempt resumes: nothing is lost, and only a few pages are emitted twice."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from source_klaviyo.source import SourceKlaviyo
from source_klaviyo.sync.instants import DAY, SECOND, Instant, for_filter, for_state
from tools.streams import by_name, facts_of, path_of
from unit_tests.fake_api import CONFIG, NOW, FakeKlaviyo, Output, Request, sync

if TYPE_CHECKING:
    from source_klaviyo.streams import KlaviyoStream

START = NOW - 170 * DAY
UNRELIABLE = {
    "campaigns": "sorted responses have been seen out of order",
    "campaigns_detailed": "as campaigns",
    "campaigns_multichannel": "as campaigns",
    "campaign_messages": "the order is that of their campaigns",
    "flow_actions": "the order is that of their flows",
}
"""Streams whose records come in no order of a date, though Klaviyo's API offers one for what is requested."""


def attempt(stream: str, state: dict[str, Any] | None = None, generation: int | None = 3, **settings: Any) -> Output:
    return sync(stream, state={stream: state} if state else None, full_refresh=True, generation=generation, **settings)


def last(output: Output, stream: str) -> dict[str, Any]:
    return output.states(stream)[-1]


def fill(klaviyo: FakeKlaviyo, resource: str, count: int) -> list[str]:
    """Add records, nine tenths of them within a hundredth of the time."""
    chance = random.Random(1)
    cursor = "datetime" if resource == "events" else "updated"

    def instant() -> Instant:
        dense = chance.random() < 0.9
        return Instant(chance.randrange(START + 100 * DAY, START + 102 * DAY if dense else NOW - DAY, SECOND))

    return klaviyo.add(resource, *({cursor: for_filter(instant())} for _ in range(count)))


def snapshots(klaviyo: FakeKlaviyo) -> None:
    """Serve some collections that cannot be filtered by date."""
    row = {"type": "x", "id": "X1", "attributes": {"updated": "2024-06-01T00:00:00Z"}}
    body = json.dumps({"data": [row]}).encode()
    klaviyo.before = lambda request: (200, body) if request.resource in ("tags", "coupons", "coupon-codes") else None


def resumes(stream: KlaviyoStream) -> bool:
    """Return whether Klaviyo's API lets a read start at a date and continue in its order."""
    operation, cursor = facts_of(stream).operation(path_of(stream)), stream.cursor_attribute
    is_report = "asks" in operation
    return is_report or (cursor in operation.get("filters", {}) and cursor in operation.get("sorts", ()))


def test_streams_are_resumable_where_the_facts_have_an_order_that_is_reliable() -> None:
    resumable = {stream.name for stream in SourceKlaviyo().streams(CONFIG) if stream.as_airbyte_stream().is_resumable}
    assert resumable == {name for name, stream in by_name().items() if resumes(stream)} - UNRELIABLE.keys()


@pytest.mark.parametrize(
    "stream", ["profiles", "lists", "events", "global_exclusions", "metrics", "tags", "coupon_codes"]
)
def test_a_stream_that_the_first_attempt_has_read_emits_nothing_in_the_second(
    klaviyo: FakeKlaviyo, stream: str
) -> None:
    snapshots(klaviyo)
    suppressed = {"suppression": [{"reason": "UNSUBSCRIBE", "timestamp": "2024-06-01T00:00:00Z"}]}
    updated = {"updated": "2024-06-01T00:00:00Z", "datetime": "2024-06-01T00:00:00Z"}
    for resource in ("profiles", "lists", "metrics", "events"):
        klaviyo.add(resource, {**updated, "subscriptions": {"email": {"marketing": suppressed}}})
    first = attempt(stream)
    assert len(first.records()) == 1
    asked = len(klaviyo.requests)
    klaviyo.now += 3600 * SECOND
    klaviyo.add("profiles", {"updated": for_filter(NOW)})  # what changes meanwhile belongs to the next sync
    second = attempt(stream, last(first, stream))
    assert second.raised is None
    assert second.records() == []
    assert second.statuses(stream) == ["STARTED", "COMPLETE"]
    assert len(klaviyo.requests) == asked
    assert last(second, stream) == last(first, stream)


@pytest.mark.parametrize("stream", ["profiles", "tags"])
@pytest.mark.parametrize("generation", [None, 2, 4])
def test_another_generation_is_read_from_the_beginning(
    klaviyo: FakeKlaviyo, stream: str, generation: int | None
) -> None:
    snapshots(klaviyo)
    fill(klaviyo, "profiles", 5)
    first = attempt(stream)
    assert attempt(stream, last(first, stream), generation).ids() == first.ids() != []


def test_without_a_generation_no_attempt_resumes(klaviyo: FakeKlaviyo) -> None:
    fill(klaviyo, "profiles", 5)
    first = attempt("profiles", generation=None)
    assert "generation_id" not in last(first, "profiles")
    assert attempt("profiles", last(first, "profiles"), None).ids() == first.ids()
    assert attempt("profiles", last(first, "profiles"), 1).ids() == first.ids()


def test_a_full_refresh_does_not_resume_from_the_state_of_an_incremental_sync(klaviyo: FakeKlaviyo) -> None:
    fill(klaviyo, "profiles", 5)
    state = {"updated": for_state(NOW - DAY)}
    assert len(attempt("profiles", state).ids()) == 5
    assert sync("profiles", state={"profiles": state}).ids() == []


def test_an_incremental_sync_resumes_from_the_state_of_a_full_refresh(klaviyo: FakeKlaviyo) -> None:
    fill(klaviyo, "profiles", 5)
    first = attempt("profiles")
    klaviyo.now += DAY
    new = klaviyo.add("profiles", {"updated": for_filter(NOW)})
    increment = sync("profiles", state={"profiles": last(first, "profiles")})
    assert increment.ids() == new
    assert "generation_id" not in last(increment, "profiles")


@pytest.mark.parametrize(("stream", "resource"), [("events", "events"), ("profiles", "profiles"), ("lists", "lists")])
def test_an_attempt_that_is_stopped_anywhere_resumes_and_repeats_few_pages(
    klaviyo: FakeKlaviyo, monkeypatch: pytest.MonkeyPatch, stream: str, resource: str
) -> None:
    monkeypatch.setattr("source_klaviyo.sync.cursor.STATE_INTERVAL", 0.02)
    klaviyo.page_limit, klaviyo.latency = 5, 3.0
    ids = fill(klaviyo, resource, 400)
    first = attempt(stream, num_workers=10)
    assert sorted(first.ids()) == ids
    found = [(Counter(out.ids()), state) for out, state in first.checkpoints(stream)]
    assert len(found) > 5
    for out, state in found[:: max(1, len(found) // 20)]:
        rest = Counter(attempt(stream, state).ids())
        assert {*out, *rest} == set(ids)
        # of each of the ten readers, the page that waits for the output with its position, and the last second
        assert (out + rest).total() <= len(ids) + 20 * klaviyo.page_limit
    assert [state for _, state in found if "read_ahead" in state]


def test_a_stream_that_cannot_resume_has_no_state_before_its_end(klaviyo: FakeKlaviyo) -> None:
    klaviyo.page_limit = 1
    klaviyo.add("metrics", *({"updated": "2024-06-01T00:00:00Z"} for _ in range(20)))
    (state,) = attempt("metrics").states("metrics")
    assert state["__ab_full_refresh_sync_complete"] is True


def test_a_failed_full_refresh_is_not_marked_complete(klaviyo: FakeKlaviyo) -> None:
    klaviyo.page_limit = 5
    ids = fill(klaviyo, "profiles", 20)

    def fail_later(request: Request) -> tuple[int, bytes] | None:
        return None if request.is_first_page else (401, b"")

    klaviyo.before = fail_later
    first = attempt("profiles")
    assert first.raised is not None
    assert "__ab_full_refresh_sync_complete" not in last(first, "profiles")
    klaviyo.before = lambda _: None
    assert {*first.ids(), *attempt("profiles", last(first, "profiles")).ids()} == set(ids)
