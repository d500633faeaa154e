"""Commerce: catalog, coupons, reviews."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from source_klaviyo.api.budget import XL, L, M
from source_klaviyo.api.resource import encode, identity
from source_klaviyo.streams.base import KlaviyoStream, Snapshot, Unfiltered
from source_klaviyo.streams.children import Child

if TYPE_CHECKING:
    from collections.abc import Mapping

    import msgspec


class CatalogItems(Unfiltered):
    """Catalog item. Of the custom catalog. Holds the IDs of variants.

    Klaviyo reads the custom integration's default catalog only.
    """

    resource = "catalog-items"
    tier = XL
    scope = "catalogs:read"
    page_size = 100
    optional_params = {"include": "variants", "fields[catalog-variant]": "sku"}


class CatalogVariants(Unfiltered):
    """Catalog variant. Of the custom catalog."""

    resource = "catalog-variants"
    tier = XL
    scope = "catalogs:read"
    page_size = 100


class CatalogCategories(Unfiltered):
    """Catalog category. Of the custom catalog, the only one that the API reads."""

    resource = "catalog-categories"
    tier = XL
    scope = "catalogs:read"
    page_size = 100


class CatalogCategoryItems(Child, Snapshot):
    """Item of a category. Pairs of IDs. No date shows when an item joined or left."""

    resource = "catalog-categories/{catalog_category_id}/items"
    tier = XL
    scope = "catalogs:read"
    page_size = 100
    params = {"fields[catalog-item]": "external_id"}
    parent, key = CatalogCategories, "catalog_category_id"
    primary_key = ["catalog_category_id", "catalog_item_id"]

    @override
    def transform(self, resource: msgspec.Raw, stream_slice: Mapping[str, Any]) -> msgspec.Raw:
        """Return the pair of IDs; all else about an item is in catalog_items."""
        return encode({"catalog_item_id": identity(resource)})


class Coupons(Snapshot):
    """Coupon."""

    resource = "coupons"
    tier = L
    scope = "coupons:read"
    page_size = 100


class CouponCodes(Child, Snapshot):
    """Coupon code. Holds `coupon_id`. No date shows when a code changed.

    They are read coupon by coupon, because the filter must name one.
    """

    resource = "coupon-codes"
    tier = XL
    scope = "coupon-codes:read coupons:read"
    page_size = 100
    parent, key = Coupons, "coupon_id"

    @override
    def conditions(self, stream_slice: Mapping[str, Any]) -> list[str]:
        """Return the condition for the coupon; by the document `equals` takes only a list, so `any` is safe."""
        return [f"any(coupon.id,[{json.dumps(stream_slice[self.key], ensure_ascii=False)}])"]


class Reviews(KlaviyoStream):
    """Review. Of every status. Holds the IDs of events.

    They can be sorted but not filtered by their date, so the last changed come first. Whether Klaviyo lists every
    status by default is not known. The filter's value `all` is in its document.
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
