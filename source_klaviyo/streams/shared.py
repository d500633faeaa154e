"""Data that several streams need, read once in a sync."""

from __future__ import annotations

import datetime as dt
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from source_klaviyo.api.budget import XS, Limit
from source_klaviyo.api.errors import KlaviyoError, MissingScope
from source_klaviyo.api.page import decode_page
from source_klaviyo.api.request import Request
from source_klaviyo.api.resource import identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from source_klaviyo.api.client import KlaviyoClient
    from source_klaviyo.config import Config
    from source_klaviyo.streams.base import KlaviyoStream

T = TypeVar("T")

ACCOUNTS = Limit("accounts", XS)
"""The limit of requests for the account, which a check, reports and its own stream make."""

WESTERNMOST = dt.timezone(-dt.timedelta(hours=12))
"""The time zone in which a day ends last."""


class _Attributes(msgspec.Struct):
    timezone: str | None = None


class _Account(msgspec.Struct):
    attributes: _Attributes


class SyncContext:
    """The parents of child streams and the account's time zone, in one sync.

    A parent is read whole, whatever start_date says: an old list may have new members.

    Attributes:
        left_out: for metrics whose reports leave statistics out, how many groups of them (`VALUE_STATISTICS`).
    """

    def __init__(self, config: Config, client: KlaviyoClient) -> None:
        self._config = config
        self._client = client
        self.left_out: dict[str | None, int] = {}
        self._listed_at: dict[type[KlaviyoStream], float] = {}
        self._known: dict[object, Any] = {}
        self._locks: dict[object, threading.Lock] = {}
        self._lock = threading.Lock()

    def ids(self, parent: type[KlaviyoStream]) -> list[str]:
        """Return the IDs of all resources of a stream; a second thread waits for the first.

        Raises:
            KlaviyoError: the parent cannot be read.
        """
        return self._memoized(parent, lambda: self._read(parent))

    def listed_at(self, parent: type[KlaviyoStream]) -> float:
        """Return when a stream's IDs were listed, in seconds since the epoch, by Klaviyo's clock."""
        return self._listed_at[parent]

    def timezone(self) -> dt.tzinfo:
        """Return the account's time zone; the one where a day ends last if the key may not read it.

        Raises:
            KlaviyoError: Klaviyo cannot be reached.
        """
        return self._memoized("timezone", self._read_timezone)

    def learn_clock(self) -> None:
        """Make sure that a response has shown Klaviyo's clock: request the account, unless that has been done.

        Raises:
            KlaviyoError: Klaviyo cannot be reached.
        """
        self.timezone()

    def _memoized(self, what: object, read: Callable[[], T]) -> T:
        """Read once, also for other threads; a read that has failed after many attempts is not repeated either."""
        with self._lock:
            lock = self._locks.setdefault(what, threading.Lock())
        with lock:
            if what not in self._known:
                try:
                    self._known[what] = read()
                except KlaviyoError as error:
                    self._known[what] = error
            found: T | KlaviyoError = self._known[what]
        if isinstance(found, KlaviyoError):
            raise found
        return found

    def _read(self, parent: type[KlaviyoStream]) -> list[str]:
        stream = parent(self._config, self._client, self)
        stream.optional_params = {}
        ids: dict[str, None] = {}  # keeps the order
        began = time.monotonic()
        for _, part in stream.list_partitions(resuming=False):
            for page in stream.query(part).pages(lambda part=part: part):  # type: ignore[misc]
                ids |= dict.fromkeys(map(identity, page.resources))
        # only a response shows Klaviyo's clock
        self._listed_at[parent] = self._client.certain_now() - (time.monotonic() - began)
        return list(ids)

    def _read_timezone(self) -> dt.tzinfo:
        try:
            page = self._client.get(Request("/api/accounts", None, (ACCOUNTS,), lambda body: decode_page(body, None)))
            account = msgspec.json.decode(page.resources[0], type=_Account)
            return ZoneInfo(account.attributes.timezone or "")
        except (MissingScope, IndexError, ValueError, KeyError, OSError, msgspec.ValidationError):
            return WESTERNMOST
