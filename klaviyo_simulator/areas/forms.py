"""Sign-up forms and their versions."""

from __future__ import annotations

from functools import partial

from klaviyo_simulator.areas.common import BETWEEN, ONE_OR_SEVERAL, alike
from klaviyo_simulator.declarations import Area, Endpoint, Filter, Page, Relationship, ResourceType, Tier, tree

_STATUSES = ("live", "draft")
_TYPES = ("popup", "embed", "full_page", "flyout", "banner")

_form = partial(Endpoint, type="form", tier=Tier.S, scopes=("forms:read",))

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
        _form(
            path="/api/forms",
            page=Page(20, 100),
            filters={
                "id": Filter.of(ONE_OR_SEVERAL),
                "name": Filter.of("str: contains eq any[] eq[]"),
                "ab_test": Filter.of("bool: eq"),
                **alike(BETWEEN, "updated_at", "created_at"),
                "status": Filter.of("str: eq", choices=_STATUSES),
            },
            sorts=frozenset({"created_at", "updated_at"}),
        ),
        _form(path="/api/forms/{id}", shows=frozenset({"definition"}), lacks=frozenset({"form-versions"})),
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
                **alike(BETWEEN, "updated_at", "created_at"),
            },
            sorts=frozenset({"created_at", "updated_at"}),
            bare_links=True,
            unpaged=True,
        ),
    ),
)
