"""Campaigns of several channels, as revision 2026-10-15 has them: with audiences, messages and variations."""

from __future__ import annotations

from functools import partial

from klaviyo_simulator.areas.campaigns import AREA as EARLIER
from klaviyo_simulator.areas.common import BETWEEN
from klaviyo_simulator.declarations import Area, Endpoint, Filter, Page, Relationship, ResourceType, Tier, tree

_campaign = partial(Endpoint, type="campaign", tier=Tier.M, scopes=("campaigns:read",))
_message = partial(Endpoint, type="campaign-message", tier=Tier.M, scopes=("campaigns:read",))
_audience = partial(Endpoint, type="campaign-audience", tier=Tier.M, scopes=("campaigns:read",))
_variation = partial(Endpoint, type="campaign-variation", tier=Tier.M, scopes=("campaigns:read",))
_RELATED = frozenset({"campaign-audiences", "campaign-messages", "tags"})

AREA = Area(
    types=(
        ResourceType(
            "campaign",
            "/api/campaigns",
            tree("""
            created_at updated_at
            definition(
                archived builder color description name
                send_settings(
                    exit_condition_conversion_metric_id exit_condition_enabled send_passed_rltz_immediately
                    send_strategy send_timezone))
        """),
            {
                "campaign-audiences": Relationship("campaign-audience"),
                "campaign-messages": Relationship("campaign-message"),
                "tags": Relationship("tag"),
            },
        ),
        ResourceType(
            "campaign-message",
            "/api/campaign-messages",
            tree("""
            created updated
            definition(
                name status
                ab_test(winner_metric winner_percentage winner_wait_hours)
                send_options(
                    is_ignoring_unsubscribes recipient_percentage send_strategy send_time send_times throttle_unit
                    throttling_type)
                tracking_options(is_add_utm is_tracking_clicks is_tracking_opens))
        """),
            {
                "campaign": Relationship("campaign", many=False),
                "campaign-audience": Relationship("campaign-audience", many=False),
                "campaign-variations": Relationship("campaign-variation"),
            },
        ),
        ResourceType(
            "campaign-audience",
            "/api/campaign-audiences",
            tree("created updated definition(excluded included name priority)"),
            {
                "campaign": Relationship("campaign", many=False),
                "campaign-messages": Relationship("campaign-message"),
            },
        ),
        ResourceType(
            "campaign-variation",
            "/api/campaign-variations",
            tree("created definition updated"),
            {
                "campaign-message": Relationship("campaign-message", many=False),
                "image": Relationship("image", many=False),
                "translation": Relationship("translation", many=False),
            },
            open_fields=frozenset({"definition"}),
        ),
    ),
    endpoints=(
        _campaign(
            path="/api/campaigns",
            page=Page(100, 100),
            filters={
                "id": Filter.of("str: any[]"),
                "name": Filter.of("str: contains"),
                "archived": Filter.of("bool: eq"),
                "builder": Filter.of("str: eq"),
                "created_at": Filter.of(BETWEEN),
                "updated_at": Filter.of(BETWEEN),
            },
            unless_filtered={"archived": False},
            unless_switched="list_archived_campaigns",
            sorts=frozenset({"created_at", "id", "name", "updated_at"}),
            aliases={name: f"definition.{name}" for name in ("archived", "builder", "name")},
            includes=_RELATED,
        ),
        _campaign(path="/api/campaigns/{id}", includes=_RELATED),
        _message(
            path="/api/campaigns/{id}/campaign-messages",
            parent="campaign",
            page=Page(20),
            includes=frozenset({"campaign"}),
        ),
        _audience(path="/api/campaigns/{id}/campaign-audiences", parent="campaign", bare_links=True),
        _message(
            path="/api/campaign-messages",
            page=Page(20, 100),
            filters={
                "id": Filter.of("str: eq any[] eq[]"),
                "campaign_id": Filter.of("str: eq", each="campaign"),
                "name": Filter.of("str: contains"),
                "status": Filter.of("str: eq"),
                "created": Filter.of(BETWEEN),
                "updated": Filter.of(BETWEEN),
            },
            sorts=frozenset({"created", "id", "name", "status", "updated"}),
            aliases={"campaign_id": "campaign.id", "name": "definition.name", "status": "definition.status"},
            includes=frozenset({"campaign"}),
        ),
        _message(path="/api/campaign-messages/{id}", includes=frozenset({"campaign", "campaign-variations"})),
        _variation(path="/api/campaign-messages/{id}/campaign-variations", parent="campaign-message", bare_links=True),
        _audience(path="/api/campaign-audiences/{id}", includes=frozenset({"campaign", "campaign-messages"})),
        _variation(
            path="/api/campaign-variations/{id}", includes=frozenset({"campaign-message", "image", "translation"})
        ),
        *(each for each in EARLIER.endpoints if each.type == "campaign-recipient-estimation"),
    ),
)
