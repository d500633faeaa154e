"""Every stream that is no report: read whole, then nothing, then what has changed, within Klaviyo's real limits."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator

from integration_tests.changes import PLAIN, play
from integration_tests.connector import COLLECTIONS, DECLARED, KEY, ROOT, Connector, Output, is_incremental
from integration_tests.test_sync import assert_sound
from integration_tests.truth import expected, unlimited
from klaviyo_simulator import Simulator
from source_klaviyo.sync.instants import parse_instant
from tools.streams import path_of

if TYPE_CHECKING:
    from collections.abc import Iterator

INCREMENTAL = tuple(stream for stream in COLLECTIONS if is_incremental(stream))
SNAPSHOTS = tuple(stream for stream in COLLECTIONS if not is_incremental(stream))

# more than a page of each resource with a high rate limit, and few of those with 15 or 60 requests a minute
SIZES: dict[str, int] = {
    "events": 2_000,
    "profiles": 300,
    "members": 250,
    "push_tokens": 150,
    "campaigns": 30,
    "flows": 6,
    "forms": 6,
    "lists": 5,
    "segments": 4,
    "metrics": 3,
    "images": 120,
    "universal_content": 120,
    "web_feeds": 25,
    "tags": 60,
    "tag_groups": 30,
    "catalog_items": 150,
    "catalog_variants": 300,
    "reviews": 120,
    "coupons": 4,
    "coupon_codes": 300,
    "object_records": 150,
    "data_sources": 110,
    "canvas_campaigns": 12,
    "translations": 120,
    "senders": 25,
}


@dataclass
class Sync:
    """A sync: its output, its requests, and the records that the shop had.

    Attributes:
        output: its messages.
        successes: successful requests by endpoint.
        failures: failed requests by status.
        truth: all ids of each stream.
        seconds: how long it took.
    """

    output: Output
    successes: dict[str, int]
    failures: dict[str, int]
    truth: dict[str, set[Any]]
    seconds: float

    @classmethod
    def run(cls, shop: Simulator, connector: Connector, state: Any = None) -> Sync:
        """Read all streams."""
        shop.reset_stats()
        began = shop.now()
        output = connector.read(*COLLECTIONS, state=state)
        ended, stats = shop.now(), shop.stats()
        return cls(
            output,
            successes={path: counts["by_status"].get("200", 0) for path, counts in stats["endpoints"].items()},
            failures={status: count for status, count in stats["by_status"].items() if status != "200"},
            truth={stream: expected(shop, stream) for stream in COLLECTIONS},
            seconds=ended - began,
        )

    def undated(self, stream: str) -> set[Any]:
        """Return the IDs of the records without a date, which each sync emits."""
        records = self.output.records[stream]
        cursor = str(DECLARED[stream].cursor_attribute)
        return {one for one, record in zip(self.output.ids(stream), records, strict=True) if record[cursor] is None}

    def repeated(self, stream: str) -> set[Any]:
        """Return the IDs of streams with a visibility lag whose hour is emitted again after a member has left."""
        declared = DECLARED[stream]
        cursors = [record[str(declared.cursor_attribute)] for record in self.output.records[stream]]
        if not declared.visibility_lag:
            return set()
        dates = {one: parse_instant(date) for one, date in zip(self.output.ids(stream), cursors, strict=True) if date}
        return {one for one, date in dates.items() if date > max(dates.values()) - declared.visibility_lag}


@pytest.fixture(scope="module")
def shop() -> Iterator[Simulator]:
    """A shop with real limits, for all tests of this file."""
    with Simulator(key=KEY, advanced_kdp=True, **SIZES) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def connector(shop: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Connector:
    """The connector, pointed at the shop."""
    return Connector(shop.url, tmp_path_factory.mktemp("streams"))


@pytest.fixture(scope="module")
def first(shop: Simulator, connector: Connector) -> Sync:
    """The first sync."""
    return Sync.run(shop, connector)


@pytest.fixture(scope="module")
def unchanged(shop: Simulator, connector: Connector, first: Sync) -> Sync:
    """A second sync, before which nothing has changed."""
    return Sync.run(shop, connector, first.output.state())


@dataclass
class Changed:
    """A sync after changes, and which records of the incremental streams they concern."""

    sync: Sync
    new_ids: dict[str, set[Any]]


@pytest.fixture(scope="module")
def all_changed() -> dict[str, set[Any]]:
    """Return all records that have changed since the second sync."""
    return {stream: set() for stream in INCREMENTAL}


@pytest.fixture(scope="module", params=[False, True], ids=["children alone", "and their parents"])
def changed(
    request: pytest.FixtureRequest,
    shop: Simulator,
    connector: Connector,
    unchanged: Sync,
    all_changed: dict[str, set[Any]],
) -> Changed:
    """A third sync, after changes of every kind: with and without a move of the parents' dates.

    Both times it resumes from the second sync, so the later one also emits the changes before the earlier one.
    """
    shop.switch(children_touch_parents=request.param)
    for stream, ids in play(shop, parents_move=request.param).items():
        all_changed[stream] |= ids
    with unlimited(shop):  # a new process does not know how much of the minute's quota others have used
        sync = Sync.run(shop, connector, unchanged.output.state())
    return Changed(sync, {stream: ids & sync.truth[stream] for stream, ids in all_changed.items()})


def test_a_first_sync_completes_within_a_minute(shop: Simulator, first: Sync) -> None:
    assert_sound(first.output, shop.now())
    assert first.seconds < 60


@pytest.mark.parametrize("stream", COLLECTIONS)
def test_a_first_sync_reads_every_record_exactly_once(first: Sync, stream: str) -> None:
    ids = first.output.ids(stream)

    assert first.truth[stream]
    assert set(ids) == first.truth[stream]
    assert [one for one, times in Counter(ids).items() if times > 1] == []


@pytest.mark.parametrize("stream", COLLECTIONS)
def test_every_record_is_valid_by_its_schema(first: Sync, stream: str) -> None:
    schema = json.loads((ROOT / "source_klaviyo" / "schemas" / f"{stream}.json").read_text("utf-8"))
    validator = Draft7Validator(schema)

    for record in first.output.records[stream]:
        validator.validate(record)
        assert record.keys() <= schema["properties"].keys()


def test_detailed_streams_have_their_additional_columns(first: Sync) -> None:
    for name in ("list", "segment"):
        sizes = Counter(group for group, _ in first.truth[f"{name}_profiles"])
        counted = {one["id"]: one["attributes"]["profile_count"] for one in first.output.records[f"{name}s_detailed"]}
        assert counted == {group: sizes[group] for group in first.truth[f"{name}s"]}
    for campaign in first.output.records["campaigns_detailed"]:
        assert campaign["campaign_messages"]
        assert all(
            (campaign["id"], message["id"]) in first.truth["campaign_messages"]
            for message in campaign["campaign_messages"]
        )
    estimates = [one["estimated_recipient_count"] for one in first.output.records["campaigns_detailed"]]
    # Klaviyo has no estimate of some campaigns and answers 404, which counts as zero
    assert first.failures.get("404", 0) <= estimates.count(0) < len(estimates) / 2


def test_klaviyo_rejects_no_request_but_estimates_that_it_does_not_have(first: Sync, unchanged: Sync) -> None:
    assert first.failures.keys() <= {"404"}
    assert unchanged.failures == {}


def pages(count: int, size: int = 100) -> int:
    """Return the number of requests for this many records."""
    return max(1, ceil(count / size))


def pages_below(pairs: set[tuple[str, str]], parents: set[Any], size: int = 100) -> int:
    """Return the number of requests for the children of all parents."""
    counts = Counter(parent for parent, _ in pairs)
    return sum(pages(counts[parent[-1] if isinstance(parent, tuple) else parent], size) for parent in parents)


def requests_of_plain_streams(count: dict[str, int]) -> dict[str, int]:
    """Return the number of pages of each stream that is the only one to read its collection."""
    plain = {path_of(stream): stream for name, stream in DECLARED.items() if name in COLLECTIONS}
    return {path: pages(count[one.name], one.page_size or 200) for path, one in plain.items() if "{" not in path}


def requests_of_a_first_sync(truth: dict[str, set[Any]]) -> dict[str, int]:
    """Return the expected requests of a shop: each page once for each stream, parents once for all their children."""
    count = {stream: len(ids) for stream, ids in truth.items()}
    return requests_of_plain_streams(count) | {
        "/api/accounts": 2,  # and for what has the account's id
        "/api/brand-voice/{id}": 1,
        # campaigns, campaigns_detailed, campaign_messages: by channel, archived or not; campaigns_multichannel and
        # campaign_audiences: archived or not
        "/api/campaigns": 3 * 6 + 2 * 2,
        "/api/campaign-messages": 2 * pages(count["campaign_messages_multichannel"]),
        "/api/campaign-messages/{id}/campaign-variations": count["campaign_messages_multichannel"],
        "/api/catalog-categories": 2 * pages(count["catalog_categories"]),  # and for catalog_category_items
        "/api/catalog-categories/{id}/items": pages_below(truth["catalog_category_items"], truth["catalog_categories"]),
        "/api/coupons": 2 * pages(count["coupons"]),  # coupons, and for coupon_codes
        "/api/coupon-codes": pages_below(truth["coupon_codes"], truth["coupons"]),
        "/api/events": 2 * pages(count["events"], 1000),  # events, events_detailed
        "/api/flows": 3 * 2,  # flows, flow_actions, and for flow_messages: archived or not
        "/api/flow-actions/{id}/flow-messages": count["flow_actions"],
        "/api/forms": 2 * pages(count["forms"]),  # forms, and for form_versions
        "/api/forms/{id}/form-versions": count["forms"],
        "/api/lists": 3 * pages(count["lists"], 10),  # lists, lists_detailed, and for list_profiles
        "/api/lists/{id}": count["lists"],
        "/api/lists/{id}/profiles": pages_below(truth["list_profiles"], truth["lists"]),
        "/api/metrics": 2 * pages(count["metrics"], 200),  # metrics, and for metric_properties
        "/api/metrics/{id}/metric-properties": count["metrics"],
        "/api/object-types": 2,  # object_types, and for object_records and object_schemas together
        "/api/object-types/{id}/object-records": pages_below(truth["object_records"], truth["object_types"]),
        "/api/object-types/{id}/schema-versions": count["object_types"],
        # profiles, conversations, and those who are suppressed
        "/api/profiles": 2 * pages(count["profiles"]) + pages(count["global_exclusions"]),
        "/api/segments": 3 * pages(count["segments"], 10),
        "/api/segments/{id}": count["segments"],
        "/api/segments/{id}/profiles": pages_below(truth["segment_profiles"], truth["segments"]),
        "/api/text-messaging-configurations/{id}": 1,
        "/api/text-messaging-senders": 2 * pages(count["text_messaging_senders"], 20),
        "/api/translations": 2 * pages(count["translations"]),
        "/api/translations/{id}": count["translations_detailed"],
    }


FILTERED = {
    path_of(stream): len(stream.list_partitions(resuming=False))
    for stream in map(DECLARED.__getitem__, PLAIN)
    if stream.lower_bound_operator
}
"""The collections of plain streams that can be read from a date on, and how many queries read each."""
DIVIDED = FILTERED | {
    "/api/campaigns": 2,
    "/api/campaign-messages": 2,
    "/api/events": 2,
    "/api/forms": 0,
    "/api/lists": 3,
    "/api/profiles": 2,
    "/api/reviews": 2,
    "/api/lists/{id}/profiles": 1,
    "/api/segments": 6,
    "/api/segments/{id}/profiles": 1,
}
"""The collections that several windows of time are read from at once, and how many queries read each."""
MOST_WINDOWS = 16


def test_a_first_sync_requests_each_page_once_and_few_more_if_time_is_divided(first: Sync) -> None:
    successes = dict(first.successes)
    successes.pop("/api/campaign-recipient-estimations/{id}")
    pages = requests_of_a_first_sync(first.truth)

    assert successes.keys() == pages.keys()
    for path, count in successes.items():
        assert pages[path] <= count <= 1.2 * pages[path] + MOST_WINDOWS * DIVIDED.get(path, 0) or count == pages[path]


def test_a_sync_without_changes_requests_each_partition_once(unchanged: Sync) -> None:
    count = {stream: len(ids) for stream, ids in unchanged.truth.items()}
    one_page = FILTERED | {
        "/api/events": 2,
        "/api/forms": 2,  # forms, and for form_versions
        "/api/lists/{id}/profiles": count["lists"],
        # profiles and global_exclusions request changed and suppressed profiles, conversations all
        "/api/profiles": 2 + 2 + pages(count["profiles"]),
        "/api/reviews": 1,
        "/api/segments": 3 * 2,  # active or not: segments, segments_detailed, and for segment_profiles
        "/api/segments/{id}/profiles": count["segments"],
    }
    of_each_record = {
        "/api/campaign-messages/{id}/campaign-variations",
        "/api/campaign-recipient-estimations/{id}",
        "/api/lists/{id}",
        "/api/segments/{id}",
    }
    undated = {"/api/translations/{id}": len(unchanged.undated("translations_detailed"))}
    requests = {**requests_of_a_first_sync(unchanged.truth), **one_page, **undated}

    assert unchanged.successes == {path: count for path, count in requests.items() if path not in of_each_record}


@pytest.mark.parametrize("stream", INCREMENTAL)
def test_a_sync_without_changes_emits_only_records_without_a_date(first: Sync, unchanged: Sync, stream: str) -> None:
    assert set(unchanged.output.ids(stream)) == first.undated(stream)


@pytest.mark.parametrize("stream", INCREMENTAL)
def test_a_sync_after_changes_emits_the_changed_records_once(first: Sync, changed: Changed, stream: str) -> None:
    ids = changed.sync.output.ids(stream)

    assert changed.new_ids[stream]
    new_ids = changed.new_ids[stream] | (first.undated(stream) & changed.sync.truth[stream])
    assert new_ids <= set(ids) <= new_ids | first.repeated(stream)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("stream", SNAPSHOTS)
def test_a_snapshot_emits_all_records_each_time(unchanged: Sync, changed: Changed, stream: str) -> None:
    for sync in (unchanged, changed.sync):
        assert sorted(sync.output.ids(stream)) == sorted(sync.truth[stream])


def test_syncs_after_changes_complete(shop: Simulator, unchanged: Sync, changed: Changed) -> None:
    for sync in (unchanged, changed.sync):
        assert_sound(sync.output, shop.now())
