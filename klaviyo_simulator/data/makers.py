"""How records of each type are made: from the facts, with what the facts cannot say of some types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_simulator.data import campaigns, catalog, details, flows, made_up
from klaviyo_simulator.data.details import Group
from klaviyo_simulator.data.records import Record
from klaviyo_simulator.rules.endpoints import TYPES_BY_REVISION

if TYPE_CHECKING:
    from collections.abc import Callable

    from klaviyo_simulator.data.made_up import Birth

_DETAILS: dict[str, Callable[[Birth, Record], None]] = {
    **campaigns.DETAILS,
    **catalog.DETAILS,
    **details.DETAILS,
    **flows.DETAILS,
}
_AS_OF = {
    "campaign": ("campaign", "2026-07-15"),
    "campaign-message": ("campaign-message", "2026-07-15"),
    "canvas-campaign": ("campaign", "2026-10-15"),
    "canvas-message": ("campaign-message", "2026-10-15"),
}
"""Types that one revision shows in another shape than the others: whose facts they are made from."""
_ELSEWHERE = {"attribution", "campaign-recipient-estimation", "event", "profile"}
NAMES = tuple(sorted({*_AS_OF, *(name for types in TYPES_BY_REVISION.values() for name in types)} - _ELSEWHERE))
"""All types that are made one by one, but for profiles, which have a maker of their own."""


def make(name: str, birth: Birth) -> Record:
    """One record of a type."""
    facts, revision = _AS_OF.get(name, (name, None))
    record = made_up.record(facts, birth, revision, Group if name in {"list", "segment"} else Record)
    if name in _DETAILS:
        _DETAILS[name](birth, record)
    return record
