"""Reports: rejected requests, responses, pages and rate limits."""

from __future__ import annotations

import time
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from integration_tests.simulator.report_requests import (
    CAMPAIGNS,
    FLOW_VALUES,
    FLOWS,
    REPORTS,
    WEEK,
    days,
    error_of,
    metric_id,
    post,
    post_query,
    report_attributes,
    report_error,
    request_body,
    rows,
)
from klaviyo_simulator.access.limits import Limits
from klaviyo_simulator.account import api
from klaviyo_simulator.reports.timeframes import KEYS
from klaviyo_simulator.rules.declarations import Rate
from klaviyo_simulator.rules.reports import VALUE_STATISTICS
from tools.facts.model import facts

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration_tests.simulator.conftest import Client
    from klaviyo_simulator.rules.reports import Report

ATTRIBUTES = "/data/attributes"
REVISION = "2026-07-15"


@pytest.fixture(params=list(REPORTS))
def report(request: pytest.FixtureRequest) -> Report:
    return REPORTS[request.param]


def test_timeframe_keys_match_the_facts(report: Report) -> None:
    assert KEYS.keys() == set(facts(REVISION).operation(report.path)["asks"]["timeframe.key"]["values"])


def test_responses_match_the_facts(client: Client, report: Report) -> None:
    for timeframe in ({"key": "last_7_days"}, WEEK):
        found = post_query(client, report.path, report_attributes(client, report, timeframe=timeframe))
        assert found["data"]["type"] == report.type
        assert found["data"]["attributes"].keys() == report.fields - {"id"}
        assert found["data"].keys() <= {"type", "id", "attributes", "relationships"}
        assert UUID(found["data"]["id"])
        ends = {"next": None, "prev": None} if report.subject in {"campaign", "flow"} else {}
        assert found["links"] == {"self": client.simulator.url + report.path, **ends}
        for row in found["data"]["attributes"]["results"]:
            assert list(row["groupings"]) == list(report.default_groups)
            assert row["statistics"].keys() == report.statistics
            values = list(row["statistics"].values())
            numbers = [number for value in values for number in value] if report.is_series else values
            assert all(type(number) in {int, float} for number in numbers)


def test_the_content_type_is_checked(client: Client, report: Report) -> None:
    body = request_body(report.path, report_attributes(client, report))
    for kind, status in (
        ("application/vnd.api+json; charset=utf-8", 200),
        ("application/json", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
    ):
        assert post(client, report.path, body, {"Content-Type": kind}).status_code == status


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_reports_allow_post_only(client: Client, report: Report, method: str) -> None:
    headers = {"Authorization": "Klaviyo-API-Key pk_demo", "revision": "2026-07-15"}
    found = client.session.request(method, client.simulator.url + report.path, headers=headers, timeout=9)
    assert (found.status_code, found.headers["Allow"]) == (405, "POST")


def test_other_endpoints_allow_get_only(client: Client) -> None:
    found = post(client, "/api/flows", {})
    assert (found.status_code, found.headers["Allow"]) == (405, "GET")


def test_the_scope_of_the_report_is_required(start: Callable[..., Client]) -> None:
    client = start(scopes=frozenset({"flows:read", "metrics:read"}))
    assert post_query(client, FLOWS, report_attributes(client, REPORTS[FLOWS]))
    status, _, detail = report_error(client, CAMPAIGNS)
    assert (status, "campaigns:read" in detail) == (403, True)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"", "/data"),
        (b"{", "/data"),
        (b"\xff\xfe", "/data"),
        ([], "/data"),
        ({}, "/data"),
        ({"data": [], "meta": {}}, "/meta"),
        ({"data": []}, "/data"),
        ({"data": {"attributes": {}}}, "/data/type"),
        ({"data": {"type": "flow-series-report"}}, "/data/attributes"),
        ({"data": {"type": "flow-values-report", "attributes": {}}}, "/data/type"),
        ({"data": {"type": ["flow-series-report"], "attributes": {}}}, "/data/type"),
        ({"data": {"type": "flow-series-report", "attributes": {}, "id": "1"}}, "/data/id"),
    ],
)
def test_malformed_bodies_are_rejected(client: Client, body: Any, pointer: str) -> None:
    status, where, _ = error_of(post(client, FLOWS, body))
    assert (status, where) == (400, pointer)


