"""Page sizes while streams are read: smaller if records are large, and no record is lost or repeated."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airbyte_cdk.models import ConfiguredAirbyteCatalogSerializer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from source_klaviyo.api import body
from source_klaviyo.config import Config
from source_klaviyo.partitions.batch import RecordBatch
from source_klaviyo.source import SourceKlaviyo
from source_klaviyo.streams.events import Events
from source_klaviyo.sync.instants import SECOND, for_filter, parse_instant
from unit_tests.fake_api import CONFIG, FakeKlaviyo, sync

SINCE = parse_instant("2024-06-01T00:00:00Z")
TARGET = 60_000
"""The target size of a page in these tests, in bytes."""
MOST = 300_000
"""The maximum size of a page in these tests, in bytes."""
LARGE = 20_000
"""The bytes of a record, three of which make a page."""


@pytest.fixture(autouse=True)
def small_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of kilobytes instead of megabytes."""
    monkeypatch.setattr("source_klaviyo.api.page_size.PAGE_BYTES", TARGET)
    monkeypatch.setattr("source_klaviyo.streams.base.MAX_PAGE_BYTES", MOST)
    for module in ("streams.base", "api.request"):
        monkeypatch.setattr(f"source_klaviyo.{module}.MAX_RESPONSE_BYTES", 2 * MOST)


def event(second: float, size: int = 0) -> dict[str, Any]:
    return {"datetime": for_filter(SINCE + int(second * SECOND)), "event_properties": {"x": "x" * size}}


def campaign(size: int) -> dict[str, Any]:
    return {"updated_at": for_filter(SINCE), "messages": {"channel": "email"}, "archived": False, "x": "x" * size}


def sizes(klaviyo: FakeKlaviyo, resource: str = "events") -> list[int]:
    """Return the requested page sizes, page by page."""
    return [int(one.params["page[size]"]) for one in klaviyo.requests if one.resource == resource]


def test_large_records_are_read_in_small_pages_each_once(klaviyo: FakeKlaviyo) -> None:
    ids = klaviyo.add("events", *(event(second, LARGE) for second in range(60)))
    klaviyo.page_limit = 8  # one page shows how large records are; more at once are too large
    output = sync("events", state={"events": {"datetime": "2024-06-01T00:00:00+0000"}}, num_workers=1)
    assert output.raised is None
    assert output.ids() == ids
    assert sizes(klaviyo)[0] == 1000
    assert set(sizes(klaviyo)[1:]) == {2}  # a record takes a little more in memory than its bytes


def test_small_records_after_large_ones_are_read_in_large_pages_again(klaviyo: FakeKlaviyo) -> None:
    ids = klaviyo.add("events", *(event(second, LARGE if second < 20 else 0) for second in range(500)))
    klaviyo.page_limit = 100
    output = sync("events", state={"events": {"datetime": "2024-06-01T00:00:00+0000"}}, num_workers=1)
    assert sorted(output.ids()) == ids
    assert min(sizes(klaviyo)) == 2
    assert sizes(klaviyo)[-1] >= 40
    assert len(klaviyo.requests) < 50


def test_a_response_that_is_too_large_is_requested_again_in_smaller_pages(klaviyo: FakeKlaviyo) -> None:
    ids = klaviyo.add("events", *(event(second, LARGE) for second in range(40)))
    output = sync("events", state={"events": {"datetime": "2024-06-01T00:00:00+0000"}}, num_workers=1)
    assert output.raised is None
    assert output.ids() == ids
    assert sizes(klaviyo)[:3] == [1000, 100, 10]
    assert set(sizes(klaviyo)[3:]) == {2}


def test_a_few_large_records_in_the_middle_reduce_pages_for_a_while(klaviyo: FakeKlaviyo) -> None:
    """The slice restarts from its position with smaller pages, which grow again later."""
    ids = klaviyo.add(
        "events", *(event(second, 10 * LARGE if 1_500 <= second < 1_503 else 0) for second in range(3_000))
    )
    output = sync("events", state={"events": {"datetime": "2024-06-01T00:00:00+0000"}})
    assert output.raised is None
    assert sorted(output.ids()) == ids
    assert len(klaviyo.requests) < 120


def test_a_record_that_is_too_large_by_itself_is_named_and_fails_only_its_stream(klaviyo: FakeKlaviyo) -> None:
    klaviyo.add("events", event(1), event(2, 2 * MOST), event(3))
    profiles = klaviyo.add("profiles", {"updated": for_filter(SINCE)})
    output = sync("events", "profiles")
    (said,) = output.errors("events")
    assert said.message.startswith("A single record of stream events is too large: ")
    assert "larger than 1 MB" in said.message
    assert said.failure_type.value == "system_error"
    assert output.ids("profiles") == profiles
    assert output.statuses("events")[-1] == "INCOMPLETE"
    assert sizes(klaviyo)[:4] == [1000, 100, 10, 1]


