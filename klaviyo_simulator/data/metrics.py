"""Metrics, their properties, and what the account makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klaviyo_simulator.data import words
from klaviyo_simulator.data.records import Record
from klaviyo_simulator.protocol.moments import iso

if TYPE_CHECKING:
    from klaviyo_simulator.data.birth import Birth

METRIC_NAMES = (
    *("Placed Order", "Ordered Product", "Viewed Product", "Added to Cart", "Checkout Started"),
    *("Received Email", "Opened Email", "Clicked Email", "Bounced Email", "Unsubscribed"),
    *("Received SMS", "Clicked SMS", "Subscribed to List", "Fulfilled Order", "Refunded Order", "Active on Site"),
    *("Viewed Form", "Closed Form"),
)
MAPPINGS = (
    *("added_to_cart", "cancelled_sales", "ordered_product", "refunded_sales", "revenue"),
    *("started_checkout", "viewed_product"),
)
_INTEGRATIONS: tuple[dict[str, Any] | None, ...] = (
    {"object": "integration", "id": "0eMvjm", "key": "shopify", "name": "Shopify", "category": "eCommerce"},
    {"object": "integration", "id": "0rG4eQ", "key": "klaviyo", "name": "Klaviyo", "category": "Internal"},
    {"object": "integration", "id": "7FtS4J", "key": "api", "name": "API", "category": "API"},
    {
        "object": "integration",
        "id": "4kQvPx",
        "key": "parcels",
        "name": "Parcels",
        "category": {"category": "Shipping", "id": 9},
    },
    None,
)
_PROPERTIES = (
    ("$value", "Value", "numeric"),
    ("Items", "Items", "list"),
    ("is_gift", "Is gift?", "boolean"),
    ("Größe", "Größe 📏", "string"),
    ("ordered_at", "ordered_at", "date"),
)


def metric(birth: Birth) -> Record:
    """One metric; the first bear the names that every shop has."""
    random, number = birth.random, birth.number
    attributes = {
        "name": METRIC_NAMES[number] if number < len(METRIC_NAMES) else f"Custom Metric {number} ✓",
        **birth.times(),
        "integration": _INTEGRATIONS[number % len(_INTEGRATIONS)],
    }
    flow = birth.pick("flow") if random.random() < 0.5 else None
    return Record(words.short_id(random), attributes, {"flow-triggers": [flow] if flow else []})


def metric_property(birth: Birth) -> Record:
    """One property of a metric."""
    name, label, kind = _PROPERTIES[birth.number % len(_PROPERTIES)]
    attributes = {"label": label, "property": name, "inferred_type": kind, "sample_values": None}
    return Record(words.short_id(birth.random) + str(birth.number), attributes)


def custom_metric(birth: Birth) -> Record:
    """One metric made of others."""
    random = birth.random
    metrics = [found for _ in range(random.randrange(1, 3)) if (found := birth.pick("metric"))]
    filters = [{"property": "$value", "filter": {"type": "numeric", "operator": "greater-than", "value": 10}}]
    groups = [
        {"metric_id": each, "metric_filters": words.or_null(random, filters, 0.5), "value_property": None}
        for each in dict.fromkeys(metrics)
    ]
    attributes = {
        "name": f"Custom {words.title(random)} {birth.number}",
        **birth.times(),
        "definition": {"aggregation_method": random.choice(("count", "value")), "metric_groups": groups},
    }
    return Record(words.uuid_text(random), attributes, {"metrics": list(dict.fromkeys(metrics))})


def mapped_metric(birth: Birth) -> Record:
    """What one of the metrics that every shop has is here: a metric, a custom one, or none."""
    kind = ("metric", "custom-metric", "metric", None)[birth.number % 4]
    relations = {"metric": None, "custom-metric": None, **({kind: birth.pick(kind)} if kind else {})}
    return Record(MAPPINGS[birth.number % len(MAPPINGS)], {"updated": iso(birth.updated)}, dict(relations))
