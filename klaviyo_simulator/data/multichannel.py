"""Campaigns of several channels with audiences, messages and variations; and earlier campaigns seen as such."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klaviyo_simulator.data import words
from klaviyo_simulator.data.records import Record, ids_of
from klaviyo_simulator.protocol.moments import iso

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klaviyo_simulator.data.birth import Birth
    from klaviyo_simulator.data.tables import Table

CHANNELS = {"email": "email", "sms": "sms", "mobile_push": "push"}
"""What earlier revisions call a channel, and what variations call it."""
_STATUSES = {"Sent": "sent", "Draft": "draft", "Scheduled": "scheduled", "Cancelled": "cancelled", "Sending": "sending"}
_STRATEGIES = ("static", "throttled", "local_timezone", "content_variation", "send_time_optimization", None)


def canvas_campaign(birth: Birth) -> Record:
    """One campaign made on the canvas, which earlier revisions do not show."""
    random = birth.random
    settings = {
        "send_strategy": random.choice(("static", None)),
        "send_timezone": random.choice(("US/Eastern", None)),
        "send_passed_rltz_immediately": random.choice((True, False, None)),
        "exit_condition_enabled": random.random() < 0.3,
        "exit_condition_conversion_metric_id": birth.pick("metric"),
    }
    definition = {
        "name": words.title(random),
        "archived": random.random() < 0.25,
        "builder": "canvas",
        "color": words.or_null(random, "ff5733"),
        "description": words.or_null(random, words.filler(random, 60)),
        "send_settings": words.or_null(random, settings, 0.3),
    }
    return Record(words.ulid(random, birth.created), {**birth.times_at(), "definition": definition})


def canvas_message(birth: Birth) -> Record:
    """One message of such a campaign."""
    random = birth.random
    strategy = random.choice(_STRATEGIES)
    definition = {
        "name": words.or_null(random, words.title(random)),
        "status": random.choice((*_STATUSES.values(), None)),
        "tracking_options": {"is_add_utm": True, "is_tracking_clicks": True, "is_tracking_opens": None},
        "send_options": {
            "send_strategy": strategy,
            "send_time": words.or_null(random, iso(birth.updated)),
            "send_times": {words.ulid(random, birth.created): iso(birth.updated)} if strategy is None else None,
            "recipient_percentage": 20 if strategy == "throttled" else None,
            "throttle_unit": "hour" if strategy == "throttled" else None,
            "throttling_type": random.choice(("none", "throttle-for-campaigns", None)),
            "is_ignoring_unsubscribes": random.choice((False, None)),
        },
        "ab_test": {"winner_metric": "opens_unique", "winner_percentage": 50, "winner_wait_hours": 4},
    }
    return Record(words.ulid(random, birth.created), {**birth.times(), "definition": definition})


def campaign_audience(birth: Birth) -> Record:
    """One audience of a campaign."""
    random, campaign = birth.random, birth.parent
    lists = list(dict.fromkeys(each for _ in range(2) if (each := birth.pick("list"))))
    audiences = campaign.attributes.get("audiences") if campaign else None
    definition = {
        "name": words.or_null(random, words.title(random)),
        **(audiences or {"included": lists, "excluded": random.choice(([], None))}),
        "priority": words.or_null(random, birth.number % 3 + 1),
    }
    return Record(words.ulid(random, birth.created), {**birth.times(), "definition": definition})


def campaign_variation(birth: Birth) -> Record:
    """One variation of a message, which holds what earlier revisions show in the message itself."""
    random, message = birth.random, birth.parent
    earlier = (message.attributes["definition"] if message else {}).get("content")
    channel = CHANNELS[message.value("definition.channel")] if earlier and message else None
    channel = channel or random.choice(("email", "sms", "push", "whatsapp"))
    draft = not earlier and random.random() < 0.15
    definition = {
        "name": words.or_null(random, words.title(random)),
        "details": None if draft else _details(birth, channel, earlier or {}),
    }
    image = birth.pick("image") if channel == "push" else None
    attributes = {**birth.times(), "definition": definition}
    return Record(words.ulid(random, birth.created), attributes, {"image": image, "translation": None})


def _details(birth: Birth, channel: str, earlier: dict[str, Any]) -> dict[str, Any]:
    random = birth.random
    text = f"{random.choice(words.PRODUCTS)} — {words.filler(random, 20)}"
    if channel == "email":
        addresses = ("from_email", "from_label", "reply_to_email", "cc_email", "bcc_email")
        return {
            "channel": "email",
            "template_id": birth.pick("template"),
            "subject": earlier.get("subject") or text,
            "preview_text": earlier.get("preview_text") or "",
            **{name: earlier.get(name) or "" for name in addresses},
        }
    if channel == "sms":
        return {
            "channel": "sms",
            "body": earlier.get("body") or text,
            "text_message_type": "SMS",
            "cost": random.choice((0.0375, None)),
            "shorten_links": True,
            "message_hierarchy": None,
        }
    if channel == "whatsapp":
        return {"channel": "whatsapp", "template_id": birth.pick("template"), "shorten_links": True}
    button = {"label": "Öffnen", "action_type": "open_url", "url": "https://shop.example.com", "icon": None}
    return {
        "channel": "push",
        "title": earlier.get("title") or text,
        "body": earlier.get("body") or "",
        "badge": False,
        "badge_config": "increment-one",
        "badge_value": "1",
        "sound": True,
        "sound_file_name": "",
        "open_action": 0,
        "dynamic_media_template": "",
        "push_type": "standard",
        "kv_pairs": {"big": words.HUGE[0]},
        "action_buttons": words.or_null(random, [button], 0.5),
    }


def seen_campaign(record: Record) -> Record:
    """A campaign of earlier revisions as revision 2026-10-15 shows it; it was made with the wizard."""
    old = record.attributes
    definition = {
        "name": old["name"],
        "archived": old["archived"],
        "builder": "wizard",
        "color": None,
        "description": None,
        "send_settings": None,
    }
    times = {name: old[name] for name in ("created_at", "updated_at")}
    return Record(record.id, {**times, "definition": definition}, record.relations)


class SeenMessages:
    """Messages of earlier revisions as revision 2026-10-15 shows them: what they say is in their variations.

    Args:
        tables: where their campaigns are.
    """

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self._tables = tables

    def __call__(self, record: Record) -> Record:
        """One message in that shape."""
        old = record.attributes
        campaign = self._tables["campaign"].get("".join(ids_of(record.relations.get("campaign"))))
        of_campaign = campaign.attributes if campaign else {}
        definition = {
            "name": (old["definition"] or {}).get("label") or of_campaign.get("name"),
            "status": _STATUSES.get(of_campaign.get("status", "")),
            "tracking_options": None,
            "send_options": {"send_time": of_campaign.get("send_time"), "send_strategy": "static"},
            "ab_test": None,
        }
        audiences = ids_of(campaign.relations.get("campaign-audiences")) if campaign else []
        relations = {**record.relations, "campaign-audience": audiences[0] if audiences else None}
        attributes = {"created": old["created_at"], "updated": old["updated_at"], "definition": definition}
        return Record(record.id, attributes, relations)
