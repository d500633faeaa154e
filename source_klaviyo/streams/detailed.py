"""Streams that request more about each of their records."""

from __future__ import annotations

from abc import ABC
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

from typing_extensions import override

from source_klaviyo.api.errors import DamagedResponse, NotFound, ServerError, UnreadableDetail
from source_klaviyo.api.page import cursors_of, decode_item
from source_klaviyo.api.request import Request
from source_klaviyo.api.resource import identity
from source_klaviyo.api.worker_pool import WorkerPool
from source_klaviyo.streams.base import KlaviyoStream
from source_klaviyo.sync.instants import SECOND, floor
from source_klaviyo.sync.selection import instant_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    import msgspec

    from source_klaviyo.api.budget import Limit
    from source_klaviyo.api.page import Page

MAX_CONCURRENT_DETAILS = 5
"""Records of a page for which more is requested at the same time."""


class Detailed(KlaviyoStream, ABC):
    """A collection whose `transform` requests more about a record.

    Attributes:
        detail_limits: the rate limits of these requests.
    """

    detail_limits: ClassVar[tuple[Limit, ...]] = ()

    @contextmanager
    @override
    def _page(
        self, address: str, params: Mapping[str, str] | None, requested: int, tries: int | None
    ) -> Iterator[Page]:
        # a page that may be held for minutes does not count against the pages in memory
        yield self.client.get(Request(address, params, self.limits, self.decode, tries=tries))

    @override
    def transform_all(
        self, resources: Sequence[msgspec.Raw], stream_slice: Mapping[str, Any]
    ) -> Iterable[msgspec.Raw | None]:
        """Return the records of a page; several requests at a time, so that the limit decides how long it takes."""
        with WorkerPool(MAX_CONCURRENT_DETAILS) as pool:
            return list(pool.map(partial(self._detailed, stream_slice=stream_slice), resources))

    def _detailed(self, resource: msgspec.Raw, stream_slice: Mapping[str, Any]) -> msgspec.Raw | None:
        try:
            return self.transform(resource, stream_slice)
        except (DamagedResponse, ServerError) as error:
            (cursor,) = cursors_of([resource], self.cursor_attribute) or (b"",)
            instant = instant_of(cursor)
            raise UnreadableDetail(str(error), None if instant is None else floor(instant, SECOND)) from None


class ReadById(Detailed, ABC):
    """A collection whose records are each requested by ID, for attributes that its pages cannot have.

    Attributes:
        detail_params: the query parameters that request these attributes.
    """

    detail_params: ClassVar[Mapping[str, str]]

    @override
    def transform(self, resource: msgspec.Raw, stream_slice: Mapping[str, Any]) -> msgspec.Raw | None:
        """Return the record as it is when requested by its ID; None if it has just been deleted."""
        if super().transform(resource, stream_slice) is None:
            return None
        address = f"/api/{self.resource}/{quote(identity(resource), safe='')}"
        try:
            page = self.client.get(Request(address, self.detail_params, self.detail_limits, decode_item))
        except NotFound:
            return None
        return page.resources[0]
