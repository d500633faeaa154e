"""Profiles found by the time of their suppression, which no other date shows."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import msgspec
from typing_extensions import override

from source_klaviyo.api.budget import L
from source_klaviyo.api.errors import BadRequest
from source_klaviyo.api.page import NULL, Linked, Page, cursors_of, decode_document
from source_klaviyo.streams.base import KlaviyoStream
from source_klaviyo.sync.instants import for_filter, parse_instant
from source_klaviyo.sync.selection import instant_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableMapping, Sequence

    from source_klaviyo.api.budget import Limit
    from source_klaviyo.api.errors import KlaviyoError
    from source_klaviyo.sync.instants import Instant

CHANGED = "changed"
SUPPRESSED = "suppressed"
SUPPRESSED_AT = "subscriptions.email.marketing.suppression.timestamp"
SINCE_EVER = parse_instant("2000-01-01T00:00:00Z")
"""The oldest bound that Klaviyo has been seen to take."""
MAX_REMEMBERED = 100_000
"""Profiles with several suppressions that are remembered; further ones may be emitted twice."""
MAX_WAIT_SECONDS = 20.0
"""The longest wait for another worker to emit the records it has found: the output may be blocked as long."""


class _Document(Linked, kw_only=True):
    data: list[msgspec.Raw]


class _Suppression(msgspec.Struct):
    timestamp: msgspec.Raw = NULL


class _Marketing(msgspec.Struct):
    suppression: list[_Suppression] | None = None


class _Email(msgspec.Struct):
    marketing: _Marketing | None = None


class _Subscriptions(msgspec.Struct):
    email: _Email | None = None


class _Attributes(msgspec.Struct):
    updated: msgspec.Raw = NULL
    subscriptions: _Subscriptions | None = None


class _Profile(msgspec.Struct):
    id: str
    attributes: _Attributes | None = None

    @property
    def suppressions(self) -> list[Instant] | None:
        """Return when it was suppressed; empty if it was not, None if that is unknown."""
        email = self.attributes.subscriptions.email if self.attributes and self.attributes.subscriptions else None
        entries = (email.marketing.suppression if email and email.marketing else None) or []
        found = [instant_of(bytes(entry.timestamp)) for entry in entries]
        known = [instant for instant in found if instant is not None]
        return None if len(known) < len(found) else known


_decode_profile = msgspec.json.Decoder(_Profile).decode


class SuppressedProfiles(KlaviyoStream):
    """GET /profiles with a filter on the time of the suppression: one of the queries of a stream of profiles.

    Klaviyo returns the profiles in the order of that time, rejects any `sort` or second date with this filter, and has
    no rule for which of several suppressions counts (recorded responses; `select_spans` is right for any). If it
    rejects the filter itself, all profiles are read and filtered here, as Airbyte's connector does.

    Args:
        stream: the stream whose records these are.
    """

    is_selectable = False
    resource = "profiles"
    tier = L
    scope = "profiles:read"
    supports_upper_bound = False
    supports_sort = False
    follows_cursor = False
    page_size = 100
    fallback_page_size = 20

    def __init__(self, stream: KlaviyoStream) -> None:
        self._of = stream  # the constructor of the base class uses its name
        self._filters = True
        self._found = _Found()
        super().__init__(stream.config, stream.client, stream.shared)
        self.params, self.failure_hint = stream.params, stream.failure_hint

    @property
    @override
    def name(self) -> str:
        return self._of.name

    @property
    @override
    def revision(self) -> str:  # type: ignore[override]
        return self._of.revision

    @property
    @override
    def lower_bound_operator(self) -> str | None:  # type: ignore[override]
        """Return None if all profiles have to be read."""
        return "greater-or-equal" if self._filters else None

    @property
    @override
    def is_sorted_reliably(self) -> bool:  # type: ignore[override]
        """Return False if all profiles have to be read, which come in another order."""
        return self._filters

    @property
    @override
    def limits(self) -> tuple[Limit, ...]:
        return self._of.limits

    @override
    def first_start(self) -> Instant:
        return self._of.first_start()

    @override
    def request_params(
        self,
        stream_state: Mapping[str, Any] | None = None,
        stream_slice: Mapping[str, Any] | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> MutableMapping[str, Any]:
        """Return the query, which has an order of its own unless all profiles have to be read."""
        params = super().request_params(stream_state, stream_slice, next_page_token)
        return params if self._filters or next_page_token else {**params, "sort": "updated"}

    @override
    def conditions(self, stream_slice: Mapping[str, Any]) -> list[str]:
        """Return the condition for profiles suppressed since a time or, as the last resort, for all profiles."""
        if self._filters:
            return [f"greater-or-equal({SUPPRESSED_AT},{for_filter(stream_slice.get('start', SINCE_EVER))})"]
        return [f"greater-than(updated,{for_filter(SINCE_EVER)})"]

    @override
    def decode(self, body: bytes) -> Page:
        document = decode_document(body, _Document)
        spans = [_decode_profile(resource).suppressions for resource in document.data]
        return Page(document.data, cursors_of(document.data, self.cursor_attribute), document.next_link, spans=spans)

    @override
    def fall_back(self, error: KlaviyoError) -> bool:
        """Read all profiles if Klaviyo rejects the filter."""
        if super().fall_back(error):
            return True
        if not isinstance(error, BadRequest) or not self._filters:
            return False
        self._filters = False
        self.logger.warning(
            "Klaviyo refuses to filter profiles by their suppression: stream %s reads all profiles instead, which "
            "takes longer. %s",
            self.name,
            error,
        )
        return True

    @override
    def transform(self, resource: msgspec.Raw, stream_slice: Mapping[str, Any]) -> msgspec.Raw | None:
        """Return the stream's record, unless another query or window finds the same profile."""
        profile = _decode_profile(resource)
        updated = instant_of(bytes(profile.attributes.updated)) if profile.attributes else None
        changed_since = self._of.query_starts.get(CHANGED)
        if changed_since is not None and updated is not None and updated >= changed_since:
            return None
        suppressions = profile.suppressions or []
        key = hash((profile.id, *suppressions)) if len(suppressions) > 1 else None
        return self._of.transform(resource, stream_slice) if self._found.take(key) else None

    @override
    def transform_all(
        self, resources: Sequence[msgspec.Raw], stream_slice: Mapping[str, Any]
    ) -> Iterable[msgspec.Raw | None]:
        self._found.begin_batch()
        return super().transform_all(resources, stream_slice)

    @override
    def mark_batch_queued(self) -> bool:
        """Let other windows leave out what this one found: no state comes before it any more."""
        return self._found.mark_batch_queued()


