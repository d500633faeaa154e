"""The base class of a stream's partitions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from source_klaviyo.api.errors import DailyQuotaExceeded, KlaviyoError
from source_klaviyo.api.page import decode_errors_as_transient
from source_klaviyo.api.resource import identity
from source_klaviyo.partitions.batch import RecordBatch
from source_klaviyo.sync.instants import for_filter
from source_klaviyo.sync.selection import instant_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from source_klaviyo.api.page import Page
    from source_klaviyo.partitions.context import StreamContext
    from source_klaviyo.streams.base import Slice
    from source_klaviyo.sync.instants import Instant


class StreamPartition(ABC):
    """A part of a stream that one worker reads.

    Args:
        context: the stream in this sync.
        partition_index: which of the stream's partitions it belongs to.
        holds_slot: whether it is one of the first partitions, which give their slot back when they have been read.
    """

    def __init__(self, context: StreamContext, partition_index: int, *, holds_slot: bool) -> None:
        self._context = context
        self._stream = context.stream.query(context.slices[partition_index])
        self._partition_index = partition_index
        self._holds_slot = holds_slot

    def to_slice(self) -> Mapping[str, Any]:
        """Return the slice with its instants as text, for the debug log."""
        return {
            name: for_filter(value) if name in {"start", "end"} else value
            for name, value in self.current_slice().items()
        }

    def current_slice(self) -> Slice:
        """Return the slice that requests are made from."""
        return self._context.slices[self._partition_index]

    def read(self) -> Iterator[Any]:
        """Yield a batch of records for each page; states and further partitions go to the engine directly.

        The code after a `yield` runs when the batch is on the queue, so positions are reported only then.

        Raises:
            AirbyteTracedException: the partition cannot be read.
        """
        context = self._context
        try:
            if not context.has_ended:
                yield from self._read()
        except DailyQuotaExceeded as error:
            context.end_early(error)
        except KlaviyoError as error:
            raise context.fail(error) from None
        finally:
            context.planner.window_done(id(self))
            if self._holds_slot:
                context.slots.release()

    @abstractmethod
    def _read(self) -> Iterator[RecordBatch]:
        """Yield the partition's records; report no position once the stream has ended."""

    def _batches(self, page: Page, keep: Sequence[int], stream_slice: Mapping[str, Any]) -> Iterator[RecordBatch]:
        """Yield the records at these indexes of a page; again with those that another worker left unemitted."""
        is_queued = False
        while not is_queued:
            batch = self._batch(page, keep, stream_slice)
            if batch.count:
                yield batch
            is_queued = self._stream.mark_batch_queued()

    def _batch(self, page: Page, keep: Sequence[int], stream_slice: Mapping[str, Any]) -> RecordBatch:
        stream = self._stream
        resources, cursors = page.resources, page.cursors or [b""] * len(page.resources)
        if len(keep) < len(resources):
            resources, cursors = [resources[index] for index in keep], [cursors[index] for index in keep]
        with decode_errors_as_transient():
            records = stream.transform_page(resources, cursors, stream_slice)
            return RecordBatch.build(
                stream.name, stream.cursor_attribute, records, stream.parent_fields(stream_slice), page.size
            )


def instants_and_ids(
    page: Page, keep: Sequence[int], dates: Sequence[bytes] | None = None
) -> tuple[list[Instant | None], list[str]]:
    """Return the instants and the IDs of the records at these indexes of a page.

    Args:
        page: the page.
        keep: the indexes.
        dates: the date of each record; its cursor if left out or empty.
    """
    dates = dates or page.cursors
    return [instant_of(dates[index]) for index in keep], [identity(page.resources[index]) for index in keep]
