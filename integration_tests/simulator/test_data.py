"""The data: repeatable, lifelike, and awkward."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from integration_tests.simulator.conftest import NOW
from klaviyo_simulator import Settings
from klaviyo_simulator.data.shop import Shop
from klaviyo_simulator.data.tables import RecordTable
from klaviyo_simulator.rules.endpoints import ENDPOINTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration_tests.simulator.conftest import Client


OTHER_COLLECTIONS = (
    *("catalog-categories", "catalog-items", "catalog-variants", "custom-metrics", "data-sources", "forms", "images"),
    *("object-types", "push-tokens", "reviews", "segments", "tag-groups", "tags", "template-universal-content"),
    *("web-feeds", "webhooks", "coupons"),
)
SIZES = (
    *("events", "profiles", "campaigns", "flows", "lists", "metrics", "templates", "segments", "push_tokens"),
    *("conversations", "forms", "images", "universal_content", "web_feeds", "tags", "tag_groups", "custom_metrics"),
    *("catalog_items", "catalog_variants", "catalog_categories", "coupons", "coupon_codes", "reviews", "webhooks"),
    *("object_types", "object_records", "data_sources"),
)


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop(Settings(now=NOW, events=50_000, profiles=2000))


def test_the_same_seed_makes_the_same_data(start: Callable[..., Client]) -> None:
    once, again, other = (start(seed=seed) for seed in (3, 3, 4))
    for path in ("events", "profiles", "lists", "flows", "templates", "metrics", "accounts", *OTHER_COLLECTIONS):
        data = once.fetch(f"/api/{path}")["data"]
        assert again.fetch(f"/api/{path}")["data"] == data
        assert other.fetch(f"/api/{path}")["data"] != data


def test_a_later_start_shifts_all_dates(start: Callable[..., Client]) -> None:
    first = start().fetch_all("/api/events", {"page[size]": 1000})
    later = start(now=NOW + timedelta(days=1)).fetch_all("/api/events", {"page[size]": 1000})
    assert [record["id"] for record in first] == [record["id"] for record in later]
    moved = {b["attributes"]["timestamp"] - a["attributes"]["timestamp"] for a, b in zip(first, later, strict=True)}
    assert moved == {86400}


def test_many_events_share_a_second(shop: Shop) -> None:
    counts = Counter(shop.events._seconds.tolist())
    assert max(counts.values()) > 200
    big = Shop(Settings(now=NOW, events=200_000, profiles=10)).events._seconds
    assert max(Counter(big.tolist()).values()) > 1000  # more than a page


def test_some_events_are_dated_in_the_future(shop: Shop) -> None:
    ahead = [second for second in shop.events._seconds.tolist() if second > shop.started]
    assert 20 < len(ahead) < 1000
    assert max(ahead) - shop.started > 30 * 86400


@pytest.mark.parametrize("skew", [0.01, 0.1, 0.5, 0.9])
def test_skew_is_the_share_of_events_in_the_last_hundredth_of_time(skew: float) -> None:
    shop = Shop(Settings(now=NOW, events=20_000, profiles=10, skew=skew))
    recent = shop.started - shop.timeline.span / 100
    share = sum(recent <= second <= shop.started for second in shop.events._seconds.tolist()) / 20_000
    assert abs(share - skew) < 0.09  # bulk imports may or may not be in it


def test_events_are_about_as_large_as_real_ones(client: Client) -> None:
    for record in client.fetch("/api/events", {"page[size]": 100})["data"]:
        assert 1100 <= len(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()) <= 1500


def test_ids_have_klaviyos_form(client: Client) -> None:
    lengths = {"events": 11, "profiles": 26, "campaigns": 26, "metrics": 6, "lists": 6, "flows": 6, "templates": 6}
    for path, length in lengths.items():
        ids = client.simulator.ids(path)
        assert {len(identity) for identity in ids} == {length}
        assert len(set(ids)) == len(ids)
        assert all(identity.isalnum() for identity in ids)


def test_events_refer_to_existing_profiles_and_metrics(client: Client) -> None:
    profiles, metrics = set(client.simulator.ids("profiles")), set(client.simulator.ids("metrics"))
    found = client.fetch("/api/events", {"page[size]": 1000})["data"]
    assert {record["relationships"]["metric"]["data"]["id"] for record in found} <= metrics
    related = [record["relationships"]["profile"]["data"] for record in found]
    assert {each["id"] for each in related if each} <= profiles
    assert 0 < related.count(None) < 20


def test_events_have_awkward_numbers_and_characters(client: Client) -> None:
    text = client.get("/api/events?page[size]=1000").content.decode()
    for awkward in (str(2**64 + 1), str(10**30), "0.30000000000000004", "1e-07", "☕", "قميص", "\\u", '\\"', "\\n"):
        assert awkward in text


def test_profiles_have_all_kinds_of_suppressions(shop: Shop) -> None:
    profiles = shop.profiles.records()
    assert any(len(profile.elements("suppression")) > 1 for profile in profiles)
    assert any(profile.elements("list_suppressions") for profile in profiles)
    assert sum(not profile.elements("suppression") for profile in profiles) > 1500
    assert any(profile.value("email") is None for profile in profiles)


def test_campaigns_have_all_channels_and_dates_with_microseconds(shop: Shop) -> None:
    campaigns = shop.campaigns.records()
    kinds = {(record.value("messages.channel"), record.value("archived")) for record in campaigns}
    assert len(kinds) == 6
    assert any("." in record.value("updated_at") for record in campaigns)
    assert all(record.value("created_at") <= record.value("updated_at") for record in campaigns)


def test_updated_is_never_before_created(shop: Shop) -> None:
    for table in (shop.profiles, shop.flows, shop.lists, shop.templates):
        for record in table.records():
            assert record.value("created") <= record.value("updated") < NOW.isoformat()


@pytest.mark.parametrize("name", SIZES)
def test_any_size_may_be_zero(start: Callable[..., Client], name: str) -> None:
    client = start(**{name: 0})
    collection = {"universal_content": "template-universal-content"}.get(name, name.replace("_", "-"))
    assert client.simulator.ids(collection) == []
    for endpoint in ENDPOINTS.values():
        if endpoint.path.endswith(f"/{collection}") and endpoint.many and not endpoint.parent:
            given = {"campaigns": "equals(messages.channel,'email')", "coupon_codes": "any(coupon.id,['x'])"}
            assert client.fetch(endpoint.path, {"filter": given[name]} if name in given else {})["data"] == []
    client.fetch("/api/events")


def test_a_size_does_not_affect_other_types(start: Callable[..., Client]) -> None:
    few, many = start(images=1, coupon_codes=2, members=3), start()
    for path in ("events", "profiles", "lists", "flows", "reviews", "forms", "object-types"):
        assert few.fetch(f"/api/{path}")["data"] == many.fetch(f"/api/{path}")["data"], path


def test_ids_are_unique(shop: Shop) -> None:
    for name, table in shop.tables.items():
        ids = table.ids()
        assert len(set(ids)) == len(ids), name


def test_some_records_have_equal_dates(shop: Shop) -> None:
    for name, field in (("template", "updated"), ("flow", "updated"), ("review", "created"), ("segment", "created")):
        counts = Counter(record.value(field) for record in shop.records[name].records())
        assert max(counts.values()) > 1, name


def test_children_may_change_after_their_parents(shop: Shop) -> None:
    for parent, relation in (("flow", "flow-actions"), ("form", "form-versions"), ("campaign", "campaign-messages")):
        field = "updated" if parent == "flow" else "updated_at"
        later = {
            (child.value(field) or "") > record.value(field)
            for record in shop.records[parent].records()
            for child in (shop.hierarchy.children(parent, relation, record.id) or RecordTable()).records()
        }
        assert later == {True, False}, parent


def test_a_single_resource_equals_the_record_in_its_collection(client: Client) -> None:
    for path in ("events", "profiles", "lists", "flows", "templates", "metrics"):
        record = client.fetch(f"/api/{path}")["data"][0]
        assert client.fetch(f"/api/{path}/{record['id']}")["data"] == record
