"""Account: senders of text messages, their registrations with carriers, and the configuration."""

from __future__ import annotations

from abc import ABC

from source_klaviyo.api.budget import S
from source_klaviyo.api.client import OCTOBER_2026
from source_klaviyo.streams.account import OfAccount
from source_klaviyo.streams.base import KlaviyoStream, Snapshot, Unfiltered
from source_klaviyo.streams.children import Included


class _Senders(KlaviyoStream, ABC):
    """GET /text-messaging-senders."""

    revision = OCTOBER_2026
    resource = "text-messaging-senders"
    tier = S
    scope = "sender-config:read"
    page_size = 20


class TextMessagingSenders(Snapshot, _Senders):
    """Sender of text messages. Holds the ID of the registration.

    Their only date is that of their creation.
    """

    optional_params = {
        "include": "text-messaging-sender-registration",
        "fields[text-messaging-sender-registration]": "status",
    }


class TextMessagingSenderRegistrations(Included, _Senders):
    """Registration of a sender. The latest one. Holds `text_messaging_sender_id`. Comes with the pages of senders.

    Klaviyo lists no others.
    """

    cursor_attribute = "updated_at"
    params = {"include": "text-messaging-sender-registration"}
    type = relationship = "text-messaging-sender-registration"
    key = "text_messaging_sender_id"


class TextMessagingConfigurations(OfAccount, Unfiltered):
    """Text messaging configuration. At most one. Holds `account_id`."""

    revision = OCTOBER_2026
    resource = "text-messaging-configurations/{account_id}"
    tier = S
    scope = "accounts:read sender-config:read"
    cursor_attribute = "updated_at"
