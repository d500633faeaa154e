"""Recheck recent hours for events that have appeared since they were read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from source_klaviyo.partitions.partition import StreamPartition, instants_and_ids
from source_klaviyo.sync.instants import for_filter
from source_klaviyo.sync.recent_hours import HourCounts
from source_klaviyo.sync.selection import instant_of, select

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from source_klaviyo.api.page import Page
    from source_klaviyo.partitions.batch import RecordBatch
    from source_klaviyo.partitions.context import StreamContext
    from source_klaviyo.streams.base import KlaviyoStream
    from source_klaviyo.sync.recent_hours import Span


class RecheckPartition(StreamPartition):
    """Consecutive recent hours: compared with what was emitted of them, and emitted again if they have changed."""

    def __init__(self, context: StreamContext, partition_index: int, span: Span) -> None:
        super().__init__(context, partition_index, holds_slot=True)
        self._span = span

    def _read(self) -> Iterator[RecordBatch]:
        context, index = self._context, self._partition_index
        tally = HourCounts(self._span[0])
        for page, keep in self._pages(context.stream.ids_only, self._span, tally):
            tally.count(*instants_and_ids(page, keep))
        if context.has_ended:
            return
        tally.commit(self._span[1])
        for changed in context.cursor.changed(index, self._span, tally.hours):
            tally = HourCounts(changed[0])
            for page, keep in self._pages(context.stream, changed, tally):
                batch = self._batch(page, keep, self.to_slice())
                if batch.count:
                    yield batch
                tally.count(*instants_and_ids(page, keep))
                del page, batch  # free them before the next page is read
            if context.has_ended:
                return
            tally.commit(changed[1])
            context.cursor.mark_reemitted(index, changed, tally.hours)
        context.cursor.mark_rechecked(index)

    def _pages(self, stream: KlaviyoStream, span: Span, tally: HourCounts) -> Iterator[tuple[Page, Sequence[int]]]:
        """Yield the pages of a span, each with the indexes of the records that belong to it."""
        start, end = span

        def current_slice() -> Mapping[str, Any]:
            tally.forget()
            return {**self.to_slice(), "start": for_filter(start), "end": for_filter(end)}

        for page in stream.pages(current_slice):
            if self._context.has_ended:
                return
            chosen = select(page.cursors, start, end)
            yield page, [one for one in chosen.keep if instant_of(page.cursors[one]) is not None]
            del page
