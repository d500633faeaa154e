"""The account itself and its settings."""

from __future__ import annotations

from source_klaviyo.api.budget import XS, M
from source_klaviyo.streams.base import KlaviyoStream, Snapshot, Unfiltered


class Accounts(Snapshot):
    """GET /accounts: the account of the key."""

    resource = "accounts"
    tier = XS
    scope = "accounts:read"


class TrackingSettings(Snapshot):
    """GET /tracking-settings: a single one."""

    resource = "tracking-settings"
    tier = M
    scope = "tracking-settings:read"
    page_size = 1


class WebFeeds(KlaviyoStream):
    """GET /web-feeds."""

    resource = "web-feeds"
    tier = XS
    scope = "web-feeds:read"
    page_size = 20


WEBHOOKS = "Klaviyo gives webhooks to OAuth apps and to accounts with its add-on Advanced KDP only. "


class Webhooks(Unfiltered):
    """GET /webhooks, with the ids of their topics; a private key reads them with the add-on Advanced KDP only."""

    access_hint = WEBHOOKS
    resource = "webhooks"
    tier = XS
    scope = "webhooks:read"
    cursor_attribute = "updated_at"
    extras = {"include": "webhook-topics"}  # noqa: RUF012 - read only


class WebhookTopics(Snapshot):
    """GET /webhook-topics; see Webhooks."""

    access_hint = WEBHOOKS
    resource = "webhook-topics"
    tier = XS
    scope = "webhooks:read"
