"""Sign-up forms and their versions."""

from __future__ import annotations

from klaviyo_simulator.areas.common import BETWEEN, ONE_OR_SEVERAL
from klaviyo_simulator.declarations import Area, Endpoint, Filter, Page, Relationship, ResourceType, Tier, tree

_STATUSES = ("live", "draft")
_TYPES = ("popup", "embed", "full_page", "flyout", "banner")

AREA = Area(
    types=(
        ResourceType(
            "form",
            "/api/forms",
            tree("ab_test created_at definition(versions) name status updated_at"),
            {"form-versions": Relationship("form-version")},
            hidden=frozenset({"definition"}),
        ),
        ResourceType(
            "form-version",
            "/api/form-versions",
            tree("ab_test(variation_name) created_at form_type status updated_at variation_name"),
            {"form": Relationship("form", many=False)},
        ),
    ),
    endpoints=(
        Endpoint(
            path="/api/forms",
            type="form",
            tier=Tier.S,
            scopes=("forms:read",),
            page=Page(20, 100),
            filters={
                "id": Filter.of(ONE_OR_SEVERAL),
                "name": Filter.of("str: contains eq any[] eq[]"),
                "ab_test": Filter.of("bool: eq"),
                "updated_at": Filter.of(BETWEEN),
                "created_at": Filter.of(BETWEEN),
                "status": Filter.of("str: eq", choices=_STATUSES),
            },
            sorts=frozenset({"created_at", "updated_at"}),
        ),
        Endpoint(
            path="/api/forms/{id}",
            type="form",
            tier=Tier.S,
            scopes=("forms:read",),
            shows=frozenset({"definition"}),
            lacks=frozenset({"form-versions"}),
        ),
        Endpoint(
            path="/api/forms/{id}/form-versions",
            type="form-version",
            tier=Tier.S,
            scopes=("forms:read",),
            parent="form",
            page=Page(20, 100),
            filters={
                "form_type": Filter.of(ONE_OR_SEVERAL, choices=_TYPES, lists_fail=True),
                "status": Filter.of("str: eq", choices=_STATUSES),
                "updated_at": Filter.of(BETWEEN),
                "created_at": Filter.of(BETWEEN),
            },
            sorts=frozenset({"created_at", "updated_at"}),
            bare_links=True,
            unpaged=True,
        ),
    ),
)
