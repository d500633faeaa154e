"""A pool of event bodies; each event shows one of them under its own id, time and profile."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from klaviyo_simulator.data import words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

_BODIES = 512
_LENGTH = 580  # of the properties: an event is about 1.4 KB, of which the rest takes its part


@dataclass(frozen=True)
class Body:
    """What events of one kind have in common."""

    metric: str
    properties: bytes  # JSON, of the same length in all bodies, so that events can be laid out as a matrix


def pool(
    random: Random, metrics: Sequence[tuple[str, str]], campaigns: Sequence[str], flows: Sequence[str]
) -> list[Body]:
    """The bodies, for metrics given as (id, name)."""
    bodies = []
    for number in range(max(_BODIES, len(metrics)) if metrics else 0):
        # Every metric occurs, and the first ones, of a shop's daily life, more often than the rest.
        at = number if number < len(metrics) else int(len(metrics) * random.random() ** 2)
        metric, name = metrics[at]
        properties = _properties(random, name, campaigns, flows)
        properties["note"] = ""
        # Half of them escape what is not ASCII, half do not: JSON allows both.
        ascii_only = bool(number % 2)
        missing = _LENGTH - len(_dumps(properties, ascii_only=ascii_only))
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
