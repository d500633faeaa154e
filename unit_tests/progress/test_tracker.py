"""Progress: the figures of streams, and the lines of the log."""

from __future__ import annotations

import re

import pytest
from airbyte_cdk.models import Type

from source_klaviyo.api.budget import REPORT, Limit, M, S, Tier
from source_klaviyo.progress.tracker import HEARTBEAT, LINE_SECONDS, NAMED
from source_klaviyo.sync.instants import parse_instant
from unit_tests.fake_api import FakeKlaviyo, sync
from unit_tests.progress.stage import Stage

# --- lines of the log -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("records", "interval", "begins"),
    [
        (1000, LINE_SECONDS, "Still reading: events "),
        (0, HEARTBEAT, "Waiting for Klaviyo's answers or its rate limits. Still reading: events 0 records"),
    ],
    ids=["records arrive", "nothing arrives"],
)
def test_progress_is_logged_at_intervals(records: int, interval: float, begins: str) -> None:
    stage = Stage("events", "profiles")
    lines = {}
    for second in range(1, 121):
        stage.now = second
        stage.read("events", records)
        if line := stage.progress.next_log_line():
            lines[second] = line

    assert list(lines) == list(range(int(interval), 121, int(interval)))
    assert lines[60].startswith(begins)
    assert lines[60].endswith(f"events {60 * records:,} records, profiles 0 records.")


def test_a_line_says_how_far_streams_have_been_read_without_those_that_have_ended() -> None:
    stage = Stage("events", "list_profiles", "metrics")
    stage.now = LINE_SECONDS
    stage.read("events", 1)
    stage.read("list_profiles", 1200)
    stage.read("metrics", 5000)
    stage.contexts["events"].reached = parse_instant("2024-03-01T12:00:00Z")
    stage.contexts["list_profiles"].partition_counts = (12, 300)
    stage.end("metrics")

    assert stage.progress.next_log_line() == (
        "Still reading: list_profiles 1,200 records in 12 of 300 parts, events 1 record up to 2024-03-01."
    )


def test_a_line_adds_up_the_smaller_streams() -> None:
    names = [f"stream_{number:02}" for number in range(52)]
    stage = Stage(*names)
    for number, name in enumerate(names):
        stage.read(name, 100 - number)
    stage.now = LINE_SECONDS

    line = stage.progress.next_log_line() or ""

    assert line.count("stream_") == NAMED
    assert "stream_00 100 records" in line
    assert line.endswith(f"{52 - NAMED} more streams {sum(100 - number for number in range(NAMED, 52)):,} records.")


def test_a_stream_that_ends_gets_a_summary() -> None:
    stage = Stage("events")
    stats = stage.contexts["events"].stream.client.stats
    stage.send("events", Limit("events", M), requests=3)
    stage.read("events", 30_250)
    stats.record_retry(limited=True)
    stats.record_retry(limited=False)
    stage.now = 16.12

    assert stage.end("events") == (
        "Stream events: 30,250 records in 16.1 s, 3 requests (1 refused for the rate, 1 failed and repeated), "
        "0.0 s waited for Klaviyo's limits."
    )


def test_a_reader_in_python_gets_the_summary_of_each_stream_as_a_message(klaviyo: FakeKlaviyo) -> None:
    klaviyo.add("metrics", *[{"updated": "2024-02-01T00:00:00+00:00"}] * 3)

    output = sync("metrics", "lists")

    logs = [message.log.message for message in output if message.type == Type.LOG and message.log]
    assert any(re.match(r"Stream metrics: 3 records in \d+\.\d s, 1 request, \d", log) for log in logs)
    assert any(re.match(r"Stream lists: 0 records in \d+\.\d s, 1 request, \d", log) for log in logs)


# --- figures --------------------------------------------------------------------------------------------


def test_rates_are_those_of_the_last_minute_and_averages_in_the_end() -> None:
    stage = Stage("events")
    rates = []
    for second in range(1, 201):
        stage.now = second
        stage.read("events", 1000 if second <= 100 else 10)
        rates.append(stage.snapshot("events").rate)

    assert (rates[99], rates[199]) == (1000, 10)
    stage.end("events")
    assert stage.snapshot("events").rate == stage.snapshot("Total").rate == (100 * 1000 + 100 * 10) / 200


def test_the_share_of_a_limit_includes_what_other_streams_use() -> None:
    stage = Stage("campaigns_detailed", "campaigns", "lists")
    stage.send("campaigns_detailed", Limit("campaigns", M), requests=3)
    stage.now = 2.0
    stage.send("campaigns_detailed", Limit("estimations", S), requests=3)
    stage.send("campaigns", Limit("campaigns", M), requests=2)

    assert stage.snapshot("campaigns_detailed").share == 3 / S.steady
    assert stage.snapshot("campaigns").share == 5 / M.steady
    assert stage.snapshot("lists").share is None

    stage.now = 61.0
    assert stage.snapshot("campaigns").share == 2 / M.steady


def test_the_time_left_follows_from_the_expected_pages() -> None:
    stage = Stage("flows")
    for second in range(1, 11):
        stage.now = second
        stage.send("flows", Limit("flows", M), requests=2)
        stage.read("flows", 50)
        stage.snapshot("flows")

    for expected, left in ((50, 50), (0.1, 1)):
        stage.contexts["flows"].expected = expected
        assert stage.snapshot("flows").left == left


def test_the_time_left_is_not_less_than_the_limit_demands() -> None:
    stage = Stage("flows")
    stage.now = 1.0
    stage.send("flows", Limit("flows", M), requests=10)
    for _ in range(5):
        stage.read("flows", 50)
    stage.contexts["flows"].expected = (140 + 2 * M.steady) / 2

    assert stage.snapshot("flows").left == 2 * 60


def test_the_time_left_of_many_partitions_follows_from_the_time_that_has_been_read() -> None:
    stage = Stage("list_profiles")
    context = stage.contexts["list_profiles"]
    context.partition_counts = (1, 300)
    context.expected = 5
    stage.send("list_profiles", Limit("list_profiles", M), requests=5)
    stage.read("list_profiles", 5)
    assert stage.snapshot("list_profiles").left is None

    stage.now, context.covered = 20.0, 0.2

    assert stage.snapshot("list_profiles").left == pytest.approx(80)


def test_a_burst_that_exhausts_the_limit_counts_for_its_whole_minute() -> None:
    stage = Stage("reports")
    stage.now = 2.0
    stage.send("reports", Limit("reports", Tier(2, REPORT.steady)), requests=REPORT.steady)
    stage.contexts["reports"].covered = 0.25

    assert stage.snapshot("reports").left == pytest.approx(180)


def test_the_total_is_a_sum_and_takes_as_long_as_the_slowest_stream() -> None:
    stage = Stage("events", "lists", "metrics")
    stage.now = 10.0
    for name, records in (("events", 100), ("lists", 20), ("metrics", 7)):
        stage.read(name, records)
        stage.send(name, Limit(name, M))
    stage.contexts["events"].covered = 0.5
    stage.contexts["lists"].covered = 0.1
    stage.end("metrics", failed=True)

    total = stage.snapshot("Total")

    assert (total.records, total.requests, total.rate) == (127, 3, 12.0)
    assert total.left == pytest.approx(90)
    assert not total.ended
