"""Details of flows, flow actions and flow messages beyond the facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klaviyo_simulator.data import words

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from klaviyo_simulator.data.made_up import MakerContext
    from klaviyo_simulator.data.records import Record

SENDING = {"send-email": "Email", "send-sms": "SMS", "send-mobile-push": "Push"}
"""Actions with messages, and their channels."""

_STATUSES = ("draft", "live", "manual")


def _flow(context: MakerContext, record: Record) -> None:
    record.id = words.short_id(context.random)
    definition: dict[str, Any] = {"triggers": [], "profile_filter": None, "actions": [], "entry_action_id": None}
    record.change(
        status=context.random.choice(_STATUSES),
        archived=context.random.random() < 0.2,
        definition={**definition, "reentry_criteria": {"duration": 1, "unit": "day"}},
    )


def _flow_action(context: MakerContext, record: Record) -> None:
    random = context.random
    record.id = str(random.randrange(10**7, 10**8))
    kind = random.choice((*SENDING, "send-email", "time-delay", "conditional-split", None))
    step = kind and {"id": record.id, "temporary_id": None, "type": kind, **_step(random, kind)}
    record.change(definition=step, updated=words.or_null(random, record.attributes["updated"], 0.05))


def _flow_message(context: MakerContext, record: Record) -> None:
    random = context.random
    record.id = words.short_id(random)
    channel = SENDING.get(context.parent.value("definition.type"), "Email") if context.parent else "Email"
    template = context.copy_template() if channel == "Email" else None
    message = words.or_null(random, _message(context, channel, record.id, template), 0.05)
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


def _message(context: MakerContext, channel: str, identity: str, template: str | None) -> dict[str, Any]:
    random = context.random
    own = {"name": f"{channel} #{context.number} — {words.title(random)}", "id": identity}
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


DETAILS: dict[str, Callable[[MakerContext, Record], None]] = {
    "flow": _flow,
    "flow-action": _flow_action,
    "flow-message": _flow_message,
}
