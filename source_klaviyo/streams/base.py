"""The base of all streams: a stream is a declaration of what to request."""

from __future__ import annotations

import json
import re
import threading
from abc import ABC
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from airbyte_cdk.sources.streams.http import HttpStream
from typing_extensions import override

from source_klaviyo.api.body import MAX_PAGE_BYTES, MAX_RESPONSE_BYTES
from source_klaviyo.api.budget import Limit
from source_klaviyo.api.client import REVISION
from source_klaviyo.api.errors import BadRequest, MissingScope
from source_klaviyo.api.page import decode_page
from source_klaviyo.api.page_size import PageSize
from source_klaviyo.api.request import Request
from source_klaviyo.streams.slice_pages import SlicePages
from source_klaviyo.sync.instants import SECOND, for_filter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
    from contextlib import AbstractContextManager

    import msgspec
    import requests
    from airbyte_cdk.models import SyncMode

    from source_klaviyo.api.budget import Tier
    from source_klaviyo.api.client import KlaviyoClient
    from source_klaviyo.api.errors import KlaviyoError
    from source_klaviyo.api.page import Page
    from source_klaviyo.config import Config
    from source_klaviyo.streams.shared import SyncContext
    from source_klaviyo.sync.instants import Instant
    from source_klaviyo.sync.state import Partition

Slice = dict[str, Any]
"""The partition's values, and the instants `start` and `end` of the window, as whole seconds (`end` may be absent)."""


