"""Reading: windows, states, statuses and failures of whole syncs, against a strict Klaviyo in memory."""

from __future__ import annotations

import itertools
import json
import random
import threading
import time
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from airbyte_cdk.models import AirbyteStreamStatus, FailureType, Type

from source_klaviyo.partitions.batch import BatchQueue
from source_klaviyo.source import SourceKlaviyo
from source_klaviyo.sync.cursor import CONSISTENCY_LAG
from source_klaviyo.sync.instants import DAY, SECOND, for_filter, for_state, parse_instant
from unit_tests.fake_api import HOST, NOW, FakeKlaviyo, Output, Refused, Request, error, sync

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START = parse_instant("2024-01-01T00:00:00Z")
NAMES = ["campaigns", "email_templates", "events", "flows", "global_exclusions", "lists", "metrics", "profiles"]
STATE = "2024-06-01T00:00:00+0000"
SINCE = parse_instant(STATE)


def iso(instant: int) -> str:
    """The instant as Klaviyo writes it into records."""
    return f"{for_filter(instant)[:-1]}.{instant % SECOND:06}+00:00"


def add_events(klaviyo: FakeKlaviyo, *instants: int) -> list[str]:
    return klaviyo.add("events", *({"datetime": iso(instant)} for instant in instants))


def add_profiles(klaviyo: FakeKlaviyo, *instants: int) -> list[str]:
    return klaviyo.add("profiles", *({"updated": iso(instant)} for instant in instants))


def promised(output: Output, stream: str) -> list[int]:
    """What the states of a stream without partitions say, one after the other."""
    field = "datetime" if stream == "events" else "updated"
    return [parse_instant(state[field]) for state in output.states(stream)]


def assert_promises_are_kept(output: Output, stream: str, now: int) -> None:
    """States grow, stay behind the present, and each comes after all the records before it."""
    field = "datetime" if stream == "events" else "updated"
    states = promised(output, stream)
    assert states == sorted(states)
    assert all(one != other for one, other in pairwise(output.states(stream)))
    assert states[-1] <= now - CONSISTENCY_LAG
    for place, message in enumerate(output):
        if message.type == Type.STATE and message.state.stream.stream_descriptor.name == stream:
            position = parse_instant(getattr(message.state.stream.stream_state, field))
            late = [one for one in Output(output[place:]).records(stream) if one[field]]
            assert all(parse_instant(one[field]) >= position for one in late)


def place_of(output: Output, status: AirbyteStreamStatus, stream: str) -> int:
    """Where in the output a status is."""
    return next(
        place
        for place, one in enumerate(output)
        if one.type == Type.TRACE
        and one.trace.stream_status
        and one.trace.stream_status.status == status
        and one.trace.stream_status.stream_descriptor.name == stream
    )


def last_state(output: Output, stream: str) -> int:
    """Where in the output the last state is."""
    return max(
        place
        for place, one in enumerate(output)
        if one.type == Type.STATE and one.state.stream.stream_descriptor.name == stream
    )


def fail_on(klaviyo: FakeKlaviyo, resource: str, status: int, body: bytes) -> None:
    """Answer all questions about a resource so."""
    klaviyo.before = lambda request: (status, body) if request.resource == resource else None


FORBIDDEN = error(403, "permission_denied", "You do not have permission to perform this action.")
BROKEN = error(500, "error", "Something went wrong.")


# --- statuses and states --------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", NAMES)
def test_a_stream_without_records_starts_and_completes_with_a_state(klaviyo: FakeKlaviyo, stream: str) -> None:
    output = sync(stream)
    assert output.raised is None
    assert output.statuses(stream) == ["STARTED", "COMPLETE"]
    assert len(output.states(stream)) >= 1
    assert last_state(output, stream) < place_of(output, AirbyteStreamStatus.COMPLETE, stream)


def test_a_stream_runs_with_its_first_record(klaviyo: FakeKlaviyo) -> None:
    klaviyo.page_limit = 2
    add_events(klaviyo, *range(SINCE, SINCE + 9 * SECOND, SECOND))
    output = sync("events")
    assert output.statuses("events") == ["STARTED", "RUNNING", "COMPLETE"]
    running = place_of(output, AirbyteStreamStatus.RUNNING, "events")
    assert output[running + 1].type == Type.RECORD
    assert output[running + 1].record.data["id"] == "events-00000"


def test_states_come_page_by_page_after_the_records_that_they_cover(klaviyo: FakeKlaviyo) -> None:
    klaviyo.page_limit = 2
    add_events(klaviyo, *range(SINCE, SINCE + 60 * SECOND, 10 * SECOND))
    output = sync("events", num_workers=1)
    assert_promises_are_kept(output, "events", klaviyo.now)
    assert promised(output, "events") == [SINCE + second * SECOND for second in (10, 30, 50)] + [NOW - CONSISTENCY_LAG]
    assert last_state(output, "events") < place_of(output, AirbyteStreamStatus.COMPLETE, "events")


def test_an_increment_goes_on_where_the_last_one_ended(klaviyo: FakeKlaviyo) -> None:
    old = add_events(klaviyo, SINCE, SINCE + SECOND)
    first = sync("events")
    assert first.ids() == old
    klaviyo.now += 3600 * SECOND
    new = add_events(klaviyo, NOW - 4 * SECOND, NOW + SECOND)  # one of them showed late
    second = sync("events", state={"events": first.states("events")[-1]})
    assert second.ids() == new


@pytest.mark.parametrize("stream", NAMES)
def test_the_last_state_of_each_stream_can_be_read_again(klaviyo: FakeKlaviyo, stream: str) -> None:
    first = sync(stream)
    klaviyo.now += 3600 * SECOND
    second = sync(stream, state={stream: first.states(stream)[-1]})
    assert second.raised is None
    assert second.statuses(stream) == ["STARTED", "COMPLETE"]
    assert second.states(stream)[-1].keys() == first.states(stream)[-1].keys()


def test_a_full_refresh_passes_over_the_state(klaviyo: FakeKlaviyo) -> None:
    ids = add_events(klaviyo, START, SINCE - DAY, SINCE + DAY)
    output = sync("events", state={"events": {"datetime": STATE}}, full_refresh=True)
    assert output.ids() == ids


def test_a_full_refresh_passes_over_a_state_that_cannot_be_read(klaviyo: FakeKlaviyo) -> None:
    assert sync("events", state={"events": {"datetime": "soon"}}, full_refresh=True).raised is None


