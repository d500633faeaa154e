"""Translations of messages, templates, universal content and consent pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from source_klaviyo.api.budget import Limit, M
from source_klaviyo.api.client import OCTOBER_2026
from source_klaviyo.api.errors import NotFound
from source_klaviyo.api.page import decode_item
from source_klaviyo.api.resource import encode, identity, members
from source_klaviyo.streams.base import Unfiltered
from source_klaviyo.streams.detailed import Detailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    import msgspec


class Translations(Unfiltered):
    """GET /translations, with the IDs of what they translate; Klaviyo can filter by no date of them."""

    revision = OCTOBER_2026
    resource = "translations"
    tier = M
    scope = "translations:read"
    page_size = 100
    optional_params: Mapping[str, str] = {
        "include": "campaign-variation,flow-message,template,template-universal-content",
        "fields[campaign-variation]": "created",
        "fields[flow-message]": "created",
        "fields[template]": "name",
        "fields[template-universal-content]": "name",
    }


class TranslationsDetailed(Detailed, Translations):
    """GET /translations/{id} with the translated texts, one request for each translation that changed."""

    def transform(self, resource: msgspec.Raw, stream_slice: Mapping[str, Any]) -> msgspec.Raw | None:
        """Return the translation with its texts and the relationships listed; None if it has just been deleted."""
        address = f"/api/translations/{quote(identity(resource), safe='')}"
        params = {"additional-fields[translation]": "values"}
        try:
            page = self.client.get(address, params, (Limit("translations/{id}", M),), decode_item)
        except NotFound:
            return None
        listed = {name: part for name, part in members(resource).items() if name == "relationships"}
        return encode(members(page.resources[0]) | listed)
