"""The smaller collections: filters, includes and pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration_tests.simulator.conftest import Client

UNPAGED = ["custom-metrics", "mapped-metrics", "object-types", "webhook-topics", "webhooks"]
INCLUDED = [
    ("/api/flows", "flow-actions"),
    ("/api/flows", "tags"),
    ("/api/lists", "tags"),
    ("/api/lists", "flow-triggers"),
    ("/api/segments", "tags"),
    ("/api/profiles", "conversations"),
    ("/api/profiles", "push-tokens"),
    ("/api/tags", "tag-group"),
    ("/api/push-tokens", "profile"),
    ("/api/catalog-items", "variants"),
    ("/api/reviews", "events"),
    ("/api/webhooks", "webhook-topics"),
    ("/api/object-types", "current-schema"),
    ("/api/object-types", "draft-schema"),
    ("/api/custom-metrics", "metrics"),
    ("/api/mapped-metrics", "metric"),
    ("/api/mapped-metrics", "custom-metric"),
]


def linked(record: dict[str, Any], relation: str) -> list[tuple[str, str]]:
    """Return the related resources of a record; mapped metrics omit empty relationships."""
    data = record.get("relationships", {}).get(relation, {}).get("data") or []
    return [(each["type"], each["id"]) for each in (data if isinstance(data, list) else [data])]


@pytest.mark.parametrize(("path", "relation"), INCLUDED)
def test_included_resources_are_the_linked_ones(client: Client, path: str, relation: str) -> None:
    parameters = {"include": relation, **({"page[size]": 100} if path == "/api/profiles" else {})}
    pages = [client.fetch(path, parameters)]
    while following := pages[-1]["links"].get("next"):
        pages.append(client.fetch(following))
    found = 0
    for page in pages:
        links = {link for record in page["data"] for link in linked(record, relation)}
        included = [(each["type"], each["id"]) for each in page["included"]]
        assert set(included) == links
        assert len(included) == len(links)
        found += len(links)
    assert found
    plain = client.fetch(path)
    assert "included" not in plain
    relationships = [record.get("relationships", {}) for record in plain["data"]]
    assert all("data" not in each[relation] for each in relationships if relation in each)


def test_both_sides_of_a_relation_agree(client: Client) -> None:
    for item in client.fetch_all("/api/catalog-items", {"include": "variants"}):
        variants = client.fetch_all(f"/api/catalog-items/{item['id']}/variants")
        assert [link for _, link in sorted(linked(item, "variants"))] == sorted(each["id"] for each in variants)
        found = client.fetch_all("/api/catalog-variants", {"filter": f'equals(item.id,"{item["id"]}")'})
        assert found == variants
    for category in client.simulator.ids("catalog-categories"):
        below = client.fetch_all(f"/api/catalog-categories/{category}/items")
        assert below == client.fetch_all("/api/catalog-items", {"filter": f'equals(category.id,"{category}")'})


@pytest.mark.parametrize("name", UNPAGED)
def test_unpaged_collections_return_all_records(client: Client, name: str) -> None:
    page = client.fetch(f"/api/{name}")
    assert {record["id"] for record in page["data"]} == set(client.simulator.ids(name))
    assert page["links"].get("next") is None
    for parameter in ("page[cursor]", "page[size]"):
        assert client.error(f"/api/{name}", {parameter: "1"})[0] == 400


def test_rejected_reviews_need_a_filter_unless_switched(start: Callable[..., Client]) -> None:
    client = start()
    shown = client.fetch_all("/api/reviews", {"page[size]": 100})
    assert {record["attributes"]["status"]["value"] for record in shown} == {"published", "featured", "pending"}
    every = {"filter": 'equals(status,"all")', "page[size]": 100}
    everything = client.fetch_all("/api/reviews", every)
    assert {record["id"] for record in everything} == set(client.simulator.ids("reviews"))
    assert len(shown) < len(everything)
    client.simulator.switch(list_all_reviews=True)
    assert client.fetch_all("/api/reviews", {"page[size]": 100}) == everything
    client.simulator.switch(refuse_status_all=True)
    assert client.error("/api/reviews", every)[1]["source"] == {"parameter": "filter"}
    rejected = client.fetch_all("/api/reviews", {"filter": 'equals(status,"rejected")'})
    assert 0 < len(rejected) < len(everything)
    assert {record["attributes"]["status"]["value"] for record in rejected} == {"rejected"}
    assert client.error("/api/reviews", {"filter": 'equals(status,"melted")'})[0] == 400


def test_inactive_segments_need_a_filter_unless_switched(start: Callable[..., Client]) -> None:
    client = start()

    def found(**given: str) -> set[str]:
        return {record["id"] for record in client.fetch_all("/api/segments", given)}

    inactive = found(filter="equals(is_active,false)")
    assert found() == found(filter="equals(is_active,true)") == set(client.simulator.ids("segments")) - inactive
    assert inactive
    assert found(filter="any(is_active,[true,false])") == set(client.simulator.ids("segments"))
    client.simulator.switch(list_inactive_segments=True)
    assert found() == set(client.simulator.ids("segments"))


@pytest.mark.parametrize("starred", ["true", "false"])
def test_a_filter_on_starred_segments_has_no_effect(client: Client, starred: str) -> None:
    found = client.fetch_all("/api/segments", {"filter": f"equals(is_starred,{starred})"})
    assert found == client.fetch_all("/api/segments")
    assert {record["attributes"]["is_starred"] for record in found} == {True, False}


def test_hidden_images_need_a_filter(client: Client) -> None:
    shown, hidden = (
        {record["id"]: record["attributes"]["hidden"] for record in client.fetch_all("/api/images", given)}
        for given in ({}, {"filter": "equals(hidden,true)"})
    )
    assert (set(shown.values()), set(hidden.values())) == ({False}, {True})
    assert {*shown, *hidden} == set(client.simulator.ids("images"))
    two = f'any(id,["{next(iter(shown))}","{next(iter(hidden))}"])'
    assert len(client.fetch_all("/api/images", {"filter": two})) == 1
    assert len(client.fetch_all("/api/images", {"filter": f"{two},any(hidden,[true,false])"})) == 2


def test_templates_of_flows_are_readable_by_id_only(client: Client) -> None:
    listed = {record["id"] for record in client.fetch_all("/api/templates")}
    assert listed == set(client.simulator.ids("templates"))
    owned = set()
    for message in client.simulator.ids("flow-messages")[:40]:
        found = client.fetch(f"/api/flow-messages/{message}", {"include": "template"})
        template = found["data"]["relationships"]["template"]["data"]
        definition = found["data"]["attributes"]["definition"]
        if template and definition:
            assert definition["template_id"] == template["id"] == found["included"][0]["id"]
            owned.add(template["id"])
    assert owned
    assert owned.isdisjoint(listed)
    (one, *_) = owned
    assert client.fetch(f"/api/templates/{one}")["data"]["attributes"]["html"]
    assert client.fetch_all("/api/templates", {"filter": f'any(id,["{one}"])'}) == []


def test_flows_are_sorted_by_the_date_in_the_filter(client: Client) -> None:
    text = "greater-than(updated,2020-01-01T00:00:00Z)"
    both_ways = [client.fetch_all("/api/flows", {"filter": text, "sort": sort}) for sort in ("updated", "-updated")]
    assert both_ways[0] == both_ways[1][::-1]
    for sort in ("created", "id", "-name"):
        assert client.error("/api/flows", {"filter": text, "sort": sort})[1]["source"] == {"parameter": "sort"}
    both = f"{text},greater-than(created,2020-01-01T00:00:00Z)"
    assert client.error("/api/flows", {"filter": both, "sort": "updated"})[0] == 400
    assert client.fetch("/api/flows", {"filter": both})["data"]


def test_reviews_are_filtered_and_sorted_by_rating(client: Client) -> None:
    good = client.fetch_all("/api/reviews", {"filter": "greater-or-equal(rating,4)", "sort": "-rating"})
    ratings = [record["attributes"]["rating"] for record in good]
    assert ratings == sorted(ratings, reverse=True)
    assert set(ratings) == {4, 5}
    assert client.error("/api/reviews", {"filter": "greater-than(created,2020-01-01T00:00:00Z)"})[0] == 400


def test_catalog_items_are_filtered_by_id(client: Client) -> None:
    wanted = client.simulator.ids("catalog-items")[:2]
    given = {"filter": 'any(ids,["{}","{}"])'.format(*wanted)}
    assert sorted(record["id"] for record in client.fetch("/api/catalog-items", given)["data"]) == sorted(wanted)


def test_categories_are_sorted_by_a_hidden_date(client: Client) -> None:
    once, back = (client.fetch("/api/catalog-categories", {"sort": sort})["data"] for sort in ("created", "-created"))
    assert once == back[::-1]
    assert "created" not in once[0]["attributes"]


def test_only_single_forms_have_a_definition(client: Client) -> None:
    form = client.simulator.ids("forms")[0]
    assert "definition" not in client.fetch("/api/forms")["data"][0]["attributes"]
    record = client.fetch(f"/api/forms/{form}")["data"]
    assert record["attributes"]["definition"] == {"versions": []}
    assert "relationships" not in record


def test_some_campaigns_have_no_estimation(client: Client) -> None:
    statuses = set()
    for campaign in client.simulator.ids("campaigns"):
        response = client.get(f"/api/campaign-recipient-estimations/{campaign}")
        statuses.add(response.status_code)
        if response.status_code == 200:
            record = response.json()["data"]
            assert (record["id"], record["type"]) == (campaign, "campaign-recipient-estimation")
    assert statuses == {200, 404}
    assert client.error("/api/campaign-recipient-estimations/unknown")[0] == 404
    assert client.error("/api/campaign-recipient-estimations")[0] == 404


def test_the_one_tracking_setting_has_the_accounts_id(client: Client) -> None:
    (setting,) = client.fetch("/api/tracking-settings")["data"]
    assert setting["id"] == client.simulator.ids("accounts")[0]


@pytest.mark.parametrize(
    ("path", "field"),
    [("/api/forms", "updated_at"), ("/api/images", "updated_at"), ("/api/template-universal-content", "updated")],
)
def test_bounds_split_a_collection_without_gaps_or_duplicates(client: Client, path: str, field: str) -> None:
    everything = client.fetch_all(path, {"sort": field})
    moments = [record["attributes"][field] for record in everything]
    assert moments == sorted(moments)
    middle = moments[len(moments) // 2].replace("+00:00", "Z")
    below = client.fetch_all(path, {"sort": field, "filter": f"less-than({field},{middle})"})
    above = client.fetch_all(path, {"sort": field, "filter": f"greater-or-equal({field},{middle})"})
    assert below
    assert below + above == everything
