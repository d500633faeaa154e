"""What a simulator can be told: sizes, the key, speed, and the switches for what nobody knows for sure."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

SWITCHES = frozenset(
    {
        "campaigns_unsorted",
        "cursor_life",
        "events_max_page",
        "gt_returns_boundary",
        "gzip",
        "jitter",
        "latency",
        "limits",
        "next_style",
        "other_usage",
        "refuse_combined_suppression_filter",
        "space_datetimes",
    }
)
"""The settings that may be changed while the simulator runs."""


@dataclass(frozen=True)
class Settings:
    """All options of a simulator; `Simulator(...)` and the command line take them by these names."""

    seed: int = 1
    now: datetime | None = None  # what time it is when the simulator starts; the clock runs on from there
    years: float = 10.0  # how far back the data reach
    skew: float = 0.1  # share of the events that lies in the last 1 % of that time

    events: int = 5000
    profiles: int = 500
    campaigns: int = 120
    flows: int = 60
    lists: int = 25
    metrics: int = 20
    templates: int = 30

    key: str = "pk_demo"
    scopes: frozenset[str] | None = None  # scopes of the key, as "events:read"; None: all
    latency: float = 0.0  # seconds that every answer takes
    jitter: float = 0.0  # and up to so many more

    limits: bool = True
    phase: float | None = None  # where all rate windows begin, in seconds; None: a random place for each
    other_usage: float = 0.0  # share of every rate window that another client of the account uses up

    # Where Klaviyo's documents and its behaviour leave room, both readings can be had.
    events_max_page: int = 1000  # the parameter's maximum says 1000, the endpoint's prose says 200
    next_style: str = "null"  # the last page's links.next: "null" as live, or "absent" as in the schema
    refuse_combined_suppression_filter: bool = False  # 400 for suppression.timestamp together with updated
    campaigns_unsorted: bool = False  # campaigns accept `sort` and ignore it
    gt_returns_boundary: bool = False  # greater-than also returns what equals its bound
    space_datetimes: bool = False  # "2026-11-20 10:00:00+00:00" in events instead of "…T…"
    cursor_life: float = 3 * 86400.0  # seconds until a page cursor has expired
    gzip: bool = False  # compress for clients that ask for it; costs more time than it saves on one host

    def switched(self, switches: Mapping[str, Any]) -> Settings:
        """These settings with some switches changed; a switch may be given as text."""
        kinds = {field.name: type(field.default) for field in fields(self)}
        changes: dict[str, Any] = {}
        for name, value in switches.items():
            if name not in SWITCHES:
                raise ValueError(f"no switch {name!r}; there are {', '.join(sorted(SWITCHES))}")
            changes[name] = _converted(value, kinds[name]) if isinstance(value, str) else value
        return replace(self, **changes)


def _converted(text: str, kind: type) -> Any:
    if kind is bool:
        return text.lower() in {"1", "true", "yes", "on"}
    return kind(text)
