"""What revision 2026-10-15 changed of resources and endpoints that there were before."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from klaviyo_simulator.areas import commerce, content, custom_objects, groups, profiles
from klaviyo_simulator.declarations import Area, Filter, tree

if TYPE_CHECKING:
    from klaviyo_simulator.declarations import Endpoint, ResourceType

_EARLIER = (commerce.AREA, content.AREA, custom_objects.AREA, groups.AREA, profiles.AREA)
_types = {declared.name: declared for area in _EARLIER for declared in area.types}
_endpoints = {declared.path: declared for area in _EARLIER for declared in area.endpoints}

_CLICKS = f"subscriptions(email(click_tracking({profiles.CONSENT})))"


def _with_fields(name: str, fields: str) -> ResourceType:
    """A type with further attributes, which are shown from this revision on."""
    return replace(_types[name], fields=_types[name].fields | tree(fields), hidden=_types[name].hidden - tree(fields))


def _with_filters(path: str, without: str = "", **more: Filter) -> Endpoint:
    """An endpoint without one of its filters, or with more of them."""
    filters = {name: rule for name, rule in _endpoints[path].filters.items() if name != without}
    return replace(_endpoints[path], filters={**filters, **more})


AREA = Area(
    types=(
        replace(_types["profile"], fields=_types["profile"].fields | tree(_CLICKS)),
        _with_fields("coupon", "assigner_configuration(unused_expired used)"),
        _with_fields("template", "screenshot_url"),
    ),
    endpoints=(
        _with_filters("/api/coupons/{id}/coupon-codes", without="coupon.id"),
        _with_filters("/api/data-sources", namespace=Filter.of("str: eq")),
    ),
)
