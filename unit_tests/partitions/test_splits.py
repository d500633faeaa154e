"""Windows that are split while they are read."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import Any

import pytest

from source_klaviyo.sync.cursor import CONSISTENCY_LAG
from source_klaviyo.sync.instants import SECOND, Instant, parse_instant
from unit_tests.fake_api import NOW, FakeKlaviyo, Request, sync
from unit_tests.partitions.syncs import (
    SINCE,
    add,
    add_events,
    assert_states_are_true,
    positions,
    seconds,
    skewed,
)


@pytest.mark.parametrize("stream", ["events", "profiles", "lists", "email_templates"])
def test_a_slow_dense_stream_is_split_and_no_record_is_lost_or_emitted_twice(klaviyo: FakeKlaviyo, stream: str) -> None:
    klaviyo.page_limit, klaviyo.latency = 3, 1.0
    ids = add(klaviyo, {"email_templates": "templates"}.get(stream, stream), skewed(300))
    output = sync(stream)
    assert output.raised is None
    assert len(klaviyo.first_pages()) >= 3
    assert Counter(output.ids()) == Counter(ids)
    assert_states_are_true(output, stream, klaviyo.now)
    assert positions(output, stream)[-1] == NOW - CONSISTENCY_LAG


@pytest.mark.parametrize(("seconds", "requests"), [(10, 4), (90, 5)])
def test_the_end_of_events_is_read_once_more_if_the_rest_took_long(
    klaviyo: FakeKlaviyo, monkeypatch: pytest.MonkeyPatch, seconds: int, requests: int
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
    # the first windows, and the one after the second that fills pages
    assert len(klaviyo.first_pages()) == requests


@pytest.mark.parametrize(("stream", "late"), [("events", 8), ("events", 45), ("profiles", 45), ("lists", 8)])
def test_a_late_record_past_a_split_is_read(
    klaviyo: FakeKlaviyo, monkeypatch: pytest.MonkeyPatch, stream: str, late: int
) -> None:
    klaviyo.page_limit = 10
    ids = add(klaviyo, stream, seconds(400))
    divided: list[Instant] = []

    def divide_once(*_: object) -> list[Instant]:
        if len(klaviyo.requests) == 3 and not divided:
            divided.append(SINCE + 55 * SECOND)
            return divided
        return []

    monkeypatch.setattr("source_klaviyo.sync.splitting.WindowPlan.split_after", divide_once)
    understand = klaviyo._understand

    def with_late_record(*request: Any) -> tuple[int, Any, Any]:
        size, matches, key = understand(*request)
        return size, matches, lambda row: (key(row)[0] + late * SECOND * (row["id"] == ids[54]), row["id"])

    monkeypatch.setattr(klaviyo, "_understand", with_late_record)
    output = sync(stream, num_workers=1)
    assert divided
    assert sorted(output.ids()) == ids


def test_splits_need_few_more_requests_than_pages(klaviyo: FakeKlaviyo) -> None:
    klaviyo.page_limit, klaviyo.latency = 3, 5.0
    add_events(klaviyo, *skewed(900))
    sync("events")
    pages = len(klaviyo.rows["events"]) // 3
    assert len(klaviyo.first_pages()) > 5
    assert len(klaviyo.requests) <= pages * 1.5 + 24


def test_windows_begin_at_whole_seconds_and_never_in_the_future(klaviyo: FakeKlaviyo) -> None:
    klaviyo.page_limit, klaviyo.latency = 3, 5.0
    add_events(klaviyo, *skewed(300))
    sync("events")
    starts, ends = set(), set()
    for params in klaviyo.first_pages():
        bounds = dict(bound.rstrip(")").split("(datetime,") for bound in params["filter"].split("),"))
        starts.add(bounds["greater-or-equal"])
        ends.add(bounds.get("less-than"))
    assert len(starts) > 3
    # each window but the first begins where another one was split
    assert None in ends
    assert all(parse_instant(start) <= NOW - CONSISTENCY_LAG for start in starts)


def test_the_debug_log_shows_the_windows_of_slices_as_text(
    klaviyo: FakeKlaviyo, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    klaviyo.open_windows(monkeypatch, 2)
    output = sync("events", event_metric_ids="M1")
    slices = [json.loads(one.log.message[len("slice:") :]) for one in output if one.log and "slice:" in one.log.message]
    # the youngest of the first windows begins three hours ago, and has no end
    later = "2024-07-01T08:59:55Z"
    assert slices == [
        {"event_metric_id": "M1", "start": "2024-01-01T00:00:00Z", "end": later},
        {"event_metric_id": "M1", "start": later},
    ]
