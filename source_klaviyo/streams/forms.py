"""Sign-up forms."""

from __future__ import annotations

from source_klaviyo.api.budget import S
from source_klaviyo.streams.base import KlaviyoStream
from source_klaviyo.streams.children import Child


class Forms(KlaviyoStream):
    """GET /forms."""

    resource = "forms"
    tier = S
    scope = "forms:read"
    cursor_attribute = "updated_at"
    page_size = 100


class FormVersions(Child):
    """GET /forms/{id}/form-versions."""

    resource = "forms/{form_id}/form-versions"
    tier = S
    scope = "forms:read"
    cursor_attribute = "updated_at"
    page_size = 100
    parent, key = Forms, "form_id"
