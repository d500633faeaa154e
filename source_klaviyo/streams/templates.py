"""Templates of messages."""

from __future__ import annotations

from source_klaviyo.api.budget import L
from source_klaviyo.streams.base import KlaviyoStream


class EmailTemplates(KlaviyoStream):
    """GET /templates."""

    resource = "templates"
    tier = L
    scope = "templates:read"
    page_size = 10
