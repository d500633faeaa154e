"""Campaigns of all channels, archived ones among them, and their messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zlib import crc32

from klaviyo_simulator.data import words
from klaviyo_simulator.data.records import Record
from klaviyo_simulator.data.tables import RecordTable
from klaviyo_simulator.protocol.moments import iso

if TYPE_CHECKING:
    from random import Random

    from klaviyo_simulator.data.birth import Birth

CHANNELS = ("email", "sms", "mobile_push")
_WITHOUT_ESTIMATION = 5  # one in so many campaigns never gets an estimation


def campaign(birth: Birth) -> Record:
    """One campaign; its moments have microseconds."""
    random = birth.random
    channel = random.choices(CHANNELS, (6, 3, 1))[0]
    status = random.choices(("Sent", "Draft", "Scheduled", "Cancelled", "Sending"), (12, 3, 2, 1, 1))[0]
    times = birth.times_at()
    scheduled = None if status == "Draft" else times["updated_at"]
    lists = list(dict.fromkeys(each for _ in range(2) if (each := birth.pick("list"))))
    attributes: dict[str, Any] = {
        "name": words.title(random),
        "status": status,
        "archived": random.random() < 0.25,
        "audiences": {"included": lists, "excluded": random.choice(([], None, lists[:1]))},
        "send_options": {"use_smart_sending": random.choice((True, False, None))},
        "tracking_options": _tracking(random, channel),
        "send_strategy": _strategy(random, birth.updated),
        **times,
        "scheduled_at": scheduled,
        "send_time": scheduled and iso(birth.updated),
    }
    return Record(words.ulid(random, birth.created), attributes, hidden={"messages.channel": channel})


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


def campaign_message(birth: Birth) -> Record:
    """One message of a campaign, of its channel."""
    random = birth.random
    channel = birth.parent.value("messages.channel") if birth.parent else random.choice(CHANNELS)
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
    times = birth.times_at()
    attributes = {
        "definition": definition,
        "send_times": random.choice(([{"datetime": times["created_at"], "is_local": False}], [], None)),
        **times,
    }
    relations = {
        "template": birth.pick("template") if channel == "email" else None,
        "image": words.or_null(random, birth.pick("image")) if channel == "mobile_push" else None,
    }
    return Record(words.ulid(random, birth.created), attributes, dict(relations))


class EstimationTable(RecordTable):
    """Whom campaigns would reach: one number for each of them, by its id."""

    def __init__(self, campaigns: RecordTable) -> None:
        super().__init__()
        self._campaigns = campaigns

    def get(self, identity: str) -> Record | None:
        """The estimation for a campaign; those of some campaigns never come."""
        count = crc32(identity.encode()) % 100_000
        if self._campaigns.get(identity) is None or count % _WITHOUT_ESTIMATION == 0:
            return None
        return Record(identity, {"estimated_recipient_count": count})

    def ids(self) -> list[str]:
        """The ids of the campaigns that have one."""
        return [identity for identity in self._campaigns.ids() if self.get(identity)]
