"""Exceptions to the facts about endpoints and resources: recorded or undocumented behaviour.

The facts hold Klaviyo's own description. Each table here is keyed by path, by type, or by type and name, and adds to
or replaces values derived from the facts.
"""

from __future__ import annotations

from typing import Any

SUPPRESSION = "subscriptions.email.marketing.suppression"
LIST_SUPPRESSIONS = "subscriptions.email.marketing.list_suppressions"

_LISTED_REVIEWS = ("published", "featured", "pending")
_BY_ID = {"ids": "id"}
# Klaviyo documents no order of members, so newest first exposes clients that rely on one.
_MEMBERS: dict[str, Any] = {
    "default_sort": "-joined_group_at",
    "aliases": {"push_token": "push-tokens.id", "profile_id": "id"},
}
_DEFINED = {name: f"definition.{name}" for name in ("archived", "builder", "name", "status")}

ENDPOINTS: dict[str, dict[str, Any]] = {
    "/api/campaigns": {
        "required": (("equals", "messages.channel"),),
        "default_filters": {"archived": False},
    },
    "/api/campaign-messages": {"aliases": {**_DEFINED, "campaign_id": "campaign.id"}},
    "/api/catalog-categories": {"aliases": _BY_ID},
    "/api/catalog-categories/{id}/items": {"aliases": _BY_ID},
    "/api/catalog-items": {"aliases": _BY_ID},
    "/api/catalog-items/{id}/variants": {"aliases": _BY_ID},
    "/api/catalog-variants": {"aliases": _BY_ID},
    "/api/coupon-codes": {"one_of": frozenset({"coupon.id", "profile.id"})},
    "/api/events": {"default_sort": "-datetime"},
    "/api/flow-actions/{id}/flow-messages": {"aliases": _DEFINED},
    "/api/flows": {"default_filters": {"archived": False}, "sorts_by_date": True},
    "/api/flows/{id}/flow-actions": {
        "aliases": {"action_type": "definition.type", "status": "definition.data.status"},
    },
    "/api/forms/{id}": {"more_fields": frozenset({"definition.versions"})},
    "/api/forms/{id}/form-versions": {"unpaged": True},
    "/api/images": {"default_filters": {"hidden": False}},
    "/api/lists/{id}/profiles": _MEMBERS,
    "/api/profiles": {"pages_by_date": True},
    "/api/reviews": {
        "default_filters": {"status": _LISTED_REVIEWS},
        "defaults_disabled_by": "list_all_reviews",
        "aliases": {"status": "status.value"},
    },
    "/api/segments": {"default_filters": {"is_active": True}, "defaults_disabled_by": "list_inactive_segments"},
    "/api/segments/{id}/profiles": _MEMBERS,
}
"""Attributes of endpoints beyond the facts."""

CHANGED: dict[str, dict[str, dict[str, Any]]] = {
    "2026-10-15": {
        "/api/campaigns": {
            "default_filters": {"archived": False},
            "defaults_disabled_by": "list_archived_campaigns",
            "aliases": _DEFINED,
        },
    }
}
"""Replacements for these attributes, by revision."""

NEEDS_KDP = frozenset({"webhook", "webhook-topic"})
"""Types that are a 403 for any key unless the account has the add-on (recorded)."""

WITHOUT_NEXT = frozenset(
    {
        *("/api/campaign-messages/{id}/campaign-variations", "/api/campaigns/{id}/campaign-audiences"),
        *("/api/campaigns/{id}/campaign-messages", "/api/custom-metrics", "/api/forms/{id}/form-versions"),
        *("/api/mapped-metrics", "/api/metrics/{id}/metric-properties", "/api/object-types"),
    }
)
"""Collections whose only link is `self`, in revisions that return all records on one page."""

FIXED_PAGES = {"/api/metrics": 200}
"""Page sizes of collections without `page[size]`, if not 20."""

FILTERS: dict[tuple[str, str], dict[str, Any]] = {
    ("campaign", "scheduled_at"): {"may_be_future": True},
    ("campaign-message", "campaign_id"): {"element_of": "campaign"},
    ("catalog-category", "item.id"): {"element_of": "items"},
    ("catalog-item", "category.id"): {"element_of": "categories"},
    ("catalog-variant", "item.id"): {"element_of": "item"},
    ("coupon-code", "coupon.id"): {"element_of": "coupon"},
    ("coupon-code", "expires_at"): {"may_be_future": True},
    ("coupon-code", "profile.id"): {"element_of": "profile"},
    ("event", "datetime"): {"allows_subsecond": False},
    ("form-version", "form_type"): {"lists_fail": True},
    ("profile", "push_token"): {"element_of": "push-tokens"},
    **{("profile", f"{SUPPRESSION}.{name}"): {"element_of": SUPPRESSION} for name in ("reason", "timestamp")},
    **{
        ("profile", f"{LIST_SUPPRESSIONS}.{name}"): {"element_of": LIST_SUPPRESSIONS}
        for name in ("list_id", "reason", "timestamp")
    },
    ("push-token", "profile.id"): {"element_of": "profile"},
    ("review", "item.id"): {"element_of": "item"},
    ("review", "status"): {"matches_all": "all"},
    ("segment", "is_starred"): {"applies": False},
}
"""Attributes of filters beyond the facts."""

MEMBERSHIPS = "memberships"
"""The rate limit bucket of requests that include the groups of a profile."""
EXPENSIVE_EVERYWHERE = frozenset({("additional-fields[profile]", "predictive_analytics")})
"""Parameters that are expensive at every endpoint: the reference says so of some, but the bucket is the account's."""

ID_FORMS = {"coupon": r"[^-]*", "event": r"\w{11}", "flow-action": r"\d+"}
"""Patterns of IDs, for types where a malformed ID is a 400 instead of a 404."""

RELATIONSHIPS: dict[tuple[str, str], dict[str, Any]] = {
    ("event", "attributions"): {"optional": True},
    ("event", "metric"): {"always": True},
    ("event", "profile"): {"always": True},
    ("mapped-metric", "custom-metric"): {"optional": True},
    ("mapped-metric", "metric"): {"optional": True},
    # Recorded: it has one name in /profiles, another among list members and included profiles.
    ("profile", "conversations"): {"name_elsewhere": "conversation"},
}
"""Relationships that are not plain links that get data when they are included."""

OPEN_FIELDS = {"template": frozenset({"definition"})}
"""Objects without members in the facts, although sparse fieldsets may name some."""

ONLY_INCLUDED = {
    "profile-object-type": {
        "meta": {"type": "object or null"},
        "meta.description": {"type": "string or null"},
        "meta.name": {"type": "string"},
        "meta.relationship_id": {"type": "string"},
    }
}
"""Attributes of types that no operation returns, so the facts lack them."""
