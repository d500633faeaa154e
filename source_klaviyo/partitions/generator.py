"""Divide a stream into the partitions that workers read."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from source_klaviyo.api.errors import KlaviyoError
from source_klaviyo.partitions.context import FUTURE_IS_READ
from source_klaviyo.partitions.late_records import LateRecords
from source_klaviyo.partitions.recheck import RecheckPartition
from source_klaviyo.partitions.resume import ResumePoints
from source_klaviyo.partitions.window import WindowPartition
from source_klaviyo.sync.compact import is_compact, name_of
from source_klaviyo.sync.cursor import consistent_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from source_klaviyo.partitions.context import StreamContext
    from source_klaviyo.partitions.partition import StreamPartition
    from source_klaviyo.sync.position import PartitionPosition
    from source_klaviyo.sync.timeline import Window

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
            positions = self._begin()
        except KlaviyoError as error:
            raise context.fail(error) from None
        yield from self._partitions(positions)

    def _begin(self) -> list[PartitionPosition]:
        """List the stream's partitions, and begin its cursor with them."""
        context, resume = self.context, self._resume
        stream = context.stream
        listed = stream.list_partitions(resuming=bool(resume.state))
        if is_compact(listed):
            listed.sort(key=lambda one: name_of(one[0]))
        positions = resume.positions(listed)
        context.slices = [stream_slice for _, stream_slice in listed]
        stream.query_starts = {one.query.name: one.start for one in positions if one.query}
        context.cursor.begin(positions, resume.queries(context.slices), resume.milestones())
        if resume.state.get(FUTURE_IS_READ):
            for index, one in enumerate(positions):
                if one.resumed_from is not None:
                    context.mark_future_read(index)
        return positions

    def _partitions(self, positions: Sequence[PartitionPosition]) -> Iterator[StreamPartition]:
        context = self.context
        rechecks = context.cursor.begin_rechecks() if context.stream.recheck_span else []
        has_opening_windows = self._split_first_windows(positions)
        # the oldest come first: if a quota ends the sync, every partition gets its turn in one of the next ones
        names = [name_of(one.partition) for one in positions]
        for index, window in sorted(context.cursor.open_windows, key=lambda one: (one[1].start, names[one[0]])):
            context.slots.acquire()
            late_records = self._late_records(positions[index], window)
            partition = WindowPartition(context, index, window, holds_slot=True, late_records=late_records)
            if has_opening_windows:
                context.planner.opened(id(partition))
            yield partition
        for index, span in rechecks:
            context.slots.acquire()
            yield RecheckPartition(context, index, span)

    def _late_records(self, position: PartitionPosition, window: Window) -> LateRecords | None:
        """Return a buffer for a window that is read from before the position of the state; None for others."""
        until = position.resumed_from
        is_late = self.context.incremental and self.context.stream.visibility_lag > 0
        if not is_late or until is None or window.start >= until:
            return None
        hours = self._resume.recent_hours(position.partition)
        return LateRecords(until, hours.hours if hours else {})

    def _split_first_windows(self, positions: Sequence[PartitionPosition]) -> bool:
        """Begin a first read with several windows of each partition, whose first pages show where the records lie.

        Returns:
            Whether there are several.
        """
        if any(one.resumed_from is not None for one in positions):
            return False
        context = self.context
        for index, window in context.cursor.open_windows:
            stream = context.stream.query(context.slices[index])
            if stream.lower_bound_operator:
                now = consistent_until(context.certain_now())
                bounds = context.planner.opening_bounds(
                    window.start, now, len(positions), ends=stream.supports_upper_bound
                )
                context.cursor.split(index, window, bounds)
        return context.cursor.open_count > len(positions)
