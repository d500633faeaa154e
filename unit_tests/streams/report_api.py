"""Klaviyo's reports and aggregates, as the fake API serves them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from unit_tests.fake_api import FakeKlaviyo, Request


GROUPS = {
    "campaign": {"campaign_id": "C1", "campaign_message_id": "CM1", "send_channel": "email"},
    "flow": {"flow_id": "F1", "flow_message_id": "FM1", "send_channel": "sms"},
    "form": {"form_id": "O1"},
    "segment": {"segment_id": "S1"},
}

VALUES = ["campaign_values_reports", "flow_values_reports", "form_values_reports", "segment_values_reports"]

SERIES = ["flow_series_reports", "form_series_reports", "segment_series_reports"]

STATE = "2024-06-20T00:00:00+0000"

Response = tuple[int, bytes]


def days(timeframe: Mapping[str, str]) -> list[str]:
    """Return the days of a request, as Klaviyo writes them into a response."""
    from datetime import date, timedelta  # noqa: PLC0415

    first, last = (date.fromisoformat(timeframe[name][:10]) for name in ("start", "end"))
    return [f"{first + timedelta(days=one)}T00:00:00+00:00" for one in range((last - first).days + 1)]


def report(request: Request) -> Response:
    """Return a response with a single group, in which each number is 1."""
    attributes_requested = request.body["data"]["attributes"]
    kind = request.resource.partition("-")[0]
    if "interval" in attributes_requested:
        dates = days(attributes_requested["timeframe"])
        results = [
            {
                "groupings": GROUPS[kind],
                "statistics": {name: [1.5] * len(dates) for name in attributes_requested["statistics"]},
            }
        ]
        attributes: dict[str, Any] = {"results": results, "date_times": dates}
    else:
        attributes = {
            "results": [{"groupings": GROUPS[kind], "statistics": dict.fromkeys(attributes_requested["statistics"], 1)}]
        }
    return 200, json.dumps({"data": {"type": "x", "attributes": attributes}, "links": {"self": "x"}}).encode()


def aggregate(request: Request) -> Response:
    attributes_requested = request.body["data"]["attributes"]
    dates = ["2024-06-29T00:00:00+00:00", "2024-06-30T00:00:00+00:00"]
    rows = [
        {
            "dimensions": [dimension] * len(attributes_requested.get("by", ())),
            "measurements": {one: [1.0, 2] for one in attributes_requested["measurements"]},
        }
        for dimension in ("a", "b")[: 1 + bool(attributes_requested.get("by"))]
    ]
    document = {"data": {"type": "metric-aggregate", "id": "x", "attributes": {"dates": dates, "data": rows}}}
    return 200, json.dumps(document).encode()


def metrics(*ids: str) -> Response:
    return 200, json.dumps({"data": [{"type": "metric", "id": one, "attributes": {}} for one in ids]}).encode()


def account(timezone: str | None = "UTC") -> Response:
    data = [{"type": "account", "id": "A", "attributes": {"timezone": timezone}}]
    return 200, json.dumps({"data": data}).encode()


def serve(klaviyo: FakeKlaviyo, respond: Callable[[Request], Response] = report, **table: Response) -> None:
    table = {"metrics": metrics("M1"), "accounts": account(), **table}
    klaviyo.before = lambda request: table.get(request.resource) or respond(request)


def requested(klaviyo: FakeKlaviyo) -> list[dict[str, Any]]:
    """Return the attributes of each request for a report or aggregate."""
    return [request.body["data"]["attributes"] for request in klaviyo.requests if request.body]


def timeframes(klaviyo: FakeKlaviyo) -> list[tuple[str, str]]:
    return [(one["timeframe"]["start"], one["timeframe"]["end"]) for one in requested(klaviyo)]


def state(cursor: str = STATE, **partition: str) -> dict[str, Any]:
    if not partition:
        return {"date": cursor}
    entry = {"partition": {**partition, "parent_slice": {}}, "cursor": {"date": cursor}}
    return {"use_global_cursor": False, "states": [entry], "state": {"date": cursor}, "lookback_window": 0}
