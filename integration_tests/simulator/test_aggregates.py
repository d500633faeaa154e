"""Metric aggregates, compared with the events that they count."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from integration_tests.simulator.report_requests import error_of, post, post_query, request_body
from klaviyo_simulator.rules.reports import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration_tests.simulator.conftest import Client

PATH = "/api/metric-aggregates"
ALLOWED_VALUES = {name: sorted(values) for name, values in OPERATIONS[PATH].values.items()}
ATTRIBUTES = "/data/attributes"
RANGE = ["greater-or-equal(datetime,2026-10-01T00:00:00)", "less-than(datetime,2026-11-20T00:00:00)"]


def metric_ids(client: Client) -> dict[str, str]:
    return {each["attributes"]["name"]: each["id"] for each in client.fetch_all("/api/metrics")}


def attributes_with(client: Client, **changes: Any) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "metric_id": changes.get("metric_id") or metric_ids(client)["Opened Email"],
        "measurements": ["count", "sum_value", "unique"],
        "filter": RANGE,
    }
    return {name: value for name, value in {**attributes, **changes}.items() if value is not ...}


def aggregate(client: Client, **changes: Any) -> tuple[list[str], list[dict[str, Any]]]:
    found = post_query(client, PATH, attributes_with(client, **changes))["data"]["attributes"]
    return found["dates"], found["data"]


def events(client: Client, metric: str, start: str, end: str) -> list[dict[str, Any]]:
    bounds = f"greater-or-equal(datetime,{start}Z),less-than(datetime,{end}Z)"
    given = {"filter": f"equals(metric_id,'{metric}'),{bounds}", "sort": "datetime", "include": "profile"}
    return client.fetch_all("/api/events", given)


@pytest.mark.parametrize("by", [None, [], ["$flow"], ["$flow", "Campaign Name"]])
@pytest.mark.parametrize("interval", ALLOWED_VALUES["interval"])
def test_responses_match_the_facts(client: Client, by: Any, interval: str) -> None:
    found = post_query(client, PATH, attributes_with(client, by=by, interval=interval))
    assert found["data"]["type"] == "metric-aggregate"
    assert found["data"]["attributes"].keys() == OPERATIONS[PATH].fields - {"id"}
    dates, rows = found["data"]["attributes"]["dates"], found["data"]["attributes"]["data"]
    assert rows
    for row in rows:
        assert len(row["dimensions"]) == len(by or [])
        assert row["measurements"].keys() == set(ALLOWED_VALUES["measurements"])
        assert all(len(values) == len(dates) for values in row["measurements"].values())


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
@pytest.mark.parametrize("interval", ["day", "hour"])
def test_measurements_equal_those_of_the_events(client: Client, zone: str, interval: str) -> None:
    metric = metric_ids(client)["Placed Order"]
    start, end = "2026-11-08T06:30:00", "2026-11-20T08:00:00"
    bounds = [f"greater-or-equal(datetime,{start}Z)", f"less-than(datetime,{end}Z)"]
    dates, (row,) = aggregate(client, metric_id=metric, filter=bounds, interval=interval, timezone=zone)
    count: Counter[str] = Counter()
    amounts: defaultdict[str, float] = defaultdict(float)
    profiles: defaultdict[str, set[str | None]] = defaultdict(set)
    found = events(client, metric, start, end)
    for event in found:
        local = datetime.fromisoformat(event["attributes"]["datetime"]).astimezone(ZoneInfo(zone))
        begin = local.replace(hour=0, minute=0) if interval == "day" else local.replace(minute=0)
        if interval == "hour" and zone == "Asia/Kolkata":  # India's hours begin at half past in UTC
            begin = local.astimezone(ZoneInfo("UTC")).replace(minute=0)
        date = begin.replace(second=0).astimezone(ZoneInfo("UTC")).isoformat()
        count[date] += 1
        amounts[date] += event["attributes"]["event_properties"]["$value"] or 0
        profiles[date].add((event["relationships"]["profile"]["data"] or {}).get("id"))
    assert len(found) > 20
    # The first interval is before the start, and the last may begin at the end.
    inner = slice(1, -1 if datetime.fromisoformat(dates[-1]) >= datetime.fromisoformat(f"{end}+00:00") else None)
    measured = {name: values[inner] for name, values in row["measurements"].items()}
    assert set(count) <= set(dates[inner])
    assert measured["count"] == [count[date] for date in dates[inner]]
    assert measured["sum_value"] == pytest.approx([amounts[date] for date in dates[inner]])
    assert measured["unique"] == [len(profiles[date] - {None}) for date in dates[inner]]


def test_the_intervals_around_the_range_are_counted_in_part(start: Callable[..., Client]) -> None:
    client = start(metrics=1, events=20_000)
    days = ["greater-or-equal(datetime,2026-11-10T00:00:00)", "less-than(datetime,2026-11-13T00:00:00)"]
    wide = ["greater-or-equal(datetime,2026-11-01T00:00:00)", "less-than(datetime,2026-11-20T00:00:00)"]
    (metric,) = metric_ids(client).values()
    dates, (row,) = aggregate(client, metric_id=metric, filter=days, measurements=["count"])
    assert [date[:10] for date in dates] == [f"2026-11-{day:02}" for day in range(9, 14)]
    everything, (full,) = aggregate(client, metric_id=metric, filter=wide, measurements=["count"])
    whole = dict(zip(everything, full["measurements"]["count"], strict=True))
    first, *inner, last = zip(dates, row["measurements"]["count"], strict=True)
    assert dict(inner) == {date: whole[date] for date, _ in inner}
    assert all(0 < count < whole[date] for date, count in (first, last))


def test_groups_equal_those_of_the_events(client: Client) -> None:
    metric = metric_ids(client)["Opened Email"]
    bounds = ["greater-or-equal(datetime,2026-01-01T00:00:00)", "less-than(datetime,2026-11-20T00:00:00)"]
    _, rows = aggregate(client, metric_id=metric, by=["$flow", "$message"], interval="month", filter=bounds)
    found = events(client, metric, "2026-01-01T00:00:00", "2026-11-20T00:00:00")
    properties = [event["attributes"]["event_properties"] for event in found]
    expected = Counter((each.get("$flow", ""), each.get("$message", "")) for each in properties)
    assert {tuple(row["dimensions"]): sum(row["measurements"]["count"]) for row in rows} == expected
    assert len(expected) > 5
    flow = next(flow for flow, _ in expected if flow)
    only = [*bounds, f'equals($flow,"{flow}")']
    _, kept = aggregate(client, metric_id=metric, by=["$flow", "$message"], interval="month", filter=only)
    assert kept == [row for row in rows if row["dimensions"][0] == flow]


def test_later_events_are_counted_after_a_few_seconds(start: Callable[..., Client]) -> None:
    client = start(metrics=1)
    (metric,) = metric_ids(client).values()
    bounds = ["greater-or-equal(datetime,2026-11-19T00:00:00)", "less-than(datetime,2026-11-21T00:00:00)"]
    given = {"metric_id": metric, "filter": bounds, "measurements": ["count"]}
    (before,) = aggregate(client, **given)[1]
    client.simulator.mutate(events=3, late_events=2, late_by=86400)
    assert aggregate(client, **given)[1] == [before]  # the counts lag a few seconds behind the events
    client.simulator.advance(6)
    (after,) = aggregate(client, **given)[1]
    gain = [a - b for a, b in zip(after["measurements"]["count"], before["measurements"]["count"], strict=True)]
    assert gain == [0, 2, 3, 0]


def test_weeks_begin_on_monday_and_the_default_interval_is_a_day(client: Client) -> None:
    assert len(aggregate(client)[0]) == len(aggregate(client, interval="day")[0]) == 52
    weeks = [datetime.fromisoformat(date) for date in aggregate(client, interval="week")[0]]
    assert {date.weekday() for date in weeks} == {0}
    assert weeks[0].date().isoformat() == "2026-09-21"
    hours = ["greater-or-equal(datetime,2026-11-09T06:30:00)", "less-than(datetime,2026-11-09T08:00:00)"]
    found = [date[11:13] for date in aggregate(client, interval="hour", filter=hours)[0]]
    assert found == ["05", "06", "07", "08"]
    months = aggregate(client, interval="month", timezone="America/New_York")[0]
    assert [month[:10] for month in months] == ["2026-09-01", "2026-10-01", "2026-11-01"]


def test_bounds_without_an_offset_are_in_the_timezone(client: Client) -> None:
    zoned = ["greater-or-equal(datetime,2026-10-01T00:00:00-04:00)", "less-than(datetime,2026-11-20T00:00:00-05:00)"]
    assert aggregate(client, timezone="America/New_York") == aggregate(
        client, timezone="America/New_York", filter=zoned
    )
    assert aggregate(client, interval="hour") != aggregate(client, interval="hour", filter=zoned)


def test_a_metric_without_events_has_zeros_and_no_groups(client: Client) -> None:
    bounds = ["greater-or-equal(datetime,2001-01-01T00:00:00)", "less-than(datetime,2001-01-03T00:00:00)"]
    assert aggregate(client, filter=bounds, measurements=["count"])[1] == [
        {"dimensions": [], "measurements": {"count": [0, 0, 0, 0]}}
    ]
    assert aggregate(client, filter=bounds, by=["$flow"])[1] == []
    assert [row["dimensions"] for row in aggregate(client, by=["Bounce Type"])[1]] == [[""]]


def test_pages_follow_cursors_in_the_link_or_the_body(start: Callable[..., Client]) -> None:
    client = start(report_page=4, events=5000)
    given = attributes_with(client, by=["$message"])
    path, found = PATH, []
    while path:
        page = post_query(client, path, given) if path == PATH else post(client, path, request_body(PATH, given)).json()
        found.append(page["data"]["attributes"]["data"])
        path = page["links"]["next"]
    assert page["links"]["prev"] is None
    assert [len(each) for each in found[:-1]] == [4] * (len(found) - 1)
    cursor = post_query(client, PATH, given)["links"]["next"].partition("page_cursor=")[2]
    assert post_query(client, PATH, {**given, "page_cursor": cursor})["data"]["attributes"]["data"] == found[1]
    other = post(client, PATH, request_body(PATH, {**given, "page_cursor": cursor, "page_size": 501}))
    assert error_of(other)[2] == "Invalid cursor provided."
    client.simulator.switch(report_page=0)
    rows = [row for page in found for row in page]
    assert rows == aggregate(client, by=["$message"], page_size=500)[1]
    assert len(rows) > 8


def test_metrics_that_are_unknown_or_only_listed_are_rejected(client: Client) -> None:
    for metric in ("NOPE01", metric_ids(client)["Closed Form"]):
        (error,) = post(client, PATH, request_body(PATH, attributes_with(client, metric_id=metric))).json()["errors"]
        assert (error["status"], error["source"]) == (400, {"parameter": "filter"})
        assert error["detail"] == f"Metric IDs ['{metric}'] do not exist."


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("metric_id", ...),
        ("metric_id", None),
        ("measurements", ...),
        ("measurements", []),
        ("measurements", ["sum"]),
        ("filter", ...),
        ("filter", None),
        ("filter", RANGE[0]),
        ("filter", RANGE[:1]),
        ("filter", RANGE[1:]),
        ("filter", [*RANGE, RANGE[0]]),
        ("filter", [*RANGE, "equals(nothing,'x')"]),
        ("filter", ["greater-than(datetime,2026-10-01T00:00:00)", RANGE[1]]),
        ("filter", ["greater-or-equal(datetime,2026-10-01)", RANGE[1]]),
        ("filter", ["greater-or-equal(datetime,2026-11-20T00:00:00)", RANGE[1]]),
        ("filter", ["greater-or-equal(datetime,2025-11-18T00:00:00)", RANGE[1]]),
        ("interval", "daily"),
        ("by", ["flow"]),
        ("by", ["$flow", "$flow"]),
        ("timezone", "America/Nowhere"),
        ("timezone", "Europe/Kyiv"),
        ("timezone", "america/new_york"),
        ("page_size", 0),
        ("page_size", 499),
        ("page_size", "10"),
        ("page_size", True),
        ("sort", "count"),
        ("sort", "-$flow"),
        ("return_fields", "count"),
        ("group_by", ["$flow"]),
    ],
)
def test_invalid_attributes_are_rejected(client: Client, name: str, value: Any) -> None:
    found = error_of(post(client, PATH, request_body(PATH, attributes_with(client, **{name: value}))))
    assert found[:2] == (400, f"{ATTRIBUTES}/{name}"), found


def test_a_range_of_a_year_is_allowed(client: Client) -> None:
    assert aggregate(client, filter=["greater-or-equal(datetime,2025-11-19T00:00:00)", RANGE[1]])[0]


def test_method_content_type_and_scope_are_checked(start: Callable[..., Client]) -> None:
    client = start()
    assert client.get(PATH).status_code == 405
    body = request_body(PATH, attributes_with(client))
    assert post(client, PATH, body, {"Content-Type": "text/plain"}).status_code == 415
    assert post(start(scopes=frozenset({"events:read"})), PATH, body).status_code == 403


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_klaviyos_own_sdk_reads_aggregates(client: Client) -> None:
    klaviyo_api = pytest.importorskip("klaviyo_api", reason="Klaviyo's SDK is not installed")
    sdk = klaviyo_api.KlaviyoAPI("pk_demo", max_retries=1, test_host=client.simulator.url)
    found = sdk.Metrics.query_metric_aggregates(request_body(PATH, attributes_with(client, by=["$flow"])))
    dates, rows = aggregate(client, by=["$flow"])
    assert [each.isoformat() for each in found.data.attributes.dates] == dates
    assert [each.dimensions for each in found.data.attributes.data] == [row["dimensions"] for row in rows]
    assert found.data.attributes.data[0].measurements == rows[0]["measurements"]
    sdk.api_client.rest_client.pool_manager.clear()
