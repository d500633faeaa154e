"""What the facts do not say of endpoints and resources: behaviour that was recorded, or that nobody documents.

The facts hold what Klaviyo's document says. Each table here is by path, by type, or by type and name, and adds to
what is derived from the facts, or replaces it.
"""

from __future__ import annotations

from typing import Any

SUPPRESSION = "subscriptions.email.marketing.suppression"
LIST_SUPPRESSIONS = "subscriptions.email.marketing.list_suppressions"

_LISTED_REVIEWS = ("published", "featured", "pending")
_BY_ID = {"ids": "id"}
# Where records come in an order that nobody documents, newest first catches whoever relies on it.
_MEMBERS: dict[str, Any] = {
    "default_sort": "-joined_group_at",
    "aliases": {"push_token": "push-tokens.id", "profile_id": "id"},
}
_DEFINED = {name: f"definition.{name}" for name in ("archived", "builder", "name", "status")}

ENDPOINTS: dict[str, dict[str, Any]] = {
    "/api/campaigns": {
        "required": (("equals", "messages.channel"),),
        "unless_filtered": {"archived": False},
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
    "/api/flows": {"unless_filtered": {"archived": False}, "sorts_by_date": True},
    "/api/flows/{id}/flow-actions": {
        "aliases": {"action_type": "definition.type", "status": "definition.data.status"},
    },
    "/api/forms/{id}": {"more_fields": frozenset({"definition.versions"})},
    "/api/forms/{id}/form-versions": {"unpaged": True},
    "/api/images": {"unless_filtered": {"hidden": False}},
    "/api/lists/{id}/profiles": _MEMBERS,
    "/api/profiles": {"pages_by_date": True},
    "/api/reviews": {
        "unless_filtered": {"status": _LISTED_REVIEWS},
        "unless_switched": "list_all_reviews",
        "aliases": {"status": "status.value"},
    },
    "/api/segments": {"unless_filtered": {"is_active": True}, "unless_switched": "list_inactive_segments"},
    "/api/segments/{id}/profiles": _MEMBERS,
}
"""What endpoints do besides what the facts say."""

CHANGED: dict[str, dict[str, dict[str, Any]]] = {
    "2026-10-15": {
        "/api/campaigns": {
            "unless_filtered": {"archived": False},
            "unless_switched": "list_archived_campaigns",
            "aliases": _DEFINED,
        },
    }
}
"""What is in the place of these exceptions since a revision."""

NEEDS_KDP = frozenset({"webhook", "webhook-topic"})
"""Types that a key gets 403 for, whatever its scopes, unless the account has bought the add-on (recorded)."""

WITHOUT_NEXT = frozenset(
    {
        *("/api/campaign-messages/{id}/campaign-variations", "/api/campaigns/{id}/campaign-audiences"),
        *("/api/campaigns/{id}/campaign-messages", "/api/custom-metrics", "/api/forms/{id}/form-versions"),
        *("/api/mapped-metrics", "/api/metrics/{id}/metric-properties", "/api/object-types"),
    }
)
"""Collections whose answers link to themselves only, in revisions that answer all records at once."""

FIXED_PAGES = {"/api/metrics": 200}
"""Records on a page where nobody can choose how many, if there are not 20."""

FILTERS: dict[tuple[str, str], dict[str, Any]] = {
    ("campaign", "scheduled_at"): {"may_be_future": True},
    ("campaign-message", "campaign_id"): {"each": "campaign"},
    ("catalog-category", "item.id"): {"each": "items"},
    ("catalog-item", "category.id"): {"each": "categories"},
    ("catalog-variant", "item.id"): {"each": "item"},
    ("coupon-code", "coupon.id"): {"each": "coupon"},
    ("coupon-code", "expires_at"): {"may_be_future": True},
    ("coupon-code", "profile.id"): {"each": "profile"},
    ("event", "datetime"): {"narrow": False},
    ("form-version", "form_type"): {"lists_fail": True},
    ("profile", "push_token"): {"each": "push-tokens"},
    **{("profile", f"{SUPPRESSION}.{name}"): {"each": SUPPRESSION} for name in ("reason", "timestamp")},
    **{
        ("profile", f"{LIST_SUPPRESSIONS}.{name}"): {"each": LIST_SUPPRESSIONS}
        for name in ("list_id", "reason", "timestamp")
    },
    ("push-token", "profile.id"): {"each": "profile"},
    ("review", "item.id"): {"each": "item"},
    ("review", "status"): {"everything": "all"},
    ("segment", "is_starred"): {"applies": False},
}
"""How filters differ from what their type and operators say."""

MEMBERSHIPS = "memberships"
"""The bucket of requests that include the groups of a profile."""
DEAR_EVERYWHERE = frozenset({("additional-fields[profile]", "predictive_analytics")})
"""What is dear at every endpoint that has it: the reference says so for some, but the bucket is the account's."""

ID_FORMS = {"coupon": r"[^-]*", "event": r"\w{11}", "flow-action": r"\d+"}
"""What ids look like, for types where another form is a 400 instead of a 404."""

RELATIONSHIPS: dict[tuple[str, str], dict[str, Any]] = {
    ("event", "attributions"): {"optional": True},
    ("event", "metric"): {"always": True},
    ("event", "profile"): {"always": True},
    ("mapped-metric", "custom-metric"): {"optional": True},
    ("mapped-metric", "metric"): {"optional": True},
    # Recorded: it has one name in /profiles, another in members of lists and in what is included.
    ("profile", "conversations"): {"elsewhere": "conversation"},
}
"""How relationships are shown, if not as links that get data when they are included."""

OPEN_FIELDS = {"template": frozenset({"definition"})}
"""Objects of which the facts do not say what is in them, though one may ask for a part."""

ONLY_INCLUDED = {
    "profile-object-type": {
        "meta": {"type": "object or null"},
        "meta.description": {"type": "string or null"},
        "meta.name": {"type": "string"},
        "meta.relationship_id": {"type": "string"},
    }
}
"""Attributes of types that no operation answers, so the facts do not have them."""
