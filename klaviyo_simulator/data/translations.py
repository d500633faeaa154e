"""Translations, and what the account has used of its plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klaviyo_simulator.data import words
from klaviyo_simulator.data.records import Record, Related
from klaviyo_simulator.protocol.moments import DAY, iso

if TYPE_CHECKING:
    from klaviyo_simulator.data.birth import Birth

_TRANSLATED = ("campaign-variation", "flow-message", "template", "template-universal-content", "consent-page")
_USAGE = (
    ("email_sends", "messages", 250_000),
    ("sms_credits", "credits", 1_000),
    ("active_profiles", "profiles", 10_000),
    ("customer_hub_active_profiles", "profiles", 0),
    ("reviews_orders", "orders", 500),
    ("agent_resolutions", "resolutions", 100),
    ("spend", "USD", 900),
)
USAGES = len(_USAGE)


def translation(birth: Birth) -> Record:
    """One translation; its texts come with the translation itself only."""
    random = birth.random
    kind = _TRANSLATED[birth.number % len(_TRANSLATED)]
    related = words.ulid(random, birth.created) if kind == "consent-page" else birth.pick(kind)
    channel = random.choice(("web",) if kind == "consent-page" else ("email", "sms", "mobile_push", "whatsapp"))
    values: list[dict[str, Any]] = [
        {"id": "block-1", "source": random.choice(words.PRODUCTS), "translations": {"tr": "Keten gömlek", "ja": "麻"}}
    ]
    attributes = {
        "source_locale": "en",
        "target_locales": ["tr", "ja"] if random.random() < 0.8 else [],
        "fallback_locale": words.or_null(random, "en"),
        "channel": channel,
        "metadata": words.or_null(random, {"Größe": words.HUGE[0]}, 0.5),
        **(birth.times() if random.random() < 0.9 else {"created": None, "updated": None}),
        "values": words.or_null(random, values),
    }
    identity = f"{kind}::{channel}::{words.ulid(random, birth.created)}"
    relations: dict[str, Related] = {name: related if name == kind else None for name in _TRANSLATED}
    return Record(identity, attributes, relations, {"resource_type": kind, "related_resource_id": related})


def billing_usage(birth: Birth) -> Record:
    """What has been used of one thing in the current period, as of when that was counted."""
    name, unit, most = _USAGE[birth.number % USAGES]
    start = birth.updated - birth.updated % (30 * DAY)
    attributes = {
        "usage_used": round(birth.random.random() * max(most, 1), 4),
        "usage_max": most,
        "unit": unit,
        "period_start": iso(start),
        "period_end": iso(start + 30 * DAY),
        "as_of": iso(birth.updated),
    }
    return Record(name if birth.number < USAGES else f"{name}_{birth.number}", attributes)
