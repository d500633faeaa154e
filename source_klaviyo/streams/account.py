"""Account: the account itself and its settings."""

from __future__ import annotations

from abc import ABC
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
from typing_extensions import override

from source_klaviyo.api.budget import XS, M
from source_klaviyo.api.client import OCTOBER_2026
from source_klaviyo.api.page import NULL, Page, cursors_of, decode_document
from source_klaviyo.api.resource import identity
from source_klaviyo.streams.base import KlaviyoStream, Snapshot, Unfiltered
from source_klaviyo.streams.children import Child
from source_klaviyo.sync.instants import SECOND, floor
from source_klaviyo.sync.selection import instant_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from source_klaviyo.api.client import KlaviyoClient
    from source_klaviyo.config import Config
    from source_klaviyo.streams.base import Slice
    from source_klaviyo.streams.shared import SyncContext
    from source_klaviyo.sync.state import Partition


WEBHOOKS = "Klaviyo gives webhooks to OAuth apps and to accounts with its add-on Advanced KDP only. "


class Accounts(Snapshot):
    """Account. The account of the key."""

    resource = "accounts"
    tier = XS
    scope = "accounts:read"


class _Single(msgspec.Struct):
    data: msgspec.Raw


class OfAccount(Child, ABC):
    """A resource of which an account has one or none, read by the account's ID."""

    parent, key = Accounts, "account_id"

    @override
    def decode(self, body: bytes) -> Page:
        """Decode a single resource, or null, as a page."""
        data = decode_document(body, _Single).data
        found = [] if data == NULL else [data]
        return Page(found, cursors_of(found, self.cursor_attribute))


class BillingUsage(Unfiltered):
    """Usage of the plan. One record for each kind of usage and reading, so that increments collect a history.

    Klaviyo shows the current billing period only, as of the time that `as_of` names. How far that lies behind the
    request is not documented, and it may differ by kind of usage. So each kind is a partition with a state of its
    own, which moves to its last reading and not to the time of the request. One request reads all of them.
    """

    revision = OCTOBER_2026
    resource = "billing-usage"
    tier = M
    scope = "usage:read"
    cursor_attribute = "as_of"
    primary_key = ["id", "as_of"]

    def __init__(self, config: Config, client: KlaviyoClient, shared: SyncContext) -> None:
        super().__init__(config, client, shared)
        self._readings: dict[str, Page] = {}

    @override
    def list_partitions(self, *, resuming: bool) -> list[tuple[Partition, Slice]]:
        """Read the usage, and return one partition for each kind."""
        for page in super().read_pages({}):
            for resource, cursor in zip(page.resources, page.cursors, strict=True):
                self._readings[identity(resource)] = replace(page, resources=[resource], cursors=[cursor], next=None)
        return [({"usage": kind}, {"usage": kind}) for kind in self._readings]

    @override
    def probe_slice(self) -> Slice:
        """Return a slice of all kinds at once."""
        return {}

    @override
    def read_pages(self, stream_slice: Mapping[str, Any]) -> Iterator[Page]:
        """Yield the reading of one kind of usage, unless it lies before the slice; without a kind, request all."""
        if "usage" not in stream_slice:
            yield from super().read_pages(stream_slice)
            return
        page = self._readings[stream_slice["usage"]]
        start, reading = stream_slice["start"], instant_of(page.cursors[0])
        if reading is None:
            yield replace(page, complete_until=start)
        elif reading >= start:
            yield replace(page, complete_until=floor(reading, SECOND) + SECOND)


class TrackingSettings(Snapshot):
    """Tracking setting. The parameters added to links."""

    resource = "tracking-settings"
    tier = M
    scope = "tracking-settings:read"
    page_size = 1


class WebFeeds(KlaviyoStream):
    """Web feed."""

    resource = "web-feeds"
    tier = XS
    scope = "web-feeds:read"
    page_size = 20


class Webhooks(Unfiltered):
    """Webhook. Holds the IDs of topics. Not with every key; see [Webhooks](#webhooks).

    A private key reads them with the add-on Advanced KDP only.
    """

    access_hint = WEBHOOKS
    resource = "webhooks"
    tier = XS
    scope = "webhooks:read"
    cursor_attribute = "updated_at"
    optional_params = {"include": "webhook-topics"}


class WebhookTopics(Snapshot):
    """Webhook topic. Not with every key; see [Webhooks](#webhooks)."""

    access_hint = WEBHOOKS
    resource = "webhook-topics"
    tier = XS
    scope = "webhooks:read"
