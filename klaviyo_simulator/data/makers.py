"""The maker of records of any type: from the facts, with the details of some types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_simulator.data import campaigns, catalog, details, flows, made_up
from klaviyo_simulator.data.details import Group
from klaviyo_simulator.data.records import Record
from klaviyo_simulator.rules.endpoints import TYPES_BY_REVISION

if TYPE_CHECKING:
    from collections.abc import Callable

    from klaviyo_simulator.data.made_up import MakerContext

_DETAILS: dict[str, Callable[[MakerContext, Record], None]] = {
    **campaigns.DETAILS,
    **catalog.DETAILS,
    **details.DETAILS,
    **flows.DETAILS,
}
_FACTS_OF = {
    "campaign": ("campaign", "2026-07-15"),
    "campaign-message": ("campaign-message", "2026-07-15"),
    "canvas-campaign": ("campaign", "2026-10-15"),
    "canvas-message": ("campaign-message", "2026-10-15"),
}
"""Types whose shape depends on the revision: the type and revision of the facts they are made from."""
_MADE_ELSEWHERE = {"attribution", "campaign-recipient-estimation", "event", "profile"}
NAMES = tuple(sorted({*_FACTS_OF, *(name for types in TYPES_BY_REVISION.values() for name in types)} - _MADE_ELSEWHERE))
"""All types that this module makes; profiles have their own maker."""


def make(name: str, context: MakerContext) -> Record:
    """Make a record of a type."""
    facts, revision = _FACTS_OF.get(name, (name, None))
    record = made_up.record(facts, context, revision, Group if name in {"list", "segment"} else Record)
    if name in _DETAILS:
        _DETAILS[name](context, record)
    return record
