"""Page cursors: complete, bound to their query, and stable while data change."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration_tests.simulator.conftest import Client

QUERIES = [
    ("events", {"page[size]": 7}),
    ("events", {"page[size]": 7, "sort": "datetime"}),
    ("events", {"page[size]": 7, "sort": "-timestamp"}),
    ("profiles", {"page[size]": 3}),
    ("profiles", {"page[size]": 3, "sort": "-updated"}),
    ("profiles", {"page[size]": 3, "sort": "email", "additional-fields[profile]": "subscriptions"}),
    ("campaigns", {"page[size]": 2, "sort": "scheduled_at", "filter": "equals(messages.channel,'email')"}),
    ("flows", {"page[size]": 1, "sort": "trigger_type"}),
    ("lists", {"page[size]": 4, "sort": "-created", "include": "tags"}),
    ("templates", {"page[size]": 4}),
]


def cursor_of(page: dict[str, Any]) -> str:
    query: str = urlsplit(page["links"]["next"]).query
    return parse_qs(query)["page[cursor]"][0]


@pytest.mark.parametrize(("path", "given"), QUERIES)
def test_pages_have_every_record_once(client: Client, path: str, given: dict[str, Any]) -> None:
    largest = {"events": 1000, "profiles": 100, "campaigns": 100, "flows": 50}.get(path, 10)
    everything = client.fetch_all(f"/api/{path}", {**given, "page[size]": largest})
    # Thousands of pages of seven events would show no more than some of them.
    if path == "events":
        middle = sorted(record["attributes"]["timestamp"] for record in everything)[-300]
        given = {**given, "filter": f"greater-or-equal(timestamp,{middle})"}
        everything = [record for record in everything if record["attributes"]["timestamp"] >= middle]
    walked = client.fetch_all(f"/api/{path}", given)
    assert [record["id"] for record in walked] == [record["id"] for record in everything]
    assert len({record["id"] for record in walked}) == len(walked) > 0


def test_the_next_link_has_all_parameters(client: Client) -> None:
    given = {"page[size]": "5", "sort": "datetime", "fields[event]": "datetime,uuid"}
    link = urlsplit(client.fetch("/api/events", given)["links"]["next"])
    assert f"{link.scheme}://{link.netloc}{link.path}" == client.simulator.url + "/api/events"
    asked = {name: value for name, (value,) in parse_qs(link.query).items()}
    assert asked.keys() - given.keys() == {"page[cursor]"}
    assert {name: asked[name] for name in given} == given


def test_the_next_link_has_the_requested_host(client: Client) -> None:
    page = client.get("/api/events", headers={"Host": "klaviyo.test:8123"}).json()
    assert page["links"]["next"].startswith("http://klaviyo.test:8123/api/events?")


def test_the_cursor_alone_works_like_the_link(client: Client) -> None:
    given = {"page[size]": 5, "sort": "-datetime"}
    page = client.fetch("/api/events", given)
    by_link = client.fetch(page["links"]["next"])
    by_cursor = client.fetch("/api/events", {**given, "page[cursor]": cursor_of(page)})
    assert by_link == by_cursor


def test_the_next_link_of_the_last_page_is_null(client: Client) -> None:
    links = client.fetch("/api/accounts")["links"]
    assert links == {"self": f"{client.simulator.url}/api/accounts", "next": None, "prev": None}


@pytest.mark.parametrize(
    "path",
    [
        *("custom-metrics", "mapped-metrics", "object-types", "metrics/{}/metric-properties"),
        *("forms/{}/form-versions", "campaigns/{}/campaign-messages"),
    ],
)
def test_some_collections_have_a_self_link_only(client: Client, path: str) -> None:
    parents, _, _ = path.partition("/")
    page = client.fetch(f"/api/{path}".format(client.simulator.ids(parents)[0]))
    assert page["links"].keys() == {"self"}


def test_the_prev_link_of_filtered_lists_is_invalid(client: Client) -> None:
    one = client.simulator.ids("lists")[0]
    links = client.fetch("/api/lists", {"filter": f'any(id,["{one}"])'})["links"]
    assert parse_qs(urlsplit(links["prev"]).query)["page[cursor]"] == [f'<Filters: any(id,["{one}"])>']
    assert client.get(links["prev"]).status_code == 400
    assert client.fetch("/api/lists")["links"]["prev"] is None


def test_form_versions_are_on_one_page_for_any_page_size(client: Client) -> None:
    counts = []
    for form in client.simulator.ids("forms"):
        path = f"/api/forms/{form}/form-versions"
        everything = client.fetch(path)["data"]
        assert client.fetch(path, {"page[size]": 1})["data"] == everything
        kinds = ",".join(f'"{kind}"' for kind in ("popup", "embed", "full_page", "flyout", "banner"))
        assert client.error(path, {"filter": f"any(form_type,[{kinds}])"})[0] == 500
        assert client.get(path, filter='equals(form_type,"popup")').status_code == 200
        counts.append(len(everything))
    assert max(counts) > 1


@pytest.mark.parametrize("cursor", ["", "garbage", "%%%", base64.b64encode(b"next::00::[1,[2,3]]").decode(), "é"])
def test_forged_cursors_are_rejected(client: Client, cursor: str) -> None:
    status, error = client.error("/api/events", {"page[cursor]": cursor})
    assert (status, error["detail"], error["source"]) == (400, "Invalid cursor provided.", {"pointer": "/data/"})


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("events", {"sort": "-datetime"}),
        ("events", {"page[size]": 6}),
        ("events", {"filter": "has(profile)"}),
        ("profiles", {}),
    ],
)
def test_cursors_of_another_query_are_rejected(client: Client, path: str, change: dict[str, Any]) -> None:
    given = {"page[size]": 5, "sort": "datetime"}
    cursor = cursor_of(client.fetch("/api/events", given))
    changed = {**(given if path == "events" else {}), **change, "page[cursor]": cursor}
    assert client.error(f"/api/{path}", changed)[1]["detail"] == "Invalid cursor provided."


def test_cursors_of_another_account_are_rejected(start: Callable[..., Client]) -> None:
    cursor = cursor_of(start(seed=1).fetch("/api/events"))
    assert start(seed=2).error("/api/events", {"page[cursor]": cursor})[0] == 400


def test_a_cursor_encoded_twice_is_invalid(client: Client) -> None:
    link = client.fetch("/api/events")["links"]["next"]
    assert client.get(link.replace("cursor%5D=", "cursor%5D=%2525")).status_code == 400


def test_cursors_expire(start: Callable[..., Client]) -> None:
    client = start()
    link = client.fetch("/api/events")["links"]["next"]
    assert client.get(link).status_code == 200
    client.simulator.switch(cursor_life=-1.0)
    assert client.get(link).status_code == 400


@pytest.mark.parametrize("sort", ["updated", "-updated", "id", "-created"])
def test_unchanged_profiles_are_read_once_while_others_change(start: Callable[..., Client], sort: str) -> None:
    client = start(profiles=200)
    before = set(client.simulator.ids("profiles"))
    client.simulator.mutate_continuously(1, profiles=2, new_profiles=1, delete_profiles=1)
    walked = [record["id"] for record in client.fetch_all("/api/profiles", {"sort": sort, "page[size]": 10})]
    client.simulator.mutate_continuously(0)
    touched = {identity for change in client.simulator.mutations() for ids in change.values() for identity in ids}
    assert len(touched) > 20
    steady = before - touched
    assert steady <= set(walked)
    assert len([identity for identity in walked if identity in steady]) == len(steady)


@pytest.mark.parametrize("sort", ["datetime", "-datetime"])
def test_events_are_read_once_while_others_are_added(start: Callable[..., Client], sort: str) -> None:
    client = start(events=400)
    before = set(client.simulator.ids("events"))
    client.simulator.mutate_continuously(1, events=3, late_events=2, late_by=86400 * 300)
    walked = [record["id"] for record in client.fetch_all("/api/events", {"sort": sort, "page[size]": 20})]
    client.simulator.mutate_continuously(0)
    assert len(walked) == len(set(walked))
    assert before <= set(walked)


@pytest.mark.parametrize("sort", ["datetime", "-datetime"])
@pytest.mark.parametrize("late_by", [0, 86400 * 400])
def test_later_events_are_sorted_among_the_others(start: Callable[..., Client], sort: str, late_by: int) -> None:
    client = start(events=300)
    client.simulator.mutate(late_events=30, late_by=late_by)
    client.simulator.mutate(late_events=5, late_by=86400 * 3000)
    walked = client.fetch_all("/api/events", {"sort": sort, "page[size]": 7})
    times = [record["attributes"]["timestamp"] for record in walked]
    assert times == sorted(times, reverse=sort.startswith("-"))
    assert sorted(record["id"] for record in walked) == sorted(client.simulator.ids("events"))
