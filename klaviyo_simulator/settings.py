"""The options of a simulator: sizes, the account, speed, and a switch for each behaviour that is unknown."""

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
"""The settings that may be changed while the simulator runs."""
SUPPRESSION_ORDERS = ("latest", "first", "any")
ROTATIONS = ("off", "when_used", "at_once")
"""What becomes of a refresh token that was used: it stays good (as recorded); another one comes, and the old one ends
when that or its access token is used, so that an answer that gets lost does no harm; or it ends at once."""


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

    timezone: str = "US/Eastern"  # the account's; reports count its days
    advanced_kdp: bool = False  # the account has the add-on without which no key reads webhooks
    valueless_metrics: frozenset[str] = frozenset({"Active on Site", "Subscribed to List", "Unsubscribed"})
    missing_metrics: frozenset[str] = frozenset({"Viewed Form", "Closed Form"})  # listed, but unknown elsewhere
    attribution_settles: int = 5  # days for which the conversions of a day still grow

    key: str = "pk_demo"
    scopes: frozenset[str] | None = None  # scopes of the key, as "events:read"; None: all

    client_id: str = "demo-client"  # an OAuth app that is installed
    client_secret: str = "demo-client-secret"  # noqa: S105 - made up
    refresh_token: str = "demo-refresh-token"  # noqa: S105 - made up
    oauth_scopes: frozenset[str] | None = None  # scopes of the app; None: all
    token_life: float = 3600.0  # seconds until an access token has expired
    rotation: str = "off"  # whether each refresh brings another refresh token; see ROTATIONS

    latency: float = 0.0  # seconds that every answer takes
    jitter: float = 0.0  # and up to so many more

    limits: bool = True
    phase: float | None = None  # where all rate windows begin, in seconds; None: a random place for each
    daily_quota: int = 225  # requests that each kind of report has in a day
    other_usage: float = 0.0  # share of every rate window that another client of the account uses up

    # Behaviour of Klaviyo that nobody has seen, or that sources disagree about.
    events_max_page: int = 1000  # the parameter's maximum says 1000, the endpoint's prose says 200
    children_touch_parents: bool = False  # whether a change to a child moves its parents' `updated` too
    gt_returns_boundary: bool = False  # greater-than also returns what equals its bound
    suppression_order: str = "latest"  # which suppression of a profile is compared; pages come by it, or by the latest
    refuse_suppression_filter: bool = False  # 400 for any filter on suppressions
    roi_needs_values: bool = True  # text_message_roi is refused too for metrics without values
    list_archived_campaigns: bool = False  # /campaigns of 2026-10-15 lists archived ones without being asked for them
    list_inactive_segments: bool = False  # /segments lists inactive ones without being asked for them
    list_all_reviews: bool = False  # /reviews lists unpublished and rejected ones without being asked for them
    refuse_status_all: bool = False  # 400 for equals(status,"all") on /reviews
    name_missing_scopes: bool = True  # a 403 says which scope the key lacks
    sparse_drops_relationships: bool = True  # fields[…] drops relationships that are not included
    cursor_life: float = 3 * 86400.0  # seconds until a page cursor has expired
    report_page: int = 0  # rows of reports and aggregates on one page; 0: all, or the aggregates' page_size
    gzip: bool = False  # compress for clients that ask for it; costs more time than it saves on one host

    def __post_init__(self) -> None:
        """Check the settings that take one of some words.

        Raises:
            ValueError: if `suppression_order` is none of `SUPPRESSION_ORDERS`, or `rotation` none of `ROTATIONS`.
        """
        if self.rotation not in ROTATIONS:
            raise ValueError(f"rotation must be one of {', '.join(ROTATIONS)}")
        if self.suppression_order not in SUPPRESSION_ORDERS:
            raise ValueError(f"suppression_order must be one of {', '.join(SUPPRESSION_ORDERS)}")

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
