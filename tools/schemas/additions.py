"""What revision 2026-10-15 adds to resources whose streams speak an earlier one, so that tables are ready for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tools.schemas.streams import Edits

_CLICKS = "attributes.subscriptions.email.click_tracking"
CLICK_TRACKING_EDITS: Edits = {
    _CLICKS: ("object", "The consent to tracking clicks in emails."),
    f"{_CLICKS}.consent": ("string", "The state of the consent."),
    f"{_CLICKS}.can_receive": ("boolean", "Whether clicks may be tracked."),
    **{
        f"{_CLICKS}.{name}": ("date-time", text)
        for name, text in {
            "consent_timestamp": "When consent was given or changed.",
            "last_updated": "When anything about the consent last changed.",
            "created_timestamp": "When the consent was first recorded.",
            "valid_until": "When the consent ends.",
        }.items()
    },
    f"{_CLICKS}.metadata": ("open object", "Further facts about the consent."),
}
COUPON_EDITS: Edits = {
    "attributes.assigner_configuration": ("object", "Which codes the coupon may give away again."),
    "attributes.assigner_configuration.used": (
        "string",
        "Whether used codes are given away again: ALWAYS_ASSIGN, ASSIGN_IF_EXPIRED or NEVER_ASSIGN.",
    ),
    "attributes.assigner_configuration.unused_expired": (
        "string",
        "Whether expired codes that nobody used are given away: ALWAYS_ASSIGN or NEVER_ASSIGN.",
    ),
}
LIST_TYPE_EDITS: Edits = {
    "attributes.properties[].type": (
        "string",
        "The type of the schema property. Known values: boolean, float, int, list_str, string, timestamp.",
    ),
}