def test_a_state_that_cannot_be_read_is_the_users_to_mend(klaviyo: FakeKlaviyo) -> None:
    output = sync("events", state={"events": {"datetime": "soon"}})
    assert getattr(output.raised, "failure_type", None) == FailureType.config_error
    assert "state of stream events holds 'soon'" in output.errors("events")[0].message
    assert klaviyo.requests == []


@pytest.mark.parametrize("state", [{"updated": "not a date"}, {"states": 5}, {"not an object": [1]}])
def test_a_state_that_cannot_be_read_costs_its_stream_alone(klaviyo: FakeKlaviyo, state: dict[str, Any]) -> None:
    (one,) = add_profiles(klaviyo, SINCE)
    output = sync("lists", "profiles", state={"lists": state})
    assert output.ids("profiles") == [one]
    assert output.statuses("profiles") == ["STARTED", "RUNNING", "COMPLETE"]
    assert output.statuses("lists") == ["STARTED", "INCOMPLETE"]
    assert output.states("lists") == []
    (said,) = output.errors()
    assert said.stream_descriptor.name == "lists"
    assert said.failure_type == FailureType.config_error
    assert "lists" in str(output.raised)


def test_a_full_refresh_does_not_mind_a_state_that_cannot_be_read(klaviyo: FakeKlaviyo) -> None:
    (one,) = add_profiles(klaviyo, SINCE)
    output = sync("profiles", state={"profiles": {"updated": "not a date"}}, full_refresh=True, generation=1)
    assert (output.raised, output.ids()) == (None, [one])


def test_a_lookback_takes_no_state_back(klaviyo: FakeKlaviyo) -> None:
    again = add_events(klaviyo, SINCE - 3 * DAY, SINCE - 2 * DAY, SINCE + DAY)
    klaviyo.page_limit = 1
    output = sync("events", state={"events": {"datetime": STATE}}, lookback_window=7)
    assert output.ids() == again
    assert promised(output, "events")[0] >= SINCE
    assert promised(output, "events") == sorted(promised(output, "events"))


@pytest.mark.parametrize("stream", ["metrics", "lists"])
def test_what_the_server_does_not_leave_out_is_left_out_here(klaviyo: FakeKlaviyo, stream: str) -> None:
    moments = [SINCE - DAY, SINCE - 1, SINCE, SINCE + DAY]
    ids = klaviyo.add(stream, *({"updated": iso(moment)} for moment in moments))
    assert sync(stream, state={stream: {"updated": STATE}}).ids() == ids[2:]
    assert sync(stream, start_date="2024-06-01").ids() == ids[2:]


def test_each_partition_of_flows_keeps_its_own_state(klaviyo: FakeKlaviyo) -> None:
    live = klaviyo.add("flows", {"updated": iso(SINCE + DAY), "archived": False})
    states = [
        {"partition": {"archived": "true"}, "cursor": {"updated": STATE}},
        {"partition": {"archived": "false"}, "cursor": {"updated": STATE}},
    ]
    fail = error(500, "error", "no")
    klaviyo.before = lambda request: (500, fail) if "archived,true" in request.params["filter"] else None
    output = sync("flows", state={"flows": {"states": states}})
    assert output.ids() == live
    found = {one["partition"]["archived"]: one["cursor"]["updated"] for one in output.states("flows")[-1]["states"]}
    assert found == {"false": "2024-07-01T11:59:55+0000", "true": STATE}


# --- the future -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", NAMES)
@pytest.mark.parametrize("ahead", [1, 3600, 96 * 365 * 86_400])
def test_a_state_in_the_future_is_no_state_of_the_next_sync_and_a_warning(
    klaviyo: FakeKlaviyo, log: pytest.LogCaptureFixture, stream: str, ahead: int
) -> None:
    cursor = {"campaigns": "updated_at", "events": "datetime"}.get(stream, "updated")
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
def test_a_state_in_the_future_goes_back_by_thirty_days(klaviyo: FakeKlaviyo, stream: str) -> None:
    cursor = "datetime" if stream == "events" else "updated"
    days = [{cursor: iso(NOW - ago * DAY)} for ago in (31, 29, 10, 1)]
    ids = klaviyo.add(stream, *days)
    output = sync(stream, state={stream: {cursor: for_filter(NOW + 3600 * SECOND)}})
    assert output.ids() == ids[1:]


def test_a_state_in_the_future_goes_back_no_further_than_the_start_date(klaviyo: FakeKlaviyo) -> None:
    ids = add_profiles(klaviyo, NOW - 10 * DAY, NOW - DAY)
    state = {"updated": for_filter(NOW + 3600 * SECOND)}
    assert sync("profiles", state={"profiles": state}, start_date="2024-06-28").ids() == ids[1:]


def test_a_state_in_the_future_goes_back_to_what_its_recent_hours_know(klaviyo: FakeKlaviyo) -> None:
    add_events(klaviyo, NOW - 10 * DAY)
    state = sync("events").states("events")[-1]
    klaviyo.now += 3 * DAY
    missed = add_events(klaviyo, NOW + 3600 * SECOND, NOW + 2 * DAY)
    ahead = {**state, "datetime": for_state(NOW + 9 * DAY)}
    assert sync("events", state={"events": ahead}).ids() == missed


@pytest.mark.parametrize("ago", [0, 3, 5])
def test_a_state_of_this_very_moment_is_none_of_the_future(
    klaviyo: FakeKlaviyo, log: pytest.LogCaptureFixture, ago: int
) -> None:
    add_profiles(klaviyo, NOW - DAY)
    assert sync("profiles", state={"profiles": {"updated": for_filter(NOW - ago * SECOND)}}).ids() == []
    assert not any("lies in the future" in record.message for record in log.records)


