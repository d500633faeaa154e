"""Records that Klaviyo lists only with a filter: hidden images, inactive segments, reviews of every status."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from unit_tests.fake_api import FakeKlaviyo, Output, Rejected, sync

if TYPE_CHECKING:
    from unit_tests.fake_api import Request

STREAMS = {"images": ("hidden", "updated_at"), "segments": ("is_active", "updated")}
LISTED = {"images": "false", "segments": "true"}
"""The value of the attribute in records that are listed without a filter."""
STATE = "2024-06-01T00:00:00+0000"
OLD, NEW = "2024-05-01T00:00:00Z", "2024-06-10T00:00:00Z"


class Server:
    """A collection that leaves records out; it may reject the filter on the attribute, or not apply it."""

    def __init__(self, klaviyo: FakeKlaviyo, stream: str, *, refuses: bool = False, ignores: bool = False) -> None:
        self.flag, self.cursor = STREAMS[stream]
        self.stream, self.refuses, self.ignores = stream, refuses, ignores
        self.rows: list[dict[str, Any]] = []
        klaviyo.may_reject = refuses
        klaviyo.before = self.answer

    def add(self, identity: str, updated: str, value: str | None) -> None:
        attributes = {self.cursor: updated} | ({} if value is None else {self.flag: json.loads(value)})
        self.rows.append({"type": "x", "id": identity, "attributes": attributes})

    def answer(self, request: Request) -> tuple[int, bytes]:
        filters = request.params.get("filter", "")
        asked = next((value for value in ("true", "false") if f"equals({self.flag},{value})" in filters), None)
        if asked and self.refuses:
            raise Rejected(f"'{self.flag}' cannot be filtered on.", "filter")
        wanted = None if self.ignores else asked or LISTED[self.stream]
        found = [row for row in self.rows if wanted in (None, json.dumps(row["attributes"].get(self.flag)))]
        since = filters.rpartition(",")[2].rstrip(")")
        found = [row for row in found if row["attributes"][self.cursor] > since]
        found.sort(key=lambda row: row["attributes"][self.cursor])
        return 200, json.dumps({"data": found, "links": {"next": None}}).encode()


@pytest.fixture(params=STREAMS)
def stream(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def ids(output: Output) -> list[str]:
    assert output.raised is None
    return sorted(output.ids())


def test_all_records_are_emitted_once(klaviyo: FakeKlaviyo, stream: str) -> None:
    server = Server(klaviyo, stream)
    server.add("a", OLD, "true")
    server.add("b", NEW, "false")
    assert ids(sync(stream)) == ["a", "b"]


def test_an_increment_emits_changes_of_both_queries(klaviyo: FakeKlaviyo, stream: str) -> None:
    server = Server(klaviyo, stream)
    server.add("a", OLD, "true")
    server.add("b", OLD, "false")
    first = sync(stream)
    klaviyo.now += 3_600_000_000
    server.add("c", "2024-07-01T12:30:00Z", "true")
    server.add("d", "2024-07-01T12:30:00Z", "false")
    assert ids(sync(stream, state={stream: first.states(stream)[-1]})) == ["c", "d"]


def test_a_state_of_an_earlier_version_makes_the_new_query_read_everything(klaviyo: FakeKlaviyo, stream: str) -> None:
    server = Server(klaviyo, stream)
    listed, hidden = LISTED[stream], "true" if LISTED[stream] == "false" else "false"
    server.add("listed before", OLD, listed)
    server.add("listed", NEW, listed)
    server.add("left out before", OLD, hidden)
    server.add("left out", NEW, hidden)
    state = {STREAMS[stream][1]: STATE}
    output = sync(stream, state={stream: state})
    assert ids(output) == ["left out", "left out before", "listed"]
    positions = [one[STREAMS[stream][1]] for one in output.states(stream)]
    assert min(positions) >= STATE  # the state never falls behind where it was


def test_records_are_emitted_once_if_klaviyo_ignores_the_filter(klaviyo: FakeKlaviyo, stream: str) -> None:
    server = Server(klaviyo, stream, ignores=True)
    server.add("a", OLD, "true")
    server.add("b", OLD, "false")
    assert ids(sync(stream)) == ["a", "b"]


def test_records_are_emitted_once_if_klaviyo_rejects_the_filter(
    klaviyo: FakeKlaviyo, log: pytest.LogCaptureFixture, stream: str
) -> None:
    server = Server(klaviyo, stream, refuses=True)
    server.add("a", OLD, LISTED[stream])
    server.add("without the attribute", OLD, None)
    assert ids(sync(stream)) == ["a"]
    assert len([one for one in log.records if f"refuses to filter stream {stream}" in one.message]) == 1


def test_reviews_of_every_status_are_requested(klaviyo: FakeKlaviyo) -> None:
    klaviyo.before = lambda _: (200, b'{"data":[]}')
    sync("reviews")
    (asked,) = klaviyo.first_pages("reviews")
    assert asked["filter"] == 'equals(status,"all")'
    assert asked["include"] == "events"


def test_reviews_are_read_without_the_status_if_klaviyo_rejects_it(klaviyo: FakeKlaviyo) -> None:
    def answer(request: Request) -> tuple[int, bytes]:
        if "filter" in request.params:
            raise Rejected("'all' is no status.", "filter")
        return 200, b'{"data":[{"type":"review","id":"R1","attributes":{"updated":"2024-06-10T00:00:00Z"}}]}'

    klaviyo.may_reject = True
    klaviyo.before = answer
    assert sync("reviews").ids() == ["R1"]
    assert klaviyo.first_pages("reviews")[-1]["include"] == "events"  # parameters that are not rejected stay
