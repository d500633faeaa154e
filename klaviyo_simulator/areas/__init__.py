"""The API by area: resource types and endpoints, in the words of Klaviyo's reference."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from klaviyo_simulator.declarations import Area

_NAMES = (
    *("account", "campaigns", "catalogs", "commerce", "content", "custom_objects", "events", "flows", "forms"),
    *("groups", "metrics", "profiles", "tags", "webhooks"),
)
AREAS: tuple[Area, ...] = tuple(import_module(f"{__name__}.{name}").AREA for name in _NAMES)
"""All areas; each is a module here."""