@pytest.mark.parametrize(
    ("stream", "state", "warned"),
    [
        ("profiles", {"udpated": STATE}, True),
        ("profiles", {"cursor": {"updated": STATE}}, True),
        ("flows", {"states": [{"partition": {"status": "live"}, "cursor": {"updated": STATE}}]}, True),
        ("events", {"states": [{"partition": {"event_metric_id": "A"}, "cursor": {"datetime": STATE}}]}, True),
        ("profiles", {"updated": STATE}, False),
        ("flows", {"states": [{"partition": {"archived": "true"}, "cursor": {"updated": STATE}}]}, False),
        ("profiles", {}, False),
        ("profiles", {"__ab_no_cursor_state_message": True}, False),
        ("flows", {"use_global_cursor": False, "states": [], "state": {}, "lookback_window": 0}, False),
    ],
)
def test_a_state_that_is_of_no_use_is_not_passed_over_in_silence(
    klaviyo: FakeKlaviyo, log: pytest.LogCaptureFixture, stream: str, state: dict[str, Any], warned: bool
) -> None:
    assert sync(stream, state={stream: state}).raised is None
    warnings = [record.getMessage() for record in log.records if "holds no position" in record.getMessage()]
    assert len(warnings) == warned
    assert all(f"stream {stream} " in warning for warning in warnings)


def test_what_changes_after_a_state_in_the_future_is_read(klaviyo: FakeKlaviyo) -> None:
    first = sync("profiles", state={"profiles": {"updated": "2120-10-10T00:00:00+00:00"}})
    klaviyo.now += 60 * SECOND
    ids = add_profiles(klaviyo, NOW + SECOND)
    assert sync("profiles", state={"profiles": first.states("profiles")[-1]}).ids() == ids


AHEAD = (NOW + 3600 * SECOND, NOW + 100 * DAY, NOW + 300 * DAY)


@pytest.mark.parametrize("page_limit", [1, 2, 100])
def test_events_of_the_future_are_read_once_and_again_when_their_time_has_come(
    klaviyo: FakeKlaviyo, page_limit: int
) -> None:
    klaviyo.page_limit = page_limit
    past = add_events(klaviyo, SINCE, SINCE + SECOND)
    ahead = add_events(klaviyo, *AHEAD)
    first = sync("events", num_workers=1)
    assert first.ids() == past + ahead
    assert_promises_are_kept(Output(one for one in first if not is_ahead(one)), "events", NOW)
    assert max(promised(first, "events")) == NOW - CONSISTENCY_LAG

    klaviyo.now += 60 * SECOND
    second = sync("events", state={"events": first.states("events")[-1]})
    assert second.ids() == []
    assert promised(second, "events")[-1] == klaviyo.now - CONSISTENCY_LAG

    klaviyo.now += 2 * 3600 * SECOND
    third = sync("events", state={"events": second.states("events")[-1]})
    assert third.ids() == ahead[:1]


def is_ahead(message: Any) -> bool:
    """Whether it is a record dated in the future."""
    return message.type == Type.RECORD and parse_instant(message.record.data["datetime"]) > NOW


def test_events_of_the_future_are_read_although_the_first_read_was_broken_off(klaviyo: FakeKlaviyo) -> None:
    klaviyo.page_limit = 1
    add_events(klaviyo, SINCE, SINCE + SECOND)
    ahead = add_events(klaviyo, *AHEAD)
    klaviyo.before = lambda _: (500, BROKEN) if len(klaviyo.requests) > 2 else None
    first = sync("events")
    assert first.raised is not None
    klaviyo.before = lambda _: None
    second = sync("events", state={"events": first.states("events")[-1]}, num_workers=1)
    assert [one for one in second.ids() if one in ahead] == ahead


def test_a_full_refresh_reads_the_events_of_the_future(klaviyo: FakeKlaviyo) -> None:
    state = sync("events").states("events")[-1]
    ahead = add_events(klaviyo, *AHEAD)
    assert sync("events", state={"events": state}, full_refresh=True).ids() == ahead


def test_a_page_cursor_that_expires_among_events_of_the_future_is_no_reason_to_ask_for_the_future(
    klaviyo: FakeKlaviyo,
) -> None:
    klaviyo.page_limit = 1
    ids = add_events(klaviyo, SINCE, *AHEAD)
    expire_before(klaviyo, 4)
    output = sync("events", num_workers=1)
    assert output.raised is None
    assert set(output.ids()) == set(ids)
    assert klaviyo.refusals == ["Invalid cursor provided."]


# --- borders --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page_limit", [1, 2, 3, 100])
def test_records_of_the_same_instant_are_all_read_once(klaviyo: FakeKlaviyo, page_limit: int) -> None:
    klaviyo.page_limit = page_limit
    ids = add_events(klaviyo, *[SINCE] * 7, *[SINCE + 1] * 3, *[SINCE + SECOND] * 4)
    output = sync("events")
    assert Counter(output.ids()) == Counter(ids)
    assert_promises_are_kept(output, "events", klaviyo.now)


def test_records_of_the_second_that_a_state_names_are_read_again(klaviyo: FakeKlaviyo) -> None:
    ids = add_profiles(klaviyo, SINCE - 1, SINCE, SINCE + 999_999)
    assert sync("profiles", state={"profiles": {"updated": STATE}}).ids() == ids[1:]


def test_a_record_without_a_date_is_emitted_and_moves_no_state(klaviyo: FakeKlaviyo) -> None:
    body = {"data": [{"type": "event", "id": one, "attributes": {"datetime": date}} for one, date in DATES]}
    klaviyo.before = lambda _: (200, json.dumps(body).encode())
    output = sync("events")
    assert output.ids() == [one for one, _ in DATES]
    assert [record["datetime"] for record in output.records()] == [date for _, date in DATES]


DATES = [("1", None), ("2", iso(SINCE)), ("3", None), ("4", "soon"), ("5", "2024-06-02/2024-06-03")]


# --- pages that do not behave ---------------------------------------------------------------------------


def pages_of(*pages: list[int], field: str = "updated") -> Callable[[Request], tuple[int, bytes]]:
    """Answer with these pages, in this order, whatever is asked for."""
    links = [f"{HOST}/api/x?page%5Bcursor%5D={number}" for number in range(1, len(pages))]
    ids = iter(range(1000))
    bodies = [
        {
            "data": [{"type": "x", "id": f"{next(ids)}", "attributes": {field: iso(one)}} for one in page],
            "links": {"next": link},
        }
        for page, link in zip(pages, [*links, None], strict=True)
    ]
    return lambda request: (200, json.dumps(bodies[int(request.params.get("page[cursor]", 0))]).encode())


