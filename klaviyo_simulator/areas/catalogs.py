"""The catalog: items, their variants and categories."""

from __future__ import annotations

from typing import Any

from klaviyo_simulator.declarations import Area, Endpoint, Filter, Page, Relationship, ResourceType, Tier, tree

_SOLD = "created description image_full_url image_thumbnail_url images price published title url"

_ITEM_FILTERS = {
    "ids": Filter.of("str: any[]"),
    "category.id": Filter.of("str: eq", each="categories"),
    "title": Filter.of("str: contains"),
    "published": Filter.of("bool: eq"),
}
_VARIANT_FILTERS = {
    "ids": Filter.of("str: any[]"),
    "item.id": Filter.of("str: eq", each="item"),
    "sku": Filter.of("str: eq"),
    "title": Filter.of("str: contains"),
    "published": Filter.of("bool: eq"),
}
_CATEGORY_FILTERS = {
    "ids": Filter.of("str: any[]"),
    "item.id": Filter.of("str: eq", each="items"),
    "name": Filter.of("str: contains"),
}


def _listing(path: str, name: str, filters: dict[str, Filter], **more: Any) -> Endpoint:
    """A collection of the catalog; they are all alike."""
    return Endpoint(
        path=path,
        type=name,
        tier=Tier.XL,
        scopes=("catalogs:read",),
        page=Page(100, 100),
        filters=filters,
        sorts=frozenset({"created"}),
        aliases={"ids": "id"},
        **more,
    )


AREA = Area(
    types=(
        ResourceType(
            "catalog-item",
            "/api/catalog-items",
            tree(f"{_SOLD} custom_metadata external_id updated"),
            {"variants": Relationship("catalog-variant")},
        ),
        ResourceType(
            "catalog-variant",
            "/api/catalog-variants",
            tree(f"{_SOLD} custom_metadata external_id inventory_policy inventory_quantity sku updated"),
            {"item": Relationship("catalog-item", many=False)},
        ),
        ResourceType(
            "catalog-category",
            "/api/catalog-categories",
            tree("external_id name updated"),
            {"items": Relationship("catalog-item")},
        ),
    ),
    endpoints=(
        _listing("/api/catalog-items", "catalog-item", _ITEM_FILTERS, includes=frozenset({"variants"})),
        _listing("/api/catalog-items/{id}/variants", "catalog-variant", _VARIANT_FILTERS, parent="catalog-item"),
        _listing("/api/catalog-variants", "catalog-variant", _VARIANT_FILTERS),
        _listing("/api/catalog-categories", "catalog-category", _CATEGORY_FILTERS),
        _listing(
            "/api/catalog-categories/{id}/items",
            "catalog-item",
            _ITEM_FILTERS,
            parent="catalog-category",
            includes=frozenset({"variants"}),
        ),
    ),
)
