"""What the partitions of the CDK's concurrent engine have in common here: they belong to the reading of a stream."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition

from source_klaviyo.api.errors import KlaviyoError, QuotaUsed
from source_klaviyo.api.page import understood
from source_klaviyo.partitions.batch import RecordBatch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from source_klaviyo.api.page import Page
    from source_klaviyo.partitions.reading import StreamReading


class StreamPart(Partition, ABC):
    """A part of a stream that one worker reads.

    Args:
        reading: the stream in this sync.
        number: which of the stream's partitions the part belongs to.
        is_first: whether the part takes one of the places that the stream has to begin with.
    """

    def __init__(self, reading: StreamReading, number: int, *, is_first: bool) -> None:
        self._reading = reading
        self._stream = reading.stream.query(reading.slices[number])
        self._number = number
        self._is_first = is_first

    def stream_name(self) -> str:
        """The name of the stream."""
        return self._reading.stream.name

    def to_slice(self) -> Mapping[str, Any]:
        """The slice as requests are made from it."""
        return self._reading.slices[self._number]

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def read(self) -> Iterator[Any]:
        """The part's records, a batch for each page; states and further windows go onto the queue directly.

        What follows a `yield` runs when the batch is on the queue: only then is it reported.

        Raises:
            AirbyteTracedException: what the user is to be told.
        """
        reading = self._reading
        try:
            if not reading.has_ended:
                yield from self._read()
        except QuotaUsed as error:
            reading.end_early(error)
        except KlaviyoError as error:
            raise reading.fail(error) from None
        finally:
            reading.planner.window_done(id(self))
            if self._is_first:
                reading.part_done()

    @abstractmethod
    def _read(self) -> Iterator[RecordBatch]:
        """The part's records; what has been read when the reading has ended meanwhile is not reported."""

    def _batch(self, page: Page, keep: Sequence[int], stream_slice: Mapping[str, Any]) -> RecordBatch:
        """The records at some places of a page."""
        stream = self._stream
        resources, cursors = page.resources, page.cursors or [b""] * len(page.resources)
        if len(keep) < len(resources):
            resources, cursors = [resources[place] for place in keep], [cursors[place] for place in keep]
        with understood():
            records = stream.emitted(resources, cursors, stream_slice)
            return RecordBatch.build(
                stream.name, stream.cursor_attribute, records, stream.root(stream_slice), page.size
            )
