"""Divide a stream into the partitions that workers read."""

from __future__ import annotations

import logging
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from source_klaviyo.api.errors import KlaviyoError
from source_klaviyo.partitions.context import FUTURE_IS_READ
from source_klaviyo.partitions.late_records import LateRecords
from source_klaviyo.partitions.recheck import RecheckPartition
from source_klaviyo.partitions.resume import ResumePoints
from source_klaviyo.partitions.window import WindowPartition
from source_klaviyo.sync.compact import name_of
from source_klaviyo.sync.cursor import CONSISTENCY_LAG
from source_klaviyo.sync.instants import whole_second
from source_klaviyo.sync.recent_hours import RecentHours
from source_klaviyo.sync.splitting import opening_bounds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from source_klaviyo.partitions.context import StreamContext
    from source_klaviyo.partitions.partition import StreamPartition
    from source_klaviyo.streams.base import Slice
    from source_klaviyo.sync.instants import Instant
    from source_klaviyo.sync.state import Partition

logger = logging.getLogger("airbyte")


class StreamPartitionGenerator:
    """Makes a stream's first partitions; while they are read, they may split off others.

    Args:
        context: the stream in this sync.
        state: the incoming state; empty for none.

    Raises:
        AirbyteTracedException: the state is invalid.
    """

    def __init__(self, context: StreamContext, state: Mapping[str, Any]) -> None:
        self.context = context
        self._resume = ResumePoints(context, state)

    def generate(self) -> Iterable[StreamPartition]:
        """Yield a window for each partition, from its start to the present, and the hours to recheck.

        Only as many at a time as the rate limit allows: more would keep the workers of other streams waiting.

        Raises:
            AirbyteTracedException: the list of partitions cannot be read.
        """
        context = self.context
        if self._resume.is_complete:
            logger.info("Stream %s has been read by an earlier attempt of this full refresh.", context.stream.name)
            context.publish(self._resume.state)
            return
        try:
            listed = context.stream.list_partitions(resuming=bool(self._resume.state))
            positions = [self._resume.position(*one) for one in listed]
            starts = self._starts(listed, positions)
        except KlaviyoError as error:
            raise context.fail(error) from None
        yield from self._partitions([partition for partition, _ in listed], positions, starts)

    def _starts(
        self, listed: Sequence[tuple[Partition, Slice]], positions: Sequence[Instant | None]
    ) -> Sequence[Instant]:
        """Begin the cursor with all partitions; returns from when on each is read."""
        context, resume = self.context, self._resume
        stream = context.stream
        partitions = [partition for partition, _ in listed]
        resume.warn_of_full_read(positions)
        resume.warn_of_unread_partitions(partitions)
        recent_hours = [resume.recent_hours(partition) for partition in partitions] if context.counts_hours else []
        streams = [stream.query(stream_slice) for _, stream_slice in listed]
        starts = [resume.start(*one) for one in zip_longest(streams, positions, recent_hours)]
        context.slices = [stream_slice for _, stream_slice in listed]
        stream.query_starts = {
            one["query"]: start for one, start in zip(context.slices, starts, strict=True) if "query" in one
        }
        context.cursor.begin(
            partitions,
            starts=starts,
            positions=[
                one.first_start() if position is None else position
                for one, position in zip(streams, positions, strict=True)
            ],
            queries=resume.queries(context.slices),
            catch_up_after=[one.catch_up_after if one.follows_cursor else None for one in streams],
            read_ahead=[resume.read_ahead(*one) for one in listed],
            milestones=resume.milestones(),
            memories=[
                # a stream with a visibility lag counts the hours that it reads again
                (hours if stream.recheck_span else None) or RecentHours(start, start, context.certain_now())
                for hours, start in zip(recent_hours, starts, strict=False)
            ],
        )
        return starts

    def _partitions(
        self, partitions: Sequence[Partition], positions: Sequence[Instant | None], starts: Sequence[Instant]
    ) -> Iterator[StreamPartition]:
        context = self.context
        if self._resume.state.get(FUTURE_IS_READ):
            for index, position in enumerate(positions):
                if position is not None:
                    context.mark_future_read(index)
        late_records = self._late_records(partitions, positions, starts)
        rechecks = context.cursor.due_rechecks() if context.stream.recheck_span else []
        has_opening_windows = self._open_windows(positions)
        # the oldest come first: if a quota ends the sync, every partition gets its turn in one of the next ones
        names = [name_of(partition) for partition in partitions]
        for index, window in sorted(context.cursor.open_windows, key=lambda one: (one[1].start, names[one[0]])):
            context.acquire_slot()
            partition = WindowPartition(context, index, window, holds_slot=True, late_records=late_records.get(index))
            if has_opening_windows:
                context.planner.opened(id(partition))
            yield partition
        for index, span in rechecks:
            context.acquire_slot()
            yield RecheckPartition(context, index, span)

    def _late_records(
        self, partitions: Sequence[Partition], positions: Sequence[Instant | None], starts: Sequence[Instant]
    ) -> dict[int, LateRecords]:
        """Return a buffer for each partition that is read from before its position, by partition index."""
        context = self.context
        if not context.incremental or not context.stream.visibility_lag:
            return {}
        buffers = {}
        for index, (partition, position, start) in enumerate(zip(partitions, positions, starts, strict=True)):
            if position is not None and start < position:
                hours = self._resume.recent_hours(partition)
                buffers[index] = LateRecords(position, hours.hours if hours else {})
        return buffers

    def _open_windows(self, positions: Sequence[Instant | None]) -> bool:
        """Begin a first read with several windows of each partition, whose first pages tell where the records lie.

        Returns:
            Whether there are several.
        """
        if any(position is not None for position in positions):
            return False
        context = self.context
        for index, window in context.cursor.open_windows:
            stream = context.stream.query(context.slices[index])
            if stream.lower_bound_operator:
                now = whole_second(context.certain_now() - CONSISTENCY_LAG)
                windows = context.planner.opening_windows(len(context.slices), ends=stream.supports_upper_bound)
                context.cursor.divide(index, window, opening_bounds(window.start, now, windows))
        return context.cursor.open_count > len(context.slices)