class _Batch(threading.local):
    """Divides the records that several windows find among their threads, so that each is emitted once."""

    def __init__(self) -> None:
        self.own: set[int] = set()
        self.left: set[int] = set()
        self.missing: set[int] = set()
        self.only: set[int] = set()


class _Found:
    """Records that several windows find, each of which is emitted by the one that comes first.

    A window that leaves a record to another one reports nothing before that one has put it on the queue, else a state
    could say that it was read, and a sync that is killed would lose it.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._emitted: set[int] = set()
        self._under_way: set[int] = set()
        self._batch = _Batch()

    def begin_batch(self) -> None:
        """Begin a batch of this thread: of the last page once more if others did not emit what was left to them."""
        batch = self._batch
        with self._changed:
            self._under_way -= batch.own  # a batch that never came onto the queue
        batch.only, batch.missing = batch.missing, set()
        batch.own, batch.left = set(), set()

    def take(self, key: int | None) -> bool:
        """Return whether this thread should emit a record; None for one that no other window finds."""
        batch = self._batch
        if key is None:
            return not batch.only
        with self._changed:
            if key in self._emitted or key in batch.own or (batch.only and key not in batch.only):
                return False
            if key in self._under_way:
                batch.left.add(key)
                return False
            self._under_way.add(key)
            batch.own.add(key)
            return True

    def mark_batch_queued(self) -> bool:
        """Note that this thread's batch is on the queue, and wait for those of others that it has left records to.

        Returns:
            Whether all of these are on the queue, too.
        """
        batch = self._batch
        with self._changed:
            if len(self._emitted) < MAX_REMEMBERED:
                self._emitted |= batch.own
            self._under_way -= batch.own
            batch.own = set()
            self._changed.notify_all()
            self._changed.wait_for(lambda: not batch.left & self._under_way, MAX_WAIT_SECONDS)
            batch.missing = batch.left - self._emitted
            self._under_way -= batch.missing
            return not batch.missing
