"""Recorded shapes that Klaviyo does not document: each occurs in the simulator and fits the streams' schemas."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import jsonschema
import pytest

from integration_tests.simulator.report_requests import FLOW_VALUES, REPORTS, post_query, report_attributes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from integration_tests.simulator.conftest import Client

    Record = dict[str, Any]

SCHEMAS = Path(__file__).parents[2] / "source_klaviyo" / "schemas"
MISSING = ...

# Path and parameters of a request, the type of the record in the response, and the stream of such records.
REQUESTS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "campaign message": (
        "/api/campaigns/{}/campaign-messages",
        {"include": "template,image"},
        "campaign-message",
        "campaign_messages",
    ),
    "catalog item": ("/api/catalog-items", {}, "catalog-item", "catalog_items"),
    "coupon": ("/api/coupons", {}, "coupon", "coupons"),
    "event": ("/api/events", {"page[size]": 200}, "event", "events"),
    "flow message": ("/api/flow-actions/{}/flow-messages", {}, "flow-message", "flow_messages"),
    "form version": ("/api/forms/{}/form-versions", {}, "form-version", "form_versions"),
    "hidden image": ("/api/images", {"filter": "equals(hidden,true)"}, "image", "images"),
    "included metric": ("/api/events", {"include": "metric"}, "metric", "metrics"),
    "included profile": ("/api/events", {"include": "profile"}, "profile", "profiles"),
    "mapped metric": ("/api/mapped-metrics", {}, "mapped-metric", "mapped_metrics"),
    "member": ("/api/lists/{}/profiles", {"page[size]": 100}, "profile", "profiles"),
    "metric": ("/api/metrics", {}, "metric", "metrics"),
    "profile": (
        "/api/profiles",
        {"page[size]": 100, "additional-fields[profile]": "subscriptions,predictive_analytics"},
        "profile",
        "profiles",
    ),
    "segment": ("/api/segments", {}, "segment", "segments"),
    "web feed": ("/api/web-feeds", {"page[size]": 20}, "web-feed", "web_feeds"),
}
EMAIL = "attributes.subscriptions.email"


def at(value: Any, path: str) -> Any:
    """Return the value at a dotted path."""
    for name in path.split("."):
        value = value.get(name, MISSING) if isinstance(value, dict) else MISSING
    return value


def is_null(value: Any) -> bool:
    return value is None


def is_there(value: Any) -> bool:
    return value is not MISSING


def is_missing(value: Any) -> bool:
    return value is MISSING


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_empty(value: Any) -> bool:
    return value in ("", [])


def is_number(value: Any) -> bool:
    return isinstance(value, float)


def is_object(value: Any) -> bool:
    return isinstance(value, dict)


def is_object_of_nulls(value: Any) -> bool:
    return isinstance(value, dict) and all(each is None for each in value.values())


def has_a_blank(value: Any) -> bool:
    return is_text(value) and " " in value


def has_no_offset(value: Any) -> bool:
    return is_text(value) and datetime.fromisoformat(value).tzinfo is None


def has_milliseconds(value: Any) -> bool:
    return is_text(value) and value.endswith(".437000+00:00")


def has_no_timeframe(definition: Any) -> bool:
    groups = definition["condition_groups"] if is_object(definition) else []
    return any(at(each, "timeframe_filter") is None for group in groups for each in group["conditions"])


SHAPES: list[tuple[int, str, str, Callable[[Any], bool]]] = [
    (2, "metric", "attributes.integration.category", is_text),
    (2, "metric", "attributes.integration.category.id", is_there),
    (2, "metric", "attributes.integration", is_null),
    (3, "mapped metric", "relationships", is_missing),
    (6, "profile", "attributes.subscriptions.whatsapp", is_null),
    (6, "profile", f"{EMAIL}.open_tracking.can_receive", is_there),
    (6, "profile", f"{EMAIL}.click_tracking.can_receive", is_there),
    (6, "profile", f"{EMAIL}.marketing.consent_timestamp", has_a_blank),
    (7, "profile", "attributes.predictive_analytics", is_object_of_nulls),
    (7, "profile", "attributes.predictive_analytics.expected_date_of_next_order", has_no_offset),
    (8, "profile", "attributes.location.latitude", is_number),
    (8, "profile", "attributes.location.latitude", is_text),
    (9, "event", "relationships.attributions", is_missing),
    (9, "event", "relationships.attributions", is_there),
    (9, "event", "relationships.profile.data", is_null),
    (9, "event", "attributes.datetime", has_a_blank),
    (9, "event", "attributes.datetime", lambda value: not has_a_blank(value)),
    (10, "included metric", "relationships.flow-triggers", is_there),
    (11, "included profile", "relationships.conversation", is_there),
    (11, "member", "relationships.conversation", is_there),
    (11, "profile", "relationships.conversations", is_there),
    (12, "form version", "attributes.ab_test", is_null),
    (12, "form version", "attributes.ab_test", is_object),
    (13, "coupon", "attributes.monitor_configuration.low_balance_threshold", is_text),
    (14, "web feed", "attributes.status", is_null),
    (15, "flow message", "attributes.channel", lambda value: value == "Email"),
    (15, "flow message", "attributes.definition.reply_to_email", is_null),
    (16, "campaign message", "attributes.send_times", is_empty),
    (16, "campaign message", "relationships.template.data", is_null),
    (16, "campaign message", "relationships.image.data", is_null),
    (17, "segment", "attributes.definition", has_no_timeframe),
    (18, "hidden image", "attributes.name", is_null),
    (19, "catalog item", "attributes.created", has_milliseconds),
    (19, "catalog item", "attributes.image_full_url", is_empty),
]


def records(client: Client, path: str, given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the data and included resources of an endpoint, for each parent if it has parents."""
    parents = client.simulator.ids(path.split("/")[2]) if "{}" in path else [""]
    for parent in parents:
        page = client.fetch(path.format(parent), given)
        while True:
            yield from (*page["data"], *page.get("included", ()))
            if not page["links"].get("next"):
                break
            page = client.fetch(page["links"]["next"])


