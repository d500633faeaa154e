"""Translations, and what the account has used of its plan; since revision 2026-10-15."""

from __future__ import annotations

from functools import partial

from klaviyo_simulator.declarations import Area, Endpoint, Filter, Page, Relationship, ResourceType, Tier, tree

_TRANSLATED = ("campaign-variation", "flow-message", "template", "template-universal-content")
_translation = partial(
    Endpoint, type="translation", tier=Tier.M, scopes=("translations:read",), includes=frozenset(_TRANSLATED)
)

AREA = Area(
    types=(
        ResourceType(
            "translation",
            "/api/translations",
            tree("channel created fallback_locale metadata source_locale target_locales updated values"),
            {name: Relationship(name, many=False) for name in (*_TRANSLATED, "consent-page")},
            hidden=frozenset({"values"}),
        ),
        ResourceType(
            "billing-usage",
            "/api/billing-usage",
            tree("as_of period_end period_start unit usage_max usage_used"),
        ),
    ),
    endpoints=(
        _translation(
            path="/api/translations",
            page=Page(20, 100),
            filters={
                "id": Filter.of("str: eq any[] eq[]"),
                "resource_type": Filter.of("str: eq"),
                "channel": Filter.of("str: eq", choices=("email", "sms", "mobile_push", "whatsapp", "web")),
                "related_resource_id": Filter.of("str: eq"),
            },
            sorts=frozenset({"id"}),
        ),
        _translation(path="/api/translations/{id}", additional=frozenset({"values"}), others=frozenset({"page_type"})),
        Endpoint(
            path="/api/billing-usage",
            type="billing-usage",
            tier=Tier.M,
            scopes=("usage:read",),
            filters={"id": Filter.of("str: any[]")},
        ),
    ),
)