@pytest.mark.parametrize(
    "pages",
    [
        ([SINCE, SINCE + 3 * DAY, SINCE + DAY], [SINCE + 2 * DAY], [SINCE + 4 * DAY]),
        ([SINCE + 4 * DAY], [SINCE + 2 * DAY], [SINCE, SINCE + 3 * DAY]),
        ([SINCE, SINCE + DAY], [SINCE], [SINCE + 5 * DAY]),
    ],
    ids=["within a page", "between pages", "going back"],
)
def test_records_out_of_order_are_all_read_and_said_to_be_so(
    klaviyo: FakeKlaviyo, log: pytest.LogCaptureFixture, pages: tuple[list[int], ...]
) -> None:
    klaviyo.before = pages_of(*pages)
    output = sync("profiles", num_workers=1)
    assert len(output.ids()) == len(set(output.ids())) == sum(map(len, pages))
    assert len([record for record in log.records if "out of order" in record.message]) == 1
    assert promised(output, "profiles")[-1] == NOW - CONSISTENCY_LAG


def test_a_window_out_of_order_has_no_state_before_its_end(klaviyo: FakeKlaviyo) -> None:
    klaviyo.before = pages_of([SINCE + 4 * DAY, SINCE], [SINCE + 2 * DAY], [SINCE + 5 * DAY])
    assert promised(sync("profiles", num_workers=1), "profiles") == [NOW - CONSISTENCY_LAG]


def test_out_of_order_a_record_beyond_the_end_is_no_end(klaviyo: FakeKlaviyo) -> None:
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
def test_what_changes_while_a_window_out_of_order_is_read_is_left_to_the_next_sync(
    klaviyo: FakeKlaviyo, pages: tuple[list[int], ...]
) -> None:
    answer = pages_of(*pages)

    def before(request: Request) -> tuple[int, bytes]:
        klaviyo.now += 60 * SECOND
        return answer(request)

    klaviyo.before = before
    # where a change moves a record to, nobody knows: perhaps to the first page, which was asked for at NOW
    assert promised(sync("profiles", num_workers=1), "profiles")[-1] <= NOW - CONSISTENCY_LAG


def test_one_window_out_of_order_makes_all_of_them_doubtful(
    klaviyo: FakeKlaviyo, monkeypatch: pytest.MonkeyPatch
) -> None:
    klaviyo.page_limit = 2
    klaviyo.open_windows(monkeypatch, 2)
    moments = [START + 2 * DAY, START, START + DAY, NOW - 2 * 3600 * SECOND]
    klaviyo.add("profiles", *({"updated": iso(one)} for one in moments))
    understand = klaviyo._understand

    def by_id(*question: Any) -> tuple[int, Any, Any]:
        klaviyo.now += 60 * SECOND
        size, matches, _ = understand(*question)
        return size, matches, lambda row: row["id"]

    klaviyo._understand = by_id  # type: ignore[method-assign]
    output = sync("profiles", num_workers=2)
    assert len(output.ids()) == 4
    assert len(klaviyo.questions()) > 1
    assert promised(output, "profiles")[-1] <= NOW + 60 * SECOND - CONSISTENCY_LAG


def expire_before(klaviyo: FakeKlaviyo, *requests: int) -> None:
    """Let all page cursors expire before the requests of these numbers."""
    klaviyo.may_refuse = True

    def before(_: Request) -> None:
        if len(klaviyo.requests) in requests:
            klaviyo.expire()

    klaviyo.before = before


def test_an_expired_page_cursor_costs_no_record_and_no_repetition(
    klaviyo: FakeKlaviyo, log: pytest.LogCaptureFixture
) -> None:
    klaviyo.page_limit = 3
    ids = add_events(klaviyo, *range(SINCE, SINCE + 20 * SECOND, SECOND))
    expire_before(klaviyo, 3)
    output = sync("events", num_workers=1)
    assert output.raised is None
    assert output.ids() == ids
    assert [params["filter"] for params in klaviyo.questions()] == [
        f"greater-or-equal(datetime,{for_filter(START)})",
        f"greater-or-equal(datetime,{for_filter(SINCE + 5 * SECOND)})",
    ]
    assert_promises_are_kept(output, "events", NOW)
    assert any("goes on from 2024-06-01T00:00:05Z" in record.message for record in log.records)