def test_every_required_attribute_is_required(client: Client, report: Report) -> None:
    for name in report.required:
        for value in (..., None, 7, ["nothing"]):
            status, pointer, detail = report_error(client, report.path, **{name: value})
            assert (status, pointer) == (400, f"{ATTRIBUTES}/{name}"), (value, detail)


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        (FLOWS, "page_cursor", "x"),
        (FLOWS, "statistics", []),
        (FLOWS, "statistics", ["opens", "opened"]),
        (FLOWS, "statistics", "opens"),
        (FLOWS, "interval", "day"),
        (FLOW_VALUES, "interval", "daily"),
        ("/api/form-values-reports", "conversion_metric_id", "nothing"),
        ("/api/segment-values-reports", "group_by", ["segment_id"]),
        (FLOWS, "group_by", ["flow_id"]),
        (FLOWS, "group_by", ["send_channel", "flow_id"]),
        (FLOWS, "group_by", ["flow_id", "flow_message_id", "campaign_id"]),
        ("/api/form-values-reports", "group_by", ["form_version_id"]),
        (FLOWS, "filter", "any(flow_id,['x'])"),
        (FLOWS, "filter", "equals(campaign_id,'x')"),
        (FLOWS, "filter", "equals(tag_id,'x')"),
        (FLOWS, "filter", "contains-all(flow_id,['x'])"),
        (FLOWS, "filter", "equals(send_channel,'mobile_push')"),
        (FLOWS, "filter", "and(equals(flow_id,'x'),contains-any(flow_id,['y']))"),
        (FLOWS, "filter", f"contains-any(flow_id,{['x'] * 101})"),
        (FLOWS, "filter", "or(equals(flow_id,'x'),equals(flow_id,'y'))"),
        (CAMPAIGNS, "filter", "equals(group,'x')"),
        ("/api/segment-values-reports", "filter", "contains-any(segment_id,['x'])"),
        ("/api/form-values-reports", "filter", "equals(segment_id,'x')"),
    ],
)
def test_invalid_attributes_are_rejected(client: Client, path: str, name: str, value: Any) -> None:
    status, pointer, _ = report_error(client, path, **{name: value})
    assert (status, pointer) == (400, f"{ATTRIBUTES}/{name}")


@pytest.mark.parametrize("path", [FLOWS, FLOW_VALUES, CAMPAIGNS])
def test_metrics_without_values_are_rejected_only_for_value_statistics(start: Callable[..., Client], path: str) -> None:
    client = start(valueless_metrics=frozenset({"Opened Email"}))
    opened = metric_id(client, "Opened Email")
    counted = sorted(REPORTS[path].statistics - VALUE_STATISTICS - {"text_message_roi"})
    timeframe = {"key": "last_30_days" if path == FLOWS else "last_365_days"}
    assert rows(client, path, statistics=counted, conversion_metric_id=opened, timeframe=timeframe)
    for name in ("average_order_value", "conversion_value", "revenue_per_recipient", "text_message_roi"):
        status, pointer, detail = report_error(client, path, statistics=[*counted, name], conversion_metric_id=opened)
        assert (status, pointer) == (400, f"{ATTRIBUTES}/conversion_metric_id")
        assert detail == "Passed in conversion metric does not support querying for values data"
    client.simulator.switch(roi_needs_values=False)
    assert rows(client, path, statistics=["text_message_roi"], conversion_metric_id=opened) is not None
    assert report_error(client, path, statistics=["conversion_value"], conversion_metric_id=opened)[0] == 400
    assert post_query(
        client, path, report_attributes(client, REPORTS[path], conversion_metric_id=metric_id(client, "Unsubscribed"))
    )


def test_metrics_that_are_unknown_or_only_listed_are_rejected(client: Client) -> None:
    for identity in ("NOPE01", metric_id(client, "Viewed Form")):
        (error,) = post(
            client, FLOWS, request_body(FLOWS, report_attributes(client, REPORTS[FLOWS], conversion_metric_id=identity))
        ).json()["errors"]
        assert (error["status"], error["source"]) == (400, {"parameter": "filter"})
        assert error["detail"] == f"Metric IDs ['{identity}'] do not exist."


