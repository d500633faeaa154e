"""Streams of message content: templates, universal content, images."""

from __future__ import annotations

from source_klaviyo.api.budget import L, M
from source_klaviyo.streams.base import KlaviyoStream
from source_klaviyo.streams.flagged import Flagged


class EmailTemplates(KlaviyoStream):
    """GET /templates."""

    resource = "templates"
    tier = L
    scope = "templates:read"
    page_size = 10


class TemplateUniversalContent(KlaviyoStream):
    """GET /template-universal-content: blocks and sections that several templates share."""

    resource = "template-universal-content"
    tier = L
    scope = "templates:read"
    page_size = 100


class Images(Flagged):
    """GET /images, hidden ones as well, which Klaviyo lists only when asked for (recorded answers)."""

    resource = "images"
    flag = "hidden"
    flags = {"visible": "false", "hidden": "true"}
    queries = ("visible", "hidden")
    new_queries = frozenset({"hidden"})
    tier = M
    scope = "images:read"
    cursor_attribute = "updated_at"
    page_size = 100
