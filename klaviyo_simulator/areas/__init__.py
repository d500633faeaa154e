"""The API by area: resource types and endpoints, in the words of Klaviyo's reference."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from klaviyo_simulator.declarations import Area

REVISION = "2026-07-15"
"""The revision that is meant where none is named."""
OCTOBER_2026 = "2026-10-15"

_NAMES = (
    *("account", "campaigns", "catalogs", "commerce", "content", "custom_objects", "events", "flows", "forms"),
    *("groups", "metrics", "profiles", "tags", "webhooks"),
)
_SINCE_OCTOBER = ("amendments", "brands", "multichannel", "text_messaging", "translations")


def _areas(*names: str) -> tuple[Area, ...]:
    return tuple(import_module(f"{__name__}.{name}").AREA for name in names)


REVISIONS: dict[str, tuple[Area, ...]] = {
    REVISION: _areas(*_NAMES),
    OCTOBER_2026: _areas(*_NAMES, *_SINCE_OCTOBER),
}
"""The areas of each revision, oldest first; each is a module here, and a later one replaces what is named alike."""
