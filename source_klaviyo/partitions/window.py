"""One window of a stream, read page by page, as a partition of the CDK's concurrent engine."""

from __future__ import annotations

import logging
from itertools import islice
from typing import TYPE_CHECKING, Any

from source_klaviyo.api.errors import (
    DamagedAnswer,
    NotFound,
    ServerError,
    UnknownMetric,
    UnreadableDetail,
    UnreadableRecord,
)
from source_klaviyo.partitions.isolation import unreadable_second
from source_klaviyo.partitions.partition import StreamPart
from source_klaviyo.partitions.recheck import counted
from source_klaviyo.sync.cursor import SETTLING
from source_klaviyo.sync.instants import SECOND, for_filter, whole_second
from source_klaviyo.sync.selection import instant_of, select, select_spans
from source_klaviyo.sync.splitting import WindowPlan

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from source_klaviyo.api.page import Page
    from source_klaviyo.partitions.batch import RecordBatch
    from source_klaviyo.partitions.late_records import HeldRecords
    from source_klaviyo.partitions.reading import StreamReading
    from source_klaviyo.sync.instants import Instant
    from source_klaviyo.sync.selection import Selection
    from source_klaviyo.sync.timeline import Window

logger = logging.getLogger("airbyte")

TRIES_BEFORE_SMALLER, ONE_RECORD_TRIES = 5, 2
"""Tries of a page (half a minute), before one record is taken for the reason, and of that record by itself."""
RECORDS_OF_A_SECOND = 20
"""Records of a second that are tried one by one before it is left out."""
THIN = 0.05
"""The share of a page that may come again to know the end of a window that is cut."""
MAX_KNOWN = 10_000
"""Records of the last second that are remembered; where there are more, they may come twice."""


