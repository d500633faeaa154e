"""The options of a simulator: sizes, the account, speed, and a switch for each unconfirmed behaviour."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

SWITCHES = frozenset(
    {
        *("attribution_settles", "children_touch_parents", "cursor_life", "daily_quota", "events_max_page"),
        *("gt_returns_boundary", "gzip", "jitter", "latency", "limits", "list_all_reviews"),
        *("list_archived_campaigns", "list_inactive_segments", "name_missing_scopes", "other_usage"),
        *("refuse_status_all", "refuse_suppression_filter", "report_page", "roi_needs_values", "rotation"),
        *("sparse_drops_relationships", "suppression_order", "token_life"),
    }
)
"""Settings that can be changed while the simulator runs."""
SUPPRESSION_ORDERS = ("latest", "first", "any")
ROTATIONS = ("off", "when_used", "at_once")
"""Fate of a used refresh token: it stays valid (as recorded); it is replaced, and ends once the new one or its access
token is used, so that a lost response does no harm; or it ends at once."""


@dataclass(frozen=True)
class Settings:
    """All options of a simulator; `Simulator(...)` and the command line take them by these names."""

    seed: int = 1
    now: datetime | None = None  # account time at the start; the clock runs on from there; None: the present
    years: float = 10.0  # of data before the start
    skew: float = 0.1  # share of the events in the last 1 % of that time

    events: int = 5000
    profiles: int = 500
    campaigns: int = 120
    flows: int = 70
    lists: int = 25
    metrics: int = 20
    templates: int = 30
    segments: int = 15
    members: int = 250  # of the first list and the first segment; the last ones have none
    push_tokens: int = 150
    conversations: int = 20
    forms: int = 12
    images: int = 60
    universal_content: int = 25
    web_feeds: int = 7
    tags: int = 20
    tag_groups: int = 4
    custom_metrics: int = 6
    catalog_items: int = 150
    catalog_variants: int = 300
    catalog_categories: int = 12
    coupons: int = 8
    coupon_codes: int = 300
    reviews: int = 120
    webhooks: int = 4
    object_types: int = 4
    object_records: int = 150
    data_sources: int = 3
    canvas_campaigns: int = 15  # made on the canvas, which revisions before 2026-10-15 do not show
    translations: int = 25
    senders: int = 6  # of text messages

    timezone: str = "US/Eastern"  # of the account; reports count days in it
    advanced_kdp: bool = False  # the account has the add-on without which no key reads webhooks
    valueless_metrics: frozenset[str] = frozenset({"Active on Site", "Subscribed to List", "Unsubscribed"})
    missing_metrics: frozenset[str] = frozenset(
        {"Viewed Form", "Closed Form"}
    )  # in the list of metrics, but 400 elsewhere
    attribution_settles: int = 5  # days during which the conversions of a day still grow

    key: str = "pk_demo"
    scopes: frozenset[str] | None = None  # scopes of the key, as "events:read"; None: all

    client_id: str = "demo-client"  # an OAuth app that is installed
    client_secret: str = "demo-client-secret"  # noqa: S105 - made up
    refresh_token: str = "demo-refresh-token"  # noqa: S105 - made up
    oauth_scopes: frozenset[str] | None = None  # scopes of the app; None: all
    token_life: float = 3600.0  # seconds until an access token expires
    rotation: str = "off"  # of refresh tokens; see ROTATIONS

    latency: float = 0.0  # seconds before each response
    jitter: float = 0.0  # up to this many seconds more, at random

    limits: bool = True
    phase: float | None = None  # start of all rate windows, in seconds; None: random for each
    daily_quota: int = 225  # requests a day for each kind of report
    other_usage: float = 0.0  # share of every rate window used by another client of the account

    # Unconfirmed behaviour of Klaviyo: never observed, or the sources disagree.
    events_max_page: int = 1000  # the parameter's maximum says 1000, the endpoint's prose says 200
    children_touch_parents: bool = False  # a change to a child also moves its parents' `updated`
    gt_returns_boundary: bool = False  # greater-than also returns records equal to its bound
    suppression_order: str = (
        "latest"  # the suppression of a profile that filters compare and pages sort by (any: by the latest)
    )
    refuse_suppression_filter: bool = False  # 400 for any filter on suppressions
    roi_needs_values: bool = True  # text_message_roi too is a 400 for metrics without values
    list_archived_campaigns: bool = False  # /campaigns of 2026-10-15 lists archived ones by default
    list_inactive_segments: bool = False  # /segments lists inactive ones by default
    list_all_reviews: bool = False  # /reviews lists unpublished and rejected ones by default
    refuse_status_all: bool = False  # 400 for equals(status,"all") on /reviews
    name_missing_scopes: bool = True  # a 403 names the scopes that the key lacks
    sparse_drops_relationships: bool = True  # fields[…] drops relationships that are not included
    cursor_life: float = 3 * 86400.0  # seconds until a page cursor expires
    report_page: int = 0  # rows of reports and aggregates on one page; 0: all, or the aggregates' page_size
    gzip: bool = False  # compress for clients that accept it; slower than plain on one host

    def __post_init__(self) -> None:
        """Check the settings that take one of a few words.

        Raises:
            ValueError: if `suppression_order` is not in `SUPPRESSION_ORDERS` or `rotation` not in `ROTATIONS`.
        """
        if self.rotation not in ROTATIONS:
            raise ValueError(f"rotation must be one of {', '.join(ROTATIONS)}")
        if self.suppression_order not in SUPPRESSION_ORDERS:
            raise ValueError(f"suppression_order must be one of {', '.join(SUPPRESSION_ORDERS)}")

    def switched(self, switches: Mapping[str, Any]) -> Settings:
        """Return the settings with some switches changed; values may be text.

        Raises:
            ValueError: if a name is not in `SWITCHES`.
        """
        kinds = {field.name: type(field.default) for field in fields(self)}
        changes: dict[str, Any] = {}
        for name, value in switches.items():
            if name not in SWITCHES:
                raise ValueError(f"no switch {name!r}; use one of {', '.join(sorted(SWITCHES))}")
            changes[name] = _converted(value, kinds[name]) if isinstance(value, str) else value
        return replace(self, **changes)


def _converted(text: str, kind: type) -> Any:
    if kind is bool:
        return text.lower() in {"1", "true", "yes", "on"}
    return kind(text)
