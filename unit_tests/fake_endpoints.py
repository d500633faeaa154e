"""The tables of the fake Klaviyo: which filters, orders, page sizes and parameters its collections accept.

They are those of revision 2026-07-15, written by hand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SUPPRESSED_AT = "subscriptions.email.marketing.suppression.timestamp"
DATES = {"ge", "gt", "le", "lt"}
OPERATORS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "equals": ("eq", lambda value, bound: value == bound),
    "greater-or-equal": ("ge", lambda value, bound: value >= bound),
    "greater-than": ("gt", lambda value, bound: value > bound),
    "less-or-equal": ("le", lambda value, bound: value <= bound),
    "less-than": ("lt", lambda value, bound: value < bound),
}


@dataclass(frozen=True)
class Endpoint:
    """The parameters that a collection accepts."""

    filters: Mapping[str, set[str]] = field(default_factory=dict)
    sorts: frozenset[str] = frozenset()
    sizes: tuple[int, int | None] = (200, None)  # by default, and at most; None if there is no such parameter
    options: Mapping[str, set[str]] = field(default_factory=dict)


ENDPOINTS = {
    "accounts": Endpoint(),
    "campaigns": Endpoint(
        {"messages.channel": {"eq"}, "archived": {"eq"}, "updated_at": DATES, "created_at": DATES},
        frozenset({"created_at", "id", "name", "scheduled_at", "updated_at"}),
        (100, 100),
        {"include": {"campaign-messages", "tags"}, "fields[tag]": {"name"}},
    ),
    "events": Endpoint(
        {"metric_id": {"eq"}, "profile_id": {"eq"}, "datetime": DATES},
        frozenset({"datetime", "timestamp"}),
        (200, 1000),
        {
            "include": {"attributions", "metric", "profile"},
            "fields[metric]": {"name", "created", "updated"},
            "fields[event]": {"datetime"},
        },
    ),
    "flows": Endpoint(
        {"archived": {"eq"}, "status": {"eq"}, "created": DATES | {"eq"}, "updated": DATES | {"eq"}},
        frozenset({"created", "id", "name", "status", "trigger_type", "updated"}),
        (50, 50),
        {"include": {"flow-actions", "tags"}, "fields[tag]": {"name"}},
    ),
    "lists": Endpoint(
        {"created": {"gt"}, "updated": {"gt"}},
        frozenset({"created", "id", "name", "updated"}),
        (10, 10),
        {"include": {"flow-triggers", "tags"}, "fields[tag]": {"name"}},
    ),
    "metrics": Endpoint({"integration.name": {"eq"}, "integration.category": {"eq"}}),
    "profiles": Endpoint(
        {"email": {"eq"}, "created": {"gt", "lt"}, "updated": {"gt", "lt"}, SUPPRESSED_AT: DATES},
        frozenset({"created", "email", "id", "updated", SUPPRESSED_AT}),
        (20, 100),
        {"additional-fields[profile]": {"subscriptions", "predictive_analytics"}},
    ),
    "templates": Endpoint(
        {"created": DATES | {"eq"}, "updated": DATES | {"eq"}, "name": {"eq"}},
        frozenset({"created", "id", "name", "updated"}),
        (10, 10),
    ),
}
