"""Coupons with their codes, and reviews."""

from __future__ import annotations

from klaviyo_simulator.areas.common import BETWEEN, ONE_OR_SEVERAL
from klaviyo_simulator.declarations import Area, Endpoint, Filter, Page, Relationship, ResourceType, Tier, tree

_CODE_STATUSES = ("UNASSIGNED", "PROCESSING", "ASSIGNED_TO_PROFILE", "VERSION_NOT_ACTIVE", "DELETING", "USED")
_LISTED = ("published", "featured", "pending")
_REVIEW_STATUSES = (*_LISTED, "unpublished", "rejected", "all")

_CODE_FILTERS = {
    "expires_at": Filter.of(BETWEEN, may_be_future=True),
    "status": Filter.of("str: eq", choices=_CODE_STATUSES),
    "coupon.id": Filter.of("str: any[] eq[]", each="coupon"),
    "profile.id": Filter.of("str: any[] eq[]", each="profile"),
}


AREA = Area(
    types=(
        ResourceType(
            "coupon",
            "/api/coupons",
            tree("description external_id monitor_configuration"),
            hidden=frozenset({"assigner_configuration"}),
            id_form=r"[^-]*",
        ),
        ResourceType(
            "coupon-code",
            "/api/coupon-codes",
            tree("expires_at status unique_code"),
            {"coupon": Relationship("coupon", many=False), "profile": Relationship("profile", many=False)},
        ),
        ResourceType(
            "review",
            "/api/reviews",
            tree("""
        author content created email images rating review_type smart_quote title updated verified
        product(external_id image_url name url) public_reply(author content updated)
        status(value rejection_reason(reason status_explanation))
    """),
            {"events": Relationship("event"), "item": Relationship("catalog-item", many=False)},
        ),
    ),
    endpoints=(
        Endpoint(path="/api/coupons", type="coupon", tier=Tier.L, scopes=("coupons:read",), page=Page(100, 100)),
        Endpoint(
            path="/api/coupons/{id}/coupon-codes",
            type="coupon-code",
            tier=Tier.L,
            scopes=("coupon-codes:read",),
            parent="coupon",
            page=Page(100, 100),
            filters=_CODE_FILTERS,
        ),
        Endpoint(
            path="/api/coupon-codes",
            type="coupon-code",
            tier=Tier.XL,
            scopes=("coupon-codes:read",),
            page=Page(100, 100),
            filters=_CODE_FILTERS,
            one_of=frozenset({"coupon.id", "profile.id"}),
            includes=frozenset({"coupon"}),
        ),
        Endpoint(
            path="/api/reviews",
            type="review",
            tier=Tier.M,
            scopes=("reviews:read",),
            page=Page(20, 100),
            filters={
                "created": Filter.of("dt: ge le"),
                "rating": Filter.of("num: eq ge le any[] eq[]"),
                "id": Filter.of(ONE_OR_SEVERAL),
                "item.id": Filter.of(ONE_OR_SEVERAL, each="item"),
                "content": Filter.of("str: contains"),
                "status": Filter.of("str: eq", choices=_REVIEW_STATUSES, everything="all"),
                "review_type": Filter.of("str: eq", choices=("question", "review", "rating", "store")),
                "verified": Filter.of("bool: eq"),
            },
            unless_filtered={"status": _LISTED},
            unless_switched="list_all_reviews",
            sorts=frozenset({"created", "rating", "updated"}),
            aliases={"status": "status.value"},
            includes=frozenset({"events"}),
        ),
    ),
)