def test_an_endpoint_without_page_sizes_never_gets_a_page_size(klaviyo: FakeKlaviyo) -> None:
    klaviyo.add("metrics", *({"x": "x" * LARGE} for _ in range(40)))
    output = sync("metrics")
    (said,) = output.errors("metrics")
    assert said.message.startswith("A response of stream metrics is too large: ")
    assert all("page[size]" not in request.params for request in klaviyo.requests)


def test_large_pages_out_of_order_keep_their_size(klaviyo: FakeKlaviyo) -> None:
    """Restarting such a slice would read all of it twice."""
    ids = klaviyo.add("campaigns", *(campaign(LARGE) for _ in range(30)))
    klaviyo.page_limit = 10
    output = sync("campaigns")
    assert sorted(output.ids()) == sorted(ids)


def test_too_large_pages_out_of_order_are_read_from_the_beginning_in_smaller_ones(klaviyo: FakeKlaviyo) -> None:
    ids = klaviyo.add("campaigns", *(campaign(LARGE) for _ in range(30)))
    output = sync("campaigns")
    assert output.raised is None
    assert set(output.ids()) == set(ids)


def test_the_client_gets_an_estimate_of_the_next_responses_size(
    klaviyo: FakeKlaviyo, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected: list[int] = []
    came: list[int] = []

    def read_body(raw: Any, hold: Any, likely: int, *limits: Any) -> bytes:
        answer = original(raw, hold, likely, *limits)
        expected.append(likely)
        came.append(len(answer))
        return answer

    original = body.read_body
    monkeypatch.setattr("source_klaviyo.api.client.read_body", read_body)
    klaviyo.add("events", *(event(second, LARGE) for second in range(9)))
    klaviyo.page_limit = 2
    assert len(list(events(klaviyo).pages(lambda: {"start": SINCE, "page_size": 2}))) == 5
    assert expected[0] == 0
    assert all(size < likely < 1.1 * size for likely, size in zip(expected[1:-1], came[1:-1], strict=True))


def test_a_batch_counts_the_bytes_of_its_whole_page(klaviyo: FakeKlaviyo) -> None:
    """The lines of one record keep the whole response in memory."""
    klaviyo.add("flows", {"updated": for_filter(SINCE)}, {"updated": "2023-01-01T00:00:00Z", "x": "x" * LARGE})
    klaviyo.before = lambda _: (200, json.dumps({"data": klaviyo.rows["flows"]}).encode())
    catalog = {
        "streams": [
            {
                "stream": {"name": "flows", "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
                "sync_mode": "full_refresh",
                "destination_sync_mode": "append",
            }
        ]
    }
    loaded = ConfiguredAirbyteCatalogSerializer.load(catalog)
    items = SourceKlaviyo().read_batches(None, CONFIG, loaded)  # type: ignore[arg-type]
    batches = [item for item in items if isinstance(item, RecordBatch)]
    assert {batch.count for batch in batches} == {1}
    assert all(batch.size > LARGE for batch in batches)


def test_a_slice_may_request_pages_of_its_own_size(klaviyo: FakeKlaviyo) -> None:
    ids = klaviyo.add("events", *(event(second) for second in range(10)))
    stream = events(klaviyo)
    pages = list(stream.pages(lambda: {"start": SINCE, "page_size": 3}))
    assert [len(page.resources) for page in pages] == [3, 3, 3, 1]
    assert len(ids) == 10


def events(klaviyo: FakeKlaviyo) -> Events:
    """The stream, outside of a sync."""
    from source_klaviyo import source  # noqa: PLC0415 - after the fixture has changed it

    return Events(Config.parse(CONFIG), source._client(Config.parse(CONFIG)), None)  # type: ignore[arg-type]


records = st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0, 0, 0, 3_000, LARGE, 4 * LARGE])), max_size=60)


@settings(max_examples=60, suppress_health_check=[*HealthCheck], deadline=None)
@given(records, st.integers(2, 30))
def test_each_record_is_emitted_once_whatever_the_page_sizes(
    klaviyo: FakeKlaviyo, steps: list[tuple[int, int]], page_limit: int
) -> None:
    klaviyo.rows["events"].clear()
    klaviyo.requests.clear()
    klaviyo.page_limit = page_limit
    second, made = 0, []
    for step, size in steps:
        second += step
        made.append(event(second, size))
    ids = klaviyo.add("events", *made)
    output = sync("events", state={"events": {"datetime": "2024-06-01T00:00:00+0000"}})
    assert output.raised is None
    assert sorted(output.ids()) == ids