class WindowPart(StreamPart):
    """One window of a stream; while it is read, its later half may become another."""

    def __init__(
        self,
        reading: StreamReading,
        number: int,
        window: Window,
        *,
        is_first: bool = False,
        held: HeldRecords | None = None,
    ) -> None:
        super().__init__(reading, number, is_first=is_first)
        self._window = window
        # pages tell how far the window has been read as long as they come in order
        self._in_order = self._stream.ordered and self._stream.is_dated(reading.slices[number])
        self._falling = self._stream.newest_first
        self._edge = _Edge()
        self._sizes = self._stream.page_sizes()
        self._held = held
        self._furthest = window.start
        can_leave_out = self._in_order and self._stream.lower and self._stream.page_size
        self._tries = TRIES_BEFORE_SMALLER if can_leave_out else None
        self._reached = window.start
        self._last: Instant | None = None
        self._first: Instant | None = None
        self._passed: Instant | None = None
        self._plan = WindowPlan(reading.planner, id(self), ends=self._stream.upper)

    def to_slice(self) -> Mapping[str, Any]:
        """The slice as requests are made from it: what is still to be read of the window."""
        window = self._window
        bounds = {"start": for_filter(window.position if self._in_order else window.start)}
        if window.end is not None and window.end <= self._reading.certain_now():
            bounds["end"] = for_filter(window.end)  # Klaviyo refuses an end in the future
        return {**super().to_slice(), **bounds}

    def _read(self) -> Iterator[RecordBatch]:
        reading, window = self._reading, self._window
        unreadable: set[Instant] = set()
        while True:
            try:
                yield from self._read_window()
                break
            except (DamagedAnswer, ServerError) as error:
                second = self._second_of(error)
            if second is None:  # Klaviyo fails altogether, perhaps not for long
                self._tries = None
                continue
            unreadable.add(second)
            if not self._leave_out(second):
                yield from self._release()
                raise self._unreadable(unreadable)
        if reading.has_ended:
            return
        yield from self._release()
        if window.end is None and reading.stream.future_dated:
            reading.future_read(self._number)
        reading.hand_over(self._number, reading.cursor.close(self._number, window, self._reached))
        if unreadable:
            raise self._unreadable(unreadable)

    def _read_window(self) -> Iterator[RecordBatch]:
        while (yield from self._is_cut_while_read()):
            pass

    def _second_of(self, error: DamagedAnswer | ServerError) -> Instant | None:
        """Return the second of a record that Klaviyo fails on, None if it fails altogether.

        Raises:
            KlaviyoError: the error itself if nothing can be left out, or all tries have been made.
        """
        stream = self._stream
        if isinstance(error, UnreadableDetail) and error.second is not None and stream.lower and self._in_order:
            return error.second
        if self._tries is None:
            raise error
        now = whole_second(self._reading.certain_now() - SETTLING)
        if not self._can_be_read({"start": for_filter(now)}):
            return None
        bounds = self.to_slice()
        end = self._window.end if "end" in bounds and self._stream.upper else None
        second = unreadable_second(
            lambda start: self._can_be_read({**bounds, "start": for_filter(start)}),
            max(self._furthest, self._window.position),
            now if end is None else end,
        )
        # where the second can be read, Klaviyo did fail for a passing reason
        return None if self._can_be_read({"start": for_filter(second)}, until=second + SECOND) else second

    def _can_be_read(self, bounds: Mapping[str, Any], until: Instant | None = None) -> bool:
        """Return whether the next record within bounds can be read, or all records up to an instant."""
        asked = {**super().to_slice(), **bounds, "page_size": 1, "tries": ONE_RECORD_TRIES}
        try:
            for page in islice(self._stream.read_pages(asked), 1 if until is None else RECORDS_OF_A_SECOND):
                last = instant_of(page.cursors[-1]) if page.cursors else None
                if until is None or last is None or last >= until:
                    return True
        except (DamagedAnswer, ServerError):
            return False
        return until is None

    def _leave_out(self, second: Instant) -> bool:
        """Leave a second out of the window and let someone else read what lies behind it.

        Where the server takes no end, pages reach beyond the window, and that second may lie there. Then nobody knows
        whether there is another such record before it, and the rest of the window counts as unread.

        Returns:
            Whether something is left of the window before that second.
        """
        if self._window.end is not None and second >= self._window.end:
            return False
        later = self._reading.cursor.divide(self._number, self._window, [second, second + SECOND])
        for window in later:
            if window.start > second:
                self._reading.hand_over(self._number, window, 1.0)
        return self._window.end == second

    def _unreadable(self, seconds: set[Instant]) -> UnreadableRecord:
        below = self._stream.root(self.to_slice())
        where = f" of {', '.join(f'{name} {value}' for name, value in below.items())}" if below else ""
        dates = ", ".join(map(for_filter, sorted(seconds)))
        return UnreadableRecord(
            f"Klaviyo fails on records of stream {self._reading.stream.name}{where}, dated {dates}: all records of "
            "other seconds are read, and each sync tries again. Tell Klaviyo's support the date."
        )

    def _is_cut_while_read(self) -> Generator[RecordBatch, None, bool]:
        """The pages of one question, up to the end of the window, or until part of it has been given away.

        Then it is to be asked for anew, with its new end: to stop at the first record behind that would rely on an
        order that nobody can see, and miss what comes late. Where the server takes no end, or too much would come
        again, a page more shows it.
        """
        reading, window = self._reading, self._window
        stream_slice = self.to_slice()
        asked_for = window.end if self._stream.upper and "end" in stream_slice else None
        one_more = False
        for page in self._pages():
            asked = int(page.asked_at * SECOND)
            reading.asked(asked)
            if reading.has_ended:
                return False
            keep, beyond = self._taken(page, stream_slice)
            yield from self._batches(page, keep, stream_slice)
            if self._held and self._held.is_due(self._last if self._in_order else None):
                yield from self._release()
            self._reached = self._settled(asked) if page.reached is None else page.reached
            if beyond and not one_more and window.end != asked_for:
                one_more = True
                continue
            if page.reached is not None:
                self._report(page, self._reached, last=True)
            elif self._in_order and self._last is not None:
                self._edge.move(page, self._last)
                position = min(whole_second(self._last), self._reached)
                self._report(page, position, last=beyond or page.next is None)
            elif not page.resources:
                reading.planner.page_read(id(self), page.latency, 0.0, fill=0.0)
            if beyond:
                return False
            is_cut = window.end != asked_for and self._stream.upper
            is_outdated = self._sizes.is_outdated and self._stream.lower
            if (is_cut or is_outdated) and self._in_order and page.next and self._edge.is_thin(page):
                return True
            del page  # is not to be held while the next page is read
        return False

    def _batches(self, page: Page, keep: Sequence[int], stream_slice: Mapping[str, Any]) -> Iterator[RecordBatch]:
        """The records at some places of a page; again those that another reader was about to emit, and failed."""
        queued = False
        while not queued:
            batch = self._batch(page, keep, stream_slice)
            if batch.count:
                yield batch
            queued = self._stream.batch_queued()

    def _taken(self, page: Page, stream_slice: Mapping[str, Any]) -> tuple[Sequence[int], bool]:
        """Return what a page holds of the window and was not read before, and whether the window ends in the page."""
        if page.reached is not None or not self._stream.is_dated(stream_slice):
            return range(len(page.resources)), False
        chosen = self._select(page)
        self._last = self._last if chosen.last is None else chosen.last
        self._notice_disorder(chosen.ordered)
        if self._in_order and self._last is not None:
            self._furthest = max(self._furthest, whole_second(self._last))
        keep = self._edge.beyond(page, chosen.keep)
        self._count(page, keep, chosen)
        keep = self._held.take(page, keep) if self._held else keep
        self._falling = self._falling and chosen.falling
        beyond = (chosen.beyond and self._in_order) or (self._falling and chosen.outdated)
        if beyond:
            self._edge.remember(page, keep)
        return keep, beyond

    def _release(self) -> Iterator[RecordBatch]:
        """Emit what was held back and has changed, before anything is reported about it."""
        if self._held and not self._held.is_over:
            page = self._held.release()
            batch = self._batch(page, range(len(page.resources)), self.to_slice())
            if batch.count:
                yield batch

    def _select(self, page: Page) -> Selection:
        if self._stream.follows_cursor:
            return select(page.dates or page.cursors, self._window.start, self._end(), self._last)
        return select_spans(page.spans, self._window.start, self._end(), self._last)

    def _settled(self, asked: Instant) -> Instant:
        """Up to when the pages so far are known to be complete, of which the last has just been asked for.

        Klaviyo needs a moment to show what was written. And where there is an order, what changes while a
        window is read moves to its end, so the last page counts; else the first one does. The last page
        that was asked for before the reading reached the present, that is: what shows up behind it is missed.
        """
        latest = whole_second(asked - SETTLING)
        if not self._stream.follows_cursor:
            # a record that changes after it was read does not move to the end here
            return latest if self._reading.began is None else self._reading.began
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
            yield from self._stream.pages(self._rest, self._sizes, self._tries)
        except (NotFound, UnknownMetric) as error:
            if not self._stream.root(self.to_slice()):
                raise
            level = logging.INFO if isinstance(error, NotFound) else logging.WARNING
            logger.log(level, "%s Stream %s goes on with the next one.", error, self._stream.name)

    def _rest(self) -> Mapping[str, Any]:
        self._last = self._first = self._passed = None
        self._in_order = self._in_order and self._stream.ordered  # which a refusal may have changed
        if self._held:
            self._held.restart()
        known = self._edge.comes_again_from(self._window.position if self._in_order else None)
        if self._window.tally and not known:
            self._window.tally.forget(all_of_it=not self._in_order)
        return self.to_slice()

    def _end(self) -> Instant | None:
        """Where the window ends; what is dated ahead is read by the first read that gets to the present, then not."""
        window, reading = self._window, self._reading
        if (
            window.end is None
            and reading.stream.future_dated
            and (reading.knows_future(self._number) or window.catches_up)
        ):
            return reading.now()
        return window.end

    def _count(self, page: Page, keep: Sequence[int], chosen: Selection) -> None:
        tally = self._window.tally
        # most events of a first sync are older than what is counted
        if tally and chosen.last is not None and (chosen.last >= tally.since or not chosen.ordered):
            tally.count(*counted(page, keep, page.dates))

    def _notice_disorder(self, ordered: bool) -> None:
        if self._in_order and not ordered:
            self._in_order = False
            if self._reading.began is not None:
                # no window can be told to be in order now: what changes may have moved to where nobody looks any more
                self._reading.cursor.promise_no_more_than(self._reading.began)
            logger.warning(
                "Klaviyo sent records of stream %s out of order: all are read, but this window has no checkpoint "
                "before its end.",
                self._reading.stream.name,
            )

    def _report(self, page: Page, position: Instant, *, last: bool) -> None:
        """Report how far the window has been read, and divide the rest of it if more readers save time."""
        reading, window = self._reading, self._window
        if self._held and not self._held.is_over:
            return
        reading.cursor.advance(self._number, window, position)
        planner = reading.planner
        # a page that leads to another one is as full as Klaviyo makes them
        fill = len(page.resources) / (self._stream.page_size or len(page.resources) or 1) if page.next is None else 1.0
        if last or self._passed is not None or not page.resources:
            planner.page_read(id(self), page.latency, 0.0, min(fill, 1.0))
            return  # behind the present there is nothing to divide
        end = whole_second(reading.certain_now() - SETTLING) if window.end is None else window.end
        bounds = self._plan.bounds(*self._covered_by(page), end, page.latency, reading.cursor.open_count)
        if not bounds or not self._stream.lower:
            return
        for later in reading.cursor.divide(self._number, window, bounds):
            expected = self._plan.expected(later.start, end if later.end is None else later.end)
            reading.hand_over(self._number, later, expected)
        self._plan.ends_at(window.position, end if window.end is None else window.end)

    def _covered_by(self, page: Page) -> tuple[Instant, Instant]:
        """Return the instants of the first and the last record of a page that came in order."""
        last = self._last if self._last is not None else self._window.position
        if page.spans:
            return min((min(span) for span in page.spans if span), default=last), last
        found = (instant_of(cursor) for cursor in page.dates or page.cursors)
        return next((instant for instant in found if instant is not None), last), last


