"""A stream that fails keeps what it has emitted, says why once, and leaves the others alone."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from airbyte_cdk.models import AirbyteStreamStatus, FailureType
from typing_extensions import override

from source_klaviyo.partitions.batch import BatchQueue
from source_klaviyo.sync.instants import SECOND
from unit_tests.fake_api import FakeKlaviyo, sync
from unit_tests.partitions.syncs import (
    BROKEN,
    FORBIDDEN,
    SINCE,
    add_events,
    add_profiles,
    fail_after_a_page,
    fail_on,
    last_state,
    places,
    positions,
)


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
def test_a_response_of_another_shape_counts_as_damaged(
    klaviyo: FakeKlaviyo, stream: str, resource: str, body: dict[str, Any]
) -> None:
    klaviyo.before = lambda request: (200, json.dumps(body).encode()) if request.resource == resource else None
    output = sync(stream)
    assert output.records() == []
    assert output.statuses(stream)[-1] == "INCOMPLETE"
    (said,) = output.errors()
    assert said.failure_type == FailureType.transient_error
    assert said.message.startswith("Klaviyo's response is damaged or incomplete")


@pytest.mark.parametrize("stream", ["campaigns", "events", "flows", "lists"])
def test_a_missing_scope_fails_only_its_stream_with_one_error(klaviyo: FakeKlaviyo, stream: str) -> None:
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


def test_after_a_missing_scope_no_other_window_is_requested(klaviyo: FakeKlaviyo) -> None:
    fail_on(klaviyo, "campaigns", 403, FORBIDDEN)
    sync("campaigns", num_workers=1)
    assert ["include" in request.params for request in klaviyo.requests] == [
        True,
        False,
    ]


def test_a_lasting_server_error_fails_only_its_stream_after_many_attempts(klaviyo: FakeKlaviyo) -> None:
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


def test_an_error_in_all_partitions_is_reported_once(klaviyo: FakeKlaviyo) -> None:
    fail_on(klaviyo, "campaigns", 500, BROKEN)
    output = sync("campaigns")
    assert output.statuses("campaigns") == ["STARTED", "INCOMPLETE"]
    assert len(output.errors()) == 1


def test_a_transient_error_is_retried_silently(klaviyo: FakeKlaviyo) -> None:
    ids = add_events(klaviyo, SINCE)
    klaviyo.before = lambda _: (503, BROKEN) if len(klaviyo.requests) < 4 else None
    output = sync("events")
    assert (output.ids(), output.errors(), output.raised) == (ids, [], None)
    assert len(klaviyo.naps) == 3


def test_a_server_error_of_profiles_names_the_setting_for_predictive_analytics_if_they_are_requested(
    klaviyo: FakeKlaviyo,
) -> None:
    fail_on(klaviyo, "profiles", 503, BROKEN)
    with_them, without = (
        sync("profiles", disable_fetching_predictive_analytics=setting).errors()[0].message for setting in (False, True)
    )
    assert "disable_fetching_predictive_analytics" in with_them
    assert "disable_fetching_predictive_analytics" not in without


@pytest.mark.parametrize("body", [b"<html></html>", b"", b'{"data":[null]}'])
def test_a_damaged_response_of_profiles_does_not_name_that_setting(klaviyo: FakeKlaviyo, body: bytes) -> None:
    fail_on(klaviyo, "profiles", 200, body)
    (said,) = sync("profiles").errors()
    assert "damaged" in said.message
    assert "disable_fetching_predictive_analytics" not in said.message


def test_a_failed_stream_keeps_its_records_and_resumes_after_them(klaviyo: FakeKlaviyo) -> None:
    fail_after_a_page(klaviyo)
    output = sync("events")
    assert output.ids() == ["events-00000", "events-00001"]
    assert positions(output, "events")[-1] == SINCE + SECOND
    klaviyo.before = lambda _: None
    rest = sync("events", state={"events": output.states("events")[-1]})
    assert rest.ids() == [f"events-{number:05}" for number in range(1, 10)]


def test_a_failed_stream_emits_its_last_state_before_its_status(
    klaviyo: FakeKlaviyo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("source_klaviyo.sync.cursor.STATE_INTERVAL", 1e9)
    monkeypatch.setattr("source_klaviyo.sync.cursor.time.monotonic", lambda: 0.0)  # no state falls due by itself
    fail_after_a_page(klaviyo)
    output = sync("events")
    assert positions(output, "events") == [SINCE + SECOND]
    assert last_state(output) < next(places(output, AirbyteStreamStatus.INCOMPLETE))


def test_the_consumer_of_the_queue_never_puts_anything_into_it(
    klaviyo: FakeKlaviyo, monkeypatch: pytest.MonkeyPatch
) -> None:
    putters: set[int] = set()

    class Watched(BatchQueue):
        @override
        def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
            putters.add(threading.get_ident())
            super().put(item, block, timeout)

    monkeypatch.setattr("source_klaviyo.airbyte.engine.BatchQueue", Watched)
    monkeypatch.setattr("source_klaviyo.sync.cursor.STATE_INTERVAL", 1e9)
    monkeypatch.setattr("source_klaviyo.sync.cursor.time.monotonic", lambda: 0.0)
    fail_after_a_page(klaviyo)
    sync("events", "profiles")
    assert putters
    assert threading.get_ident() not in putters


def test_a_bug_fails_only_its_stream(klaviyo: FakeKlaviyo, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_an_unknown_stream_fails_alone_and_is_named(klaviyo: FakeKlaviyo) -> None:
    ids = add_profiles(klaviyo, SINCE)
    output = sync("nonsense", "profiles")
    assert output.ids() == ids
    assert output.statuses("nonsense") == ["STARTED", "INCOMPLETE"]
    assert output.statuses("profiles")[-1] == "COMPLETE"
    (said,) = output.errors("nonsense")
    assert said.failure_type == FailureType.config_error
    assert "nonsense" in str(output.raised)


def test_a_catalog_of_an_unknown_stream_makes_no_request(klaviyo: FakeKlaviyo) -> None:
    output = sync("nonsense")
    assert output.statuses("nonsense") == ["STARTED", "INCOMPLETE"]
    assert "nonsense" in str(output.raised)
    assert klaviyo.requests == []


def test_an_empty_catalog_is_an_empty_sync(klaviyo: FakeKlaviyo) -> None:
    output = sync()
    assert (list(output), output.raised, klaviyo.requests) == ([], None, [])
