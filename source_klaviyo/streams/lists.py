"""People: lists and segments of profiles, and who is in them."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING

from source_klaviyo.api.budget import XS, L, Limit
from source_klaviyo.streams.base import KlaviyoStream
from source_klaviyo.streams.children import Members
from source_klaviyo.streams.detailed import ReadById
from source_klaviyo.streams.flagged import Flagged

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    """List. Holds the IDs of tags."""

    resource = "lists"
    scope = "lists:read"


class _ActiveOrNot(Flagged, _Groups, ABC):
    """GET /segments, with inactive ones: whether Klaviyo lists them by default is not known."""

    resource = "segments"
    scope = "segments:read"
    flag = "is_active"
    flags = {"active": "true", "inactive": "false"}
    queries = ("active", "inactive")
    new_queries = frozenset({"inactive"})


class Segments(_ActiveOrNot):
    """Segment. Active or not. Holds the IDs of tags."""


class _WithProfileCount(ReadById, ABC):
    """The groups with the number of their profiles, one slow request each (15 a minute).

    The number is that of the time when a group last changed; a full refresh counts all of them.
    """

    optional_params: Mapping[str, str] = {}


class ListsDetailed(_WithProfileCount, _Groups):
    """List. Adds `profile_count`, as of the list's last change; a full refresh counts all."""

    resource = "lists"
    scope = "lists:read"
    detail_params = {"additional-fields[list]": "profile_count"}
    detail_limits = (Limit("lists/{id}", L), PROFILE_COUNT)


class SegmentsDetailed(_WithProfileCount, _ActiveOrNot):
    """Segment. Adds `profile_count`, as of the segment's last change."""

    detail_params = {"additional-fields[segment]": "profile_count"}
    detail_limits = (Limit("segments/{id}", L), PROFILE_COUNT)


class ListProfiles(Members):
    """Member of a list. Who joined and when. Who left shows in a full refresh only."""

    resource = "lists/{list_id}/profiles"
    tier = L
    scope = "lists:read profiles:read"
    parent, key = Lists, "list_id"
    primary_key = ["list_id", "profile_id"]


class SegmentProfiles(Members):
    """Member of a segment. Who joined and when. Who left shows in a full refresh only."""

    resource = "segments/{segment_id}/profiles"
    tier = L
    scope = "segments:read profiles:read"
    parent, key = Segments, "segment_id"
    primary_key = ["segment_id", "profile_id"]
