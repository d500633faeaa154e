"""Streams of a shop: catalog, coupons, reviews."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from source_klaviyo.api.budget import XL, L, M
from source_klaviyo.api.resource import encode, identity
from source_klaviyo.streams.base import KlaviyoStream, Snapshot, Unfiltered
from source_klaviyo.streams.children import Child

if TYPE_CHECKING:
    from collections.abc import Mapping

    import msgspec


class CatalogItems(Unfiltered):
    """GET /catalog-items, of the custom integration's default catalog, with the ids of their variants."""

    resource = "catalog-items"
    tier = XL
    scope = "catalogs:read"
    page_size = 100
    optional_params = {"include": "variants", "fields[catalog-variant]": "sku"}


class CatalogVariants(Unfiltered):
    """GET /catalog-variants."""

    resource = "catalog-variants"
    tier = XL
    scope = "catalogs:read"
    page_size = 100


class CatalogCategories(Unfiltered):
    """GET /catalog-categories."""

    resource = "catalog-categories"
    tier = XL
    scope = "catalogs:read"
    page_size = 100


class CatalogCategoryItems(Child, Snapshot):
    """GET /catalog-categories/{id}/items: which items are in which category. Nothing tells when that changes."""

    resource = "catalog-categories/{catalog_category_id}/items"
    tier = XL
    scope = "catalogs:read"
    page_size = 100
    params = {"fields[catalog-item]": "external_id"}
    parent, key = CatalogCategories, "catalog_category_id"
    primary_key = ["catalog_category_id", "catalog_item_id"]

    def transform(self, resource: msgspec.Raw, stream_slice: Mapping[str, Any]) -> msgspec.Raw:
        """Return the pair of IDs; all else about an item is in catalog_items."""
        return encode({"catalog_item_id": identity(resource)})


class Coupons(Snapshot):
    """GET /coupons."""

    resource = "coupons"
    tier = L
    scope = "coupons:read"
    page_size = 100


class CouponCodes(Child, Snapshot):
    """GET /coupon-codes, coupon by coupon (the filter must name one); nothing tells when a code has changed."""

    resource = "coupon-codes"
    tier = XL
    scope = "coupon-codes:read coupons:read"
    page_size = 100
    parent, key = Coupons, "coupon_id"

    def conditions(self, stream_slice: Mapping[str, Any]) -> list[str]:
        """The coupon; the document lets `equals` take a list only, so this is the safe form."""
        return [f"any(coupon.id,[{json.dumps(stream_slice[self.key], ensure_ascii=False)}])"]


class Reviews(KlaviyoStream):
    """GET /reviews, the last changed first: they can be sorted but not filtered by that date.

    Of any status: whether Klaviyo lists all by itself is not known. The filter's value `all` is in its document.
    """

    resource = "reviews"
    tier = M
    scope = "reviews:read"
    lower_bound_operator = None
    supports_upper_bound = False
    is_sorted_reliably = False
    newest_first = True
    page_size = 100
    optional_params = {
        "include": "events",
        "fields[event]": "datetime",
        "filter": 'equals(status,"all")',
    }
