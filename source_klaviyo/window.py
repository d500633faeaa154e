"""One window of a stream, read page by page, as a partition of the CDK's concurrent engine."""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Any

from source_klaviyo.api.errors import NotFound
from source_klaviyo.look import counted
from source_klaviyo.part import StreamPart
from source_klaviyo.sync.cursor import SETTLING
from source_klaviyo.sync.instants import SECOND, for_filter, whole_second
from source_klaviyo.sync.parallelism import pages_to_keep
from source_klaviyo.sync.selection import select

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from source_klaviyo.api.page import Page
    from source_klaviyo.reading import StreamReading
    from source_klaviyo.records import RecordBatch
    from source_klaviyo.sync.instants import Instant
    from source_klaviyo.sync.selection import Selection
    from source_klaviyo.sync.timeline import Window

logger = logging.getLogger("airbyte")

RECENT_PAGES = 5
"""From so many pages the density of a window is told: one may hold an import of a single second."""
FEWEST_PAGES = 2
FUTURE_IS_READ = "future_is_read"
"""The key of a state which says that records dated ahead of it have been emitted."""


class WindowPart(StreamPart):
    """One window of a stream; while it is read, its later half may become another."""

    def __init__(self, reading: StreamReading, number: int, window: Window, *, is_first: bool = False) -> None:
        super().__init__(reading, number, is_first=is_first)
        self._window = window
        # pages tell how far the window has been read as long as they come in order
        self._in_order = reading.stream.ordered and reading.stream.is_dated(reading.slices[number])
        self._last: Instant | None = None
        self._first: Instant | None = None
        self._passed: Instant | None = None
        self._positions = deque([window.start], maxlen=RECENT_PAGES + 1)

    def to_slice(self) -> Mapping[str, Any]:
        """The slice as requests are made from it: what is still to be read of the window."""
        window = self._window
        bounds = {"start": for_filter(window.position if self._in_order else window.start)}
        if window.end is not None:
            bounds["end"] = for_filter(window.end)
        return {**super().to_slice(), **bounds}

    def _read(self) -> Iterator[RecordBatch]:
        reading, window = self._reading, self._window
        stream_slice = self.to_slice()
        reached = window.start
        for page in self._pages():
            asked = int(page.asked_at * SECOND)
            if reading.has_ended:
                return
            if page.reached is not None or not reading.stream.is_dated(stream_slice):
                batch, beyond = self._batch(page, range(len(page.resources)), stream_slice), False
            else:
                chosen = select(page.dates or page.cursors, window.start, self._end(), self._last)
                self._last = self._last if chosen.last is None else chosen.last
                self._notice_disorder(chosen.ordered)
                self._count(page, chosen)
                batch, beyond = self._batch(page, chosen.keep, stream_slice), chosen.beyond and self._in_order
                beyond = beyond or (reading.stream.newest_first and chosen.outdated)
            if batch.count:
                yield batch
            reached = self._settled(asked) if page.reached is None else page.reached
            if page.reached is not None:
                self._report(page, reached, last=True)
            elif self._in_order and self._last is not None:
                self._report(page, min(whole_second(self._last), reached), last=beyond or page.next is None)
            if beyond:
                break
            del page, batch  # are not to be held while the next page is read
        if reading.has_ended:
            return
        if window.end is None and reading.stream.future_dated:
            reading.cursor.notes[FUTURE_IS_READ] = True
        reading.hand_over(self._number, reading.cursor.close(self._number, window, reached))

    def _settled(self, asked: Instant) -> Instant:
        """Up to when the pages so far are known to be complete, of which the last has just been asked for.

        Klaviyo needs a moment to show what was written. And where there is an order, what changes while a
        window is read moves to its end, so the last page counts; else the first one does. The last page
        that was asked for before the reading reached the present, that is: what shows up behind it is missed.
        """
        latest = whole_second(asked - SETTLING)
        if self._first is None:
            self._first = latest
        if not self._in_order:
            return self._first
        if self._passed is None and self._last is not None and self._last >= latest:
            self._passed = latest
        return latest if self._passed is None else self._passed

    def _pages(self) -> Iterator[Page]:
        """The window's pages; none of a parent that has been deleted in between."""
        try:
            yield from self._reading.stream.pages(self._rest)
        except NotFound as error:
            if not self._reading.stream.root(self.to_slice()):
                raise
            logger.info("%s Stream %s goes on with the next one.", error, self._reading.stream.name)

    def _rest(self) -> Mapping[str, Any]:
        self._last = self._first = self._passed = None
        if self._window.tally:
            self._window.tally.forget()
        return self.to_slice()

    def _end(self) -> Instant | None:
        """Where the window ends; what is dated ahead is read by the first read that gets to the present, then not."""
        window, reading = self._window, self._reading
        if window.end is None and reading.stream.future_dated and (reading.future_is_read or window.catches_up):
            return reading.now()
        return window.end

    def _count(self, page: Page, chosen: Selection) -> None:
        tally = self._window.tally
        # most events of a first sync are older than what is counted
        if tally and chosen.last is not None and (chosen.last >= tally.since or not chosen.ordered):
            tally.count(*counted(page, chosen.keep))

    def _notice_disorder(self, ordered: bool) -> None:
        if self._in_order and not ordered:
            self._in_order = False
            logger.warning(
                "Klaviyo sent records of stream %s out of order: all are read, but this window has no checkpoint "
                "before its end.",
                self._reading.stream.name,
            )

    def _report(self, page: Page, position: Instant, *, last: bool) -> None:
        """Tell how far the window is read, and give half of the rest away if more readers are of use."""
        reading, window = self._reading, self._window
        reading.cursor.advance(self._number, window, position)
        if last or self._passed is not None:
            return  # behind the present there is nothing to divide
        self._positions.append(window.position)
        parallelism, pages = reading.parallelism, len(self._positions) - 1
        covered = max(window.position - self._positions[0], SECOND) / pages
        end = reading.now() if window.end is None else window.end
        expected = max(end - window.position, 0) / covered if pages >= FEWEST_PAGES else 0.0
        parallelism.page_read(id(self), page.latency, expected)
        if reading.stream.lower and parallelism.wants_another(id(self), reading.cursor.open_count):
            keep = int(covered * pages_to_keep(expected))
            reading.hand_over(self._number, reading.cursor.split(self._number, window, keep))
