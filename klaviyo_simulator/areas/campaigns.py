"""Campaigns, their messages, and whom they would reach."""

from __future__ import annotations

from functools import partial

from klaviyo_simulator.areas.common import BETWEEN, ONE_OR_SEVERAL
from klaviyo_simulator.declarations import Area, Endpoint, Filter, Page, Relationship, ResourceType, Tier, tree

_CAMPAIGN_STATUSES = (
    *("Adding Recipients", "Cancelled", "Cancelled: Account Disabled", "Cancelled: Billing Limit"),
    *("Cancelled: Internal Error", "Cancelled: Misconfigured", "Cancelled: No Recipients"),
    *("Cancelled: Smart Sending", "Draft", "Preparing to schedule", "Preparing to send"),
    *("Queued without Recipients", "Scheduled", "Sending", "Sending Segments", "Sent", "Unknown"),
    "Variations Sent",
)

_campaign = partial(Endpoint, type="campaign", tier=Tier.M, scopes=("campaigns:read",))
_campaign_message = partial(Endpoint, type="campaign-message", tier=Tier.M, scopes=("campaigns:read",))
_campaign_recipient_estimation = partial(
    Endpoint, type="campaign-recipient-estimation", tier=Tier.M, scopes=("campaigns:read",)
)

AREA = Area(
    types=(
        ResourceType(
            "campaign",
            "/api/campaigns",
            tree("""
            archived created_at name scheduled_at send_time status updated_at
            audiences(excluded included) send_options(use_smart_sending)
            send_strategy(
                date datetime method throttle_percentage options(is_local send_past_recipients_immediately))
            tracking_options(
                add_tracking_params custom_tracking_params is_tracking_clicks is_tracking_opens)
        """),
            {"campaign-messages": Relationship("campaign-message"), "tags": Relationship("tag")},
        ),
        ResourceType(
            "campaign-message",
            "/api/campaign-messages",
            tree("created_at definition send_times updated_at"),
            {
                "campaign": Relationship("campaign", many=False),
                "template": Relationship("template", many=False),
                "image": Relationship("image", many=False),
            },
            open_fields=frozenset({"definition"}),
        ),
        ResourceType(
            "campaign-recipient-estimation", "/api/campaign-recipient-estimations", tree("estimated_recipient_count")
        ),
    ),
    endpoints=(
        _campaign(
            path="/api/campaigns",
            page=Page(100, 100),
            filters={
                "id": Filter.of("str: any[]"),
                "messages.channel": Filter.of("str: eq", choices=("email", "sms", "mobile_push")),
                "name": Filter.of("str: contains"),
                "status": Filter.of(ONE_OR_SEVERAL, choices=_CAMPAIGN_STATUSES),
                "archived": Filter.of("bool: eq"),
                "created_at": Filter.of(BETWEEN),
                "scheduled_at": Filter.of(BETWEEN, may_be_future=True),
                "updated_at": Filter.of(BETWEEN),
            },
            required=(("equals", "messages.channel"),),
            unless_filtered={"archived": False},
            sorts=frozenset({"created_at", "id", "name", "scheduled_at", "updated_at"}),
            includes=frozenset({"campaign-messages", "tags"}),
        ),
        _campaign(path="/api/campaigns/{id}", includes=frozenset({"campaign-messages", "tags"})),
        _campaign_message(
            path="/api/campaigns/{id}/campaign-messages",
            parent="campaign",
            includes=frozenset({"campaign", "image", "template"}),
            bare_links=True,
        ),
        _campaign_message(path="/api/campaign-messages/{id}", includes=frozenset({"campaign", "image", "template"})),
        _campaign_recipient_estimation(path="/api/campaign-recipient-estimations/{id}"),
    ),
)
