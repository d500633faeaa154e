"""Filters: the grammar, rejected filters, and the selected records."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration_tests.simulator.conftest import Client

EMAIL = "equals(messages.channel,'email')"
AGES_AGO = "2001-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("profiles", f"greater-than(updated,{AGES_AGO})"),
        ("profiles", f"and(greater-than(updated,{AGES_AGO}),less-than(updated,2026-11-20T09:00:00+00:00))"),
        ("profiles", f"greater-than(updated,{AGES_AGO}),less-than(updated,2026-11-20T12:00:00+03:00)"),
        ("profiles", 'any(email,["a@example.com","b@example.com"])'),
        ("profiles", "equals(email,'o\\'neil@example.com')"),
        ("profiles", "equals(phone_number,null)"),
        ("profiles", "greater-or-equal(subscriptions.email.marketing.suppression.timestamp,2001-01-01T00:00:00.5Z)"),
        ("events", "has(profile),has(metric)"),
        ("events", "greater-or-equal(timestamp,1500000000)"),
        ("campaigns", f"{EMAIL},equals(archived,true)"),
        ("campaigns", f"{EMAIL},any(status,['Sent','Draft'])"),
        ("campaigns", f"{EMAIL},less-than(scheduled_at,2099-01-01T00:00:00Z)"),
        ("flows", "starts-with(name,'A'),equals(archived,false),equals(trigger_type,'Metric')"),
        ("lists", 'any(name,["x"])'),
        ("templates", "contains(name,'x')"),
        ("metrics", "equals(integration.name,'Shopify')"),
    ],
)
def test_valid_filters_are_accepted(client: Client, path: str, text: str) -> None:
    assert client.get(f"/api/{path}", filter=text).status_code == 200


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("profiles", ""),
        ("profiles", "greater-than(updated)"),
        ("profiles", "greater-than(updated,)"),
        ("profiles", f"greater-than(updated,{AGES_AGO}"),
        ("profiles", f"greater-than(updated,{AGES_AGO}))"),
        ("profiles", f"greater-than(updated,{AGES_AGO}) "),
        ("profiles", f"greater-than(updated, {AGES_AGO})"),
        ("profiles", f'greater-than(updated,"{AGES_AGO}")'),
        ("profiles", "greater-than(updated,2001-01-01)"),
        ("profiles", "greater-than(updated,2001-01-01T00:00:00)"),
        ("profiles", "greater-than(updated,2001-01-01t00:00:00z)"),
        ("profiles", "greater-than(updated,2001-13-01T00:00:00Z)"),
        ("profiles", "greater-than(updated,2001-01-01T00:00:00 00:00)"),  # a plus sign that was not encoded
        ("profiles", f"greater-or-equal(updated,{AGES_AGO})"),
        ("profiles", f"equals(updated,{AGES_AGO})"),
        ("profiles", "equals(first_name,'x')"),
        ("profiles", "equals(email,bare)"),
        ("profiles", "equals(email,'open)"),
        ("profiles", "any(email,'not a list')"),
        ("profiles", "any(email,[])"),
        ("profiles", "equal(email,'x')"),
        ("profiles", f"or(greater-than(updated,{AGES_AGO}),equals(email,'x'))"),
        ("profiles", "not(equals(email,'x'))"),
        ("events", "has(profile,'x')"),
        ("events", "has(datetime)"),
        ("events", "any(metric_id,['a'])"),
        ("events", "greater-than(timestamp,'1500000000')"),
        ("events", f"greater-than(timestamp,{AGES_AGO})"),
        ("campaigns", "equals(messages.channel,'fax')"),
        ("campaigns", f"{EMAIL},equals(archived,'true')"),
        ("campaigns", f"{EMAIL},equals(id,'x')"),
        ("campaigns", "equals(archived,true)"),
        ("flows", "equals(trigger_type,'Something')"),
        ("lists", f"less-than(updated,{AGES_AGO})"),
        ("lists", "equals(name,'x')"),
        ("metrics", f"greater-than(updated,{AGES_AGO})"),
    ],
)
def test_invalid_filters_are_rejected(client: Client, path: str, text: str) -> None:
    status, error = client.error(f"/api/{path}", {"filter": text})
    assert (status, error["code"], error["source"]) == (400, "invalid", {"parameter": "filter"})


def test_events_of_metrics_that_are_unknown_or_only_listed_are_rejected(client: Client) -> None:
    metrics = {each["attributes"]["name"]: each["id"] for each in client.fetch_all("/api/metrics")}
    shown, ordered = metrics["Viewed Form"], metrics["Placed Order"]
    every = client.fetch_all("/api/events", {"page[size]": 1000})
    assert shown in {event["relationships"]["metric"]["data"]["id"] for event in every}
    assert client.fetch("/api/events", {"filter": f'equals(metric_id,["{ordered}"])'})["data"]
    for text, missing in (
        (f'equals(metric_id,"{shown}")', [shown]),
        (f'equals(metric_id,["NOPE01","{ordered}","{shown}"]),has(profile)', ["NOPE01", shown]),
    ):
        status, error = client.error("/api/events", {"filter": text})
        assert (status, error["code"], error["source"]) == (400, "invalid", {"parameter": "filter"})
        assert error["detail"] == f"Metric IDs {missing} do not exist."
    client.fetch(f"/api/metrics/{shown}")


def test_campaigns_need_a_filter_on_the_channel(client: Client) -> None:
    assert client.error("/api/campaigns")[1]["source"] == {"parameter": "filter"}


def test_accounts_take_no_filter(client: Client) -> None:
    assert client.error("/api/accounts", {"filter": "equals(id,'x')"})[1]["source"] == {"parameter": "filter"}


@pytest.mark.parametrize("upper", ["10:00:00", "10:00:00.9", "09:00:00"])
def test_ranges_of_events_below_a_second_are_rejected(client: Client, upper: str) -> None:
    text = f"greater-or-equal(datetime,2026-11-19T10:00:00Z),less-than(datetime,2026-11-19T{upper}Z)"
    error = client.error("/api/events", {"filter": text})[1]
    assert "empty or invalid" in error["detail"]
    assert error["source"] == {"pointer": "datetime"}


def test_ranges_of_events_of_a_second_are_allowed(client: Client) -> None:
    text = "greater-or-equal(datetime,2026-11-19T10:00:00Z),less-than(datetime,2026-11-19T10:00:01Z)"
    client.fetch("/api/events", {"filter": text})


@pytest.mark.parametrize(
    ("path", "field", "operator"),
    [
        ("events", "datetime", "less-than"),
        ("events", "datetime", "less-or-equal"),
        ("profiles", "updated", "less-than"),
        ("flows", "updated", "less-or-equal"),
    ],
)
def test_upper_bounds_in_the_future_are_rejected(client: Client, path: str, field: str, operator: str) -> None:
    error = client.error(f"/api/{path}", {"filter": f"{operator}({field},2030-01-01T00:00:00Z)"})[1]
    assert error["detail"] == "End date may not be in the future"
    assert error["source"] == {"pointer": field}


def test_the_present_is_too_late_for_an_upper_bound(start: Callable[..., Client]) -> None:
    # The clock has moved since the start, but by less than these two bounds are away from it.
    client = start()
    assert client.get("/api/events", filter="less-than(datetime,2026-11-20T10:10:00Z)").status_code == 400
    assert client.get("/api/events", filter="less-than(datetime,2026-11-20T09:59:58Z)").status_code == 200
    client.simulator.advance(3600)
    assert client.get("/api/events", filter="less-than(datetime,2026-11-20T10:10:00Z)").status_code == 200


def test_lower_bounds_in_the_future_find_future_events_only(client: Client) -> None:
    found = client.fetch_all("/api/events", {"filter": "greater-than(datetime,2026-11-20T10:30:00Z)"})
    assert found
    assert all(record["attributes"]["timestamp"] > 1795170600 for record in found)


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("greater-than", lambda value, bound: value > bound),
        ("greater-or-equal", lambda value, bound: value >= bound),
        ("less-than", lambda value, bound: value < bound),
        ("less-or-equal", lambda value, bound: value <= bound),
    ],
)
def test_event_bounds_are_exact(client: Client, operator: str, expected: Callable[[int, int], bool]) -> None:
    everything = client.fetch_all("/api/events", {"page[size]": 1000})
    seconds = sorted(record["attributes"]["timestamp"] for record in everything)[len(everything) // 2]
    wanted = {record["id"] for record in everything if expected(record["attributes"]["timestamp"], seconds)}
    bound = datetime.fromtimestamp(seconds, UTC).isoformat()
    for text in (f"{operator}(datetime,{bound})", f"{operator}(timestamp,{seconds})"):
        found = client.fetch_all("/api/events", {"page[size]": 1000, "filter": text})
        assert {record["id"] for record in found} == wanted


def test_profile_bounds_are_exact(client: Client) -> None:
    everything = client.fetch_all("/api/profiles", {"page[size]": 100})
    bound = sorted(record["attributes"]["updated"] for record in everything)[250]
    later = client.fetch_all("/api/profiles", {"page[size]": 100, "filter": f"greater-than(updated,{bound})"})
    earlier = client.fetch_all("/api/profiles", {"page[size]": 100, "filter": f"less-than(updated,{bound})"})
    assert {r["id"] for r in later} == {r["id"] for r in everything if r["attributes"]["updated"] > bound}
    assert {r["id"] for r in earlier} == {r["id"] for r in everything if r["attributes"]["updated"] < bound}


def test_greater_than_returns_its_bound_if_switched(start: Callable[..., Client]) -> None:
    client = start(gt_returns_boundary=True)
    for path, name in (("events", "datetime"), ("profiles", "updated")):
        one = client.fetch(f"/api/{path}", {"page[size]": 1, "sort": f"-{name}"})["data"][0]
        bound = one["attributes"][name].replace(" ", "T")
        found = client.fetch(f"/api/{path}", {"filter": f"greater-than({name},{bound})"})["data"]
        assert one["id"] in {record["id"] for record in found}


@pytest.mark.parametrize("field", ["metric_id", "profile_id"])
def test_events_are_filtered_by_metric_or_profile(client: Client, field: str) -> None:
    relation = field.removesuffix("_id")
    everything = client.fetch_all("/api/events", {"page[size]": 1000})
    everything = [each for each in everything if each["relationships"][relation]["data"]]
    wanted = everything[7]["relationships"][relation]["data"]["id"]
    found = client.fetch_all("/api/events", {"page[size]": 10, "filter": f"equals({field},'{wanted}')"})
    assert {record["id"] for record in found} == {
        record["id"] for record in everything if record["relationships"][relation]["data"]["id"] == wanted
    }


@pytest.mark.parametrize("path", ["flows", "campaigns"])
def test_archived_records_need_a_filter(client: Client, path: str) -> None:
    channel = f"{EMAIL}," if path == "campaigns" else ""

    def archived(text: str) -> set[bool]:
        given = {"filter": text} if text else {}
        return {record["attributes"]["archived"] for record in client.fetch_all(f"/api/{path}", given)}

    assert archived(channel.rstrip(",")) == {False}
    assert archived(f"{channel}equals(archived,false)") == {False}
    assert archived(f"{channel}equals(archived,true)") == {True}


def test_filters_on_channel_and_archived_find_all_campaigns(client: Client) -> None:
    found = [
        record["id"]
        for channel in ("email", "sms", "mobile_push")
        for archived in ("true", "false")
        for record in client.fetch_all(
            "/api/campaigns", {"filter": f"equals(messages.channel,'{channel}'),equals(archived,{archived})"}
        )
    ]
    assert sorted(found) == sorted(client.simulator.ids("campaigns"))
