"""What goes together in flows, their actions, and the messages of these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klaviyo_simulator.data import words

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from klaviyo_simulator.data.made_up import Birth
    from klaviyo_simulator.data.records import Record

SENDING = {"send-email": "Email", "send-sms": "SMS", "send-mobile-push": "Push"}
"""The actions that have messages, and their channels."""

_STATUSES = ("draft", "live", "manual")


def _flow(birth: Birth, record: Record) -> None:
    record.id = words.short_id(birth.random)
    definition: dict[str, Any] = {"triggers": [], "profile_filter": None, "actions": [], "entry_action_id": None}
    record.change(
        status=birth.random.choice(_STATUSES),
        archived=birth.random.random() < 0.2,
        definition={**definition, "reentry_criteria": {"duration": 1, "unit": "day"}},
    )


def _flow_action(birth: Birth, record: Record) -> None:
    random = birth.random
    record.id = str(random.randrange(10**7, 10**8))
    kind = random.choice((*SENDING, "send-email", "time-delay", "conditional-split", None))
    step = kind and {"id": record.id, "temporary_id": None, "type": kind, **_step(random, kind)}
    record.change(definition=step, updated=words.or_null(random, record.attributes["updated"], 0.05))


def _flow_message(birth: Birth, record: Record) -> None:
    random = birth.random
    record.id = words.short_id(random)
    channel = SENDING.get(birth.parent.value("definition.type"), "Email") if birth.parent else "Email"
    template = birth.copy_template() if channel == "Email" else None
    message = words.or_null(random, _message(birth, channel, record.id, template), 0.05)
    record.change(channel=channel, definition=message)
    record.relations["template"] = template


def _step(random: Random, kind: str) -> dict[str, Any]:
    following = words.or_null(random, str(random.randrange(10**7, 10**8)), 0.4)
    if kind == "time-delay":
        data: dict[str, Any] = {"unit": random.choice(("days", "hours")), "value": random.randrange(1, 8)}
        data |= {"secondary_value": None, "timezone": "profile", "delay_until_time": None, "delay_until_weekdays": None}
        return {"links": {"next": following}, "data": data}
    if kind == "conditional-split":
        condition = {"type": "profile-region", "in_region": True, "region": "european_union"}
        data = {"profile_filter": {"condition_groups": [{"conditions": [condition]}]}}
        return {"links": {"next_if_true": following, "next_if_false": None}, "data": data}
    message = {"name": words.title(random), "id": None}
    if kind != "send-email":
        message["body"] = words.filler(random, 40)
    return {"links": {"next": following}, "data": {"message": message, "status": random.choice(_STATUSES)}}


def _message(birth: Birth, channel: str, identity: str, template: str | None) -> dict[str, Any]:
    random = birth.random
    own = {"name": f"{channel} #{birth.number} — {words.title(random)}", "id": identity}
    common = {"smart_sending_enabled": random.random() < 0.8, "additional_filters": None}
    if channel == "SMS":
        return {"body": f"{random.choice(words.PRODUCTS)} ↗", "image_id": None, "shorten_links": True, **common, **own}
    if channel == "Push":
        content = {"title": random.choice(words.PRODUCTS), "body": words.filler(random, 30), "sound": True}
        return {**content, "badge": False, "kv_pairs": {"big": words.HUGE[0]}, **common, **own}
    content = {
        "from_email": "store@example.com",
        "from_label": words.or_null(random, "Klaviyo Demo"),
        "reply_to_email": None,
        "cc_email": None,
        "bcc_email": None,
        "subject_line": f"{random.choice(words.PRODUCTS)} für {{{{ first_name }}}}",
        "preview_text": words.or_null(random, words.filler(random, 40)),
        "template_id": template,
        "transactional": False,
        "add_tracking_params": True,
        "custom_tracking_params": None,
    }
    return {**content, **common, **own}


DETAILS: dict[str, Callable[[Birth, Record], None]] = {
    "flow": _flow,
    "flow-action": _flow_action,
    "flow-message": _flow_message,
}
