"""Columns whose values moved to another place between the API's revisions: they are filled from the new place.

Airbyte's connector spoke revision 2024-10-15, this one speaks a newer one. Models built on the old columns keep
working; the new places come as well. If Klaviyo sends an old member itself, it stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from source_klaviyo.api.page import NULL
from source_klaviyo.api.resource import Members, encode, members


@dataclass(frozen=True, slots=True)
class If:
    """The source of an old member, on the condition that another member has a value."""

    member: str
    value: str
    source: Source


@dataclass(frozen=True, slots=True)
class Within:
    """An object that has old members of its own."""

    table: Table


Source = str | Mapping[str, "Source"] | If
"""The new place of an old member: a dotted path, an object of such paths, or either on a condition."""
Table = Mapping[str, "Source | Within"]

CAMPAIGN: Table = {
    "send_strategy": Within(
        {
            "options_static": If(
                "method",
                "static",
                {
                    "datetime": "datetime",
                    "is_local": "options.is_local",
                    "send_past_recipients_immediately": "options.send_past_recipients_immediately",
                },
            ),
            "options_throttled": If(
                "method", "throttled", {"datetime": "datetime", "throttle_percentage": "throttle_percentage"}
            ),
            "options_sto": If("method", "smart_send_time", {"date": "date"}),
        }
    ),
    "tracking_options": Within({"is_add_utm": "add_tracking_params", "utm_params": "custom_tracking_params"}),
}
"""The attributes of a campaign that moved."""

CAMPAIGN_MESSAGE: Table = {name: f"definition.{name}" for name in ("label", "channel", "content", "render_options")}
"""The attributes of a message of a campaign that moved."""


def with_old_columns(resource: msgspec.Raw, table: Table) -> msgspec.Raw:
    """Return a resource with the old members of its attributes filled; as it is if there is nothing to fill."""
    parts = members(resource)
    attributes = _filled(parts.get("attributes", NULL), table)
    return resource if attributes is None else encode(parts | {"attributes": attributes})


def _filled(value: msgspec.Raw, table: Table) -> msgspec.Raw | None:
    """Return an object with its old members filled; None if there is nothing to fill."""
    found = _members(value)
    new: dict[str, msgspec.Raw] = {}
    for name, source in table.items():
        if isinstance(source, Within):
            filled = _filled(found.get(name, NULL), source.table)
        else:
            filled = _found(found, source) if found.get(name, NULL) == NULL else None
        if filled is not None:
            new[name] = filled
    return encode(found | new) if new else None


def _members(value: msgspec.Raw) -> Members:
    """Return the members of an object; none of what is no object."""
    try:
        return members(value)
    except msgspec.ValidationError:
        return {}


def _found(found: Mapping[str, msgspec.Raw], source: Source) -> msgspec.Raw | None:
    """Return the value that a source stands for; None if it is not there."""
    if isinstance(source, If):
        is_so = bytes(found.get(source.member, NULL)) == f'"{source.value}"'.encode()
        return _found(found, source.source) if is_so else None
    if isinstance(source, Mapping):
        parts = {name: _found(found, part) for name, part in source.items()}
        return encode(parts) if any(part is not None for part in parts.values()) else None
    first, _, rest = source.partition(".")
    value = found.get(first)
    return value if value is None or not rest else _found(_members(value), rest)
