"""Lists and segments of profiles, and who is in them."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from source_klaviyo.api.budget import XS, L, Limit
from source_klaviyo.api.errors import NotFound
from source_klaviyo.api.page import decode_item
from source_klaviyo.api.resource import identity
from source_klaviyo.streams.base import KlaviyoStream
from source_klaviyo.streams.children import Members
from source_klaviyo.streams.detailed import Detailed
from source_klaviyo.streams.flagged import Flagged

if TYPE_CHECKING:
    from collections.abc import Mapping

    import msgspec


PROFILE_COUNT = Limit("profile_count", XS)
"""A limit in addition to the endpoint's own, shared by lists and segments."""


class _Groups(KlaviyoStream, ABC):
    """A collection of groups of profiles: a lower bound and an order, no upper bound."""

    tier = L
    lower_bound_operator = "greater-than"
    supports_upper_bound = False
    page_size = 10
    optional_params: Mapping[str, str] = {"include": "tags", "fields[tag]": "name"}


class Lists(_Groups):
    """GET /lists."""

    resource = "lists"
    scope = "lists:read"


class _ActiveOrNot(Flagged, _Groups, ABC):
    """GET /segments, inactive ones as well: whether Klaviyo lists them by itself is not known."""

    resource = "segments"
    scope = "segments:read"
    flag = "is_active"
    flags = {"active": "true", "inactive": "false"}
    queries = ("active", "inactive")
    new_queries = frozenset({"inactive"})


class Segments(_ActiveOrNot):
    """Segments with the ids of their tags."""


class _Counted(Detailed, ABC):
    """The groups with the number of their profiles, one slow request each (15 a minute).

    The number is that of the time when a group last changed; a full refresh counts all of them.
    """

    type: ClassVar[str]
    optional_params: Mapping[str, str] = {}

    def transform(self, resource: msgspec.Raw, stream_slice: Mapping[str, Any]) -> msgspec.Raw | None:
        """The group as it is when asked for by its id; None where it has just been deleted."""
        if super().transform(resource, stream_slice) is None:
            return None
        params = {f"additional-fields[{self.type}]": "profile_count"}
        limits = (Limit(f"{self.resource}/{{id}}", L), PROFILE_COUNT)
        try:
            address = f"/api/{self.resource}/{quote(identity(resource), safe='')}"
            page = self.client.get(address, params, limits, decode_item)
        except NotFound:
            return None
        return page.resources[0]


class ListsDetailed(_Counted, _Groups):
    """GET /lists/{id} with the profile_count."""

    resource, type = "lists", "list"
    scope = "lists:read"


class SegmentsDetailed(_Counted, _ActiveOrNot):
    """GET /segments/{id} with the profile_count."""

    type = "segment"


class ListProfiles(Members):
    """GET /lists/{id}/profiles."""

    resource = "lists/{list_id}/profiles"
    tier = L
    scope = "lists:read profiles:read"
    parent, key = Lists, "list_id"
    primary_key = ["list_id", "profile_id"]


class SegmentProfiles(Members):
    """GET /segments/{id}/profiles."""

    resource = "segments/{segment_id}/profiles"
    tier = L
    scope = "segments:read profiles:read"
    parent, key = Segments, "segment_id"
    primary_key = ["segment_id", "profile_id"]
