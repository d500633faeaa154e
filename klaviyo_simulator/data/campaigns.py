"""Campaigns of all channels with their messages, audiences and variations, in the shapes of each revision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zlib import crc32

from typing_extensions import override

from klaviyo_simulator.data import words
from klaviyo_simulator.data.records import Record, ids_of
from klaviyo_simulator.data.tables import RecordTable
from klaviyo_simulator.protocol.instants import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from klaviyo_simulator.data.made_up import MakerContext
    from klaviyo_simulator.data.tables import Table

CHANNELS = {"email": "email", "sms": "sms", "mobile_push": "push"}
"""Names of channels in earlier revisions, and in variations."""
_STATUSES = {"Sent": "sent", "Draft": "draft", "Scheduled": "scheduled", "Cancelled": "cancelled", "Sending": "sending"}
_NO_ESTIMATION_EVERY = 5  # one of this many campaigns never gets an estimation
_TRACKING = {"type": "static", "value": "e-mail ✉", "name": "utm_medium"}
_ADDRESSES = ("from_email", "from_label", "reply_to_email", "cc_email", "bcc_email")


def _campaign(context: MakerContext, record: Record) -> None:
    random, updated = context.random, record.attributes["updated_at"]
    channel = random.choices(tuple(CHANNELS), (6, 3, 1))[0]
    status = random.choices(tuple(_STATUSES), (12, 3, 2, 1, 1))[0]
    lists = list(dict.fromkeys(each for _ in range(2) if (each := context.pick("list"))))
    record.hidden = {"messages.channel": channel}
    record.change(
        status=status,
        archived=random.random() < 0.25,
        audiences={"included": lists, "excluded": random.choice(([], None, lists[:1]))},
        scheduled_at=None if status == "Draft" else updated,
        send_time=None if status == "Draft" else iso(context.updated),
        send_strategy=random.choice(
            (
                {"method": "static", "datetime": iso(context.updated), "options": {"is_local": False}},
                {"method": "throttled", "datetime": iso(context.updated), "throttle_percentage": 20},
                {"method": "immediate"},
            )
        ),
    )
    tracking = {"add_tracking_params": True, "custom_tracking_params": [_TRACKING]}
    if channel == "email":
        tracking |= {"is_tracking_clicks": True, "is_tracking_opens": random.choice((True, False, None))}
    record.change(tracking_options=None if channel == "mobile_push" or random.random() < 0.1 else tracking)


def _campaign_message(context: MakerContext, record: Record) -> None:
    """Reduce the definition to the members of the message's channel."""
    random = context.random
    channel = context.parent.value("messages.channel") if context.parent else random.choice(tuple(CHANNELS))
    made = record.attributes["definition"] or {}
    more, parts = {
        "email": ({"label": made.get("label")}, ("subject", "preview_text", *_ADDRESSES)),
        "sms": ({"render_options": None}, ("body", "media_url")),
        "mobile_push": (
            {"notification_type": "standard", "kv_pairs": {"big": words.HUGE[0]}, "options": None},
            ("title", "body", "dynamic_image"),
        ),
    }[channel]
    content = {name: (made.get("content") or {}).get(name) for name in parts}
    if channel == "mobile_push":
        content["body"] = content["body"] or ""
    content[parts[0]] = f"{random.choice(words.PRODUCTS)} — {words.filler(random, 20)}"
    record.change(definition={"channel": channel, **more, "content": content})
    record.relations["template"] = context.pick("template") if channel == "email" else None
    if channel != "mobile_push":
        record.relations["image"] = None


def _canvas_campaign(context: MakerContext, record: Record) -> None:
    definition = record.attributes["definition"]
    definition |= {"name": words.title(context.random), "builder": "canvas", "archived": context.random.random() < 0.25}
    if settings := definition.get("send_settings"):
        settings["exit_condition_conversion_metric_id"] = context.pick("metric")


def _campaign_audience(context: MakerContext, record: Record) -> None:
    lists = list(dict.fromkeys(each for _ in range(2) if (each := context.pick("list"))))
    audiences = context.parent.attributes.get("audiences") if context.parent else None
    record.attributes["definition"] |= audiences or {"included": lists, "excluded": context.random.choice(([], None))}


def _campaign_variation(context: MakerContext, record: Record) -> None:
    """Copy the content that earlier revisions show in the message itself."""
    random, message = context.random, context.parent
    earlier = (message.attributes["definition"] if message else {}).get("content")
    channel = CHANNELS[message.value("definition.channel")] if earlier and message else None
    channel = channel or random.choice(("email", "sms", "push", "whatsapp"))
    draft = not earlier and random.random() < 0.15
    record.attributes["definition"]["details"] = None if draft else _details(context, channel, earlier or {})
    record.relations.update({"image": context.pick("image") if channel == "push" else None, "translation": None})


def _details(context: MakerContext, channel: str, earlier: dict[str, Any]) -> dict[str, Any]:
    random = context.random
    text = f"{random.choice(words.PRODUCTS)} — {words.filler(random, 20)}"
    if channel == "email":
        return {
            "channel": "email",
            "template_id": context.pick("template"),
            "subject": earlier.get("subject") or text,
            "preview_text": earlier.get("preview_text") or "",
            **{name: earlier.get(name) or "" for name in _ADDRESSES},
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
        return {"channel": "whatsapp", "template_id": context.pick("template"), "shorten_links": True}
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
        "action_buttons": random.choice(([button], None)),
    }


class EstimationTable(RecordTable):
    """Recipient estimations: one number for each campaign, by the campaign's ID."""

    def __init__(self, campaigns: RecordTable) -> None:
        super().__init__()
        self._campaigns = campaigns

    @override
    def get(self, identity: str) -> Record | None:
        """Return the estimation for a campaign; some campaigns never get one."""
        count = crc32(identity.encode()) % 100_000
        if self._campaigns.get(identity) is None or count % _NO_ESTIMATION_EVERY == 0:
            return None
        return Record(identity, {"estimated_recipient_count": count})

    @override
    def ids(self) -> list[str]:
        """Return the IDs of the campaigns with an estimation."""
        return [identity for identity in self._campaigns.ids() if self.get(identity)]


def convert_campaign(record: Record) -> Record:
    """Return a campaign of earlier revisions in the shape of revision 2026-10-15, as made with the wizard."""
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


class MessageConverter:
    """A converter of messages to the shape of revision 2026-10-15, which moves their content to variations.

    Args:
        tables: The tables with the campaigns.
    """

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self._tables = tables

    def __call__(self, record: Record) -> Record:
        """Return a message in that shape."""
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


DETAILS: dict[str, Callable[[MakerContext, Record], None]] = {
    "campaign": _campaign,
    "campaign-audience": _campaign_audience,
    "campaign-message": _campaign_message,
    "campaign-variation": _campaign_variation,
    "canvas-campaign": _canvas_campaign,
}
