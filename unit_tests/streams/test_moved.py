"""Columns of Airbyte's connector that the API has moved stay filled."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from source_klaviyo.streams.moved import CAMPAIGN, CAMPAIGN_MESSAGE, with_old_columns

AT = "2022-11-08T00:00:00+00:00"


def attributes(table: Any, **new: Any) -> dict[str, Any]:
    """The attributes of a resource with its old columns."""
    resource = msgspec.Raw(json.dumps({"type": "x", "id": "1", "attributes": new}).encode())
    found: dict[str, Any] = json.loads(bytes(with_old_columns(resource, table)))["attributes"]
    return found


@pytest.mark.parametrize(
    ("strategy", "old"),
    [
        (
            {
                "method": "static",
                "datetime": AT,
                "options": {"is_local": True, "send_past_recipients_immediately": False},
            },
            {"options_static": {"datetime": AT, "is_local": True, "send_past_recipients_immediately": False}},
        ),
        (
            {"method": "static", "datetime": AT, "options": None},
            {"options_static": {"datetime": AT, "is_local": None, "send_past_recipients_immediately": None}},
        ),
        (
            {"method": "throttled", "datetime": AT, "throttle_percentage": 20},
            {"options_throttled": {"datetime": AT, "throttle_percentage": 20}},
        ),
        ({"method": "smart_send_time", "date": "2022-11-08"}, {"options_sto": {"date": "2022-11-08"}}),
        ({"method": "immediate"}, {}),
        ({"method": "ab_test_campaign"}, {}),
        ({"method": "a new one", "datetime": AT}, {}),
        ({}, {}),
    ],
    ids=["local", "static", "throttled", "smart send time", "immediate", "test", "unknown", "empty"],
)
def test_a_send_strategy_keeps_its_old_options(strategy: dict[str, Any], old: dict[str, Any]) -> None:
    assert attributes(CAMPAIGN, send_strategy=strategy) == {"send_strategy": {**strategy, **old}}


def test_tracking_options_keep_their_old_names() -> None:
    params = [{"type": "static", "name": "utm_medium", "value": "email"}]
    new = {"add_tracking_params": True, "custom_tracking_params": params, "is_tracking_opens": True}
    old = {"is_add_utm": True, "utm_params": params}
    assert attributes(CAMPAIGN, tracking_options=new) == {"tracking_options": {**new, **old}}


def test_a_message_keeps_its_content_at_the_top() -> None:
    definition = {
        "channel": "sms",
        "label": "Spring",
        "content": {"body": "Hi", "media_url": None},
        "render_options": {"shorten_links": True},
        "kind": "x",
    }
    old = {name: definition[name] for name in ("channel", "label", "content", "render_options")}
    assert attributes(CAMPAIGN_MESSAGE, definition=definition) == {"definition": definition, **old}


@pytest.mark.parametrize(
    "new",
    [
        {},
        {"send_strategy": None, "tracking_options": None},
        {"send_strategy": "soon", "tracking_options": [1]},
        {"tracking_options": {"is_tracking_opens": False}},
    ],
    ids=str,
)
def test_attributes_that_have_not_moved_stay_as_they_are(new: dict[str, Any]) -> None:
    assert attributes(CAMPAIGN, **new) == new


def test_a_resource_without_old_columns_keeps_its_bytes() -> None:
    resource = msgspec.Raw(b'{ "id": "1",  "attributes": {"big": 123456789012345678901234567890} }')
    assert with_old_columns(resource, CAMPAIGN) == resource


def test_numbers_beside_filled_columns_keep_their_digits() -> None:
    resource = msgspec.Raw(b'{"id":"1","attributes":{"big":1e-7,"tracking_options":{"add_tracking_params":true}}}')
    assert b'"big":1e-7' in bytes(with_old_columns(resource, CAMPAIGN))


def test_a_value_at_the_old_place_stays() -> None:
    new = {"add_tracking_params": True, "is_add_utm": False, "utm_params": None}
    assert attributes(CAMPAIGN, tracking_options=new) == {"tracking_options": new}
    assert attributes(CAMPAIGN, tracking_options={"add_tracking_params": True, "is_add_utm": None}) == {
        "tracking_options": {"add_tracking_params": True, "is_add_utm": True}
    }