class _Edge:
    """The records of the last second that have been read: they come again when one asks from that second on.

    Of a second with more than MAX_KNOWN records, all may come twice: nothing is lost, and memory does not grow.
    """

    def __init__(self) -> None:
        self._second: Instant | None = None
        self._known: set[int] = set()
        self._last_page: set[int] = set()
        self._again = False
        self._too_many = False

    def move(self, page: Page, last: Instant) -> None:
        """A page has been read, in order, up to its last record."""
        second = whole_second(last)
        if second != self._second:
            self._second, self._known, self._again, self._too_many = second, set(), False, False
        if self._too_many:
            return
        for resource, cursor in zip(reversed(page.resources), reversed(page.cursors), strict=True):
            if (instant_of(cursor) or second) < second:
                break
            self._known.add(hash(bytes(resource)))
        self._too_many = len(self._known) > MAX_KNOWN

    def remember(self, page: Page, keep: Sequence[int]) -> None:
        """Remember a page's records, which come again if the next page, the last one, cannot be read."""
        self._last_page.update(hash(bytes(page.resources[place])) for place in keep)

    def is_thin(self, page: Page) -> bool:
        """Whether little of a page comes again when one asks from here: thousands may have come in one second."""
        return len(self._known) <= max(1, THIN * len(page.resources))

    def comes_again_from(self, position: Instant | None) -> bool:
        """One asks from this position on, or (None) for all of the window: whether what comes again is known."""
        self._again = position is not None and position == self._second and not self._too_many
        if not self._again:
            self._second, self._known, self._too_many = None, set(), False
        return self._again

    def beyond(self, page: Page, keep: Sequence[int]) -> Sequence[int]:
        """The places of the records that have not been read yet."""
        known = self._last_page | self._known if self._again else self._last_page
        if not known:
            return keep
        return [place for place in keep if hash(bytes(page.resources[place])) not in known]