def violations(stream: str, record: Any) -> list[str]:
    """Return the violations of a stream's schema by a record."""
    validator = jsonschema.Draft7Validator(json.loads((SCHEMAS / f"{stream}.json").read_text("utf-8")))
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(record)]


@pytest.mark.parametrize(("number", "what", "path", "has_shape"), SHAPES)
def test_recorded_shapes_occur_and_fit_the_schemas(
    client: Client, number: int, what: str, path: str, has_shape: Callable[[Any], bool]
) -> None:
    endpoint, given, name, stream = REQUESTS[what]
    found = (each for each in records(client, endpoint, given) if each["type"] == name and has_shape(at(each, path)))
    record = next(found, None)
    assert record is not None, f"shape {number} does not occur"
    assert violations(stream, record) == []


@pytest.mark.parametrize("path", REPORTS)
def test_reports_fit_the_schemas(client: Client, path: str) -> None:
    found = post_query(client, path, report_attributes(client, REPORTS[path]))
    assert UUID(found["data"]["id"])
    assert found["links"].get("next") is None
    assert ("next" in found["links"]) is (
        path in {FLOW_VALUES, "/api/flow-series-reports", "/api/campaign-values-reports"}
    )
    if "values" in path:  # the stream makes a record of each day of a series
        rows = found["data"]["attributes"]["results"]
        assert [violations(path.rpartition("/")[2].replace("-", "_"), row) for row in rows] == [[]] * len(rows)


def test_recorded_responses_without_records_occur(start: Callable[..., Client]) -> None:
    """Check the recorded shapes 1, 4, 5 and 21."""
    client = start(limits=True, advanced_kdp=False)
    assert client.get("/api/events").headers["RateLimit-Limit"] == "350, 350;w=1, 3500;w=60"
    assert client.error("/api/webhook-topics")[0] == 403
    client.simulator.switch(limits=False)
    campaigns, estimations = (set(client.simulator.ids(f"campaign{part}")) for part in ("s", "-recipient-estimations"))
    assert client.error(f"/api/campaign-recipient-estimations/{min(campaigns - estimations)}")[0] == 404
    window = "greater-or-equal(datetime,2026-11-19T10:00:00Z),less-than(datetime,2026-11-19T10:00:00Z)"
    for path, given, source in (
        ("/api/events", {"filter": window}, {"pointer": "datetime"}),
        ("/api/events", {"page[size]": 1001}, {"pointer": "/data/attributes/page_size"}),
        ("/api/events", {"page[cursor]": "x"}, {"pointer": "/data/"}),
        ("/api/campaigns", {}, {"parameter": "filter"}),
    ):
        error = client.error(path, given)[1]
        assert (error["source"], error["links"], error["meta"]) == (source, {}, {})