@pytest.mark.parametrize(
    ("path", "timeframe", "interval", "status"),
    [
        (FLOW_VALUES, {}, ..., 400),
        (FLOW_VALUES, {"key": "last_decade"}, ..., 400),
        (FLOW_VALUES, {"key": "today", "start": "2026-11-01T00:00:00Z"}, ..., 400),
        (FLOW_VALUES, {"start": "2026-11-01T00:00:00Z"}, ..., 400),
        (FLOW_VALUES, {"start": "2026-11-01", "end": "2026-11-02"}, ..., 400),
        (FLOW_VALUES, {"start": "2026-11-31T00:00:00Z", "end": "2026-12-02T00:00:00Z"}, ..., 400),
        (FLOW_VALUES, {"start": "2026-11-01T00:00:00+0000", "end": "2026-11-02T00:00:00+0000"}, ..., 200),
        (FLOW_VALUES, days("2026-11-10", "2026-11-09"), ..., 400),
        (FLOW_VALUES, days("2025-11-20", "2026-11-20"), ..., 200),
        (FLOW_VALUES, days("2025-11-18", "2026-11-19"), ..., 400),
        (FLOW_VALUES, days("2026-11-19", "2026-11-21"), ..., 400),
        (FLOWS, days("2026-09-01", "2026-10-30"), "daily", 200),
        (FLOWS, days("2026-09-01", "2026-10-31"), "daily", 400),
        (FLOWS, {"key": "last_90_days"}, "daily", 400),
        (FLOWS, {"key": "last_90_days"}, "weekly", 200),
        (FLOWS, days("2026-11-01", "2026-11-07"), "hourly", 200),
        (FLOWS, days("2026-11-01", "2026-11-08"), "hourly", 400),
        (FLOWS, days("2025-11-20", "2026-11-18"), "monthly", 200),
        (FLOWS, days("2025-11-20", "2026-11-19"), "monthly", 400),
        ("/api/segment-values-reports", days("2023-06-01", "2023-06-02"), ..., 200),
        ("/api/segment-values-reports", days("2023-05-31", "2023-06-02"), ..., 400),
        (FLOW_VALUES, days("2023-05-31", "2023-06-02"), ..., 200),
    ],
)
def test_timeframes_are_checked_for_form_and_length(
    client: Client, path: str, timeframe: dict[str, str], interval: Any, status: int
) -> None:
    attributes = report_attributes(client, REPORTS[path], timeframe=timeframe, interval=interval)
    found = post(client, path, request_body(path, attributes))
    assert found.status_code == status, found.text
    if status == 400:
        assert (error_of(found)[1] or "").startswith(f"{ATTRIBUTES}/timeframe")


def test_relationships_have_the_ids_of_the_rows(client: Client) -> None:
    data = post_query(client, FLOWS, report_attributes(client, REPORTS[FLOWS]))["data"]
    for relation, kind, group in (("flows", "flow", "flow_id"), ("flow-messages", "flow-message", "flow_message_id")):
        ids = [each["id"] for each in data["relationships"][relation]["data"]]
        assert {each["type"] for each in data["relationships"][relation]["data"]} == {kind}
        assert set(ids) == {row["groupings"][group] for row in data["attributes"]["results"]}
        assert len(ids) == len(set(ids))


def test_a_report_without_rows_has_no_relationships(client: Client) -> None:
    data = post_query(client, FLOWS, report_attributes(client, REPORTS[FLOWS], filter='equals(flow_id,"nothing")'))[
        "data"
    ]
    assert data["attributes"]["results"] == []
    assert "relationships" not in data


def test_sparse_fieldsets_are_the_only_parameters(client: Client) -> None:
    attributes = report_attributes(client, REPORTS[FLOWS])
    found = post_query(client, f"{FLOWS}?fields[flow-series-report]=date_times", attributes)
    assert list(found["data"]["attributes"]) == ["date_times"]
    for parameter in ("fields[flow-series-report]=dates", "fields[flow]=id", "page[size]=1", "page_cursor=x"):
        assert post(client, f"{FLOWS}?{parameter}", request_body(FLOWS, attributes)).status_code == 400


def test_reports_have_pages_if_switched_on(start: Callable[..., Client]) -> None:
    client = start(report_page=7)
    attributes = report_attributes(client, REPORTS[FLOWS])
    path, found = client.simulator.url + FLOWS, []
    while path:
        page = post(client, path, request_body(FLOWS, attributes)).json()
        found.append(page["data"]["attributes"]["results"])
        path = page["links"].get("next")
    assert [len(each) for each in found[:-1]] == [7] * (len(found) - 1)
    client.simulator.switch(report_page=0)
    assert [row for page in found for row in page] == rows(client, FLOWS)


