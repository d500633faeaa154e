"""The pages of a slice, begun again when Klaviyo wants to be asked otherwise or has lost its place."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from source_klaviyo.api.errors import (
    AnswerTooLarge,
    BadRequest,
    DamagedAnswer,
    InvalidCursor,
    MissingScope,
    RepeatedPage,
    ServerError,
)
from source_klaviyo.api.repeats import Repeats
from source_klaviyo.sync.instants import SECOND, parse_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from source_klaviyo.api.errors import KlaviyoError
    from source_klaviyo.api.page import Page
    from source_klaviyo.api.page_size import PageSize
    from source_klaviyo.streams.base import KlaviyoStream

logger = logging.getLogger("airbyte")

EMPTY_PAGES = 1_000
"""Consecutive pages without a record after which the response counts as endless."""
RESTARTS = 5
"""Restarts of a slice in a row without progress."""
CIRCLES = 1
"""Restarts of a slice because a page came twice: Klaviyo lost its place, or pages link in a circle."""
PRESENT = 60 * SECOND
"""A slice that begins less than this before the present makes no progress merely because time passes."""
SMALLER_TRIES = 3
"""Attempts of a smaller page, after a larger one has failed again and again."""


class SlicePages:
    """The pages of one slice, in Klaviyo's order.

    If a page fails again and again, smaller ones are requested: one record may be the reason, and the records before
    it can be read.

    Args:
        stream: the stream.
        rest: returns what is still to be read of the slice, at the beginning and at each restart; its `page_size`
            bounds the size of pages.
        sizes: chooses the page size, and knows when it is outdated.
        tries: attempts of a request before a smaller page is requested; None for the client's own number.

    Raises:
        KlaviyoError: the request failed for good.
    """

    def __init__(
        self, stream: KlaviyoStream, rest: Callable[[], Mapping[str, Any]], sizes: PageSize, tries: int | None = None
    ) -> None:
        self._stream = stream
        self._rest = rest
        self._sizes = sizes
        self._tries = tries
        self._restarts = self._circles = 0

    def __iter__(self) -> Iterator[Page]:
        """Read the pages."""
        stream_slice = self._rest()
        while True:
            fallbacks = self._stream.fallbacks
            try:
                yield from self._read(self._asked(stream_slice))
                return
            except (AnswerTooLarge, BadRequest, DamagedAnswer, MissingScope, ServerError) as error:
                before, stream_slice = stream_slice, self._rest()
                if not self._may_begin_again(error, before, stream_slice, fallbacks):
                    raise
                place = stream_slice.get("start", "there")
                logger.info("%s Stream %s goes on from %s.", error, self._stream.name, place)

    def _asked(self, stream_slice: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the slice with the page size, if the endpoint has that parameter, and the number of attempts."""
        page_size = stream_slice.get("page_size", self._stream.page_size)
        size = {} if self._stream.page_size is None else {"page_size": self._sizes.ask(page_size)}
        return {**stream_slice, **size, "tries": self._tries}

    def _read(self, stream_slice: Mapping[str, Any]) -> Iterator[Page]:
        repeats, empty = Repeats(), 0
        for page in self._stream.read_pages(stream_slice):
            self._stream.learn_size(self._sizes, page)
            empty = 0 if page.resources or self._stream.may_return_empty_pages else empty + 1
            if (repeats.noticed(page.fingerprint) or empty > EMPTY_PAGES) and page.next:
                raise RepeatedPage("Klaviyo answers with the same page again and again.")
            yield page
            del page

    def _may_begin_again(
        self, error: KlaviyoError, before: Mapping[str, Any], after: Mapping[str, Any], fallbacks: int
    ) -> bool:
        self._circles += isinstance(error, RepeatedPage)
        if self._circles > CIRCLES:
            return False
        # the rest also changes when a response shows that the host's clock is fast
        again = self._asks_otherwise(error, fallbacks) or (isinstance(error, BadRequest) and after != before)
        further = after != before and not self._is_present(after)
        self._restarts = 0 if further else self._restarts + 1
        return again and self._restarts <= RESTARTS

    def _asks_otherwise(self, error: KlaviyoError, fallbacks: int) -> bool:
        stream = self._stream
        if isinstance(error, BadRequest | MissingScope):
            return isinstance(error, InvalidCursor) or stream.fall_back_once(error, fallbacks)
        if stream.page_size is not None and self._sizes.step_down():
            if not isinstance(error, AnswerTooLarge):
                self._tries = SMALLER_TRIES
            return True
        if isinstance(error, AnswerTooLarge):
            what = "An answer" if stream.page_size is None else "A single record"
            raise AnswerTooLarge(f"{what} of stream {stream.name} is too large: {error} Deselect the stream.")
        return False

    def _is_present(self, stream_slice: Mapping[str, Any]) -> bool:
        """Whether a slice begins so late that its start moves with the clock."""
        start = stream_slice.get("start")
        return start is not None and parse_instant(start) > self._stream.client.certain_now() * SECOND - PRESENT