class KlaviyoStream(HttpStream, ABC):
    """A collection of Klaviyo's API.

    A subclass declares in class attributes what its endpoint supports (the source of each is the API page of the
    resource), and overrides a method only where the endpoint differs in kind. Windows, states, limits and retries are
    handled elsewhere.

    Attributes:
        revision: the API revision that the stream was written for, sent as a header of each of its requests.
        resource: the path under /api; may name values of the slice in braces.
        tier: the rate limit of the endpoint.
        scope: the scopes that the key needs, separated by spaces.
        cursor_attribute: the date that shows what has changed; copied to the top level of each record. None for none.
        lower_bound_operator: the filter operator for its lower bound; None if the endpoint has none.
        supports_upper_bound: whether the endpoint accepts `less-than` as well.
        supports_sort: whether the endpoint sorts by it.
        is_sorted_reliably: whether responses are always sorted.
        newest_first: whether to request the newest first, and to stop at what is already known.
        visibility_lag: how long after its date a record may appear, in microseconds; an incremental sync reads that
            much again.
        future_dated: whether users may write future dates into it.
        may_return_empty_pages: whether pages without a record are normal.
        page_size: the largest page size; None if the endpoint has no such parameter.
        fallback_page_size: the page size to use if Klaviyo rejects that; None leaves the parameter out.
        params: query parameters that are always sent.
        optional_params: query parameters that are left out if Klaviyo rejects them or the key lacks access to them.
        failure_hint: what a user can do if Klaviyo keeps failing.
        access_hint: what an account or key needs to read the stream, other than a scope; ends with a space.
        param_to_setting: the request parameters that hold the value of a setting, by Klaviyo's name.
        partitions: the parts that have to be requested one by one.
        queries: the names of the queries that make up the stream, if one query does not return all its records.
        new_queries: those of them that states of earlier versions and other connectors do not cover.
        follows_cursor: whether windows follow the cursor, and not another date of the pages (`Page.spans`).
        catch_up_after: how long a read may take, in microseconds, before its end is read once more; 0 if records that
            change move to the end in the meantime.
        primary_key: the fields that identify a record.
        is_selectable: whether users can select it; False for requests that are a part of another stream.
    """

    revision: ClassVar[str] = REVISION
    resource: ClassVar[str]
    tier: ClassVar[Tier]
    scope: ClassVar[str]
    cursor_attribute: ClassVar[str | None] = "updated"
    lower_bound_operator: ClassVar[str | None] = "greater-or-equal"
    supports_upper_bound: ClassVar[bool] = True
    supports_sort: ClassVar[bool] = True
    is_sorted_reliably: ClassVar[bool] = True
    newest_first: ClassVar[bool] = False
    visibility_lag: ClassVar[int] = 0
    future_dated: ClassVar[bool] = False
    may_return_empty_pages: ClassVar[bool] = False
    page_size: int | None = None
    fallback_page_size: ClassVar[int | None] = None
    params: Mapping[str, str] = {}
    optional_params: Mapping[str, str] = {}
    failure_hint: str = ""
    access_hint: ClassVar[str] = ""
    param_to_setting: ClassVar[Mapping[str, str]] = {}
    partitions: ClassVar[tuple[Partition, ...]] = ({},)
    queries: ClassVar[tuple[str, ...]] = ()
    new_queries: ClassVar[frozenset[str]] = frozenset()
    follows_cursor: ClassVar[bool] = True
    catch_up_after: ClassVar[int] = 0
    primary_key: ClassVar[str | list[str]] = "id"
    is_selectable: ClassVar[bool] = True

    def __init__(self, config: Config, client: KlaviyoClient, shared: SyncContext) -> None:
        super().__init__()
        self.config = config
        self.client = client.with_revision(self.revision)
        self.shared = shared
        self.fallbacks = 0
        self.query_starts: Mapping[str, Instant] = {}  # where each query begins in this sync
        self._adapting = threading.Lock()
        self._sizes = PageSize()

    @property
    @override
    def url_base(self) -> str:
        return f"{self.config.api_url}/api/"

    @property
    @override
    def cursor_field(self) -> str | list[str]:
        return self.cursor_attribute or []

    @property
    @override
    def is_resumable(self) -> bool:
        """Return whether an interrupted full refresh can resume: the endpoint sorts and filters by the cursor."""
        return self.cursor_attribute is not None and self.is_sorted_reliably and self.lower_bound_operator is not None

    @property
    def limits(self) -> tuple[Limit, ...]:
        """Return the rate limits that a request for a page counts against."""
        return (Limit(self.resource, self.tier),)

    def first_start(self) -> Instant:
        """Return where a read without a state begins."""
        return self.config.start

    @property
    def lookback(self) -> int:
        """Return how far before its state an incremental sync begins, in microseconds."""
        return 0

    @property
    def recheck_span(self) -> int:
        """Return for how long hours are rechecked, in microseconds; 0 if records are never late."""
        return 0

    @property
    def ids_only(self) -> KlaviyoStream:
        """Return the variant of the stream that requests only IDs and cursors, for a recheck."""
        return self

    def resume_from(self, position: Instant) -> Instant:
        """Return where an incremental sync begins, given the position of its state."""
        return position - self.lookback

    def list_partitions(self, *, resuming: bool) -> list[tuple[Partition, Slice]]:
        """Return what is read concurrently: the partition as states name it, and the values of its requests."""
        if self.queries:
            return [({}, {"query": name}) for name in self.queries_to_read(resuming=resuming)]
        return [(partition, dict(partition)) for partition in self.partitions]

    def listed_at(self) -> float | None:
        """Return when the partitions were listed, in seconds since the epoch by Klaviyo's clock; None if never."""
        return None

    def queries_to_read(self, *, resuming: bool) -> Sequence[str]:
        """Return the names of the queries to read, in a first read or one that resumes from a state."""
        return self.queries

    def query(self, stream_slice: Mapping[str, Any]) -> KlaviyoStream:
        """Return the stream that requests a slice: itself, unless one of its queries differs in kind."""
        return self

    def probe_slice(self) -> Slice:
        """Return a slice whose first page shows whether the key may read the stream."""
        return {**self.list_partitions(resuming=False)[0][1], "start": self.first_start()}

    def has_cursor(self, stream_slice: Mapping[str, Any]) -> bool:
        """Return whether the records of a slice have a cursor that shows which window they belong to."""
        return self.cursor_attribute is not None

    def parent_fields(self, stream_slice: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the fields that name the parent of each record of a slice, for its top level."""
        return {}

    @override
    def path(
        self,
        stream_state: Mapping[str, Any] | None = None,
        stream_slice: Mapping[str, Any] | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> str:
        values = {name: quote(str(value), safe="") for name, value in (stream_slice or {}).items()}
        return self.resource.format(**values)

    @override
    def request_params(
        self,
        stream_state: Mapping[str, Any] | None = None,
        stream_slice: Mapping[str, Any] | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> MutableMapping[str, Any]:
        """Return the query of a slice's first page; the URLs of later pages include it already."""
        if next_page_token:
            return {}
        params = {**self.params, **self.optional_params}
        conditions = self.conditions(stream_slice or {})
        if conditions:
            params["filter"] = ",".join(conditions)
        if self.supports_sort and self.cursor_attribute:
            params["sort"] = f"{'-' if self.newest_first else ''}{self.cursor_attribute}"
        if self.page_size is not None:
            params["page[size]"] = str((stream_slice or {}).get("page_size", self.page_size))
        return params

    def conditions(self, stream_slice: Mapping[str, Any]) -> list[str]:
        """Return the window as conditions of the filter, as far as the endpoint supports them, in Klaviyo's syntax."""
        start, end = stream_slice.get("start"), stream_slice.get("end")
        bounds = []
        if start is not None and self.lower_bound_operator:
            # greater-than excludes its bound, and `start` itself belongs to the window
            bound = start - SECOND if self.lower_bound_operator == "greater-than" else start
            bounds.append(f"{self.lower_bound_operator}({self.cursor_attribute},{for_filter(bound)})")
        if end is not None and self.supports_upper_bound:
            bounds.append(f"less-than({self.cursor_attribute},{for_filter(end)})")
        return bounds

    def decode(self, body: bytes) -> Page:
        """Decode a response.

        Raises:
            TransientError: the response is damaged.
        """
        return decode_page(body, self.cursor_attribute)

    def read_pages(self, stream_slice: Mapping[str, Any]) -> Iterator[Page]:
        """Yield the pages of a slice.

        Raises:
            KlaviyoError: the request failed for good.
        """
        address: str | None = f"/api/{self.path(stream_slice=stream_slice)}"
        params: Mapping[str, str] | None = self.request_params(stream_slice=stream_slice)
        requested = int(params.get("page[size]", 0)) if params else 0
        while address:
            with self._page(address, params, requested, stream_slice.get("tries")) as page:
                address, params = page.next, None
                yield page
            del page  # free it before the next page is read

    def _page(
        self, address: str, params: Mapping[str, str] | None, requested: int, tries: int | None
    ) -> AbstractContextManager[Page]:
        most = MAX_PAGE_BYTES if requested > 1 else MAX_RESPONSE_BYTES
        expected = int(requested * self._sizes.record)
        return self.client.page(Request(address, params, self.limits, self.decode, expected, most, tries))

    def page_sizes(self) -> PageSize:
        """Return the page size of a slice, which starts from what is known of the stream's records."""
        return PageSize(self._sizes)

    def learn_size(self, sizes: PageSize, page: Page) -> None:
        """Learn from a page how large records are, for this slice and for later ones."""
        sizes.learn(page.size, len(page.resources))
        self._sizes = sizes

    def pages(
        self, restart: Callable[[], Slice], sizes: PageSize | None = None, tries: int | None = None
    ) -> Iterator[Page]:
        """Return the pages of a slice; for the arguments and errors see `SlicePages`."""
        return iter(SlicePages(self, restart, sizes or self.page_sizes(), tries))

    def fall_back_once(self, error: KlaviyoError, fallbacks: int) -> bool:
        """Change the stream's requests once for all workers whose requests were rejected.

        Args:
            error: the error response.
            fallbacks: the stream's count of fallbacks when the request was made.

        Returns:
            Whether a repeated request would differ.
        """
        with self._adapting:
            if self.fallbacks == fallbacks:
                self.fallbacks += self.fall_back(error)
            return self.fallbacks > fallbacks

    def fall_back(self, error: KlaviyoError) -> bool:
        """Request less, such as by the page size fallback, if the error suggests it; return whether it did."""
        about = error.parameter if isinstance(error, BadRequest) else ""
        if self.page_size is not None and re.search(r"page.{0,2}size", about, re.IGNORECASE):
            self.logger.warning(
                "Klaviyo refuses pages of %s for stream %s; continuing with %s.",
                self.page_size,
                self.name,
                f"pages of {self.fallback_page_size}" if self.fallback_page_size else "its own page size",
            )
            self.page_size = self.fallback_page_size if self.page_size != self.fallback_page_size else None
            return True
        rejected = self._rejected_params(error, about)
        if rejected:
            self.logger.warning(
                "Klaviyo rejected the parameters %s of stream %s; continuing without them. %s",
                ", ".join(f"{name}={self.optional_params[name]}" for name in rejected),
                self.name,
                error,
            )
            self.optional_params = {name: value for name, value in self.optional_params.items() if name not in rejected}
        return bool(rejected)

    def _rejected_params(self, error: KlaviyoError, about: str) -> list[str]:
        """Return the rejected optional parameters; an include goes with its fields, and a filter needs no scope."""
        included = isinstance(error, MissingScope) or re.search(r"include|fields\[", about)
        filtered = re.search("filter", about)
        return [name for name in self.optional_params if (filtered if name == "filter" else included)]

    def transform(self, resource: msgspec.Raw, stream_slice: Mapping[str, Any]) -> msgspec.Raw | None:
        """Return the record to emit: as Klaviyo sent it, unless a stream overrides this; None leaves it out."""
        return resource

    def transform_page(
        self, resources: Sequence[msgspec.Raw], cursors: Sequence[bytes], stream_slice: Mapping[str, Any]
    ) -> Iterable[tuple[msgspec.Raw | None, bytes]]:
        """Return the records of a page's resources, each with its cursor as JSON."""
        return zip(self.transform_all(resources, stream_slice), cursors, strict=True)

    def transform_all(
        self, resources: Sequence[msgspec.Raw], stream_slice: Mapping[str, Any]
    ) -> Iterable[msgspec.Raw | None]:
        """Return the records of a page, in its order."""
        if type(self).transform is KlaviyoStream.transform:
            return resources  # most streams emit thousands of records unchanged
        return (self.transform(resource, stream_slice) for resource in resources)

    def mark_batch_queued(self) -> bool:
        """Note that this thread's last batch is on the queue; False if it must be rebuilt, as others left records."""
        return True

    # The methods below are the CDK's interface of a stream, used without the concurrent engine only.

    @override
    def next_page_token(self, response: requests.Response) -> Mapping[str, Any] | None:
        following = self.decode(response.content).next
        return {"next": following} if following else None

    @override
    def parse_response(
        self, response: requests.Response, *, stream_slice: Mapping[str, Any] | None = None, **_: Any
    ) -> Iterable[Mapping[str, Any]]:
        return self._records(self.decode(response.content), stream_slice or {})

    @override
    def read_records(
        self,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_slice: Mapping[str, Any] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterable[Mapping[str, Any]]:
        """Yield the records of a slice; without one, those of all partitions from the start date on."""
        slices = [stream_slice] if stream_slice else [part for _, part in self.list_partitions(resuming=False)]
        for one in slices:
            wanted = {"start": self.first_start(), **one} if self.cursor_attribute else one
            query = self.query(wanted)
            for page in query.read_pages(wanted):
                yield from query._records(page, wanted)  # noqa: SLF001 - one of the stream's own queries

    def _records(self, page: Page, stream_slice: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        cursors = page.cursors or [b"null"] * len(page.resources)
        for record, cursor in self.transform_page(page.resources, cursors, stream_slice):
            if record is not None:
                copy = {self.cursor_attribute: json.loads(cursor)} if self.cursor_attribute else {}
                yield {**json.loads(bytes(record)), **copy, **self.parent_fields(stream_slice)}


class Unfiltered(KlaviyoStream, ABC):
    """A collection that cannot be filtered or sorted by its date: a full scan emits only new records."""

    lower_bound_operator = None
    supports_upper_bound = False
    supports_sort = False
    is_sorted_reliably = False


class Snapshot(Unfiltered, ABC):
    """A collection without a date of change: full refresh only."""

    cursor_attribute = None