def test_the_daily_quota_throttles_until_the_day_ends(
    start: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = start(daily_quota=3, phase=0.0)
    body = request_body(FLOWS, report_attributes(client, REPORTS[FLOWS]))
    clock = [3600.0]
    monkeypatch.setattr(api, "time", SimpleNamespace(time=time.time, monotonic=lambda: clock[0]))
    client.simulator.switch(limits=True)

    def asked_at(second: float) -> tuple[int, str | None]:
        clock[0] = second
        found = post(client, FLOWS, body)
        return found.status_code, found.headers.get("Retry-After")

    assert asked_at(3600) == (200, None)
    assert asked_at(3600) == (429, "1")
    assert asked_at(3601) == (200, None)
    assert asked_at(3602) == (429, "58")
    assert asked_at(3660) == (200, None)
    assert asked_at(3720) == (429, str(86400 - 3720))
    assert asked_at(86399) == (429, "1")
    client.simulator.switch(daily_quota=4)
    assert asked_at(86399) == (200, None)
    assert asked_at(86400) == (200, None)
    other = post(client, FLOW_VALUES, request_body(FLOW_VALUES, report_attributes(client, REPORTS[FLOW_VALUES])))
    assert other.headers["RateLimit-Limit"] == "1, 1;w=1, 2;w=60, 4;w=86400"
    endpoint = client.simulator.stats()["endpoints"][FLOWS]
    assert (endpoint["requests"], endpoint["by_status"]) == (9, {"200": 5, "429": 4})
    assert client.simulator.requests(last=1)[0]["body"].startswith('{"data"')


def test_an_exhausted_daily_quota_means_hours_of_waiting() -> None:
    for seed in range(20):
        limits = Limits(Random(seed), phase=None)
        times = [120.0 * n for n in range(226)]
        waits = [limits.take([("report", Rate(1, 2, 225))], second, 0).wait for second in times]
        assert waits[:225] == [None] * 225
        assert 10 * 3600 < (waits[225] or 0) < 24 * 3600


def test_without_limits_there_is_no_daily_quota(start: Callable[..., Client]) -> None:
    client = start(daily_quota=1)
    body = request_body(FLOWS, report_attributes(client, REPORTS[FLOWS]))
    assert {post(client, FLOWS, body).status_code for _ in range(5)} == {200}


def test_faults_apply_to_reports(start: Callable[..., Client]) -> None:
    client = start()
    attributes = report_attributes(client, REPORTS[FLOWS])
    plain = post_query(client, FLOWS, attributes)
    client.simulator.add_faults(
        [
            {"kind": "status", "status": 503, "path": FLOWS},
            {"kind": "invalid_json", "path": FLOWS},
            {"kind": "unordered", "path": FLOWS},
            {"kind": "missing_cursor", "path": FLOWS},
            {"kind": "foreign_next", "path": FLOWS},
        ]
    )
    body = request_body(FLOWS, attributes)
    assert post(client, FLOWS, body).status_code == 503
    with pytest.raises(ValueError, match="Expecting"):
        post(client, FLOWS, body).json()
    results = plain["data"]["attributes"]["results"]
    assert post(client, FLOWS, body).json()["data"]["attributes"]["results"] == results[::-1]
    assert list(post(client, FLOWS, body).json()["data"]["attributes"]) == ["results"]
    assert "elsewhere" in post(client, FLOWS, body).json()["links"]["next"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_klaviyos_own_sdk_reads_reports(client: Client) -> None:
    klaviyo_api = pytest.importorskip("klaviyo_api", reason="Klaviyo's SDK is not installed")
    sdk = klaviyo_api.KlaviyoAPI("pk_demo", max_retries=1, test_host=client.simulator.url)
    for path, call in ((FLOWS, sdk.Reporting.query_flow_series), (CAMPAIGNS, sdk.Reporting.query_campaign_values)):
        attributes = report_attributes(client, REPORTS[path], timeframe={"key": "last_30_days"})
        found = call(request_body(path, attributes))
        plain = post_query(client, path, attributes)["data"]
        assert [each.groupings for each in found.data.attributes.results] == [
            each["groupings"] for each in plain["attributes"]["results"]
        ]
        assert found.data.attributes.results[0].statistics == plain["attributes"]["results"][0]["statistics"]
    sdk.api_client.rest_client.pool_manager.clear()
