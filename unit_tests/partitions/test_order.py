"""Records that come out of order, or share a second."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from source_klaviyo.sync.cursor import CONSISTENCY_LAG
from source_klaviyo.sync.instants import DAY, HOUR, SECOND, Instant, for_filter, parse_instant
from unit_tests.fake_api import NOW, FakeKlaviyo, Request, error, sync
from unit_tests.partitions.syncs import (
    SINCE,
    START,
    STATE,
    add_events,
    add_profiles,
    assert_states_are_true,
    hour_counts,
    iso,
    pages_of,
    positions,
    record_of,
    skewed,
    state_of,
)


@pytest.mark.parametrize("page_limit", [1, 2, 3, 100])
def test_records_of_the_same_instant_are_all_read_once(klaviyo: FakeKlaviyo, page_limit: int) -> None:
    klaviyo.page_limit = page_limit
    ids = add_events(klaviyo, *[SINCE] * 7, *[SINCE + 1] * 3, *[SINCE + SECOND] * 4)
    output = sync("events")
    assert Counter(output.ids()) == Counter(ids)
    assert_states_are_true(output, "events", klaviyo.now)


@pytest.mark.parametrize(
    "pages",
    [
        ([SINCE, SINCE + 3 * DAY, SINCE + DAY], [SINCE + 2 * DAY], [SINCE + 4 * DAY]),
        ([SINCE + 4 * DAY], [SINCE + 2 * DAY], [SINCE, SINCE + 3 * DAY]),
        ([SINCE, SINCE + DAY], [SINCE], [SINCE + 5 * DAY]),
    ],
    ids=["within a page", "between pages", "going back"],
)
def test_records_out_of_order_are_all_read_and_cause_one_warning(
    klaviyo: FakeKlaviyo, log: pytest.LogCaptureFixture, pages: tuple[list[Instant], ...]
) -> None:
    klaviyo.before = pages_of(*pages)
    output = sync("profiles", num_workers=1)
    assert len(output.ids()) == len(set(output.ids())) == sum(map(len, pages))
    assert len([record for record in log.records if "out of order" in record.message]) == 1
    assert positions(output, "profiles")[-1] == NOW - CONSISTENCY_LAG


def test_a_window_out_of_order_has_no_checkpoint_before_its_end(klaviyo: FakeKlaviyo) -> None:
    klaviyo.before = pages_of([SINCE + 4 * DAY, SINCE], [SINCE + 2 * DAY], [SINCE + 5 * DAY])
    assert positions(sync("profiles", num_workers=1), "profiles") == [NOW - CONSISTENCY_LAG]


def test_out_of_order_a_record_past_the_end_does_not_end_the_window(klaviyo: FakeKlaviyo) -> None:
    klaviyo.before = pages_of([SINCE + DAY, SINCE], [NOW + DAY], [SINCE + 2 * DAY], field="datetime")
    output = sync("events", state={"events": {"datetime": STATE, "future_is_read": True}})
    assert output.ids() == ["0", "1", "3"]


@pytest.mark.parametrize(
    "pages",
    [
        ([SINCE + 4 * DAY, SINCE], [SINCE + 2 * DAY], [SINCE + 5 * DAY]),
        ([SINCE + 4 * DAY], [SINCE + 2 * DAY], [SINCE + 5 * DAY]),
        ([SINCE + 4 * DAY], [SINCE + 5 * DAY], [SINCE + 2 * DAY]),
    ],
    ids=["seen on the first page", "seen on the second page", "seen on the last page"],
)
def test_changes_during_a_window_out_of_order_are_left_to_the_next_sync(
    klaviyo: FakeKlaviyo, pages: tuple[list[Instant], ...]
) -> None:
    answer = pages_of(*pages)

    def before(request: Request) -> tuple[int, bytes]:
        klaviyo.now += 60 * SECOND
        return answer(request)

    klaviyo.before = before
    # a change may move a record anywhere, even to the first page, which was requested at NOW
    assert positions(sync("profiles", num_workers=1), "profiles")[-1] <= NOW - CONSISTENCY_LAG


def test_one_window_out_of_order_caps_the_checkpoint_of_all_windows(
    klaviyo: FakeKlaviyo, monkeypatch: pytest.MonkeyPatch
) -> None:
    klaviyo.page_limit = 2
    klaviyo.open_windows(monkeypatch, 2)
    add_profiles(klaviyo, START + 2 * DAY, START, START + DAY, NOW - 2 * HOUR)
    understand = klaviyo._understand

    def by_id(*request: Any) -> tuple[int, Any, Any]:
        klaviyo.now += 60 * SECOND
        size, matches, _ = understand(*request)
        return size, matches, lambda row: row["id"]

    monkeypatch.setattr(klaviyo, "_understand", by_id)
    output = sync("profiles", num_workers=2)
    assert len(output.ids()) == 4
    assert len(klaviyo.first_pages()) > 1
    assert positions(output, "profiles")[-1] <= NOW + 60 * SECOND - CONSISTENCY_LAG


def test_hours_are_counted_once_when_a_window_out_of_order_restarts(klaviyo: FakeKlaviyo) -> None:
    recent = NOW - 3 * HOUR
    late = [recent, recent + 10 * SECOND, recent + 5 * SECOND, recent + 20 * SECOND]
    answer = pages_of(late[:2], late[2:3], late[3:], field="datetime")
    refusals = [error(400, "invalid", "Invalid cursor provided.", "page[cursor]")]

    def before(request: Request) -> tuple[int, bytes]:
        return (400, refusals.pop()) if len(klaviyo.requests) == 3 and refusals else answer(request)

    klaviyo.before = before
    output = sync("events", start_date="2024-06-30", num_workers=1)
    assert set(output.ids()) == {"0", "1", "2", "3"}
    assert hour_counts(output) == [4]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("latency", [0.0, 1.0])
def test_records_that_change_during_a_sync_are_read_again_and_no_state_passes_them(
    klaviyo: FakeKlaviyo, seed: int, latency: float
) -> None:
    klaviyo.page_limit, klaviyo.latency = 3, latency
    add_profiles(klaviyo, *skewed(120))
    chance = random.Random(seed)
    rows = klaviyo.rows["profiles"]

    def before(_: Request) -> None:
        klaviyo.now += SECOND // 4
        if len(klaviyo.requests) < 40 and chance.random() < 0.5:
            chance.choice(rows)["attributes"]["updated"] = iso(klaviyo.now)

    klaviyo.before = before
    output = sync("profiles")
    assert output.raised is None
    versions = {(row["id"], row["attributes"]["updated"]) for row in rows}
    assert versions <= {(one["id"], one["updated"]) for one in output.records()}
    seen: set[tuple[str, str]] = set()
    for message in output:
        record, state = record_of(message), state_of(message)
        if record:
            seen.add((record["id"], record["updated"]))
        elif state:
            position = parse_instant(state["updated"])
            assert {one for one in versions if parse_instant(one[1]) < position} <= seen


def test_no_state_passes_a_record_that_appears_seconds_after_its_date(klaviyo: FakeKlaviyo) -> None:
    klaviyo.page_limit = 1
    add_events(klaviyo, NOW - SECOND, NOW + 2 * SECOND, NOW + 18 * SECOND, NOW + 19 * SECOND)
    late = NOW - SECOND - 1

    def before(_: Request) -> None:
        # the first page is requested at NOW; the late event appears when the reader has just passed its time
        klaviyo.now = NOW + [0, 3, 20, 20][len(klaviyo.requests) - 1] * SECOND
        if len(klaviyo.requests) == 2:
            add_events(klaviyo, late)

    klaviyo.before = before
    state = {"datetime": for_filter(NOW - 60 * SECOND), "future_is_read": True}
    output = sync("events", state={"events": state}, num_workers=1)
    assert "events-00004" in output.ids() or positions(output, "events")[-1] <= late
