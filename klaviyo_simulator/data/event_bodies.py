"""A pool of event bodies; each event has one of them, with its own ID, time and profile."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from klaviyo_simulator.data import words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

_BODY_COUNT = 512
_PROPERTIES_LENGTH = 580  # bytes; an event is about 1.4 KB in all


@dataclass(frozen=True)
class Body:
    """The part that events of one kind share."""

    metric: str
    properties: bytes  # JSON, of equal length in all bodies, so that events form a matrix


def pool(
    random: Random, metrics: Sequence[tuple[str, str]], campaigns: Sequence[str], flows: Sequence[str]
) -> list[Body]:
    """Return the bodies for metrics given as (ID, name)."""
    bodies = []
    for number in range(max(_BODY_COUNT, len(metrics)) if metrics else 0):
        # Every metric occurs, and the first ones, which are daily business, more often.
        at = number if number < len(metrics) else int(len(metrics) * random.random() ** 2)
        metric, name = metrics[at]
        properties = _properties(random, name, campaigns, flows)
        properties["note"] = ""
        # JSON allows escaped and plain non-ASCII characters, so half of the bodies have each.
        ascii_only = bool(number % 2)
        missing = _PROPERTIES_LENGTH - len(_dumps(properties, ascii_only=ascii_only))
        properties["note"] = words.filler(random, missing)
        bodies.append(Body(metric, _dumps(properties, ascii_only=ascii_only)))
    return bodies


def _dumps(properties: dict[str, Any], *, ascii_only: bool) -> bytes:
    return json.dumps(properties, ensure_ascii=ascii_only, separators=(",", ":")).encode()


def _properties(random: Random, name: str, campaigns: Sequence[str], flows: Sequence[str]) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "$event_id": f"{random.getrandbits(64)}",
        "$value": random.choice((19.99, 0.1 + 0.2, 0, 1e-7, 1234567.0, None)),
        "OrderNumber": random.choice((*words.HUGE, random.randrange(10**6))),
        "Items": random.sample(words.PRODUCTS, 2),
        "ItemCount": random.randrange(1, 9),
        'quoted "key"': 'She said "hello"\n\tand left \\ right',
        "Discount": None,
        "nested": {"list": [1, 2.5, None, {"deep": True}], "empty": {}, "none": []},
    }
    if "Email" in name or "SMS" in name:
        if flows and random.random() < 0.5:
            properties["$flow"] = random.choice(flows)
            properties["$message"] = words.short_id(random)
        elif campaigns:
            properties["Campaign Name"] = words.title(random)
            properties["$message"] = random.choice(campaigns)
    return properties
