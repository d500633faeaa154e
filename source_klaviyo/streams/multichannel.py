"""Campaigns of several channels: with audiences and variations, as revision 2026-10-15 shows them."""

from __future__ import annotations

from abc import ABC

from source_klaviyo.api.budget import M
from source_klaviyo.api.client import OCTOBER_2026
from source_klaviyo.streams.base import KlaviyoStream, Unfiltered
from source_klaviyo.streams.children import VISIBILITY_LAG, Child, Included, OfChanged
from source_klaviyo.streams.flagged import Flagged


class _ArchivedOrNot(Flagged, ABC):
    """GET /campaigns. Whether Klaviyo lists archived ones by default is not known, so both kinds are requested.

    As in earlier revisions, sorted responses are not relied on to be in order.
    """

    revision = OCTOBER_2026
    resource = "campaigns"
    tier = M
    scope = "campaigns:read"
    cursor_attribute = "updated_at"
    is_sorted_reliably = False
    page_size = 100
    flag, flag_path = "archived", "definition.archived"
    flags = {"current": "false", "archived": "true"}
    queries = ("current", "archived")


class CampaignsMultichannel(_ArchivedOrNot):
    """Campaign. Of both builders, archived or not. Holds the IDs of tags. See [Campaigns](#campaigns)."""

    optional_params = {"include": "tags", "fields[tag]": "name"}


class CampaignAudiences(Included, _ArchivedOrNot):
    """Campaign audience. Holds `campaign_id`. Comes with the pages of campaigns. See [Campaigns](#campaigns)."""

    cursor_attribute = "updated"
    parent_date = "updated_at"
    params = {"include": "campaign-audiences"}
    type, relationship, key = "campaign-audience", "campaign-audiences", "campaign_id"


class _Messages(KlaviyoStream, ABC):
    """GET /campaign-messages. How soon a message appears there is not known, so recent hours are read again."""

    revision = OCTOBER_2026
    resource = "campaign-messages"
    tier = M
    scope = "campaigns:read"
    visibility_lag = VISIBILITY_LAG
    page_size = 100


class CampaignMessagesMultichannel(_Messages):
    """Campaign message. Holds the campaign's ID; the content is in `campaign_variations`."""

    optional_params = {"include": "campaign", "fields[campaign]": "created_at"}


class CampaignVariationsOfMessage(Child, Unfiltered):
    """The variations of one message."""

    is_selectable = False
    revision = OCTOBER_2026
    resource = "campaign-messages/{campaign_message_id}/campaign-variations"
    tier = M
    scope = "campaigns:read"
    parent, key = CampaignMessagesMultichannel, "campaign_message_id"


class CampaignVariations(OfChanged, _Messages):
    """Campaign variation. Content, one request a message. Holds `campaign_message_id`. See [Campaigns](#campaigns)."""

    children = CampaignVariationsOfMessage
