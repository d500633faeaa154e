"""The pages of a slice, requested again if Klaviyo needs another request or has lost its place."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from source_klaviyo.api.errors import (
    BadRequest,
    DamagedResponse,
    InvalidCursor,
    MissingScope,
    RepeatedPage,
    ResponseTooLarge,
    ServerError,
)
from source_klaviyo.api.repeats import Repeats
from source_klaviyo.sync.instants import SECOND, for_filter, from_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from source_klaviyo.api.errors import KlaviyoError
    from source_klaviyo.api.page import Page
    from source_klaviyo.api.page_size import PageSize
    from source_klaviyo.streams.base import KlaviyoStream, Slice

logger = logging.getLogger("airbyte")

MAX_EMPTY_PAGES = 1_000
"""Consecutive pages without a record after which the response counts as endless."""
MAX_RESTARTS = 5
"""Restarts of a slice in a row without progress."""
MAX_REPEATED_PAGES = 1
"""Restarts of a slice because a page came twice: Klaviyo lost its place, or pages link in a circle."""
PRESENT = 60 * SECOND
"""A slice that begins less than this before the present makes no progress merely because time passes."""
MAX_ATTEMPTS_OF_SMALLER_PAGE = 3
"""Attempts of a smaller page, after a larger one has failed again and again."""


class SlicePages:
    """The pages of one slice, in Klaviyo's order.

    If a page fails again and again, smaller ones are requested: one record may be the reason, and the records before
    it can be read.

    Args:
        stream: the stream.
        restart: prepares for the first request and for each restart, and returns what is still to be read of the
            slice; its `page_size` bounds the size of pages.
        sizes: chooses the page size, and knows when it is outdated.
        tries: attempts of a request before a smaller page is requested; None for the client's own number.

    Raises:
        KlaviyoError: the request failed for good.
    """

    def __init__(
        self, stream: KlaviyoStream, restart: Callable[[], Slice], sizes: PageSize, tries: int | None = None
    ) -> None:
        self._stream = stream
        self._restart = restart
        self._sizes = sizes
        self._tries = tries
        self._restarts = self._repeated_pages = 0

    def __iter__(self) -> Iterator[Page]:
        """Read the pages."""
        stream_slice = self._restart()
        while True:
            fallbacks = self._stream.fallbacks
            try:
                yield from self._read(self._sized(stream_slice))
                return
            except (ResponseTooLarge, BadRequest, DamagedResponse, MissingScope, ServerError) as error:
                before, stream_slice = stream_slice, self._restart()
                if not self._adapt(error, fallbacks, before, stream_slice):
                    raise
                place = for_filter(stream_slice["start"]) if "start" in stream_slice else "there"
                logger.info("%s Stream %s continues from %s.", error, self._stream.name, place)

    def _sized(self, stream_slice: Slice) -> Slice:
        """Return the slice with the page size, if the endpoint has that parameter, and the number of attempts."""
        largest = self._stream.page_size
        size = {} if largest is None else {"page_size": self._sizes.choose(stream_slice.get("page_size", largest))}
        return {**stream_slice, **size, "tries": self._tries}

    def _read(self, stream_slice: Slice) -> Iterator[Page]:
        repeats, empty = Repeats(), 0
        for page in self._stream.read_pages(stream_slice):
            self._stream.learn_size(self._sizes, page)
            empty = 0 if page.resources or self._stream.may_return_empty_pages else empty + 1
            if (repeats.is_repeated(page.fingerprint) or empty > MAX_EMPTY_PAGES) and page.next:
                raise RepeatedPage("Klaviyo answers with the same page again and again.")
            yield page
            del page

    def _adapt(self, error: KlaviyoError, fallbacks: int, before: Slice, after: Slice) -> bool:
        """Adapt to an error; returns whether the rest of the slice, as it was before and is now, is worth a request."""
        self._repeated_pages += isinstance(error, RepeatedPage)
        if self._repeated_pages > MAX_REPEATED_PAGES:
            return False
        # the rest also changes when a response shows that the host's clock is fast
        has_changed = after != before
        will_differ = self._change_requests(error, fallbacks) or (isinstance(error, BadRequest) and has_changed)
        self._restarts = 0 if has_changed and not self._is_present(after) else self._restarts + 1
        return will_differ and self._restarts <= MAX_RESTARTS

    def _change_requests(self, error: KlaviyoError, fallbacks: int) -> bool:
        """Request less, if the error suggests it; returns whether a repeated request may succeed."""
        stream = self._stream
        if isinstance(error, BadRequest | MissingScope):
            return isinstance(error, InvalidCursor) or stream.fall_back_once(error, fallbacks)
        if stream.page_size is not None and self._sizes.step_down():
            if not isinstance(error, ResponseTooLarge):
                self._tries = MAX_ATTEMPTS_OF_SMALLER_PAGE
            return True
        if isinstance(error, ResponseTooLarge):
            what = "A response" if stream.page_size is None else "A single record"
            raise ResponseTooLarge(f"{what} of stream {stream.name} is too large: {error} Deselect the stream.")
        return False

    def _is_present(self, stream_slice: Slice) -> bool:
        """Return whether a slice begins so late that its start moves with the clock."""
        start = stream_slice.get("start")
        return start is not None and start > from_seconds(self._stream.client.certain_now()) - PRESENT
