"""Lists and segments, which profiles belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klaviyo_simulator.data import words
from klaviyo_simulator.data.records import Record, ids_of

if TYPE_CHECKING:
    from klaviyo_simulator.data.birth import Birth


class Group(Record):
    """A list or segment, which knows how many belong to it."""

    __slots__ = ()

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes and the count."""
        return {**self._attributes, "profile_count": len(ids_of(self.relations.get("profiles")))}


def a_list(birth: Birth) -> Record:
    """One list."""
    random = birth.random
    attributes = {
        "name": words.title(random),
        **birth.times(),
        "opt_in_process": random.choice(("double_opt_in", "single_opt_in")),
    }
    return Group(words.short_id(random), attributes, {"flow-triggers": _triggers(birth)})


def segment(birth: Birth) -> Record:
    """One segment."""
    random = birth.random
    condition: dict[str, Any] = {"type": "profile-region", "in_region": False, "region": "united_states"}
    if birth.number % 2:
        groups = [each] if (each := birth.pick("list")) else []
        condition = {
            "type": "profile-group-membership",
            "is_member": True,
            "group_ids": groups,
            "timeframe_filter": None,
        }
    attributes = {
        "name": words.title(random),
        "definition": words.or_null(random, {"condition_groups": [{"conditions": [condition]}]}),
        **birth.times(),
        "is_active": birth.number % 5 != 4,
        "is_processing": random.random() < 0.1,
        "is_starred": random.random() < 0.2,
    }
    return Group(words.short_id(random), attributes, {"flow-triggers": _triggers(birth)})


def _triggers(birth: Birth) -> list[str]:
    flow = birth.pick("flow") if birth.random.random() < 0.3 else None
    return [flow] if flow else []
