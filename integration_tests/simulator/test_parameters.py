"""Page sizes, sorts, includes, additional fields, sparse fieldsets, and unknown parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration_tests.simulator.conftest import Client

LARGEST = {"events": 1000, "profiles": 100}
EMAIL = {"filter": "equals(messages.channel,'email')"}


@pytest.mark.parametrize(
    ("path", "parameters", "blamed"),
    [
        ("accounts", {"page[cursor]": "x"}, "page[cursor]"),
        ("events", {"sort": "id"}, "sort"),
        ("events", {"sort": "--datetime"}, "sort"),
        ("metrics", {"sort": "name"}, "sort"),
        ("profiles", {"include": "lists"}, "include"),
        ("events", {"include": "profile, metric"}, "include"),
        ("templates", {"include": "tags"}, "include"),
        ("profiles", {"additional-fields[profile]": "everything"}, "additional-fields[profile]"),
        ("flows", {"additional-fields[flow]": "definition"}, "additional-fields[flow]"),
        ("profiles", {"additional-fields[list]": "profile_count"}, "additional-fields[list]"),
        ("profiles", {"fields[profile]": "shoe_size"}, "fields[profile]"),
        ("events", {"fields[profile]": "subscriptions"}, "fields[profile]"),
        ("events", {"fields[list]": "name"}, "fields[list]"),
        ("events", {"page": 2}, "page"),
        ("events", {"since": "x"}, "since"),
        ("events", {"sort": ["datetime", "-datetime"]}, "sort"),
    ],
)
def test_invalid_parameters_are_rejected(client: Client, path: str, parameters: dict[str, Any], blamed: str) -> None:
    status, error = client.error(f"/api/{path}", parameters)
    assert (status, error["code"], error["source"]) == (400, "invalid", {"parameter": blamed})


@pytest.mark.parametrize(
    ("path", "size"),
    [
        *(("events", 1001), ("events", 0), ("events", "ten"), ("profiles", 101), ("lists", 11)),
        *(("metrics", 100), ("accounts", 1), ("custom-metrics", 1), ("object-types", 1)),
    ],
)
def test_invalid_page_sizes_are_rejected(client: Client, path: str, size: Any) -> None:
    status, error = client.error(f"/api/{path}", {"page[size]": size})
    assert (status, error["code"], error["source"]) == (400, "invalid", {"pointer": "/data/attributes/page_size"})


def test_single_resources_have_no_page_size_or_sort(client: Client) -> None:
    identity = client.simulator.ids("profiles")[0]
    assert client.error(f"/api/profiles/{identity}", {"page[size]": 1})[0] == 400
    assert client.error(f"/api/profiles/{identity}", {"sort": "id"})[0] == 400


@pytest.mark.parametrize(
    ("path", "size"), [("events", 200), ("profiles", 20), ("lists", 10), ("templates", 10), ("flows", 50)]
)
def test_pages_have_the_default_size(client: Client, path: str, size: int) -> None:
    assert len(client.fetch(f"/api/{path}")["data"]) == size


def test_pages_of_metrics_have_two_hundred_records(start: Callable[..., Client]) -> None:
    client = start(metrics=450)
    page = client.fetch("/api/metrics")
    assert len(page["data"]) == 200
    assert len(client.fetch_all("/api/metrics")) == 450


def test_the_maximum_page_size_of_events_is_a_switch(start: Callable[..., Client]) -> None:
    client = start(events_max_page=200)
    assert client.error("/api/events", {"page[size]": 201})[0] == 400
    assert len(client.fetch("/api/events", {"page[size]": 200})["data"]) == 200


@pytest.mark.parametrize(
    ("path", "name"),
    [
        *(("events", name) for name in ("datetime", "timestamp")),
        *(("profiles", name) for name in ("created", "updated", "email", "id")),
        *(("flows", name) for name in ("created", "id", "name", "status", "trigger_type", "updated")),
        *(("lists", name) for name in ("created", "id", "name", "updated")),
        *(("templates", name) for name in ("created", "id", "name", "updated")),
        *(("campaigns", name) for name in ("created_at", "id", "name", "scheduled_at", "updated_at")),
    ],
)
def test_records_are_sorted_by_the_key_with_nulls_last(client: Client, path: str, name: str) -> None:
    given: dict[str, Any] = {"sort": name, **(EMAIL if path == "campaigns" else {})}
    given |= {"page[size]": LARGEST[path]} if path in LARGEST else {}

    def key(record: dict[str, Any]) -> tuple[bool, Any]:
        # Datetimes of events have a blank or a T, which does not affect their order.
        shown = "timestamp" if name == "datetime" else name
        value = record["id"] if name == "id" else record["attributes"][shown]
        return (value is None, value or "")

    ascending = client.fetch_all(f"/api/{path}", given)
    assert [key(record) for record in ascending] == sorted(map(key, ascending))
    descending = client.fetch_all(f"/api/{path}", {**given, "sort": f"-{name}"})
    assert [record["id"] for record in descending] == [record["id"] for record in reversed(ascending)]


@pytest.mark.parametrize("sort", ["updated_at", "-updated_at", "name"])
def test_archived_campaigns_are_out_of_order(client: Client, sort: str) -> None:
    archived = {"filter": f"{EMAIL['filter']},equals(archived,true)", "sort": sort}
    found = [record["attributes"][sort.removeprefix("-")] for record in client.fetch_all("/api/campaigns", archived)]
    assert found not in (sorted(found), sorted(found, reverse=True))
    assert len(found) > 5


def test_additional_fields_are_shown_only_on_request(client: Client) -> None:
    assert not {"subscriptions", "predictive_analytics"} & client.fetch("/api/profiles")["data"][0]["attributes"].keys()
    one = client.fetch("/api/profiles", {"additional-fields[profile]": "subscriptions"})["data"][0]["attributes"]
    assert "subscriptions" in one
    assert "predictive_analytics" not in one
    identity = client.simulator.ids("lists")[0]
    assert "profile_count" not in client.fetch(f"/api/lists/{identity}")["data"]["attributes"]
    given = {"additional-fields[list]": "profile_count"}
    assert "profile_count" in client.fetch(f"/api/lists/{identity}", given)["data"]["attributes"]


def test_only_draggable_templates_have_a_definition(client: Client) -> None:
    for record in client.fetch_all("/api/templates", {"additional-fields[template]": "definition"}):
        draggable = record["attributes"]["editor_type"] == "SYSTEM_DRAGGABLE"
        assert ("definition" in record["attributes"]) == draggable


def test_sparse_fieldsets_reduce_attributes(client: Client) -> None:
    given = {"fields[profile]": "email,location.city"}
    for record in client.fetch_all("/api/profiles", {**given, "page[size]": 100}):
        assert "relationships" not in record
        attributes = record["attributes"]
        assert attributes.keys() == {"email", "location"}
        assert attributes["location"] is None or attributes["location"].keys() == {"city"}
    event = client.fetch("/api/events", {"fields[event]": "datetime"})["data"][0]
    assert event["attributes"].keys() == {"datetime"}


def test_sparse_fieldsets_drop_relationships_that_are_not_included_unless_switched(
    start: Callable[..., Client],
) -> None:
    client = start()
    given = {"fields[event]": "datetime", "fields[metric]": "name", "include": "metric"}
    page = client.fetch("/api/events", given)
    assert {frozenset(event["relationships"]) for event in page["data"]} == {frozenset({"metric"})}
    assert all("relationships" not in metric for metric in page["included"])
    client.simulator.switch(sparse_drops_relationships=False)
    page = client.fetch("/api/events", given)
    assert all({"metric", "profile"} <= event["relationships"].keys() for event in page["data"])
    assert all("flow-triggers" in metric["relationships"] for metric in page["included"])


def test_each_included_resource_is_listed_once(client: Client) -> None:
    page = client.fetch("/api/events", {"include": "metric,profile,attributions", "page[size]": 200})
    keys = [(record["type"], record["id"]) for record in page["included"]]
    assert len(keys) == len(set(keys))
    wanted = set()
    for record in page["data"]:
        for relation in record["relationships"].values():
            data = relation["data"]
            wanted |= {(each["type"], each["id"]) for each in (data if isinstance(data, list) else [data]) if each}
    assert set(keys) == wanted
    assert {kind for kind, _ in keys} == {"metric", "profile", "attribution"}


@pytest.mark.parametrize(
    ("path", "include", "kind"),
    [
        ("campaigns", "campaign-messages", "campaign-message"),
        ("campaigns", "tags", "tag"),
        ("flows", "flow-actions", "flow-action"),
        ("lists", "flow-triggers", "flow"),
        ("metrics", "flow-triggers", "flow"),
        ("profiles", "push-tokens", "push-token"),
        ("profiles", "conversations", "conversation"),
    ],
)
def test_relationships_have_data_only_when_included(client: Client, path: str, include: str, kind: str) -> None:
    given: dict[str, Any] = dict(EMAIL) if path == "campaigns" else {}
    given = {**given, "page[size]": 100} if path == "profiles" else given
    plain = client.fetch_all(f"/api/{path}", given)
    assert all("data" not in record["relationships"][include] for record in plain)
    records = [client.fetch(f"/api/{path}", {**given, "include": include})]
    while records[-1]["links"].get("next"):
        records.append(client.fetch(records[-1]["links"]["next"]))
    assert {record["type"] for page in records for record in page["included"]} == {kind}
    assert any(record["relationships"][include]["data"] for page in records for record in page["data"])


def test_a_profile_includes_its_lists_and_segments(client: Client) -> None:
    a_list, segment = client.simulator.ids("lists")[0], client.simulator.ids("segments")[0]
    (both, *_) = {each["id"] for each in client.fetch_all(f"/api/lists/{a_list}/profiles")} & {
        each["id"] for each in client.fetch_all(f"/api/segments/{segment}/profiles")
    }
    found = client.fetch(f"/api/profiles/{both}", {"include": "lists,segments"})
    assert {("list", a_list), ("segment", segment)} <= {(each["type"], each["id"]) for each in found["included"]}


def test_the_conversations_of_a_profile_have_another_name_in_other_collections(client: Client) -> None:
    profile = client.fetch("/api/profiles")["data"][0]
    alone = client.fetch(f"/api/profiles/{profile['id']}")["data"]
    member = client.fetch(f"/api/lists/{client.simulator.ids('lists')[0]}/profiles")["data"][0]
    included = client.fetch("/api/events", {"include": "profile"})["included"][0]
    for record, name, other in (
        (profile, "conversations", "conversation"),
        (alone, "conversations", "conversation"),
        (member, "conversation", "conversations"),
        (included, "conversation", "conversations"),
    ):
        links = record["relationships"][name]["links"]
        assert links["related"].endswith(f"/{record['id']}/{name}")
        assert other not in record["relationships"]
