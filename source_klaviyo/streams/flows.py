"""Flows: messages that a profile's behaviour sets off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from source_klaviyo.api.budget import S
from source_klaviyo.streams.base import KlaviyoStream

if TYPE_CHECKING:
    from collections.abc import Mapping


class Flows(KlaviyoStream):
    """GET /flows; archived ones come only when asked for."""

    resource = "flows"
    tier = S
    scope = "flows:read"
    page_size = 50
    partitions = ({"archived": "false"}, {"archived": "true"})

    def conditions(self, stream_slice: Mapping[str, Any]) -> list[str]:
        """Archived or not, besides the window."""
        return [f"equals(archived,{stream_slice['archived']})", *super().conditions(stream_slice)]
