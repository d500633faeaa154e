"""Helpers for POST operations: request bodies, responses and error responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from integration_tests.simulator.conftest import HEADERS
from klaviyo_simulator.rules.reports import OPERATIONS, Report

if TYPE_CHECKING:
    import requests

    from integration_tests.simulator.conftest import Client

MEDIA_TYPE = "application/vnd.api+json"
REPORTS = {path: operation for path, operation in OPERATIONS.items() if isinstance(operation, Report)}
FLOWS = "/api/flow-series-reports"
FLOW_VALUES = "/api/flow-values-reports"
CAMPAIGNS = "/api/campaign-values-reports"
WEEK = {"start": "2026-11-09T00:00:00+00:00", "end": "2026-11-15T23:59:59+00:00"}


def post(client: Client, path: str, body: Any = None, headers: dict[str, str] | None = None) -> requests.Response:
    given = {**HEADERS, "Content-Type": MEDIA_TYPE, **(headers or {})}
    url = path if path.startswith("http") else client.simulator.url + path
    if isinstance(body, (str, bytes)):
        return client.session.post(url, data=body, headers=given, timeout=10)
    return client.session.post(url, json=body, headers=given, timeout=10)


def request_body(path: str, attributes: dict[str, Any]) -> dict[str, Any]:
    name = path.partition("?")[0].removeprefix("/api/").removesuffix("s")
    return {"data": {"type": name, "attributes": attributes}}


def post_query(client: Client, path: str, attributes: dict[str, Any]) -> Any:
    found = post(client, path, request_body(path, attributes))
    assert found.status_code == 200, found.text
    assert found.headers["Content-Type"] == MEDIA_TYPE
    return found.json()


def error_of(found: requests.Response) -> tuple[int, str | None, str]:
    """Return status, pointer and detail of an error response."""
    (error,) = found.json()["errors"]
    assert found.headers["Content-Type"] == MEDIA_TYPE
    assert {"id", "status", "code", "title", "detail", "source"} <= error.keys()
    assert error["status"] == found.status_code
    return found.status_code, error["source"].get("pointer"), error["detail"]


def metric_id(client: Client, name: str = "Placed Order") -> str:
    ids: dict[str, str] = {each["attributes"]["name"]: each["id"] for each in client.fetch_all("/api/metrics")}
    return ids[name]


def report_attributes(client: Client, report: Report, **changes: Any) -> dict[str, Any]:
    """Return valid attributes of a request for a report."""
    attributes: dict[str, Any] = {"statistics": sorted(report.statistics), "timeframe": WEEK}
    if report.needs_conversion_metric:
        attributes["conversion_metric_id"] = metric_id(client)
    if report.is_series:
        attributes["interval"] = "daily"
    return {name: value for name, value in {**attributes, **changes}.items() if value is not ...}


def rows(client: Client, path: str, **changes: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = post_query(client, path, report_attributes(client, REPORTS[path], **changes))["data"][
        "attributes"
    ]["results"]
    return found


def days(start: str, end: str) -> dict[str, str]:
    return {"start": f"{start}T00:00:00+00:00", "end": f"{end}T23:59:59+00:00"}


def report_error(client: Client, path: str, **changes: Any) -> tuple[int, str | None, str]:
    return error_of(post(client, path, request_body(path, report_attributes(client, REPORTS[path], **changes))))
