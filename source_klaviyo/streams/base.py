"""What every Klaviyo stream has in common: a stream is a declaration of what to ask."""

from __future__ import annotations

import json
import logging
import re
import threading
from abc import ABC
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from airbyte_cdk.sources.streams.http import HttpStream

from source_klaviyo.api.body import MAX_ANSWER_BYTES, MAX_PAGE_BYTES
from source_klaviyo.api.budget import Limit
from source_klaviyo.api.client import REVISION
from source_klaviyo.api.errors import BadRequest, MissingScope
from source_klaviyo.api.page import decode_page
from source_klaviyo.api.page_size import PageSize
from source_klaviyo.streams.slice_pages import SlicePages
from source_klaviyo.sync.instants import SECOND, for_filter, parse_instant

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
    from source_klaviyo.streams.shared import Shared
    from source_klaviyo.sync.instants import Instant
    from source_klaviyo.sync.state import Partition

logger = logging.getLogger("airbyte")

Slice = dict[str, Any]
"""The partition's values, and `start` and `end` of the window as for_filter writes them (end may be absent)."""


class KlaviyoStream(HttpStream, ABC):
    """A collection of Klaviyo's API.

    A subclass says by class attributes what its endpoint can do (the API page of the resource is the
    source of each), and overrides a method only where the endpoint differs in kind. How windows, states,
    limits and retries work is none of its business.

    Attributes:
        revision: the API revision that the stream was written for, sent as a header of each of its requests.
        resource: the path under /api; may name values of the slice in braces.
        tier: the rate limit of the endpoint.
        scope: what the key must be allowed to read, separated by blanks.
        cursor_attribute: the date that says what is new; copied to the top level of each record. None for none.
        lower: the operator of the server's lower bound on it; None where there is none.
        upper: whether the server takes `less-than` as well.
        sortable: whether the server sorts by it.
        ordered: whether its answers can be relied on to be sorted.
        newest_first: whether to ask for the newest first, and no further than to what is known already.
        visibility_lag: how long after its date a record may show up, in microseconds: an increment reads so much again.
        future_dated: whether users may write dates of the future into it.
        sparse: whether pages without a record are nothing unusual.
        page_size: the largest page; None where the endpoint has no such parameter.
        smaller_page_size: what to ask for should Klaviyo refuse that; None leaves the parameter out.
        options: parameters that are always sent.
        extras: parameters that are left out should Klaviyo refuse them, or the key not be allowed to use them.
        advice: what a user may do when Klaviyo keeps failing.
        access_hint: what an account or key needs to read the stream, other than a scope; ends with a blank.
        settings: what in a question comes from a setting, by what Klaviyo calls it, and the setting.
        partitions: the parts that have to be asked for one by one.
        queries: the names of the queries that make up the stream, where one query does not find all its records.
        new_queries: those of them that states of earlier versions and other connectors say nothing of.
        follows_cursor: whether windows go by the cursor, and not by another date that pages tell (`Page.spans`).
        catch_up_after: microseconds that a read may take before its end is read once more: 0 where records that change
            move to the end meanwhile.
        primary_key: the fields of a record that tell it from all others.
    """

    revision: ClassVar[str] = REVISION
    resource: ClassVar[str]
    tier: ClassVar[Tier]
    scope: ClassVar[str]
    cursor_attribute: ClassVar[str | None] = "updated"
    lower: ClassVar[str | None] = "greater-or-equal"
    upper: ClassVar[bool] = True
    sortable: ClassVar[bool] = True
    ordered: ClassVar[bool] = True
    newest_first: ClassVar[bool] = False
    visibility_lag: ClassVar[int] = 0
    future_dated: ClassVar[bool] = False
    sparse: ClassVar[bool] = False
    page_size: int | None = None
    smaller_page_size: ClassVar[int | None] = None
    options: Mapping[str, str] = {}
    extras: Mapping[str, str] = {}
    advice: str = ""
    access_hint: ClassVar[str] = ""
    settings: ClassVar[Mapping[str, str]] = {}
    partitions: ClassVar[tuple[Partition, ...]] = ({},)
    queries: ClassVar[tuple[str, ...]] = ()
    new_queries: ClassVar[frozenset[str]] = frozenset()
    follows_cursor: ClassVar[bool] = True
    catch_up_after: ClassVar[int] = 0
    primary_key: ClassVar[str | list[str]] = "id"

    def __init__(self, config: Config, client: KlaviyoClient, shared: Shared) -> None:
        super().__init__()
        self.config = config
        self.client = client.speaking(self.revision)
        self.shared = shared
        self.adaptations = 0
        self.query_starts: Mapping[str, Instant] = {}  # where each query begins in this sync
        self._adapting = threading.Lock()
        self._sizes = PageSize()

    @property
    def url_base(self) -> str:
        """Where all paths begin."""
        return f"{self.config.api_url}/api/"

    @property
    def cursor_field(self) -> str | list[str]:
        """The copy of the cursor attribute at the top level of a record; an empty list where there is none."""
        return self.cursor_attribute or []

    @property
    def is_resumable(self) -> bool:
        """Whether a full refresh that was stopped can go on: records come in the order of a date to ask by."""
        return self.cursor_attribute is not None and self.ordered and self.lower is not None

    @property
    def limits(self) -> tuple[Limit, ...]:
        """The quotas that a request for a page draws on."""
        return (Limit(self.resource, self.tier),)

    def earliest(self) -> Instant:
        """Where a read without a state begins."""
        return self.config.start

    @property
    def lookback(self) -> int:
        """How far before its state an increment begins, in microseconds."""
        return 0

    @property
    def late_events(self) -> int:
        """How long hours that have been read are looked at again, in microseconds; 0 where records never come late."""
        return 0

    @property
    def times(self) -> KlaviyoStream:
        """The same records with nothing but their cursor, for such a look."""
        return self

    def resumed(self, position: Instant) -> Instant:
        """Where an increment begins whose state has reached a position."""
        return position - self.lookback

    def parts(self, *, resuming: bool) -> list[tuple[Partition, Slice]]:
        """What is read side by side: the partition that a state speaks of, and what its requests hold besides."""
        if self.queries:
            return [({}, {"query": name}) for name in self.queries_to_read(resuming=resuming)]
        return [(partition, dict(partition)) for partition in self.partitions]

    def listed_at(self) -> float | None:
        """Return when the parts were listed, in seconds since the epoch by Klaviyo's clock; None if they were not."""
        return None

    def queries_to_read(self, *, resuming: bool) -> Sequence[str]:
        """Return the names of the queries that a first read (or one that resumes from a state) takes."""
        return self.queries

    def query(self, stream_slice: Mapping[str, Any]) -> KlaviyoStream:
        """Return the stream that asks for a slice: itself, unless one of its queries differs in kind."""
        return self

    def sample(self) -> Slice:
        """A slice whose first page shows whether the key may read the stream."""
        return {**self.parts(resuming=False)[0][1], "start": for_filter(self.earliest())}

    def is_dated(self, stream_slice: Mapping[str, Any]) -> bool:
        """Whether the cursors of a slice's records tell which window they belong to."""
        return self.cursor_attribute is not None

    def root(self, stream_slice: Mapping[str, Any]) -> Mapping[str, str]:
        """What each record of a slice holds at its top level besides: to what it belongs."""
        return {}

    def path(
        self,
        stream_state: Mapping[str, Any] | None = None,
        stream_slice: Mapping[str, Any] | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> str:
        """The path under `url_base`."""
        values = {name: quote(str(value), safe="") for name, value in (stream_slice or {}).items()}
        return self.resource.format(**values)

    def request_params(
        self,
        stream_state: Mapping[str, Any] | None = None,
        stream_slice: Mapping[str, Any] | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> MutableMapping[str, Any]:
        """The query of a slice's first page; later pages have addresses that hold it already."""
        if next_page_token:
            return {}
        params = {**self.options, **self.extras}
        conditions = self.conditions(stream_slice or {})
        if conditions:
            params["filter"] = ",".join(conditions)
        if self.sortable and self.cursor_attribute:
            params["sort"] = f"{'-' if self.newest_first else ''}{self.cursor_attribute}"
        if self.page_size is not None:
            params["page[size]"] = str((stream_slice or {}).get("page_size", self.page_size))
        return params

    def conditions(self, stream_slice: Mapping[str, Any]) -> list[str]:
        """The conditions of the filter, in Klaviyo's grammar."""
        return self.bounds(stream_slice.get("start"), stream_slice.get("end"))

    def bounds(self, start: str | None, end: str | None) -> list[str]:
        """The window as conditions, as far as the server can tell it; records outside of it are dropped here."""
        bounds = []
        if start and self.lower == "greater-than":
            # the only operator where `start` itself has to be part of the answer
            start = for_filter(parse_instant(start) - SECOND)
        if start and self.lower:
            bounds.append(f"{self.lower}({self.cursor_attribute},{start})")
        if end and self.upper:
            bounds.append(f"less-than({self.cursor_attribute},{end})")
        return bounds

    def decode(self, body: bytes) -> Page:
        """The page that an answer holds.

        Raises:
            TransientError: the answer is damaged.
        """
        return decode_page(body, self.cursor_attribute)

    def read_pages(self, stream_slice: Mapping[str, Any]) -> Iterator[Page]:
        """The pages of a slice.

        Raises:
            KlaviyoError: what no further try would mend.
        """
        address: str | None = f"/api/{self.path(stream_slice=stream_slice)}"
        params: Mapping[str, str] | None = self.request_params(stream_slice=stream_slice)
        asked = int(params.get("page[size]", 0)) if params else 0
        while address:
            with self._page(address, params, asked, stream_slice.get("tries")) as page:
                address, params = page.next, None
                yield page
            del page  # is not to be held while the next one is read

    def _page(
        self, address: str, params: Mapping[str, str] | None, asked: int, tries: int | None
    ) -> AbstractContextManager[Page]:
        most = MAX_PAGE_BYTES if asked > 1 else MAX_ANSWER_BYTES
        expected = int(asked * self._sizes.record)
        return self.client.page(address, params, self.limits, self.decode, expected=expected, most=most, tries=tries)

    def page_sizes(self) -> PageSize:
        """Return what finds the page size of a slice, with what is known of the stream's records."""
        return PageSize(self._sizes)

    def learn_size(self, sizes: PageSize, page: Page) -> None:
        """Note how large the records of a page are, for this slice and for those that begin later."""
        sizes.learn(page.size, len(page.resources))
        self._sizes = sizes

    def pages(
        self, rest: Callable[[], Mapping[str, Any]], sizes: PageSize | None = None, tries: int | None = None
    ) -> Iterator[Page]:
        """Return the pages of a slice; for the arguments and errors see `SlicePages`."""
        return iter(SlicePages(self, rest, sizes or self.page_sizes(), tries))

    def adapt_to(self, refusal: KlaviyoError, adaptations: int) -> bool:
        """Ask for less than the best where Klaviyo refuses it; whether there is a point in asking again.

        Args:
            refusal: what Klaviyo said.
            adaptations: the count of them when the request was made; others may have been refused as well.
        """
        with self._adapting:
            if self.adaptations == adaptations:
                self.adaptations += self.adapt(refusal)
            return self.adaptations > adaptations

    def adapt(self, refusal: KlaviyoError) -> bool:
        """Make one change to how is asked, if there is one that the refusal suggests; whether there was."""
        about = refusal.parameter if isinstance(refusal, BadRequest) else ""
        if self.page_size is not None and re.search(r"page.{0,2}size", about, re.IGNORECASE):
            self.logger.warning(
                "Klaviyo refuses pages of %s for stream %s; going on with %s.",
                self.page_size,
                self.name,
                f"pages of {self.smaller_page_size}" if self.smaller_page_size else "its own page size",
            )
            self.page_size = self.smaller_page_size if self.page_size != self.smaller_page_size else None
            return True
        refused = self._refused_extras(refusal, about)
        if refused:
            self.logger.warning(
                "Klaviyo refuses stream %s what it asks for (%s); going on without. %s",
                self.name,
                ", ".join(f"{name}={self.extras[name]}" for name in refused),
                refusal,
            )
            self.extras = {name: value for name, value in self.extras.items() if name not in refused}
        return bool(refused)

    def _refused_extras(self, refusal: KlaviyoError, about: str) -> list[str]:
        """Return the rejected optional parameters; an include goes with its fields, and a filter needs no scope."""
        included = isinstance(refusal, MissingScope) or re.search(r"include|fields\[", about)
        filtered = re.search("filter", about)
        return [name for name in self.extras if (filtered if name == "filter" else included)]

    def rebuild(self, resource: msgspec.Raw, stream_slice: Mapping[str, Any]) -> msgspec.Raw | None:
        """The record as it is to be emitted: as Klaviyo sent it, unless a stream differs; None leaves it out."""
        return resource

    def emitted(
        self, resources: Sequence[msgspec.Raw], cursors: Sequence[bytes], stream_slice: Mapping[str, Any]
    ) -> Iterable[tuple[msgspec.Raw | None, bytes]]:
        """Return the records that resources of a page stand for, each with its cursor as JSON."""
        return zip(self.rebuild_all(resources, stream_slice), cursors, strict=True)

    def rebuild_all(
        self, resources: Sequence[msgspec.Raw], stream_slice: Mapping[str, Any]
    ) -> Iterable[msgspec.Raw | None]:
        """The records of a page, in its order."""
        if type(self).rebuild is KlaviyoStream.rebuild:
            return resources  # most are as Klaviyo sent them, and there are thousands
        return (self.rebuild(resource, stream_slice) for resource in resources)

    def batch_queued(self) -> bool:
        """Note that this thread's last batch is on the queue; False if it must be rebuilt, as others left records."""
        return True

    # What follows is the CDK's view of a stream, for those who use it without the concurrent engine.

    def next_page_token(self, response: requests.Response) -> Mapping[str, Any] | None:
        """The address of the next page."""
        following = self.decode(response.content).next
        return {"next": following} if following else None

    def parse_response(
        self, response: requests.Response, *, stream_slice: Mapping[str, Any] | None = None, **_: Any
    ) -> Iterable[Mapping[str, Any]]:
        """The records of an answer."""
        return self._records(self.decode(response.content), stream_slice or {})

    def read_records(
        self,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_slice: Mapping[str, Any] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterable[Mapping[str, Any]]:
        """The records of a slice, one after the other; of all partitions from start_date on if none is given."""
        slices = [stream_slice] if stream_slice else [part for _, part in self.parts(resuming=False)]
        for one in slices:
            wanted = {"start": for_filter(self.earliest()), **one} if self.cursor_attribute else one
            query = self.query(wanted)
            for page in query.read_pages(wanted):
                yield from query._records(page, wanted)  # noqa: SLF001 - one of the stream's own queries

    def _records(self, page: Page, stream_slice: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        cursors = page.cursors or [b"null"] * len(page.resources)
        for record, cursor in self.emitted(page.resources, cursors, stream_slice):
            if record is not None:
                copy = {self.cursor_attribute: json.loads(cursor)} if self.cursor_attribute else {}
                yield {**json.loads(bytes(record)), **copy, **self.root(stream_slice)}


class Unfiltered(KlaviyoStream, ABC):
    """A collection that can neither be filtered nor sorted by its date: all is asked for, what is old left out."""

    lower = None
    upper = False
    sortable = False
    ordered = False


class Snapshot(Unfiltered, ABC):
    """A collection without a date that tells of changes: full refresh only."""

    cursor_attribute = None
