"""Lists of profiles."""

from __future__ import annotations

from source_klaviyo.api.budget import L
from source_klaviyo.streams.base import KlaviyoStream


class Lists(KlaviyoStream):
    """GET /lists."""

    resource = "lists"
    tier = L
    scope = "lists:read"
    lower = "greater-than"
    upper = False
    page_size = 10
