"""Webhooks and what they can be about."""

from __future__ import annotations

from klaviyo_simulator.declarations import Area, Endpoint, Relationship, ResourceType, Tier, tree

AREA = Area(
    types=(
        ResourceType(
            "webhook",
            "/api/webhooks",
            tree("created_at description enabled endpoint_url name updated_at"),
            {"webhook-topics": Relationship("webhook-topic")},
        ),
        ResourceType("webhook-topic", "/api/webhook-topics", frozenset()),
    ),
    endpoints=(
        Endpoint(
            path="/api/webhooks",
            type="webhook",
            tier=Tier.XS,
            scopes=("webhooks:read",),
            includes=frozenset({"webhook-topics"}),
            needs_kdp=True,
        ),
        Endpoint(
            path="/api/webhook-topics", type="webhook-topic", tier=Tier.XS, scopes=("webhooks:read",), needs_kdp=True
        ),
    ),
)
