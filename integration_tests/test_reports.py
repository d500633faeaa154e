"""Reports: completed days, each requested once, and within Klaviyo's daily quota."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
import requests

from integration_tests.connector import ASKED_BY_POST, DECLARED, KEY, Connector, Output
from integration_tests.simulator.conftest import Client
from integration_tests.simulator.report_requests import REPORTS, post_query
from integration_tests.test_sync import assert_sound, requests_by_path
from integration_tests.truth import unlimited
from klaviyo_simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

Rows = list[dict[str, Any]]

SERIES = tuple(name for name in ASKED_BY_POST if name.endswith("_series_reports"))
VALUES = tuple(name for name in ASKED_BY_POST if name.endswith("_values_reports"))
ZONE = "US/Eastern"
DAY = dt.timedelta(days=1)
SIZES = {"events": 5_000, "profiles": 50, "campaigns": 200, "flows": 4, "lists": 2, "segments": 3, "metrics": 3}


def midnight(shop: Simulator, zone: str) -> dt.date:
    """Return the midnight after the last complete day in a time zone and in UTC; Klaviyo gets an hour to count it."""
    now = dt.datetime.fromtimestamp(shop.now(), dt.UTC) - dt.timedelta(hours=1)
    return min(now.date(), now.astimezone(ZoneInfo(zone)).date())


def iso(day: dt.date) -> str:
    """Return the midnight at which a day begins."""
    return f"{day}T00:00:00+00:00"


def report(shop: Simulator, stream: str, metric: str, start: dt.date, end: dt.date) -> Rows:
    """Return the expected records of a report stream for the days in `[start, end)`, from a direct request."""
    path = f"/api/{stream.replace('_', '-')}"
    timeframe = {"start": iso(start), "end": f"{end - DAY}T23:59:59+00:00"}
    question = {"statistics": sorted(REPORTS[path].statistics), "timeframe": timeframe}
    converts = {"conversion_metric_id": metric} if REPORTS[path].needs_conversion_metric else {}
    interval = {"interval": "daily"} if stream in SERIES else {}
    with requests.Session() as session, unlimited(shop):
        found = post_query(Client(shop, session), path, {**question, **converts, **interval})["data"]["attributes"]
    rows: Rows = []
    for one in found["results"]:
        groups = {"groupings": one["groupings"], **one["groupings"], **converts}
        if stream in VALUES:
            rows.append({**groups, "statistics": one["statistics"], "period_start": iso(start), "date": iso(end)})
        for place, date in enumerate(found.get("date_times", ())):
            of_day = {name: numbers[place] for name, numbers in one["statistics"].items()}
            if iso(start) <= date < iso(end):  # Klaviyo returns a part of the day before too
                rows.append({**groups, "statistics": of_day, "date": date})
    return rows


def aggregate(shop: Simulator, definition: dict[str, Any], start: dt.date, end: dt.date) -> Rows:
    """Return the expected records of metric_aggregates for a definition, from a direct request."""
    bounds = [f"greater-or-equal(datetime,{start}T00:00:00)", f"less-than(datetime,{end}T00:00:00)"]
    question = {name: value for name, value in definition.items() if name != "name"}
    with requests.Session() as session, unlimited(shop):
        asked = {**question, "filter": bounds, "timezone": "UTC"}
        found = post_query(Client(shop, session), "/api/metric-aggregates", asked)["data"]["attributes"]
    return [
        {
            "name": definition["name"],
            "metric_id": definition["metric_id"],
            "interval": definition["interval"],
            "dimensions": dict(zip(definition.get("by", ()), one["dimensions"], strict=True)),
            "measurements": {name: values[place] for name, values in one["measurements"].items()},
            "date": date,
        }
        for one in found["data"]
        for place, date in enumerate(found["dates"])
        if iso(start) <= date < iso(end)
    ]


def alike(rows: Rows) -> list[str]:
    """Return rows without IDs of our own, sorted for comparison."""
    return sorted(json.dumps({**row, "id": None}, sort_keys=True) for row in rows)


def posts(shop: Simulator) -> dict[str, int]:
    """Return the number of requests for each report."""
    return {path: count for path, count in requests_by_path(shop).items() if path != "/api/accounts"}


@pytest.fixture(scope="module")
def shop() -> Iterator[Simulator]:
    """A shop with real limits."""
    with Simulator(key=KEY, timezone=ZONE, **SIZES) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def metric(shop: Simulator) -> str:
    """Placed Order."""
    return shop.ids("metrics")[0]


@pytest.fixture(scope="module")
def definitions(metric: str) -> list[dict[str, Any]]:
    """Return definitions of aggregates of events."""
    return [
        {"name": "a", "metric_id": metric, "interval": "day", "measurements": ["count", "sum_value", "unique"]},
        {"name": "b", "metric_id": metric, "interval": "day", "measurements": ["count"], "by": ["$attributed_flow"]},
    ]


@pytest.fixture(scope="module")
def start(shop: Simulator) -> dt.date:
    """The day of start_date."""
    return midnight(shop, ZONE) - 20 * DAY


@pytest.fixture(scope="module")
def connector(
    shop: Simulator,
    metric: str,
    definitions: list[dict[str, Any]],
    start: dt.date,
    tmp_path_factory: pytest.TempPathFactory,
) -> Connector:
    """The connector, with settings for reports."""
    settings = {"start_date": str(start), "metric_ids": metric, "metric_aggregates": definitions}
    return Connector(shop.url, tmp_path_factory.mktemp("reports"), settings)


@pytest.fixture(scope="module")
def first(connector: Connector) -> Output:
    """The first sync."""
    return connector.read(*ASKED_BY_POST)


def test_a_first_sync_requests_each_report_once(shop: Simulator, first: Output) -> None:
    assert_sound(first, shop.now())
    reports = {path: 1 for path in REPORTS}  # noqa: C420 - reads like the next line
    assert posts(shop) == {**reports, "/api/metric-aggregates": 2}
    assert requests_by_path(shop)["/api/accounts"] == 1
    assert shop.stats()["by_status"].keys() == {"200"}


@pytest.mark.parametrize("stream", [*SERIES, *VALUES])
def test_a_report_has_the_rows_of_klaviyos_response(
    shop: Simulator, first: Output, metric: str, start: dt.date, stream: str
) -> None:
    rows = report(shop, stream, metric, start, midnight(shop, ZONE))

    assert rows
    assert alike(first.records[stream]) == alike(rows)


def test_aggregates_have_the_rows_of_klaviyos_response(
    shop: Simulator, first: Output, definitions: list[dict[str, Any]], start: dt.date
) -> None:
    end = midnight(shop, "UTC")
    rows = [row for one in definitions for row in aggregate(shop, one, start, end)]

    assert alike(first.records["metric_aggregates"]) == alike(rows)
    assert len({row["id"] for row in first.records["metric_aggregates"]}) == len(rows)


@pytest.mark.parametrize("stream", ASKED_BY_POST)
def test_every_row_matches_its_schema_and_has_a_unique_key(first: Output, stream: str) -> None:
    first.assert_valid(stream)
    key = DECLARED[stream].primary_key
    fields = [key] if isinstance(key, str) else key
    assert len({tuple(row[field] for field in fields) for row in first.records[stream]}) == len(first.records[stream])


def test_a_second_sync_on_the_same_day_makes_no_requests(shop: Simulator, connector: Connector, first: Output) -> None:
    shop.reset_stats()

    second = connector.read(*ASKED_BY_POST, state=first.state())

    assert_sound(second, shop.now())
    assert not any(second.records.values())
    assert posts(shop) == {}


def a_day_before(state: Any) -> Any:
    """The state that a sync of the day before left."""
    if isinstance(state, list):
        return [a_day_before(one) for one in state]
    if not isinstance(state, dict):
        return state
    earlier = {name: a_day_before(value) for name, value in state.items()}
    if "date" in state:
        day = dt.datetime.strptime(state["date"], "%Y-%m-%dT%H:%M:%S%z") - DAY
        earlier["date"] = day.strftime("%Y-%m-%dT%H:%M:%S%z")
    return earlier


def test_the_next_day_reads_that_day_and_the_lookback_window(
    shop: Simulator, connector: Connector, first: Output, metric: str, definitions: list[dict[str, Any]]
) -> None:
    shop.reset_stats()
    patient = Connector(shop.url, connector.folder, {**connector.settings, "reporting_lookback_window": 3})
    with unlimited(shop):  # the first sync has used its part of the two per minute
        next_day = patient.read(*ASKED_BY_POST, state=a_day_before(first.state()))

    assert_sound(next_day, shop.now())
    assert posts(shop) == {**dict.fromkeys(REPORTS, 1), "/api/metric-aggregates": 2}
    end, of_events = midnight(shop, ZONE), midnight(shop, "UTC")
    for stream in VALUES:
        assert alike(next_day.records[stream]) == alike(report(shop, stream, metric, end - DAY, end))
    for stream in SERIES:
        assert alike(next_day.records[stream]) == alike(report(shop, stream, metric, end - 4 * DAY, end))
    rows = [row for one in definitions for row in aggregate(shop, one, of_events - 4 * DAY, of_events)]
    assert alike(next_day.records["metric_aggregates"]) == alike(rows)
    assert next_day.last("flow_series_reports") == first.last("flow_series_reports")


@pytest.mark.parametrize(("days", "metrics"), [(20, 2), (45, 1)], ids=["other metrics", "later days"])
def test_reports_beyond_the_daily_quota_are_read_the_next_day(
    tmp_path_factory: pytest.TempPathFactory, days: int, metrics: int
) -> None:
    """The quota is one, since Klaviyo allows two requests a minute and a test should not wait for the third."""
    with Simulator(key=KEY, timezone=ZONE, daily_quota=1, **SIZES) as shop:
        end = midnight(shop, ZONE)
        start, ids = end - days * DAY, shop.ids("metrics")[:metrics]
        settings = {"start_date": str(start), "metric_ids": ",".join(ids)}
        connector = Connector(shop.url, tmp_path_factory.mktemp("quota"), settings)

        begun = connector.read("campaign_values_reports", "flow_values_reports")
        shop.switch(daily_quota=5)
        ended = connector.read("campaign_values_reports", "flow_values_reports", state=begun.state())

        assert_sound(begun, shop.now())
        assert_sound(ended, shop.now())
        for stream in ("campaign_values_reports", "flow_values_reports"):
            assert any(f"Stream {stream} will resume from its state in tomorrow's sync" in log for log in begun.logs)
            assert begun.records[stream]
            assert ended.records[stream]
            periods = [(start, min(start + 30 * DAY, end)), *([(start + 30 * DAY, end)] if days > 30 else [])]
            rows = [row for one in ids for period in periods for row in report(shop, stream, one, *period)]
            assert alike([*begun.records[stream], *ended.records[stream]]) == alike(rows)


def test_a_full_refresh_beyond_the_daily_quota_fails_and_says_what_to_do(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with Simulator(key=KEY, timezone=ZONE, daily_quota=1, **SIZES) as shop:
        settings = {"start_date": str(midnight(shop, ZONE) - 45 * DAY)}
        connector = Connector(shop.url, tmp_path_factory.mktemp("quota"), settings)

        output = connector.read("form_values_reports", mode="full_refresh")

    assert output.code == 1
    assert output.statuses["form_values_reports"][-1] == "INCOMPLETE"
    assert "Sync stream form_values_reports incrementally" in output.errors[0]["message"]
