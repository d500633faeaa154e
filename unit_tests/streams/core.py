"""The streams that Airbyte's connector has had from the beginning: their states, and records for the fake API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unit_tests.fake_api import FakeKlaviyo

STATE = "2024-06-01T10:00:00+0000"

NAMES = ["campaigns", "email_templates", "events", "flows", "global_exclusions", "lists", "metrics", "profiles"]

CURSORS = {name: {"campaigns": "updated_at", "events": "datetime"}.get(name, "updated") for name in NAMES}

RESOURCES = {"email_templates": "templates", "global_exclusions": "profiles"}


def state_of(stream: str, cursor: str = STATE) -> dict[str, Any]:
    """A state that all partitions of a stream share."""
    position = {CURSORS.get(stream, "updated"): cursor}
    if stream in ("campaigns", "flows"):
        return {"use_global_cursor": True, "state": position, "lookback_window": 0}
    return position


def fill(klaviyo: FakeKlaviyo, stream: str, count: int) -> list[str]:
    """Add records that the stream reads, in a single partition."""
    at = [{CURSORS.get(stream, "updated"): f"2024-06-10T00:00:{second:02}+00:00"} for second in range(count)]
    if stream == "campaigns":
        rows = [{**one, "archived": False} for one in at]
        return klaviyo.add("campaigns", *rows, **{"messages.channel": "email"})
    if stream == "flows":
        return klaviyo.add("flows", *({**one, "archived": False} for one in at))
    if stream == "global_exclusions":
        return klaviyo.add("profiles", *(suppressed(one["updated"], one["updated"]) for one in at))
    return klaviyo.add(RESOURCES.get(stream, stream), *at)


def suppressed(updated: str, *timestamps: str) -> dict[str, Any]:
    """The attributes of a profile that is suppressed since the timestamps."""
    suppression = [{"reason": "USER_SUPPRESSED", "timestamp": timestamp} for timestamp in timestamps]
    return {"updated": updated, "subscriptions": {"email": {"marketing": {"suppression": suppression}}}}
