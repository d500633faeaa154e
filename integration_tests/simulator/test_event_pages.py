"""Pages of events that are built as bytes equal those that are built from records."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from integration_tests.simulator.conftest import NOW
from klaviyo_simulator import Settings
from klaviyo_simulator.account import documents
from klaviyo_simulator.data.shop import Shop
from klaviyo_simulator.rules import endpoints, queries

if TYPE_CHECKING:
    from integration_tests.simulator.conftest import Client
    from klaviyo_simulator.data.tables import Selection
    from klaviyo_simulator.protocol.cursors import Place
    from klaviyo_simulator.rules.queries import Query

LINKS: dict[str, str | None] = {"self": "https://a.klaviyo.com/api/events", "next": None}
RELATIONS = ("metric", "attributions", "profile")
FIELDS = {
    "metric": ("name", "name,updated,created"),
    "profile": ("email", "location.city,location.zip,id"),
    "attribution": ("id",),
}


@pytest.fixture(scope="module")
def settings() -> Settings:
    return Settings(now=NOW, events=3000, profiles=150, metrics=30, sparse_drops_relationships=False)


@pytest.fixture(scope="module")
def shop(settings: Settings) -> Shop:
    """A shop with events that were added later, many in the same second as others."""
    shop = Shop(settings)
    random = Random(7)
    for second in random.sample(shop.events._seconds.tolist(), 100):
        for _ in range(random.randrange(1, 4)):
            shop.events.add(second)
    for table in (shop.metrics, shop.profiles):
        table.remove(table.ids()[3])  # deleted records cannot be included
    return shop


def random_query(random: Random, shop: Shop, settings: Settings) -> Query:
    second = random.choice(shop.events._seconds.tolist())
    conditions = [
        f"greater-or-equal(datetime,{datetime.fromtimestamp(second, UTC).isoformat()})",
        f"less-than(timestamp,{second})",
        f"equals(metric_id,'{random.choice(shop.metrics.ids())}')",
        "has(profile)",
    ]
    parameters: dict[str, str] = {
        "include": ",".join(random.sample(RELATIONS, random.randint(1, 3))),
        "sort": random.choice(("datetime", "-datetime", "timestamp", "-timestamp")),
        "page[size]": str(random.choice((1, 10, 300))),
        "filter": random.choice(conditions),
    }
    for relation in random.sample(sorted(FIELDS), random.randint(0, 3)):
        parameters[f"fields[{relation}]"] = random.choice(FIELDS[relation])
    endpoint, _ = endpoints.find("/api/events") or pytest.fail("there is no such endpoint")
    return queries.parse(endpoint, urlencode(parameters), settings, NOW.timestamp())


def select(shop: Shop, settings: Settings, query: Query, after: Place | None) -> tuple[Selection, Selection]:
    """Return a page as bytes, and the same page as records."""
    fields = {**query.fields, "event": frozenset({"uuid"})}  # makes the table return records
    fast, slow = (shop.events.select(each, after, settings) for each in (query, replace(query, fields=fields)))
    assert (fast.records, slow.body, fast.more, fast.length) == ([], None, slow.more, slow.length)
    return fast, slow


@pytest.mark.parametrize("seed", range(30))
def test_pages_as_bytes_equal_pages_of_records(shop: Shop, settings: Settings, seed: int) -> None:
    random = Random(seed)
    query = random_query(random, shop, settings)
    after: Place | None = None
    for _ in range(3):
        fast, slow = select(shop, settings, query, after)
        # Pairs instead of dictionaries, so that the order of keys is compared too.
        documents_of_both = [
            json.loads(documents.collection(query, selection, shop.tables, LINKS), object_pairs_hook=list)
            for selection in (fast, slow)
        ]
        assert documents_of_both[0] == documents_of_both[1]
        after = fast.more
        if after is None:
            break


def test_deleted_resources_are_not_included(shop: Shop, settings: Settings) -> None:
    endpoint, _ = endpoints.find("/api/events") or pytest.fail("there is no such endpoint")
    query = queries.parse(endpoint, "include=metric,profile&page[size]=1000", settings, NOW.timestamp())
    selection = shop.events.select(query, None, settings)
    document = json.loads(documents.collection(query, selection, shop.tables, LINKS))
    for name, table in (("metric", shop.metrics), ("profile", shop.profiles)):
        data = [event["relationships"][name]["data"] for event in document["data"]]
        related = {each["id"] for each in data if each}
        included = [each["id"] for each in document["included"] if each["type"] == name]
        assert set(included) == related & set(table.ids()) != related
        assert len(included) == len(set(included))


def test_attributions_have_data_only_if_included_and_are_absent_if_there_are_none(client: Client) -> None:
    given = {"page[size]": 20}
    plain = [event["relationships"] for event in client.fetch("/api/events", given)["data"]]
    assert all(each["attributions"].keys() == {"links"} for each in plain if "attributions" in each)
    page = client.fetch("/api/events", {**given, "include": "attributions"})
    linked = [event["relationships"].get("attributions") for event in page["data"]]
    included = [{"type": each["type"], "id": each["id"]} for each in page["included"]]
    assert included == [each for attributions in linked if attributions for each in attributions["data"]]
    assert [bool(each) for each in linked] == ["attributions" in each for each in plain]
    assert 0 < linked.count(None) < 20


def test_datetimes_have_a_blank_or_a_t(client: Client) -> None:
    events = client.fetch("/api/events", {"page[size]": 20})["data"]
    assert {event["attributes"]["datetime"][10] for event in events} == {"T", " "}
    for event in events:
        when = datetime.fromisoformat(event["attributes"]["datetime"])
        assert when.timestamp() == event["attributes"]["timestamp"]


def test_a_filter_finds_events_without_a_profile(client: Client) -> None:
    everything = client.fetch_all("/api/events", {"page[size]": 1000})
    anonymous = [event["id"] for event in everything if event["relationships"]["profile"]["data"] is None]
    assert anonymous
    found = client.fetch_all("/api/events", {"page[size]": 1000, "filter": "has(profile)"})
    assert {event["id"] for event in everything} - {event["id"] for event in found} == set(anonymous)
    record = client.fetch(f"/api/events/{anonymous[0]}", {"include": "profile"})
    assert (record["data"]["relationships"]["profile"]["data"], record["included"]) == (None, [])
