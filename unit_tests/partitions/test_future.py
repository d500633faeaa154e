"""States and records that are dated in the future."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from source_klaviyo.sync.cursor import CONSISTENCY_LAG
from source_klaviyo.sync.instants import DAY, HOUR, SECOND, for_filter, for_state
from unit_tests.fake_api import NOW, FakeKlaviyo, Output, Request, sync
from unit_tests.partitions.syncs import (
    AHEAD,
    BROKEN,
    NAMES,
    SINCE,
    STATE,
    add,
    add_events,
    add_profiles,
    assert_states_are_true,
    cursor_of,
    document,
    expire_before,
    iso,
    positions,
    record_of,
    skewed,
)


@pytest.mark.parametrize("stream", NAMES)
@pytest.mark.parametrize("ahead", [1, 3600, 96 * 365 * 86_400])
def test_a_state_in_the_future_causes_one_warning_and_is_followed_by_one_of_the_present(
    klaviyo: FakeKlaviyo, log: pytest.LogCaptureFixture, stream: str, ahead: int
) -> None:
    cursor = cursor_of(stream)
    future = for_filter(NOW + ahead * SECOND)
    state = (
        {"use_global_cursor": True, "state": {cursor: future}} if stream in ("campaigns", "flows") else {cursor: future}
    )
    output = sync(stream, state={stream: state})
    assert output.raised is None
    assert len(klaviyo.requests) >= 1
    said = [one for one in log.records if "lies in the future" in one.message and one.levelname == "WARNING"]
    assert len(said) == 1
    assert stream in said[0].message
    for emitted in output.states(stream):
        written = json.dumps(emitted)
        assert "2024-07-01T11:59:55+0000" in written
        assert future[:19] not in written


@pytest.mark.parametrize("stream", ["events", "profiles", "lists", "metrics"])
def test_a_state_in_the_future_makes_a_sync_go_back_thirty_days(klaviyo: FakeKlaviyo, stream: str) -> None:
    ids = add(klaviyo, stream, [NOW - ago * DAY for ago in (31, 29, 10, 1)])
    output = sync(stream, state={stream: {cursor_of(stream): for_filter(NOW + HOUR)}})
    assert output.ids() == ids[1:]


def test_a_state_in_the_future_makes_no_sync_go_back_beyond_the_start_date(klaviyo: FakeKlaviyo) -> None:
    ids = add_profiles(klaviyo, NOW - 10 * DAY, NOW - DAY)
    state = {"updated": for_filter(NOW + HOUR)}
    assert sync("profiles", state={"profiles": state}, start_date="2024-06-28").ids() == ids[1:]


def test_a_state_in_the_future_makes_a_sync_resume_where_its_recent_hours_end(klaviyo: FakeKlaviyo) -> None:
    add_events(klaviyo, NOW - 10 * DAY)
    state = sync("events").states("events")[-1]
    klaviyo.now += 3 * DAY
    missed = add_events(klaviyo, NOW + HOUR, NOW + 2 * DAY)
    ahead = {**state, "datetime": for_state(NOW + 9 * DAY)}
    assert sync("events", state={"events": ahead}).ids() == missed


@pytest.mark.parametrize("ago", [0, 3, 5])
def test_a_state_of_the_present_is_not_in_the_future(
    klaviyo: FakeKlaviyo, log: pytest.LogCaptureFixture, ago: int
) -> None:
    add_profiles(klaviyo, NOW - DAY)
    assert sync("profiles", state={"profiles": {"updated": for_filter(NOW - ago * SECOND)}}).ids() == []
    assert not any("lies in the future" in record.message for record in log.records)


def test_the_sync_after_a_state_in_the_future_reads_what_has_changed(klaviyo: FakeKlaviyo) -> None:
    first = sync("profiles", state={"profiles": {"updated": "2120-10-10T00:00:00+00:00"}})
    klaviyo.now += 60 * SECOND
    ids = add_profiles(klaviyo, NOW + SECOND)
    assert sync("profiles", state={"profiles": first.states("profiles")[-1]}).ids() == ids


@pytest.mark.parametrize("page_limit", [1, 2, 100])
def test_future_events_are_read_once_and_again_when_their_time_has_come(klaviyo: FakeKlaviyo, page_limit: int) -> None:
    klaviyo.page_limit = page_limit
    past = add_events(klaviyo, SINCE, SINCE + SECOND)
    ahead = add_events(klaviyo, *AHEAD)
    first = sync("events", num_workers=1)
    assert first.ids() == past + ahead
    future = [one for one in first if (record_of(one) or {}).get("id") in ahead]
    assert_states_are_true(Output(one for one in first if one not in future), "events", NOW)
    assert max(positions(first, "events")) == NOW - CONSISTENCY_LAG

    klaviyo.now += 60 * SECOND
    second = sync("events", state={"events": first.states("events")[-1]})
    assert second.ids() == []
    assert positions(second, "events")[-1] == klaviyo.now - CONSISTENCY_LAG

    klaviyo.now += 2 * HOUR
    third = sync("events", state={"events": second.states("events")[-1]})
    assert third.ids() == ahead[:1]


def test_future_events_are_read_even_if_the_first_sync_failed(klaviyo: FakeKlaviyo) -> None:
    klaviyo.page_limit = 1
    add_events(klaviyo, SINCE, SINCE + SECOND)
    ahead = add_events(klaviyo, *AHEAD)
    klaviyo.before = lambda _: (500, BROKEN) if len(klaviyo.requests) > 2 else None
    first = sync("events")
    assert first.raised is not None
    klaviyo.before = lambda _: None
    second = sync("events", state={"events": first.states("events")[-1]}, num_workers=1)
    assert [one for one in second.ids() if one in ahead] == ahead


def test_a_full_refresh_reads_future_events(klaviyo: FakeKlaviyo) -> None:
    state = sync("events").states("events")[-1]
    ahead = add_events(klaviyo, *AHEAD)
    assert sync("events", state={"events": state}, full_refresh=True).ids() == ahead


def test_no_request_begins_in_the_future_after_a_page_cursor_expired_among_future_events(
    klaviyo: FakeKlaviyo,
) -> None:
    klaviyo.page_limit = 1
    ids = add_events(klaviyo, SINCE, *AHEAD)
    expire_before(klaviyo, 4)
    output = sync("events", num_workers=1)
    assert output.raised is None
    assert set(output.ids()) == set(ids)
    assert klaviyo.rejections == ["Invalid cursor provided."]


def test_future_events_are_read_for_each_new_metric(klaviyo: FakeKlaviyo) -> None:
    klaviyo.before = lambda _: (200, document([("F", iso(NOW + DAY))], "datetime"))
    listed = [{"partition": {"event_metric_id": "M1"}, "cursor": {"datetime": STATE}}]
    state = {"use_global_cursor": False, "states": listed, "future_is_read": True}
    output = sync("events", state={"events": state}, event_metric_ids="M1,M2")
    assert output.ids() == ["F"]  # of M2, which is new
    assert output.states("events")[-1]["future_is_read"] is True


def test_no_state_says_that_the_future_is_read_before_all_metrics_are(klaviyo: FakeKlaviyo) -> None:
    klaviyo.before = lambda request: (400, BROKEN) if '"M2"' in request.params["filter"] else (200, b'{"data":[]}')
    output = sync("events", event_metric_ids="M1,M2")
    assert output.states("events")
    assert not any("future_is_read" in state for state in output.states("events"))


def test_future_events_are_read_once_by_any_number_of_workers(klaviyo: FakeKlaviyo) -> None:
    klaviyo.page_limit, klaviyo.latency = 3, 1.0
    ids = add_events(klaviyo, *skewed(300), *AHEAD)
    output = sync("events")
    assert len(klaviyo.first_pages()) >= 3
    assert Counter(output.ids()) == Counter(ids)


def test_the_future_is_not_split_however_long_a_read_takes(klaviyo: FakeKlaviyo) -> None:
    klaviyo.page_limit, klaviyo.latency = 3, 1.0
    ids = add_events(klaviyo, *skewed(300), *range(NOW + 30 * DAY, NOW + 31 * DAY, DAY // 60))

    def pass_a_minute(_: Request) -> None:
        klaviyo.now += 60 * SECOND

    klaviyo.before = pass_a_minute
    output = sync("events")
    assert Counter(output.ids()) == Counter(ids)


def test_page_cursors_that_always_expire_fail_the_stream_although_its_start_moves_with_the_clock(
    klaviyo: FakeKlaviyo,
) -> None:
    """Future-dated records keep the position of the last window at the present, which moves."""
    klaviyo.page_limit, klaviyo.may_reject = 2, True
    add_profiles(klaviyo, *(NOW + DAY + second * SECOND for second in range(10)))

    def expire(_: Request) -> None:
        klaviyo.now += 2 * SECOND
        klaviyo.expire()
        assert len(klaviyo.requests) < 100

    klaviyo.before = expire
    output = sync("profiles", state={"profiles": {"updated": for_filter(NOW - 20 * SECOND)}}, num_workers=1)
    assert output.statuses("profiles")[-1] == "INCOMPLETE"
    assert len(klaviyo.requests) <= 20


def test_spans_of_a_state_that_lie_in_the_future_are_ignored(klaviyo: FakeKlaviyo) -> None:
    new = add_profiles(klaviyo, NOW - DAY)
    spans = [[for_state(NOW + HOUR), for_state(NOW + 2 * HOUR)]]
    state = {"updated": for_state(NOW - 2 * DAY), "read_ahead": [{"partition": {}, "query": "changed", "spans": spans}]}
    output = sync("profiles", state={"profiles": state})
    assert output.raised is None
    assert output.ids() == new
