"""States and statuses of whole syncs: a state follows the records that it covers, and the next sync resumes from it."""

from __future__ import annotations

from typing import Any

import pytest
from airbyte_cdk.models import AirbyteStreamStatus, FailureType

from source_klaviyo.source import SourceKlaviyo
from source_klaviyo.sync.cursor import CONSISTENCY_LAG
from source_klaviyo.sync.instants import DAY, HOUR, SECOND
from unit_tests.fake_api import NOW, FakeKlaviyo, error, sync
from unit_tests.partitions.syncs import (
    NAMES,
    SINCE,
    START,
    STATE,
    add,
    add_events,
    add_profiles,
    assert_states_are_true,
    document,
    iso,
    last_state,
    places,
    positions,
    record_of,
    seconds,
)


@pytest.mark.parametrize("stream", NAMES)
def test_a_stream_without_records_starts_and_completes_with_a_state(klaviyo: FakeKlaviyo, stream: str) -> None:
    output = sync(stream)
    assert output.raised is None
    assert output.statuses(stream) == ["STARTED", "COMPLETE"]
    assert len(output.states(stream)) >= 1
    assert last_state(output) < next(places(output, AirbyteStreamStatus.COMPLETE))


def test_a_stream_is_running_from_its_first_record_on(klaviyo: FakeKlaviyo) -> None:
    klaviyo.page_limit = 2
    add_events(klaviyo, *seconds(9))
    output = sync("events")
    assert output.statuses("events") == ["STARTED", "RUNNING", "COMPLETE"]
    first = record_of(output[next(places(output, AirbyteStreamStatus.RUNNING)) + 1])
    assert first
    assert first["id"] == "events-00000"


def test_each_page_is_followed_by_a_state_that_covers_it(klaviyo: FakeKlaviyo) -> None:
    klaviyo.page_limit = 2
    add_events(klaviyo, *range(SINCE, SINCE + 60 * SECOND, 10 * SECOND))
    output = sync("events", num_workers=1)
    assert_states_are_true(output, "events", klaviyo.now)
    assert positions(output, "events") == [SINCE + second * SECOND for second in (10, 30, 50)] + [NOW - CONSISTENCY_LAG]
    assert last_state(output) < next(places(output, AirbyteStreamStatus.COMPLETE))


def test_an_incremental_sync_resumes_where_the_last_one_ended(klaviyo: FakeKlaviyo) -> None:
    old = add_events(klaviyo, SINCE, SINCE + SECOND)
    first = sync("events")
    assert first.ids() == old
    klaviyo.now += HOUR
    new = add_events(klaviyo, NOW - 4 * SECOND, NOW + SECOND)  # one of them appeared late
    second = sync("events", state={"events": first.states("events")[-1]})
    assert second.ids() == new


@pytest.mark.parametrize("stream", NAMES)
def test_each_stream_resumes_from_its_own_last_state(klaviyo: FakeKlaviyo, stream: str) -> None:
    first = sync(stream)
    klaviyo.now += HOUR
    second = sync(stream, state={stream: first.states(stream)[-1]})
    assert second.raised is None
    assert second.statuses(stream) == ["STARTED", "COMPLETE"]
    assert second.states(stream)[-1].keys() == first.states(stream)[-1].keys()


def test_a_full_refresh_ignores_the_state(klaviyo: FakeKlaviyo) -> None:
    ids = add_events(klaviyo, START, SINCE - DAY, SINCE + DAY)
    output = sync("events", state={"events": {"datetime": STATE}}, full_refresh=True)
    assert output.ids() == ids


def test_a_state_that_cannot_be_read_is_a_configuration_error(klaviyo: FakeKlaviyo) -> None:
    output = sync("events", state={"events": {"datetime": "soon"}})
    assert getattr(output.raised, "failure_type", None) == FailureType.config_error
    assert "state of stream events holds 'soon'" in output.errors("events")[0].message
    assert klaviyo.requests == []


@pytest.mark.parametrize("state", [{"updated": "not a date"}, {"states": 5}, {"not an object": [1]}])
def test_a_state_that_cannot_be_read_fails_only_its_stream(klaviyo: FakeKlaviyo, state: dict[str, Any]) -> None:
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


def test_a_full_refresh_ignores_a_state_that_cannot_be_read(klaviyo: FakeKlaviyo) -> None:
    (one,) = add_profiles(klaviyo, SINCE)
    for generation in (None, 1):
        state = {"profiles": {"updated": "not a date"}}
        output = sync("profiles", state=state, full_refresh=True, generation=generation)
        assert (output.raised, output.ids()) == (None, [one])


