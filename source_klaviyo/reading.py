"""Reading a stream: its windows as partitions of the CDK's concurrent engine."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStateBlob,
    AirbyteStateMessage,
    AirbyteStateType,
    AirbyteStreamState,
    FailureType,
    StreamDescriptor,
    Type,
)
from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition
from airbyte_cdk.sources.streams.concurrent.partitions.partition_generator import PartitionGenerator
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_klaviyo.api.errors import BadRequest, ConfigError, InvalidCursor, KlaviyoError, MissingScope, TransientError
from source_klaviyo.records import RecordBatch
from source_klaviyo.sync.cursor import SETTLING, WindowCursor
from source_klaviyo.sync.instants import SECOND, for_filter, for_state, whole_second
from source_klaviyo.sync.parallelism import Parallelism
from source_klaviyo.sync.selection import select
from source_klaviyo.sync.state import read_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from queue import Queue

    from airbyte_cdk.sources.message import MessageRepository

    from source_klaviyo.api.page import Page
    from source_klaviyo.streams import KlaviyoStream
    from source_klaviyo.sync.instants import Instant
    from source_klaviyo.sync.timeline import Window

logger = logging.getLogger("airbyte")

RECENT_PAGES = 5
"""From so many pages the density of a window is told: one may hold an import of a single second."""
FEWEST_PAGES = 2
FUTURE_IS_READ = "future_is_read"
"""The key of a state which says that records dated ahead of it have been emitted."""
RESTARTS = 5
"""How often in a row a window may begin again from where it stands without getting further."""


class StreamReading(PartitionGenerator):
    """One stream in one sync: its cursor, its windows, and whether it has failed.

    Args:
        stream: what to ask.
        state: the incoming state; None or empty for a read from the beginning.
        queue: takes batches, states and new windows.
        repository: takes the states that the queue's own consumer publishes, who must not wait for room in it.
        workers: the most requests under way at once.

    Raises:
        AirbyteTracedException: the state makes no sense.
    """

    def __init__(
        self,
        stream: KlaviyoStream,
        state: Mapping[str, Any] | None,
        queue: Queue[Any],
        repository: MessageRepository,
        workers: int,
    ) -> None:
        self.stream = stream
        self.queue = queue
        self._repository = repository
        self._consumer = threading.get_ident()
        self.failure: AirbyteTracedException | None = None
        self.parallelism = Parallelism(min(limit.tier.burst for limit in stream.limits), workers)
        parts = stream.parts(resuming=bool(state))
        partitions = [partition for partition, _ in parts]
        self.slices = [stream_slice for _, stream_slice in parts]
        try:
            found = read_state(state or {}, stream.name, stream.cursor_field, partitions)
        except ConfigError as error:
            raise as_traced(error) from None
        positions = [self._repaired(position) for position in found]
        self.future_is_read = bool((state or {}).get(FUTURE_IS_READ))
        self.cursor = WindowCursor(
            cursor_field=stream.cursor_field,
            partitions=partitions,
            starts=[self._start(position) for position in positions],
            positions=[stream.earliest() if position is None else position for position in positions],
            now=self.now,
            publish=self._publish,
        )
        if self.future_is_read:
            self.cursor.notes[FUTURE_IS_READ] = True

    def now(self) -> Instant:
        """The present, by Klaviyo's clock."""
        return int(self.stream.client.now() * SECOND)

    def generate(self) -> Iterable[Partition]:
        """The windows to begin with: one for each partition, from its start to the present."""
        for number, window in self.cursor.open_windows:
            yield WindowPartition(self, number, window)

    def hand_over(self, number: int, window: Window | None) -> None:
        """Let another worker read a window."""
        if window is not None:
            self.queue.put(WindowPartition(self, number, window))

    def fail(self, error: KlaviyoError) -> AirbyteTracedException:
        """What to raise; after an error that every other window would meet as well, they are left alone."""
        if isinstance(error, MissingScope):
            error = ConfigError(
                f"Stream {self.stream.name} needs the scope {self.stream.scope}: add it in Klaviyo, or deselect the "
                f"stream. {error}"
            )
        if isinstance(error, TransientError):
            error = TransientError(f"{error} The sync has given up for now; the {self.stream.advice}")
        traced = as_traced(error)
        if isinstance(error, ConfigError):
            self.failure = traced
        return traced

    def _repaired(self, position: Instant | None) -> Instant | None:
        latest = self.now() - SETTLING
        if position is None or position <= latest:
            return position
        logger.warning(
            "The state of stream %s lies in the future (%s), which would hide what changes until then. It is set back "
            "to now; clear the stream if records of the last days are missing.",
            self.stream.name,
            for_state(position),
        )
        return whole_second(latest)

    def _start(self, position: Instant | None) -> Instant:
        earliest = self.stream.earliest()
        return earliest if position is None else max(earliest, position - self.stream.lookback)

    def _publish(self, blob: Mapping[str, Any]) -> None:
        message = AirbyteMessage(
            type=Type.STATE,
            state=AirbyteStateMessage(
                type=AirbyteStateType.STREAM,
                stream=AirbyteStreamState(
                    stream_descriptor=StreamDescriptor(name=self.stream.name),
                    stream_state=AirbyteStateBlob(dict(blob)),
                ),
            ),
        )
        if threading.get_ident() == self._consumer:
            self._repository.emit_message(message)
        else:
            self.queue.put(message)