def test_the_repetition_after_an_expired_page_cursor_is_not_taken_for_disorder(
    klaviyo: FakeKlaviyo, log: pytest.LogCaptureFixture
) -> None:
    klaviyo.page_limit = 3
    ids = add_events(klaviyo, *range(SINCE, SINCE + 2 * SECOND, SECOND // 5))
    expire_before(klaviyo, 2)
    output = sync("events", num_workers=1)
    assert sorted(set(output.ids())) == ids
    assert not any("out of order" in record.message for record in log.records)


def test_page_cursors_may_expire_as_often_as_the_reading_gets_further(klaviyo: FakeKlaviyo) -> None:
    klaviyo.page_limit = 3
    ids = add_events(klaviyo, *range(SINCE, SINCE + 60 * SECOND, SECOND))
    expire_before(klaviyo, *range(3, 200, 3))
    output = sync("events", num_workers=1)
    assert output.raised is None
    assert sorted(set(output.ids())) == ids
    assert len(klaviyo.refusals) > 5


def test_page_cursors_that_never_work_end_the_stream(klaviyo: FakeKlaviyo) -> None:
    klaviyo.page_limit = 3
    add_events(klaviyo, *[SINCE] * 10)
    expire_before(klaviyo, *range(1000))
    output = sync("events", num_workers=1)
    assert output.statuses("events")[-1] == "INCOMPLETE"
    assert "Invalid cursor provided." in output.errors("events")[0].message
    assert len(klaviyo.requests) < 20


@pytest.mark.parametrize("cursors", [itertools.repeat("same"), itertools.count()], ids=["one cursor", "new cursors"])
def test_a_page_that_repeats_for_ever_ends_the_stream_with_a_clear_error(
    klaviyo: FakeKlaviyo, cursors: Iterator[object]
) -> None:
    def page(_: Request) -> tuple[int, bytes]:
        data = [{"type": "event", "id": "1", "attributes": {"datetime": iso(SINCE)}}]
        links = {"next": f"{HOST}/api/events?page%5Bcursor%5D={next(cursors)}"}
        return 200, json.dumps({"data": data, "links": links}).encode()

    klaviyo.before = page
    output = sync("events", num_workers=1)
    assert output.statuses("events")[-1] == "INCOMPLETE"
    assert [one.message for one in output.errors("events")] == ["Klaviyo answers with the same page again and again."]
    assert len(klaviyo.requests) < 20
    assert max(promised(output, "events")) <= SINCE


@pytest.mark.parametrize(
    ("stream", "resource", "body"),
    [
        ("flows", "flows", {"data": [None], "links": {}}),
        ("flows", "flows", {"data": [{}], "links": {}}),
        ("global_exclusions", "profiles", {"data": [{"id": "1", "attributes": {"subscriptions": 5}}]}),
        ("campaigns_detailed", "campaigns", {"data": [{"id": "1", "relationships": 5}]}),
        ("events_detailed", "events", {"data": [{"id": "1", "relationships": {"metric": {"data": 5}}}]}),
        ("campaign_messages", "campaigns", {"data": [{"id": "1", "relationships": {"campaign-messages": 5}}]}),
    ],
)
def test_what_is_not_as_documented_is_taken_for_damage(
    klaviyo: FakeKlaviyo, stream: str, resource: str, body: dict[str, Any]
) -> None:
    klaviyo.before = lambda request: (200, json.dumps(body).encode()) if request.resource == resource else None
    output = sync(stream)
    assert output.records() == []
    assert output.statuses(stream)[-1] == "INCOMPLETE"
    (said,) = output.errors()
    assert said.failure_type == FailureType.transient_error
    assert said.message.startswith("Klaviyo's response is damaged or incomplete")


# --- states of others -----------------------------------------------------------------------------------


def test_a_flat_state_of_campaigns_says_what_it_may_not_be_about(
    klaviyo: FakeKlaviyo, log: pytest.LogCaptureFixture
) -> None:
    sync("campaigns", state={"campaigns": {"updated_at": STATE, "archived": {"updated_at": STATE}}})
    (warning,) = [record.getMessage() for record in log.records if record.levelname == "WARNING"]
    assert "may not have read all of it" in warning
    assert "archived false, campaign_type sms" in warning
    assert "archived true" not in warning


def test_a_state_of_this_connector_is_trusted(klaviyo: FakeKlaviyo, log: pytest.LogCaptureFixture) -> None:
    first = sync("campaigns")
    sync("campaigns", state={"campaigns": first.states("campaigns")[-1]})
    assert [record for record in log.records if record.levelname == "WARNING"] == []


def test_a_state_nested_without_end_is_refused(klaviyo: FakeKlaviyo) -> None:
    nested: Any = {}
    for _ in range(900):
        nested = {"a": nested}
    output = sync("lists", state={"lists": nested})
    assert "The state of stream lists is nested too deeply" in output.errors("lists")[0].message
    assert sync("lists", state={"lists": nested}, full_refresh=True, generation=1).raised is None


def test_part_of_a_key_does_not_show_in_what_is_said_of_a_state(klaviyo: FakeKlaviyo) -> None:
    key = "pk_0123456789abcdefMARKED"
    source = SourceKlaviyo()
    source.configure({"api_key": key}, "")
    output = sync("lists", state={"lists": {"updated": "x" * 65 + key}}, source=source, api_key=key)
    assert "pk_01" not in str(output.raised)


# --- failures -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", ["campaigns", "events", "flows", "lists"])
def test_a_missing_scope_costs_its_stream_alone_and_is_said_once(klaviyo: FakeKlaviyo, stream: str) -> None:
    ids = add_profiles(klaviyo, SINCE)
    fail_on(klaviyo, stream, 403, FORBIDDEN)
    output = sync(stream, "profiles")
    assert output.statuses(stream) == ["STARTED", "INCOMPLETE"]
    assert output.statuses("profiles") == ["STARTED", "RUNNING", "COMPLETE"]
    assert output.ids() == ids
    (said,) = output.errors()
    assert said.stream_descriptor.name == stream
    assert said.failure_type == FailureType.config_error
    assert f"{stream}:read" in said.message
    assert output.raised is not None
    assert stream in str(output.raised.message)  # type: ignore[attr-defined]
    assert klaviyo.naps == []


def test_after_a_missing_scope_the_other_windows_are_left_alone(klaviyo: FakeKlaviyo) -> None:
    fail_on(klaviyo, "campaigns", 403, FORBIDDEN)
    sync("campaigns", num_workers=1)
    assert ["include" in request.params for request in klaviyo.requests] == [
        True,
        False,
    ]


def test_a_lasting_error_of_klaviyos_costs_its_stream_alone_after_many_tries(klaviyo: FakeKlaviyo) -> None:
    ids = add_profiles(klaviyo, SINCE)
    fail_on(klaviyo, "events", 500, BROKEN)
    output = sync("events", "profiles")
    assert output.statuses("events") == ["STARTED", "INCOMPLETE"]
    assert output.statuses("profiles") == ["STARTED", "RUNNING", "COMPLETE"]
    assert output.ids() == ids
    (said,) = output.errors()
    assert said.failure_type == FailureType.transient_error
    assert "(500)" in said.message
    assert output.raised is not None
    assert len(klaviyo.naps) > 5
    assert sum(klaviyo.naps) > 60


def test_a_lasting_error_in_all_partitions_is_said_once(klaviyo: FakeKlaviyo) -> None:
    fail_on(klaviyo, "campaigns", 500, BROKEN)
    output = sync("campaigns")
    assert output.statuses("campaigns") == ["STARTED", "INCOMPLETE"]
    assert len(output.errors()) == 1


def test_a_passing_error_is_not_heard_of(klaviyo: FakeKlaviyo) -> None:
    ids = add_events(klaviyo, SINCE)
    klaviyo.before = lambda _: (503, BROKEN) if len(klaviyo.requests) < 4 else None
    output = sync("events")
    assert (output.ids(), output.errors(), output.raised) == (ids, [], None)
    assert len(klaviyo.naps) == 3


def test_predictive_analytics_are_named_as_what_may_make_klaviyo_fail(klaviyo: FakeKlaviyo) -> None:
    fail_on(klaviyo, "profiles", 503, BROKEN)
    with_them, without = (
        sync("profiles", disable_fetching_predictive_analytics=setting).errors()[0].message for setting in (False, True)
    )
    assert "disable_fetching_predictive_analytics" in with_them
    assert "disable_fetching_predictive_analytics" not in without


@pytest.mark.parametrize("body", [b"<html></html>", b"", b'{"data":[null]}'])
def test_predictive_analytics_are_not_named_where_they_are_not_the_reason(klaviyo: FakeKlaviyo, body: bytes) -> None:
    fail_on(klaviyo, "profiles", 200, body)
    (said,) = sync("profiles").errors()
    assert "damaged" in said.message
    assert "disable_fetching_predictive_analytics" not in said.message


def break_after_a_page(klaviyo: FakeKlaviyo) -> None:
    klaviyo.page_limit = 2
    add_events(klaviyo, *range(SINCE, SINCE + 10 * SECOND, SECOND))
    asked: Counter[str] = Counter()

    def break_off(request: Request) -> tuple[int, bytes] | None:
        asked[request.resource] += 1
        return (500, BROKEN) if asked[request.resource] > 1 else None

    klaviyo.before = break_off


def test_a_stream_that_breaks_off_keeps_what_it_has_and_goes_on_there(klaviyo: FakeKlaviyo) -> None:
    break_after_a_page(klaviyo)
    output = sync("events")
    assert output.ids() == ["events-00000", "events-00001"]
    assert promised(output, "events")[-1] == SINCE + SECOND
    klaviyo.before = lambda _: None
    rest = sync("events", state={"events": output.states("events")[-1]})
    assert sorted(rest.ids()) == [f"events-{number:05}" for number in range(1, 10)]


def test_the_last_state_of_a_stream_that_breaks_off_comes_before_its_end(
    klaviyo: FakeKlaviyo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("source_klaviyo.sync.cursor.STATE_INTERVAL", 1e9)
    monkeypatch.setattr("source_klaviyo.sync.cursor.time.monotonic", lambda: 0.0)  # no state falls due by itself
    break_after_a_page(klaviyo)
    output = sync("events")
    assert promised(output, "events") == [SINCE + SECOND]
    assert last_state(output, "events") < place_of(output, AirbyteStreamStatus.INCOMPLETE, "events")


def test_who_empties_the_queue_never_waits_for_room_in_it(
    klaviyo: FakeKlaviyo, monkeypatch: pytest.MonkeyPatch
) -> None:
    putters: set[int] = set()

    class Watched(BatchQueue):
        def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
            putters.add(threading.get_ident())
            super().put(item, block, timeout)

    monkeypatch.setattr("source_klaviyo.airbyte.engine.BatchQueue", Watched)
    monkeypatch.setattr("source_klaviyo.sync.cursor.STATE_INTERVAL", 1e9)
    monkeypatch.setattr("source_klaviyo.sync.cursor.time.monotonic", lambda: 0.0)
    break_after_a_page(klaviyo)
    sync("events", "profiles")
    assert putters
    assert threading.get_ident() not in putters


def test_an_error_of_our_own_costs_its_stream_alone(klaviyo: FakeKlaviyo, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = add_profiles(klaviyo, SINCE)

    def broken(*_: Any) -> None:
        raise RuntimeError("oops")

    monkeypatch.setattr("source_klaviyo.streams.events.Events.conditions", broken)
    output = sync("events", "profiles")
    assert output.ids() == ids
    assert output.statuses("events") == ["STARTED", "INCOMPLETE"]
    (said,) = output.errors("events")
    assert said.failure_type == FailureType.system_error
    assert said.stack_trace is None
    assert "RuntimeError: oops" in said.message


def test_a_stream_that_does_not_exist_is_named_and_costs_no_other(klaviyo: FakeKlaviyo) -> None:
    ids = add_profiles(klaviyo, SINCE)
    output = sync("nonsense", "profiles")
    assert output.ids() == ids
    assert output.statuses("nonsense") == ["STARTED", "INCOMPLETE"]
    assert output.statuses("profiles")[-1] == "COMPLETE"
    (said,) = output.errors("nonsense")
    assert said.failure_type == FailureType.config_error
    assert "nonsense" in str(output.raised)


def test_only_a_stream_that_does_not_exist(klaviyo: FakeKlaviyo) -> None:
    output = sync("nonsense")
    assert output.statuses("nonsense") == ["STARTED", "INCOMPLETE"]
    assert "nonsense" in str(output.raised)
    assert klaviyo.requests == []


def test_an_empty_catalog_is_an_empty_sync(klaviyo: FakeKlaviyo) -> None:
    output = sync()
    assert (list(output), output.raised, klaviyo.requests) == ([], None, [])


# --- the source -----------------------------------------------------------------------------------------


def test_a_source_can_be_read_twice(klaviyo: FakeKlaviyo) -> None:
    source = SourceKlaviyo()
    ids = add_profiles(klaviyo, SINCE, SINCE + DAY)
    for _ in range(2):
        output = sync("profiles", "events", source=source)
        assert output.raised is None
        assert output.ids() == ids
        assert output.statuses("profiles") == ["STARTED", "RUNNING", "COMPLETE"]


@pytest.mark.parametrize("workers", [1, 2, 3, 50])
def test_any_number_of_workers_reads_all_streams(klaviyo: FakeKlaviyo, workers: int) -> None:
    klaviyo.page_limit, klaviyo.latency = 3, 1.0
    events = add_events(klaviyo, *range(SINCE, SINCE + 100 * SECOND, SECOND))
    profiles = add_profiles(klaviyo, *range(SINCE, SINCE + 30 * SECOND, SECOND))
    output = sync(*NAMES, num_workers=workers)
    assert output.raised is None
    assert sorted(output.ids("events")) == events
    assert sorted(output.ids("profiles")) == profiles
    assert all(output.statuses(name)[-1] == "COMPLETE" for name in NAMES)


def test_page_cursors_that_never_hold_end_a_stream_though_time_passes(klaviyo: FakeKlaviyo) -> None:
    """What is dated ahead leaves the position of the last window at the present, which moves."""
    klaviyo.page_limit, klaviyo.may_refuse = 2, True
    klaviyo.add("profiles", *({"updated": iso(NOW + DAY + second * SECOND)} for second in range(10)))

    def expire(_: Request) -> None:
        klaviyo.now += 2 * SECOND
        klaviyo.expire()
        assert len(klaviyo.requests) < 100

    klaviyo.before = expire
    output = sync("profiles", state={"profiles": {"updated": for_filter(NOW - 20 * SECOND)}}, num_workers=1)
    assert output.statuses("profiles")[-1] == "INCOMPLETE"
    assert len(klaviyo.requests) <= 20


@pytest.mark.parametrize(("seconds", "questions"), [(10, 4), (90, 5)])
def test_the_end_is_read_once_more_if_a_read_of_events_took_long(
    klaviyo: FakeKlaviyo, monkeypatch: pytest.MonkeyPatch, seconds: int, questions: int
) -> None:
    klaviyo.open_windows(monkeypatch, 3)
    klaviyo.page_limit = 4
    ids = add_events(klaviyo, *(SINCE for _ in range(10)))

    def before(request: Request) -> None:
        if not request.is_first_page:  # the last window has none, and is over by then
            time.sleep(0.2)
            klaviyo.now = NOW + seconds * SECOND

    klaviyo.before = before
    assert sync("events", num_workers=10).ids() == ids
    # the windows to begin with, and what lies behind the second that fills pages
    assert len(klaviyo.questions()) == questions


@pytest.mark.parametrize("pages", [1, 2, 3])
@pytest.mark.parametrize("workers", [1, 10])
def test_pages_in_a_circle_end_a_stream_soon_though_time_passes(klaviyo: FakeKlaviyo, pages: int, workers: int) -> None:
    """The account holds a profile dated ahead: the position of the last window moves with the clock."""

    def circle(request: Request) -> tuple[int, bytes]:
        klaviyo.now += 2 * SECOND
        number = int(request.params.get("page[cursor]", 0))
        dates = [SINCE + number * SECOND, klaviyo.now + DAY]
        data = [
            {"type": "profile", "id": f"{number}-{place}", "attributes": {"updated": iso(one)}}
            for place, one in enumerate(dates)
        ]
        links = {"next": f"{HOST}/api/profiles?page%5Bcursor%5D={(number + 1) % pages}"}
        return 200, json.dumps({"data": data, "links": links}).encode()

    klaviyo.before = circle
    output = sync("profiles", num_workers=workers)
    assert output.statuses("profiles")[-1] == "INCOMPLETE"
    assert {one.message for one in output.errors("profiles")} == {"Klaviyo answers with the same page again and again."}
    assert len(klaviyo.requests) <= 60
    assert max(Counter(output.ids()).values()) <= 3


@pytest.mark.parametrize("page_limit", [2, 3, 7])
def test_records_of_one_second_come_once_though_page_cursors_expire(klaviyo: FakeKlaviyo, page_limit: int) -> None:
    klaviyo.page_limit = page_limit
    ids = add_events(klaviyo, *(SINCE + second * SECOND for second in (0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3)))
    expire_before(klaviyo, 2, 4, 6)
    output = sync("events", num_workers=1)
    assert output.raised is None
    assert output.ids() == ids


def test_pages_without_a_record_and_without_an_end_are_noticed(
    klaviyo: FakeKlaviyo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("source_klaviyo.streams.slice_pages.MAX_EMPTY_PAGES", 20)

    def page(_: Request) -> tuple[int, bytes]:
        link = f"{HOST}/api/events?page%5Bcursor%5D={len(klaviyo.requests)}"
        return 200, json.dumps({"data": [], "links": {"next": link}}).encode()

    klaviyo.before = page
    output = sync("events", num_workers=1)
    assert [one.message for one in output.errors("events")] == ["Klaviyo answers with the same page again and again."]
    assert len(klaviyo.requests) < 200


def test_hours_are_counted_once_though_a_window_out_of_order_begins_anew(klaviyo: FakeKlaviyo) -> None:
    recent = NOW - 3 * 3600 * SECOND
    late = [recent, recent + 10 * SECOND, recent + 5 * SECOND, recent + 20 * SECOND]
    answer = pages_of(late[:2], late[2:3], late[3:], field="datetime")
    refusals = [error(400, "invalid", "Invalid cursor provided.", "page[cursor]")]

    def before(request: Request) -> tuple[int, bytes]:
        return (400, refusals.pop()) if len(klaviyo.requests) == 3 and refusals else answer(request)

    klaviyo.before = before
    output = sync("events", start_date="2024-06-30", num_workers=1)
    assert set(output.ids()) == {"0", "1", "2", "3"}
    (remembered,) = output.states("events")[-1]["recent_hours"]
    assert [count for count, _ in remembered["hours"].values()] == [4]


def test_hours_are_counted_once_though_page_cursors_expire(klaviyo: FakeKlaviyo) -> None:
    klaviyo.page_limit = 3
    recent = NOW - 3 * 3600 * SECOND
    ids = add_events(klaviyo, *(recent + second * SECOND for second in (0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 3)))
    expire_before(klaviyo, 3, 6)
    output = sync("events", num_workers=1, start_date="2024-06-30")
    assert output.ids() == ids
    (remembered,) = output.states("events")[-1]["recent_hours"]
    assert [count for count, _ in remembered["hours"].values()] == [len(ids)]


# --- partitions and the future --------------------------------------------------------------------------


def test_what_is_dated_ahead_is_read_of_each_metric_by_itself(klaviyo: FakeKlaviyo) -> None:
    ahead = [{"type": "event", "id": "F", "attributes": {"datetime": iso(NOW + DAY)}}]
    klaviyo.before = lambda _: (200, json.dumps({"data": ahead, "links": {}}).encode())
    listed = [{"partition": {"event_metric_id": "M1"}, "cursor": {"datetime": STATE}}]
    state = {"use_global_cursor": False, "states": listed, "future_is_read": True}
    output = sync("events", state={"events": state}, event_metric_ids="M1,M2")
    assert output.ids() == ["F"]  # of M2, which is new
    assert output.states("events")[-1]["future_is_read"] is True


def test_no_state_says_that_the_future_is_read_before_it_is_of_all_metrics(klaviyo: FakeKlaviyo) -> None:
    klaviyo.before = lambda request: (400, BROKEN) if '"M2"' in request.params["filter"] else (200, b'{"data":[]}')
    output = sync("events", event_metric_ids="M1,M2")
    assert output.states("events")
    assert not any("future_is_read" in state for state in output.states("events"))


# --- windows that split ---------------------------------------------------------------------------------


def skewed(count: int) -> list[int]:
    """Most of the records lie in a hundredth of the time, with ties."""
    random_one = random.Random(7)
    dense = [SINCE + random_one.randrange(0, 2 * DAY) // SECOND * SECOND for _ in range(count * 9 // 10)]
    return sorted([*dense, *(random_one.randrange(START, NOW - DAY) for _ in range(count // 10)), *dense[:20]])


RESOURCES = {"email_templates": "templates"}


@pytest.mark.parametrize("stream", ["events", "profiles", "lists", "email_templates"])
def test_a_slow_dense_stream_is_read_by_many_and_nothing_is_lost_or_doubled(klaviyo: FakeKlaviyo, stream: str) -> None:
    klaviyo.page_limit, klaviyo.latency = 3, 1.0
    field = "datetime" if stream == "events" else "updated"
    moments = skewed(300)
    ids = klaviyo.add(RESOURCES.get(stream, stream), *({field: iso(moment)} for moment in moments))
    output = sync(stream)
    assert output.raised is None
    assert len(klaviyo.questions()) >= 3
    assert Counter(output.ids()) == Counter(ids)
    assert_promises_are_kept(output, stream, klaviyo.now)
    assert promised(output, stream)[-1] == NOW - CONSISTENCY_LAG


def test_events_of_the_future_are_read_once_by_however_many(klaviyo: FakeKlaviyo) -> None:
    klaviyo.page_limit, klaviyo.latency = 3, 1.0
    ids = add_events(klaviyo, *skewed(300), *AHEAD)
    output = sync("events")
    assert len(klaviyo.questions()) >= 3
    assert Counter(output.ids()) == Counter(ids)


def test_the_future_is_not_divided_however_long_its_reading_takes(klaviyo: FakeKlaviyo) -> None:
    klaviyo.page_limit, klaviyo.latency = 3, 1.0
    ids = add_events(klaviyo, *skewed(300), *range(NOW + 30 * DAY, NOW + 31 * DAY, DAY // 60))

    def pass_a_minute(_: Request) -> None:
        klaviyo.now += 60 * SECOND

    klaviyo.before = pass_a_minute
    output = sync("events")
    assert Counter(output.ids()) == Counter(ids)


def late_by(klaviyo: FakeKlaviyo, straggler: str, seconds: int) -> None:
    """Let one record come later than its date says."""
    understand = klaviyo._understand

    def with_straggler(*question: Any) -> tuple[int, Any, Any]:
        size, matches, key = understand(*question)
        late = seconds * SECOND
        return size, matches, lambda row: (key(row)[0] + late * (row["id"] == straggler), row["id"])

    klaviyo._understand = with_straggler  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("stream", "cursor", "late"),
    [("events", "datetime", 8), ("events", "datetime", 45), ("profiles", "updated", 45), ("lists", "updated", 8)],
)
def test_what_comes_late_behind_the_place_of_a_split_is_read(
    klaviyo: FakeKlaviyo, monkeypatch: pytest.MonkeyPatch, stream: str, cursor: str, late: int
) -> None:
    klaviyo.page_limit = 10
    ids = klaviyo.add(stream, *({cursor: iso(one)} for one in range(SINCE, SINCE + 400 * SECOND, SECOND)))
    divided: list[int] = []

    def divide_once(*_: object) -> list[int]:
        if len(klaviyo.requests) == 3 and not divided:
            divided.append(SINCE + 55 * SECOND)
            return divided
        return []

    monkeypatch.setattr("source_klaviyo.sync.splitting.WindowPlan.split_after", divide_once)
    late_by(klaviyo, ids[54], late)
    output = sync(stream, num_workers=1)
    assert divided
    assert sorted(output.ids()) == ids


def test_splits_cost_few_requests(klaviyo: FakeKlaviyo) -> None:
    klaviyo.page_limit, klaviyo.latency = 3, 5.0
    add_events(klaviyo, *skewed(900))
    sync("events")
    pages = len(klaviyo.rows["events"]) // 3
    assert len(klaviyo.questions()) > 5
    assert len(klaviyo.requests) <= pages * 1.5 + 24


def test_windows_meet_at_whole_seconds_and_none_asks_for_the_future(klaviyo: FakeKlaviyo) -> None:
    klaviyo.page_limit, klaviyo.latency = 3, 5.0
    add_events(klaviyo, *skewed(300))
    sync("events")
    starts, ends = set(), set()
    for params in klaviyo.questions():
        bounds = dict(bound.rstrip(")").split("(datetime,") for bound in params["filter"].split("),"))
        starts.add(bounds["greater-or-equal"])
        ends.add(bounds.get("less-than"))
    assert len(starts) > 3
    # each window but the first begins where another one ended when it was cut
    assert None in ends
    assert all(parse_instant(start) <= NOW - CONSISTENCY_LAG for start in starts)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("latency", [0.0, 1.0])
def test_what_changes_while_it_is_read_is_read_again_and_no_state_passes_it(
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
        if message.type == Type.RECORD:
            seen.add((message.record.data["id"], message.record.data["updated"]))
        elif message.type == Type.STATE:
            position = parse_instant(message.state.stream.stream_state.updated)
            assert {one for one in versions if parse_instant(one[1]) < position} <= seen


def test_a_record_that_shows_seconds_after_its_date_is_not_passed_by_a_state(klaviyo: FakeKlaviyo) -> None:
    klaviyo.page_limit = 1
    add_events(klaviyo, NOW - SECOND, NOW + 2 * SECOND, NOW + 18 * SECOND, NOW + 19 * SECOND)
    late = NOW - SECOND - 1

    def before(_: Request) -> None:
        # the first page is asked for at NOW; the late event shows when the reader has just passed its time
        klaviyo.now = NOW + [0, 3, 20, 20][len(klaviyo.requests) - 1] * SECOND
        if len(klaviyo.requests) == 2:
            add_events(klaviyo, late)

    klaviyo.before = before
    state = {"datetime": for_filter(NOW - 60 * SECOND), "future_is_read": True}
    output = sync("events", state={"events": state}, num_workers=1)
    assert "events-00004" in output.ids() or promised(output, "events")[-1] <= late


def test_a_refusal_while_a_window_is_read_does_not_double_what_was_read(klaviyo: FakeKlaviyo) -> None:
    klaviyo.may_refuse, klaviyo.page_limit = True, 3

    def before(request: Request) -> None:
        if len(klaviyo.requests) > 3 and request.params["page[size]"] == "1000":
            raise Refused("Page size must be between 1 and 200.", "page[size]")

    klaviyo.before = before
    ids = add_events(klaviyo, *range(SINCE, SINCE + 20 * SECOND, SECOND))
    output = sync("events", num_workers=1)
    assert output.raised is None
    assert output.ids() == ids
