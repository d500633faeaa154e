"""Asks with POST: questions as JSON:API documents, and their answers."""

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


def question(path: str, attributes: dict[str, Any]) -> dict[str, Any]:
    name = path.partition("?")[0].removeprefix("/api/").removesuffix("s")
    return {"data": {"type": name, "attributes": attributes}}


def answer(client: Client, path: str, attributes: dict[str, Any]) -> Any:
    found = post(client, path, question(path, attributes))
    assert found.status_code == 200, found.text
    assert found.headers["Content-Type"] == MEDIA_TYPE
    return found.json()


def refusal(found: requests.Response) -> tuple[int, str | None, str]:
    """Status, pointer and detail of a request that is refused."""
    (error,) = found.json()["errors"]
    assert found.headers["Content-Type"] == MEDIA_TYPE
    assert {"id", "status", "code", "title", "detail", "source"} <= error.keys()
    assert error["status"] == found.status_code
    return found.status_code, error["source"].get("pointer"), error["detail"]


def metric(client: Client, name: str = "Placed Order") -> str:
    ids: dict[str, str] = {each["attributes"]["name"]: each["id"] for each in client.walk("/api/metrics")}
    return ids[name]


def asked(client: Client, report: Report, **changes: Any) -> dict[str, Any]:
    """Attributes that a report takes."""
    attributes: dict[str, Any] = {"statistics": sorted(report.statistics), "timeframe": WEEK}
    if report.converts:
        attributes["conversion_metric_id"] = metric(client)
    if report.series:
        attributes["interval"] = "daily"
    return {name: value for name, value in {**attributes, **changes}.items() if value is not ...}


def rows(client: Client, path: str, **changes: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answer(client, path, asked(client, REPORTS[path], **changes))["data"]["attributes"][
        "results"
    ]
    return found


def days(start: str, end: str) -> dict[str, str]:
    return {"start": f"{start}T00:00:00+00:00", "end": f"{end}T23:59:59+00:00"}


def refused(client: Client, path: str, **changes: Any) -> tuple[int, str | None, str]:
    return refusal(post(client, path, question(path, asked(client, REPORTS[path], **changes))))
