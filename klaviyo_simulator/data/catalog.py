"""The smaller sets: account, tags, lists, segments, metrics, templates, flows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klaviyo_simulator.data import words
from klaviyo_simulator.moments import iso
from klaviyo_simulator.records import Record

if TYPE_CHECKING:
    from random import Random

    from klaviyo_simulator.data.timeline import Timeline

METRIC_NAMES = (
    *("Placed Order", "Ordered Product", "Viewed Product", "Added to Cart", "Checkout Started"),
    *("Received Email", "Opened Email", "Clicked Email", "Bounced Email", "Unsubscribed"),
    *("Received SMS", "Clicked SMS", "Subscribed to List", "Fulfilled Order", "Refunded Order", "Active on Site"),
)
_INTEGRATIONS = (
    {"object": "integration", "id": "0eMvjm", "name": "Shopify", "category": "eCommerce"},
    {"object": "integration", "id": "0rG4eQ", "name": "Klaviyo", "category": "Internal"},
    {"object": "integration", "id": "7FtS4J", "name": "API", "category": "API"},
)
_STATUSES = ("draft", "live", "manual")


def account(random: Random) -> Record:
    """The one account of the key."""
    key = words.short_id(random)
    address = {
        "address1": "125 Summer Street",
        "address2": None,
        "city": "İstanbul",
        "region": None,
        "country": "Türkiye",
        "zip": "34000",
    }
    contact = {
        "default_sender_name": "Klaviyo Demo",
        "default_sender_email": "contact@example.com",
        "website_url": "https://shop.example.com",
        "organization_name": "Klaviyo Demo — Ünlü & Co.",
        "street_address": address,
    }
    attributes = {
        "test_account": False,
        "contact_information": contact,
        "industry": None,
        "timezone": "Europe/Istanbul",
        "preferred_currency": "USD",
        "public_api_key": key,
        "locale": "en-US",
    }
    return Record(key, attributes)


def tags(random: Random) -> list[Record]:
    """A dozen tags."""
    names = ("VIP", "Seasonal", "Test", "新規", "Win-back", "2020", "🏷️", "Q4", "A/B", "Old", "Ürün", "Misc")
    return [Record(words.uuid_text(random), {"name": name}) for name in names]


def segments(random: Random, timeline: Timeline) -> list[Record]:
    """A few segments; so far they are only seen from a profile."""
    return [
        Record(
            words.short_id(random),
            {
                "name": words.title(random),
                "definition": None,
                **_times(random, timeline),
                "is_active": True,
                "is_processing": False,
                "is_starred": False,
            },
        )
        for _ in range(4)
    ]


def a_list(random: Random, created: int, updated: int, tagged: list[str], triggers: list[str]) -> Record:
    """One list."""
    attributes = {
        "name": words.title(random),
        "created": iso(created),
        "updated": iso(updated),
        "opt_in_process": random.choice(("double_opt_in", "single_opt_in")),
        "profile_count": random.randrange(10**6),
    }
    return Record(words.short_id(random), attributes, {"tags": tagged, "flow-triggers": triggers})


def metrics(random: Random, timeline: Timeline, count: int, triggers: list[str]) -> list[Record]:
    """The metrics; the first bear the names that every shop has."""
    records = []
    for number in range(count):
        name = METRIC_NAMES[number] if number < len(METRIC_NAMES) else f"Custom Metric {number} ✓"
        attributes = {
            "name": name,
            **_times(random, timeline),
            "integration": words.or_null(random, random.choice(_INTEGRATIONS), 0.05),
        }
        related = triggers[number : number + 1] if random.random() < 0.5 else []
        records.append(Record(words.short_id(random), attributes, {"flow-triggers": list(related)}))
    return records


def template(random: Random, created: int, updated: int) -> Record:
    """One template."""
    kind = random.choice(("SYSTEM_DRAGGABLE", "SIMPLE", "CODE", "USER_DRAGGABLE"))
    html = f"<html><body>\n<h1>{random.choice(words.PRODUCTS)}</h1>{words.filler(random, 600)}</body></html>"
    body = {"id": "1", "properties": {"id": None, "css_class": None}, "styles": {"width": 600}, "sections": []}
    definition: dict[str, Any] = {"id": "1", "template_id": None, "body": body, "styles": []}
    attributes = {
        "name": words.title(random),
        "editor_type": kind,
        "html": html,
        "text": words.or_null(random, words.filler(random, 200)),
        "amp": words.or_null(random, "", 0.9),
        "created": iso(created),
        "updated": iso(updated),
        "definition": definition if kind == "SYSTEM_DRAGGABLE" else None,
    }
    return Record(words.short_id(random), attributes)


def flow(random: Random, created: int, updated: int, tagged: list[str]) -> tuple[Record, list[Record]]:
    """One flow and its actions."""
    trigger = random.choice(("Metric", "Added to List", "Unconfigured", "Date Based", "Price Drop", None))
    actions = [
        Record(
            str(random.randrange(10**7, 10**8)),
            {"created": iso(created), "updated": words.or_null(random, iso(updated)), "definition": None},
        )
        for _ in range(random.randrange(1, 4))
    ]
    definition: dict[str, Any] = {
        "triggers": [],
        "profile_filter": None,
        "actions": [],
        "entry_action_id": None,
        "reentry_criteria": {"duration": 1, "unit": "day"},
    }
    attributes = {
        "name": words.title(random),
        "status": random.choice(_STATUSES),
        "archived": random.random() < 0.2,
        "created": iso(created),
        "updated": iso(updated),
        "trigger_type": trigger,
        "definition": definition,
    }
    record = Record(words.short_id(random), attributes, {"flow-actions": [each.id for each in actions], "tags": tagged})
    for action in actions:
        action.relations = {"flow": record.id, "flow-messages": []}
    return record, actions


def _times(random: Random, timeline: Timeline) -> dict[str, str]:
    created = timeline.some(random)
    return {"created": iso(created), "updated": iso(timeline.later(random, created))}
