"""A resource of each stream that Airbyte's connector has had, as Klaviyo sends it, and the record that it becomes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from unit_tests.fake_api import HOST, FakeKlaviyo, Request
from unit_tests.streams.core import CURSORS

if TYPE_CHECKING:
    from collections.abc import Mapping


DATED = "2024-06-10T08:15:30.123456+00:00"

SPACED = "2024-06-10 08:15:30+00:00"

TYPES = {
    "campaigns": "campaign",
    "email_templates": "template",
    "events": "event",
    "flows": "flow",
    "global_exclusions": "profile",
    "lists": "list",
    "metrics": "metric",
    "profiles": "profile",
}

SUPPRESSION = [{"reason": "HARD_BOUNCE", "timestamp": "2024-06-09T00:00:00+00:00"}]

MARKETING = {
    "can_receive_email_marketing": False,
    "consent": "SUBSCRIBED",
    "consent_timestamp": "2023-02-21T20:07:38+00:00",
    "last_updated": None,
    "method": "PREFERENCE_PAGE",
    "double_optin": True,
    "suppression": SUPPRESSION,
    "list_suppressions": [{"list_id": "L1", "reason": "USER_SUPPRESSED", "timestamp": "2023-02-21 20:07:38+00:00"}],
}

ATTRIBUTES: dict[str, dict[str, Any]] = {
    "campaigns": {
        "name": "Spring",
        "status": "Sent",
        "archived": False,
        "audiences": {"included": ["L1"], "excluded": []},
        "send_options": {"use_smart_sending": True},
        "tracking_options": None,
        "created_at": DATED,
        "scheduled_at": None,
        "send_time": None,
        "updated_at": DATED,
    },
    "email_templates": {"name": "Hello", "editor_type": "CODE", "html": "<p>ö</p>", "text": None, "updated": DATED},
    "events": {
        "timestamp": 1718007330,
        "event_properties": {"$value": 12.5, "items": [{"quantity": 1.5}], "nested": {"deep": [None]}},
        "datetime": SPACED,
        "uuid": "aab0ca00-1e61-11ef-8001-3eaff93ee5be",
    },
    "flows": {"name": "Welcome", "status": "live", "archived": False, "trigger_type": "Metric", "updated": DATED},
    "global_exclusions": {"email": "a@b.c", "subscriptions": {"email": {"marketing": MARKETING}}, "updated": DATED},
    "lists": {"name": "All", "created": DATED, "updated": DATED, "opt_in_process": "single_opt_in"},
    "metrics": {"name": "Opened", "created": DATED, "updated": DATED, "integration": {"id": "0eK", "key": "klaviyo"}},
    "profiles": {
        "email": "a@b.c",
        "phone_number": None,
        "location": {"latitude": 42.36, "longitude": "-71.06", "zip": "02110"},
        "properties": {"pseudonym": "Dr. Octopus", "count": 10**30},
        "subscriptions": {"email": {"marketing": MARKETING}},
        "predictive_analytics": {"historic_clv": 93.87, "historic_number_of_orders": 2},
        "updated": DATED,
    },
}


def resource(name: str, **changes: Any) -> dict[str, Any]:
    """A stream's resource as Klaviyo sends it."""
    kind = TYPES[name]
    return {
        "type": kind,
        "id": "01J0",
        "attributes": {**ATTRIBUTES[name], **changes},
        "relationships": {"tags": {"data": [], "links": {"related": f"{HOST}/api/{kind}s/01J0/tags/"}}},
        "links": {"self": f"{HOST}/api/{kind}s/01J0/"},
    }


def compact(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def respond_with(klaviyo: FakeKlaviyo, *resources: bytes | Mapping[str, Any]) -> None:
    """Respond to the first request with these resources, and to all others with none."""
    bodies = [one if isinstance(one, bytes) else compact(one) for one in resources]
    bodies_left = iter([b'{"data":[%s],"included":[{"type":"x","id":"y"}],"links":{"next":null}}' % b",".join(bodies)])

    def before(request: Request) -> tuple[int, bytes]:
        awaited = request.resource != "campaigns" or "'email'),equals(archived,false)" in request.params["filter"]
        return 200, next(bodies_left, b'{"data":[]}') if awaited else b'{"data":[]}'

    klaviyo.before = before


def expected(name: str) -> dict[str, Any]:
    """Return the record that a resource becomes."""
    record = resource(name)
    record[CURSORS[name]] = record["attributes"][CURSORS[name]]
    if name == "campaigns":
        record["attributes"]["channel"] = "email"
    if name == "global_exclusions":
        marketing = {**MARKETING, "suppressions": SUPPRESSION}
        del marketing["suppression"]
        record["attributes"]["subscriptions"] = {"email": {"marketing": marketing}}
    return record
