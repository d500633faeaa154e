"""The smallest sets: the account with its settings, tags, webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klaviyo_simulator.data import words
from klaviyo_simulator.data.records import Record

if TYPE_CHECKING:
    from random import Random

    from klaviyo_simulator.data.birth import Birth

TOPICS = (
    *("event:klaviyo.opened_email", "event:klaviyo.clicked_email", "event:klaviyo.received_sms"),
    *("event:klaviyo.submitted_review", "event:klaviyo.unsubscribed_from_email_marketing"),
)
_TAGS = ("VIP", "Seasonal", "Test", "新規", "Win-back", "2020", "🏷️", "Q4", "A/B", "Old", "Ürün", "Misc")


def account(random: Random, timezone: str) -> Record:
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
        "timezone": timezone,
        "preferred_currency": "USD",
        "public_api_key": key,
        "locale": "en-US",
    }
    return Record(key, attributes)


def tracking_setting(identity: str) -> Record:
    """How the account marks its links."""
    both: dict[str, Any] = {
        "flow": {"type": "dynamic", "value": "flow_name"},
        "campaign": {"type": "static", "value": "kampanya é"},
    }
    attributes = {
        "auto_add_parameters": True,
        "utm_source": {"flow": both["flow"], "campaign": None},
        "utm_medium": both,
        "utm_campaign": both,
        "utm_id": None,
        "utm_term": None,
        "custom_parameters": [{"name": "quelle", **both}],
    }
    return Record(identity, attributes)


def tag_group(birth: Birth) -> Record:
    """One group of tags; the first is the default one."""
    name = "Default" if birth.number == 0 else f"Gruppe {birth.number}"
    attributes = {"name": name, "exclusive": birth.number % 2 == 1, "default": birth.number == 0}
    return Record(words.uuid_text(birth.random), attributes)


def tag(birth: Birth) -> Record:
    """One tag."""
    name = _TAGS[birth.number] if birth.number < len(_TAGS) else f"Tag {birth.number}"
    return Record(words.uuid_text(birth.random), {"name": name})


def webhook(birth: Birth) -> Record:
    """One webhook."""
    random = birth.random
    attributes = {
        "name": f"{words.title(random)} → ERP",
        "description": words.or_null(random, words.filler(random, 30), 0.3),
        "endpoint_url": "https://hooks.example.com/…",
        "enabled": random.random() < 0.7,
        **(birth.times_at() if random.random() < 0.8 else {"created_at": None, "updated_at": None}),
    }
    topics = random.sample(TOPICS, random.randrange(3))
    return Record(words.ulid(random, birth.created), attributes, {"webhook-topics": topics})


def webhook_topic(birth: Birth) -> Record:
    """One thing that webhooks can be about."""
    return Record(TOPICS[birth.number % len(TOPICS)], {})
