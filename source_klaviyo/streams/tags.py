"""Tags of campaigns, flows, lists and segments."""

from __future__ import annotations

from source_klaviyo.api.budget import S
from source_klaviyo.streams.base import Snapshot


class Tags(Snapshot):
    """GET /tags."""

    resource = "tags"
    tier = S
    scope = "tags:read"
    page_size = 50
    optional_params = {"include": "tag-group", "fields[tag-group]": "name"}


class TagGroups(Snapshot):
    """GET /tag-groups."""

    resource = "tag-groups"
    tier = S
    scope = "tags:read"
    page_size = 25
