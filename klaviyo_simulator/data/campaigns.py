"""Campaigns of all channels, archived ones among them, and their messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klaviyo_simulator.data import words
from klaviyo_simulator.moments import SECOND, iso, iso_micro
from klaviyo_simulator.records import Record

if TYPE_CHECKING:
    from random import Random

CHANNELS = ("email", "sms", "mobile_push")


def campaign(
    random: Random, created: int, updated: int, lists: list[str], tagged: list[str]
) -> tuple[Record, list[Record]]:
    """One campaign and its messages; its moments have microseconds."""
    channel = random.choices(CHANNELS, (6, 3, 1))[0]
    status = random.choices(("Sent", "Draft", "Scheduled", "Cancelled", "Sending"), (12, 3, 2, 1, 1))[0]
    born = _micro(random, created)
    touched = max(born, _micro(random, updated - 1))
    scheduled = None if status == "Draft" else touched
    attributes: dict[str, Any] = {
        "name": words.title(random),
        "status": status,
        "archived": random.random() < 0.25,
        "audiences": {
            "included": random.sample(lists, min(len(lists), 2)),
            "excluded": random.choice(([], None, lists[:1])),
        },
        "send_options": {"use_smart_sending": random.choice((True, False, None))},
        "tracking_options": _tracking(random, channel),
        "send_strategy": _strategy(random, updated),
        "created_at": iso_micro(born),
        "scheduled_at": scheduled and iso_micro(scheduled),
        "updated_at": iso_micro(touched),
        "send_time": scheduled and iso(updated),
    }
    record = Record(words.ulid(random, created), attributes, hidden={"messages.channel": channel})
    messages = [_message(random, record, channel) for _ in range(random.choice((1, 1, 1, 2)))]
    record.relations = {"campaign-messages": [each.id for each in messages], "tags": tagged}
    return record, messages


def _micro(random: Random, seconds: int) -> int:
    return seconds * SECOND + random.randrange(SECOND)


def _tracking(random: Random, channel: str) -> dict[str, Any] | None:
    if channel == "mobile_push" or random.random() < 0.1:
        return None
    tracking = {
        "add_tracking_params": True,
        "custom_tracking_params": [{"type": "static", "value": "e-mail ✉", "name": "utm_medium"}],
    }
    if channel == "email":
        tracking.update(is_tracking_clicks=True, is_tracking_opens=random.choice((True, False, None)))
    return tracking


def _strategy(random: Random, when: int) -> dict[str, Any]:
    return random.choice(
        (
            {"method": "static", "datetime": iso(when), "options": {"is_local": False}},
            {"method": "throttled", "datetime": iso(when), "throttle_percentage": 20},
            {"method": "immediate"},
        )
    )


def _message(random: Random, record: Record, channel: str) -> Record:
    subject = f"{random.choice(words.PRODUCTS)} — {words.filler(random, 20)}"
    definition: dict[str, Any]
    if channel == "email":
        content = {
            "subject": subject,
            "preview_text": words.or_null(random, words.filler(random, 40)),
            "from_email": "store@example.com",
            "from_label": "Klaviyo Demo",
            "reply_to_email": None,
            "cc_email": None,
            "bcc_email": None,
        }
        definition = {"channel": "email", "label": words.or_null(random, subject), "content": content}
    elif channel == "sms":
        definition = {"channel": "sms", "content": {"body": subject, "media_url": None}, "render_options": None}
    else:
        definition = {
            "channel": "mobile_push",
            "notification_type": "standard",
            "content": {"title": subject, "body": words.filler(random, 30), "dynamic_image": None},
            "kv_pairs": {"big": words.HUGE[0]},
            "options": None,
        }
    attributes = {
        "definition": definition,
        "send_times": words.or_null(random, [{"datetime": record.attributes["created_at"], "is_local": False}]),
        "created_at": record.attributes["created_at"],
        "updated_at": record.attributes["updated_at"],
    }
    relations = {"campaign": record.id, "template": None, "image": None}
    return Record(words.ulid(random, 1700000000), attributes, dict(relations))
