"""One window of a stream, read page by page."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from typing_extensions import override

from source_klaviyo.api.errors import DamagedResponse, NotFound, ServerError, UnknownMetric, UnreadableDetail
from source_klaviyo.partitions.boundary import BoundaryDeduplicator
from source_klaviyo.partitions.isolation import RecordIsolation
from source_klaviyo.partitions.partition import StreamPartition, instants_and_ids
from source_klaviyo.sync.cursor import consistent_until
from source_klaviyo.sync.instants import SECOND, floor, from_seconds
from source_klaviyo.sync.selection import instant_of, select, select_spans
from source_klaviyo.sync.splitting import WindowPlan

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from source_klaviyo.api.page import Page
    from source_klaviyo.partitions.batch import RecordBatch
    from source_klaviyo.partitions.context import StreamContext
    from source_klaviyo.partitions.late_records import LateRecords
    from source_klaviyo.streams.base import Slice
    from source_klaviyo.sync.instants import Instant
    from source_klaviyo.sync.selection import Selection
    from source_klaviyo.sync.timeline import Window

logger = logging.getLogger("airbyte")

MAX_ATTEMPTS = 5
"""Attempts of a page (half a minute) before one of its records is suspected to be the reason of the failure."""


class WindowPartition(StreamPartition):
    """One window of a stream; while it is read, its later part may be split off for another worker.

    Args:
        context: the stream in this sync.
        partition_index: which of the stream's partitions the window belongs to.
        window: the window.
        holds_slot: whether it is one of the first partitions.
        late_records: holds back the records before the position that the window resumes from; None to emit them.
    """

    def __init__(
        self,
        context: StreamContext,
        partition_index: int,
        window: Window,
        *,
        holds_slot: bool = False,
        late_records: LateRecords | None = None,
    ) -> None:
        super().__init__(context, partition_index, holds_slot=holds_slot)
        self._window = window
        # as long as pages come in order, each shows how far the window has been read
        self._is_sorted = self._stream.is_sorted_reliably and self._stream.has_cursor(context.slices[partition_index])
        self._is_descending = self._stream.newest_first
        self._boundary = BoundaryDeduplicator()
        self._page_size = self._stream.page_sizes()
        self._late_records = late_records
        self._furthest = window.start
        can_skip_records = self._is_sorted and self._stream.lower_bound_operator and self._stream.page_size
        self._max_attempts = MAX_ATTEMPTS if can_skip_records else None
        self._complete_until = window.start
        self._last: Instant | None = None
        self._first_request: Instant | None = None
        self._reached_present: Instant | None = None
        self._plan = WindowPlan(context.planner, id(self), ends=self._stream.supports_upper_bound)

    @override
    def current_slice(self) -> Slice:
        """Return the slice that requests are made from: what is still to be read of the window."""
        window = self._window
        bounds = {"start": floor(window.position if self._is_sorted else window.start, SECOND)}
        if window.end is not None and window.end <= self._context.certain_now():
            bounds["end"] = window.end  # Klaviyo rejects an end in the future
        return {**super().current_slice(), **bounds}

    @override
    def _read(self) -> Iterator[RecordBatch]:
        isolation = RecordIsolation(self._stream, super().current_slice())
        skipped: set[Instant] = set()
        while True:
            try:
                while (yield from self._read_until_split()):
                    pass
                break
            except (DamagedResponse, ServerError) as error:
                second = self._find_unreadable_second(error, isolation)
            if second is None:  # Klaviyo fails altogether, perhaps only for a while
                self._max_attempts = None
                continue
            skipped.add(second)
            if not self._skip(second):
                yield from self._release_late_records()
                raise isolation.error(self._context.stream.name, skipped)
        if self._context.has_ended:
            return
        yield from self._release_late_records()
        self._close()
        if skipped:
            raise isolation.error(self._context.stream.name, skipped)

    def _close(self) -> None:
        """Report the window as read; its partition may have one more, up to the present."""
        context, window = self._context, self._window
        if window.end is None and context.stream.future_dated:
            context.mark_future_read(self._partition_index)
        more = context.cursor.close(self._partition_index, window, self._complete_until)
        if more is not None:
            self._enqueue(more)

    def _enqueue(self, window: Window, expected_pages: float = 0.0) -> None:
        self._context.enqueue(WindowPartition(self._context, self._partition_index, window), expected_pages)

    def _find_unreadable_second(
        self, error: DamagedResponse | ServerError, isolation: RecordIsolation
    ) -> Instant | None:
        """Return the second of a record that Klaviyo cannot return; None if it fails altogether.

        Raises:
            KlaviyoError: the error itself if no record can be skipped, or all attempts have been made.
        """
        can_resume_behind = self._stream.lower_bound_operator and self._is_sorted
        if isinstance(error, UnreadableDetail) and error.second is not None and can_resume_behind:
            return error.second
        if self._max_attempts is None:
            raise error
        return isolation.find_unreadable_second(
            start=max(self._furthest, self._window.position),
            end=self._requested_end(self.current_slice()),
            now=consistent_until(self._context.certain_now()),
        )

    def _requested_end(self, stream_slice: Slice) -> Instant | None:
        """Return the end that requests for a slice have; None if they have none."""
        return stream_slice.get("end") if self._stream.supports_upper_bound else None

    def _skip(self, second: Instant) -> bool:
        """Skip a second of the window and let another worker read what follows it.

        If the endpoint has no upper bound, pages extend past the window, and the second may lie there. Then there may
        be another such record before it, so the rest of the window counts as unread.

        Returns:
            Whether something is left of the window before that second.
        """
        if self._window.end is not None and second >= self._window.end:
            return False
        for window in self._context.cursor.split(self._partition_index, self._window, [second, second + SECOND]):
            if window.start > second:
                self._enqueue(window, 1.0)
        return self._window.end == second

    def _read_until_split(self) -> Generator[RecordBatch, None, bool]:
        """Read to the end of the window, or until part of it has been split off.

        After a split, re-request with the new upper bound. Stopping at the first record past the new end would trust
        the server's order and lose late arrivals. If the endpoint has no upper bound, or too many records would
        repeat, read one more page instead.

        Returns:
            Whether to request the rest of the window.
        """
        stream_slice = self.current_slice()
        requested_end = self._requested_end(stream_slice)
        has_read_one_more = False
        for page in self._pages():
            requested_at = from_seconds(page.requested_at)
            self._context.mark_requested(requested_at)
            if self._context.has_ended:
                return False
            keep, is_past_end = self._select_new(page, stream_slice)
            yield from self._batches(page, keep, stream_slice)
            if self._late_records and self._late_records.is_ready(self._last if self._is_sorted else None):
                yield from self._release_late_records()
            self._complete_until = (
                self._note_request(requested_at) if page.complete_until is None else page.complete_until
            )
            if is_past_end and not has_read_one_more and self._window.end != requested_end:
                has_read_one_more = True
                continue
            self._report_page(page, is_past_end=is_past_end)
            if is_past_end:
                return False
            if page.next and self._should_request_rest(page, requested_end):
                return True
            del page  # free it before the next page is read
        return False

    def _should_request_rest(self, page: Page, requested_end: Instant | None) -> bool:
        """Return whether to request the rest of the window with other bounds or with another page size."""
        has_new_end = self._window.end != requested_end and self._stream.supports_upper_bound
        has_new_size = self._page_size.is_outdated and self._stream.lower_bound_operator
        return bool(has_new_end or has_new_size) and self._is_sorted and self._boundary.has_few_duplicates(page)

    def _select_new(self, page: Page, stream_slice: Slice) -> tuple[Sequence[int], bool]:
        """Return the indexes of a page's records that belong to the window and were not read before.

        Returns:
            The indexes, and whether the window ends in the page.
        """
        if page.complete_until is not None or not self._stream.has_cursor(stream_slice):
            return range(len(page.resources)), False
        selection = self._select(page)
        self._last = self._last if selection.last is None else selection.last
        self._note_order(is_sorted=selection.ordered)
        if self._is_sorted and self._last is not None:
            self._furthest = max(self._furthest, floor(self._last, SECOND))
        keep = self._boundary.new_records(page, selection.keep)
        self._count_recent(page, keep, selection)
        keep = self._late_records.hold_back(page, keep) if self._late_records else keep
        self._is_descending = self._is_descending and selection.descending
        is_past_end = (selection.past_end and self._is_sorted) or (self._is_descending and selection.before_window)
        if is_past_end:
            self._boundary.remember_page(page, keep)
        return keep, is_past_end

    def _release_late_records(self) -> Iterator[RecordBatch]:
        """Emit the records that were held back and have changed, before their position is reported."""
        if self._late_records and not self._late_records.is_released:
            page = self._late_records.release()
            yield from self._batches(page, range(len(page.resources)), self.current_slice())

    def _select(self, page: Page) -> Selection:
        if self._stream.follows_cursor:
            return select(page.dates or page.cursors, self._window.start, self._end(), self._last)
        return select_spans(page.spans, self._window.start, self._end(), self._last)

    def _note_request(self, requested_at: Instant) -> Instant:
        """Note when the last page was requested, and return until when the pages so far are known to be complete.

        Klaviyo needs a moment to show what was written. If records are sorted, those that change while a window is
        read move to its end, so the last page counts; otherwise the first one does. The last page counts only if it
        was requested before the window reached the present: what appears after that is missed.
        """
        latest = consistent_until(requested_at)
        if not self._stream.follows_cursor:
            # a record that changes after it was read does not move to the end here
            return latest if self._context.began is None else self._context.began
        if self._first_request is None:
            self._first_request = latest
        if not self._is_sorted:
            return self._first_request
        if self._reached_present is None and self._last is not None and self._last >= latest:
            self._reached_present = latest
        return latest if self._reached_present is None else self._reached_present

    def _pages(self) -> Iterator[Page]:
        """Yield the window's pages; none if its parent has been deleted in the meantime."""
        try:
            yield from self._stream.pages(self._restart, self._page_size, self._max_attempts)
        except (NotFound, UnknownMetric) as error:
            if not self._stream.parent_fields(self.current_slice()):
                raise
            level = logging.INFO if isinstance(error, NotFound) else logging.WARNING
            logger.log(level, "%s Stream %s continues with the next one.", error, self._stream.name)

    def _restart(self) -> Slice:
        """Prepare for a request for the rest of the window; returns its slice."""
        self._last = self._first_request = self._reached_present = None
        # a rejected parameter may have changed it
        self._is_sorted = self._is_sorted and self._stream.is_sorted_reliably
        if self._late_records:
            self._late_records.clear()
        knows_duplicates = self._boundary.restart_from(self._window.position if self._is_sorted else None)
        if self._window.hour_counts and not knows_duplicates:
            self._window.hour_counts.forget(all_of_it=not self._is_sorted)
        return self.current_slice()

    def _end(self) -> Instant | None:
        """Return where the window ends; only the first window that reaches the present reads future-dated records."""
        window, context = self._window, self._context
        has_read_future = context.has_read_future(self._partition_index) or window.catches_up
        if window.end is None and context.stream.future_dated and has_read_future:
            return context.now()
        return window.end

    def _count_recent(self, page: Page, keep: Sequence[int], selection: Selection) -> None:
        counts = self._window.hour_counts
        # most events of a first sync are too old to be counted
        if counts and selection.last is not None and (selection.last >= counts.since or not selection.ordered):
            counts.count(*instants_and_ids(page, keep, page.dates))

    def _note_order(self, *, is_sorted: bool) -> None:
        """Stop using records as checkpoints once they have come out of order."""
        if not self._is_sorted or is_sorted:
            return
        self._is_sorted = False
        if self._context.began is not None:
            # other windows may be out of order as well: a record that changed may have moved to where none reads again
            self._context.cursor.cap_checkpoint(self._context.began)
        logger.warning(
            "Klaviyo sent records of stream %s out of order: all are read, but this window has no checkpoint before "
            "its end.",
            self._context.stream.name,
        )

    def _report_page(self, page: Page, *, is_past_end: bool) -> None:
        """Report how far a page has brought the window, if the page shows that."""
        if page.complete_until is not None:
            self._report(page, self._complete_until, is_last=True)
        elif self._is_sorted and self._last is not None:
            self._boundary.advance(page, self._last)
            position = min(floor(self._last, SECOND), self._complete_until)
            self._report(page, position, is_last=is_past_end or page.next is None)
        elif not page.resources:
            self._plan.note_last_page(page.latency, fill=0.0)

    def _report(self, page: Page, position: Instant, *, is_last: bool) -> None:
        """Report how far the window has been read, and split the rest of it if more workers save time."""
        context, window = self._context, self._window
        if self._late_records and not self._late_records.is_released:
            return
        context.cursor.advance(self._partition_index, window, position)
        if is_last or self._reached_present is not None or not page.resources:
            self._plan.note_last_page(page.latency, self._fill(page))
            return  # past the present there is nothing to split
        now = consistent_until(context.certain_now())
        end = now if window.end is None else window.end
        last = window.position if self._last is None else self._last
        first = self._first_instant(page, last)
        bounds = self._plan.split_after(first, last, end, page.latency, context.cursor.open_count)
        if not bounds or not self._stream.lower_bound_operator:
            return
        for later in context.cursor.split(self._partition_index, window, bounds):
            self._enqueue(later, self._plan.expected(later.start, now if later.end is None else later.end))
        self._plan.note_end(window.position, end if window.end is None else window.end)

    def _fill(self, page: Page) -> float:
        """Return how full a page is, from 0 to 1; one with a successor is as full as Klaviyo makes them."""
        count = len(page.resources)
        return 1.0 if page.next is not None else min(count / (self._stream.page_size or count or 1), 1.0)

    @staticmethod
    def _first_instant(page: Page, last: Instant) -> Instant:
        """Return the instant of the first record of a page that came in order; that of the last if none has one."""
        if page.spans:
            return min((min(span) for span in page.spans if span), default=last)
        found = (instant_of(cursor) for cursor in page.dates or page.cursors)
        return next((instant for instant in found if instant is not None), last)