class WindowPartition(Partition):
    """One window of a stream; while it is read, its later half may become another."""

    def __init__(self, reading: StreamReading, number: int, window: Window) -> None:
        self._reading = reading
        self._number = number
        self._window = window
        # pages tell how far the window has been read as long as they come in order
        self._in_order = reading.stream.ordered and reading.stream.is_dated(reading.slices[number])
        self._last: Instant | None = None
        self._first: Instant | None = None
        self._passed: Instant | None = None
        self._positions = deque([window.start], maxlen=RECENT_PAGES + 1)

    def stream_name(self) -> str:
        """The name of the stream."""
        return self._reading.stream.name

    def to_slice(self) -> Mapping[str, Any]:
        """The slice as requests are made from it: what is still to be read of the window."""
        window = self._window
        bounds = {"start": for_filter(window.position if self._in_order else window.start)}
        if window.end is not None:
            bounds["end"] = for_filter(window.end)
        return {**self._reading.slices[self._number], **bounds}

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def read(self) -> Iterator[Any]:
        """The window's records, a batch for each page; states and further windows go onto the queue directly.

        What follows a `yield` runs when the batch is on the queue: only then is it reported.

        Raises:
            AirbyteTracedException: what the user is to be told.
        """
        if self._reading.failure:
            return
        try:
            yield from self._read()
        except KlaviyoError as error:
            raise self._reading.fail(error) from None
        finally:
            self._reading.parallelism.window_done(id(self))

    def _read(self) -> Iterator[RecordBatch]:
        reading, window = self._reading, self._window
        stream_slice = self.to_slice()
        reached = window.start
        for page in self._pages():
            asked = int(page.asked_at * SECOND)
            if reading.failure:
                return
            if not reading.stream.is_dated(stream_slice):
                batch, beyond = self._batch(page, range(len(page.resources)), stream_slice), False
            else:
                chosen = select(page.cursors, window.start, self._end(), self._last)
                self._last = self._last if chosen.last is None else chosen.last
                self._notice_disorder(chosen.ordered)
                batch, beyond = self._batch(page, chosen.keep, stream_slice), chosen.beyond and self._in_order
            if batch.count:
                yield batch
            reached = self._settled(asked)
            if self._in_order and self._last is not None:
                self._report(page, min(whole_second(self._last), reached), last=beyond or page.next is None)
            if beyond:
                break
            del page, batch  # are not to be held while the next page is read
        if reading.failure:
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
        latest = asked - SETTLING
        if self._first is None:
            self._first = latest
        if not self._in_order:
            return self._first
        if self._passed is None and self._last is not None and self._last >= latest:
            self._passed = latest
        return latest if self._passed is None else self._passed

    def _pages(self) -> Iterator[Page]:
        """The window's pages; begins again from where it stands when Klaviyo wants to be asked otherwise."""
        stream, restarts = self._reading.stream, 0
        while True:
            position, adaptations = self._window.position, stream.adaptations
            self._last = self._first = self._passed = None
            seen: set[str] = set()
            try:
                for page in stream.read_pages(self.to_slice()):
                    if page.next in seen:
                        raise InvalidCursor("Klaviyo answers with the same page again and again.")
                    seen.add(page.next or "")
                    yield page
                    del page
                return
            except BadRequest as refusal:
                restarts = restarts + 1 if self._window.position == position else 1
                again = isinstance(refusal, InvalidCursor) or stream.adapt_to(refusal, adaptations)
                if not again or restarts > RESTARTS:
                    raise
                logger.info("%s Stream %s goes on from %s.", refusal, stream.name, self.to_slice()["start"])

    def _end(self) -> Instant | None:
        """Where the window ends; what is dated ahead is read by the first read that gets to the present, then not."""
        window, reading = self._window, self._reading
        if window.end is None and reading.stream.future_dated and (reading.future_is_read or window.catches_up):
            return reading.now()
        return window.end

    def _batch(self, page: Page, keep: Iterable[int], stream_slice: Mapping[str, Any]) -> RecordBatch:
        stream = self._reading.stream
        records = [(stream.rebuild(page.resources[place], stream_slice), page.cursors[place]) for place in keep]
        return RecordBatch.build(stream.name, stream.cursor_field, records)

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
        if last:
            return
        self._positions.append(window.position)
        reading.parallelism.page_read(id(self), page.latency, self._expected())
        if reading.stream.lower and reading.parallelism.wants_another(len(reading.cursor.open_windows)):
            reading.hand_over(self._number, reading.cursor.split(self._number, window))

    def _expected(self) -> float:
        """How many more pages the window seems to hold, by how much time the last ones have covered."""
        pages = len(self._positions) - 1
        if pages < FEWEST_PAGES:
            return 0.0
        covered = max(self._window.position - self._positions[0], SECOND)
        end = self._reading.now() if self._window.end is None else self._window.end
        return pages * max(end - self._window.position, 0) / covered


def as_traced(error: KlaviyoError) -> AirbyteTracedException:
    """The error as Airbyte knows it."""
    kinds = {
        "config": FailureType.config_error,
        "transient": FailureType.transient_error,
        "system": FailureType.system_error,
    }
    return AirbyteTracedException(message=str(error), internal_message=str(error), failure_type=kinds[error.failure])
