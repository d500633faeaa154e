"""Recheck recent hours for events that have appeared since they were read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from source_klaviyo.partitions.partition import StreamPartition, instants_and_ids
from source_klaviyo.sync.recent_hours import HourCounts
from source_klaviyo.sync.selection import instant_of, select

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from source_klaviyo.api.page import Page
    from source_klaviyo.partitions.batch import RecordBatch
    from source_klaviyo.partitions.context import StreamContext
    from source_klaviyo.streams.base import KlaviyoStream, Slice
    from source_klaviyo.sync.instants import Span


class RecheckPartition(StreamPartition):
    """Consecutive recent hours: compared with what was emitted of them, and emitted again if they have changed."""

    def __init__(self, context: StreamContext, partition_index: int, span: Span) -> None:
        super().__init__(context, partition_index, holds_slot=True)
        self._span = span

    @override
    def _read(self) -> Iterator[RecordBatch]:
        context, index = self._context, self._partition_index
        counts = HourCounts(self._span[0])
        for page, keep in self._pages(context.stream.ids_only, self._span, counts):
            counts.count(*instants_and_ids(page, keep))
        if context.has_ended:
            return
        counts.commit(self._span[1])
        for changed in context.cursor.changed(index, self._span, counts.hours):
            counts = HourCounts(changed[0])
            for page, keep in self._pages(context.stream, changed, counts):
                yield from self._batches(page, keep, self.current_slice())
                counts.count(*instants_and_ids(page, keep))
                del page  # free it before the next page is read
            if context.has_ended:
                return
            counts.commit(changed[1])
            context.cursor.mark_reemitted(index, changed, counts.hours)
        context.cursor.mark_rechecked(index)

    def _pages(self, stream: KlaviyoStream, span: Span, counts: HourCounts) -> Iterator[tuple[Page, Sequence[int]]]:
        """Yield the pages of a span, each with the indexes of the records that belong to it."""
        start, end = span

        def restart() -> Slice:
            counts.forget()
            return {**self.current_slice(), "start": start, "end": end}

        for page in stream.pages(restart):
            if self._context.has_ended:
                return
            chosen = select(page.cursors, start, end)
            yield page, [one for one in chosen.keep if instant_of(page.cursors[one]) is not None]
            del page
