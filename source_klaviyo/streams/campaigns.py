"""Campaigns: messages sent once to an audience."""

from __future__ import annotations

from abc import ABC
from itertools import product
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec
from typing_extensions import override

from source_klaviyo.api.budget import Limit, M
from source_klaviyo.api.errors import NotFound
from source_klaviyo.api.page import Linked, Page, cursors_of, decode_document
from source_klaviyo.api.request import Request
from source_klaviyo.api.resource import Identifier, encode, identity, members, with_members
from source_klaviyo.streams.base import KlaviyoStream
from source_klaviyo.streams.children import Included
from source_klaviyo.streams.detailed import Detailed
from source_klaviyo.streams.moved import CAMPAIGN, CAMPAIGN_MESSAGE, with_old_columns

if TYPE_CHECKING:
    from collections.abc import Mapping

CHANNELS = ("email", "sms", "mobile_push")


class _ByChannel(KlaviyoStream, ABC):
    """GET /campaigns, for each channel (which the filter must name), archived or not.

    Sorted responses have been seen out of order, so the order is requested but not relied on.
    """

    resource = "campaigns"
    tier = M
    scope = "campaigns:read"
    cursor_attribute = "updated_at"
    is_sorted_reliably = False
    page_size = 100
    partitions = tuple(
        {"archived": archived, "campaign_type": channel} for channel, archived in product(CHANNELS, ("false", "true"))
    )

    @override
    def conditions(self, stream_slice: Mapping[str, Any]) -> list[str]:
        """Return the conditions for the channel, archived or not, and the window."""
        return [
            f"equals(messages.channel,'{stream_slice['campaign_type']}')",
            f"equals(archived,{stream_slice['archived']})",
            *super().conditions(stream_slice),
        ]


class Campaigns(_ByChannel):
    """Campaign. All channels, archived or not. Adds `attributes.channel`. Holds the IDs of tags.

    The channel stands where Klaviyo had it before revision 2024-10-15.
    """

    optional_params = {"include": "tags", "fields[tag]": "name"}

    @override
    def transform(self, resource: msgspec.Raw, stream_slice: Mapping[str, Any]) -> msgspec.Raw:
        """Add the channel to the attributes, and fill the columns that moved; every other byte stays."""
        parts = members(with_old_columns(resource, CAMPAIGN))
        channel = encode(stream_slice["campaign_type"])
        parts["attributes"] = encode({"channel": channel} | members(parts.get("attributes", b"null")))
        return encode(parts)


class _Document(Linked, kw_only=True):
    data: list[msgspec.Raw]
    included: tuple[msgspec.Raw, ...] = ()


class _Estimation(msgspec.Struct):
    estimated_recipient_count: int | None = None


class _Estimated(msgspec.Struct):
    attributes: _Estimation


class _Estimate(msgspec.Struct):
    data: _Estimated


class _Messages(msgspec.Struct):
    data: list[Identifier] | None = None


_decode_messages = msgspec.json.Decoder(_Messages | None).decode


class CampaignsDetailed(Detailed, _ByChannel):
    """Campaign. Adds `campaign_messages` and `estimated_recipient_count` (one request for each campaign)."""

    params = {"include": "campaign-messages"}
    detail_limits = (Limit("campaign-recipient-estimations", M),)

    @override
    def decode(self, body: bytes) -> Page:
        """Decode the campaigns, each with its messages at the top level."""
        document = decode_document(body, _Document)
        messages = {identity(message): message for message in document.included}
        resources = [self._with_messages(resource, messages) for resource in document.data]
        return Page(resources, cursors_of(resources, self.cursor_attribute), document.next_link)

    @staticmethod
    def _with_messages(resource: msgspec.Raw, messages: Mapping[str, msgspec.Raw]) -> msgspec.Raw:
        relationships = members(members(resource).get("relationships", b"null"))
        messages_of = _decode_messages(relationships.get("campaign-messages", b"{}"))
        related = (messages_of.data if messages_of else None) or []
        found = [
            with_old_columns(messages[message.id], CAMPAIGN_MESSAGE) for message in related if message.id in messages
        ]
        return with_members(resource, {"campaign_messages": found})

    @override
    def transform(self, resource: msgspec.Raw, stream_slice: Mapping[str, Any]) -> msgspec.Raw:
        """Add the estimate; 0 where Klaviyo has none, as in Airbyte's connector."""
        resource = with_old_columns(resource, CAMPAIGN)
        address = f"/api/campaign-recipient-estimations/{quote(identity(resource), safe='')}"
        try:
            page = self.client.get(Request(address, None, self.detail_limits, _decode_estimate))
        except NotFound:
            return with_members(resource, {"estimated_recipient_count": 0})
        return with_members(resource, {"estimated_recipient_count": page.resources[0]})


def _decode_estimate(body: bytes) -> Page:
    return Page([encode(decode_document(body, _Estimate).data.attributes.estimated_recipient_count or 0)])


class CampaignMessages(Included, _ByChannel):
    """Campaign message. Holds `campaign_id`. Comes with the pages of campaigns.

    A campaign has several if they are tested against each other.
    """

    params = {"include": "campaign-messages"}
    type, relationship, key = "campaign-message", "campaign-messages", "campaign_id"
