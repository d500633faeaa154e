"""Another look at recent hours, for events that have shown up since they were read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from source_klaviyo.api.resource import identity
from source_klaviyo.partitions.partition import StreamPart
from source_klaviyo.sync.instants import for_filter
from source_klaviyo.sync.late import Tally
from source_klaviyo.sync.selection import instant_of, select

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from source_klaviyo.api.page import Page
    from source_klaviyo.partitions.batch import RecordBatch
    from source_klaviyo.partitions.reading import StreamReading
    from source_klaviyo.streams.base import KlaviyoStream
    from source_klaviyo.sync.late import Span


class LookPart(StreamPart):
    """Recent hours in a row: held against what was read of them, and emitted again where they have changed."""

    def __init__(self, reading: StreamReading, number: int, span: Span) -> None:
        super().__init__(reading, number, is_first=True)
        self._span = span

    def _read(self) -> Iterator[RecordBatch]:
        reading, number = self._reading, self._number
        tally = Tally(self._span[0])
        for page, keep in self._pages(reading.stream.times, self._span, tally):
            tally.count(*counted(page, keep))
        if reading.has_ended:
            return
        tally.commit(self._span[1])
        for changed in reading.cursor.changed(number, self._span, tally.hours):
            tally = Tally(changed[0])
            for page, keep in self._pages(reading.stream, changed, tally):
                batch = self._batch(page, keep, self.to_slice())
                if batch.count:
                    yield batch
                tally.count(*counted(page, keep))
                del page, batch  # are not to be held while the next page is read
            if reading.has_ended:
                return
            tally.commit(changed[1])
            reading.cursor.emitted_again(number, changed, tally.hours)
        reading.cursor.looked(number)

    def _pages(self, stream: KlaviyoStream, span: Span, tally: Tally) -> Iterator[tuple[Page, Sequence[int]]]:
        """The pages of a span, each with the places of the records that belong to it."""
        start, end = span

        def anew() -> Mapping[str, Any]:
            tally.forget()
            return {**self.to_slice(), "start": for_filter(start), "end": for_filter(end)}

        for page in stream.pages(anew):
            if self._reading.has_ended:
                return
            chosen = select(page.cursors, start, end)
            yield page, [place for place in chosen.keep if instant_of(page.cursors[place]) is not None]
            del page


def counted(
    page: Page, keep: Sequence[int], dates: Sequence[bytes] | None = None
) -> tuple[list[int | None], list[str]]:
    """Return the instants and the ids of the records at some places of a page.

    Args:
        page: the page.
        keep: the places.
        dates: what counts as a record's date; its cursor if left out or empty.
    """
    dates = dates or page.cursors
    return [instant_of(dates[place]) for place in keep], [identity(page.resources[place]) for place in keep]