def test_a_lookback_moves_no_state_back(klaviyo: FakeKlaviyo) -> None:
    again = add_events(klaviyo, SINCE - 3 * DAY, SINCE - 2 * DAY, SINCE + DAY)
    klaviyo.page_limit = 1
    output = sync("events", state={"events": {"datetime": STATE}}, lookback_window=7)
    assert output.ids() == again
    assert positions(output, "events")[0] >= SINCE
    assert positions(output, "events") == sorted(positions(output, "events"))


@pytest.mark.parametrize("stream", ["metrics", "lists"])
def test_older_records_are_left_out_if_the_server_cannot_filter_exactly(klaviyo: FakeKlaviyo, stream: str) -> None:
    ids = add(klaviyo, stream, [SINCE - DAY, SINCE - 1, SINCE, SINCE + DAY])
    assert sync(stream, state={stream: {"updated": STATE}}).ids() == ids[2:]
    assert sync(stream, start_date="2024-06-01").ids() == ids[2:]


def test_each_partition_of_flows_keeps_its_own_position(klaviyo: FakeKlaviyo) -> None:
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
def test_a_state_without_a_usable_position_causes_a_warning(
    klaviyo: FakeKlaviyo, log: pytest.LogCaptureFixture, stream: str, state: dict[str, Any], warned: bool
) -> None:
    assert sync(stream, state={stream: state}).raised is None
    warnings = [record.getMessage() for record in log.records if "holds no usable position" in record.getMessage()]
    assert len(warnings) == warned
    assert all(f"stream {stream} " in warning for warning in warnings)


def test_a_flat_state_of_campaigns_warns_of_partitions_that_it_may_not_cover(
    klaviyo: FakeKlaviyo, log: pytest.LogCaptureFixture
) -> None:
    sync("campaigns", state={"campaigns": {"updated_at": STATE, "archived": {"updated_at": STATE}}})
    (warning,) = [record.getMessage() for record in log.records if record.levelname == "WARNING"]
    assert "may not have read all of it" in warning
    assert "archived false, campaign_type sms" in warning
    assert "archived true" not in warning


def test_a_state_of_this_connector_causes_no_warning(klaviyo: FakeKlaviyo, log: pytest.LogCaptureFixture) -> None:
    first = sync("campaigns")
    sync("campaigns", state={"campaigns": first.states("campaigns")[-1]})
    assert [record for record in log.records if record.levelname == "WARNING"] == []


def test_a_state_that_is_nested_too_deeply_fails_its_stream(klaviyo: FakeKlaviyo) -> None:
    nested: Any = {}
    for _ in range(900):
        nested = {"a": nested}
    output = sync("lists", state={"lists": nested})
    assert "The state of stream lists is nested too deeply" in output.errors("lists")[0].message
    assert sync("lists", state={"lists": nested}, full_refresh=True, generation=1).raised is None


def test_an_error_about_a_state_redacts_even_part_of_a_key(klaviyo: FakeKlaviyo) -> None:
    key = "pk_0123456789abcdefMARKED"
    source = SourceKlaviyo()
    source.configure({"api_key": key}, "")
    output = sync("lists", state={"lists": {"updated": "x" * 65 + key}}, source=source, api_key=key)
    assert "pk_01" not in str(output.raised)


def test_records_of_the_second_that_a_state_names_are_read_again(klaviyo: FakeKlaviyo) -> None:
    ids = add_profiles(klaviyo, SINCE - 1, SINCE, SINCE + 999_999)
    assert sync("profiles", state={"profiles": {"updated": STATE}}).ids() == ids[1:]


def test_a_record_without_a_date_is_emitted_and_moves_no_state(klaviyo: FakeKlaviyo) -> None:
    dates = [("1", None), ("2", iso(SINCE)), ("3", None), ("4", "soon"), ("5", "2024-06-02/2024-06-03")]
    klaviyo.before = lambda _: (200, document(dates, "datetime"))
    assert [(record["id"], record["datetime"]) for record in sync("events").records()] == dates


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
    events = add_events(klaviyo, *seconds(100))
    profiles = add_profiles(klaviyo, *seconds(30))
    output = sync(*NAMES, num_workers=workers)
    assert output.raised is None
    assert sorted(output.ids("events")) == events
    assert sorted(output.ids("profiles")) == profiles
    assert all(output.statuses(name)[-1] == "COMPLETE" for name in NAMES)
