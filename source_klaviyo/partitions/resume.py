"""Decide where each partition of a stream resumes, from the incoming state."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from source_klaviyo.api.errors import ConfigError
from source_klaviyo.partitions.failures import as_traced
from source_klaviyo.sync.cursor import CONSISTENCY_LAG, consistent_until
from source_klaviyo.sync.instants import DAY, HOUR, SECOND, floor, for_state, from_seconds
from source_klaviyo.sync.position import PartitionPosition
from source_klaviyo.sync.queries import Queries, Query
from source_klaviyo.sync.recent_hours import RecentHours
from source_klaviyo.sync.state import FULL_REFRESH_DONE, GENERATION, NO_CURSOR, StoredState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from source_klaviyo.partitions.context import StreamContext
    from source_klaviyo.streams.base import KlaviyoStream, Slice
    from source_klaviyo.sync.instants import Instant, Span
    from source_klaviyo.sync.state import Partition

logger = logging.getLogger("airbyte")

SAFE_SPAN = 30 * DAY
"""The time to read again if a state does not show what has been read: longer than syncs are usually apart."""


class ResumePoints:
    """The positions of an incoming state.

    Args:
        context: the stream in this sync.
        state: the incoming state; empty for none.

    Attributes:
        state: the part of it that this sync can use.

    Raises:
        AirbyteTracedException: the state is invalid.
    """

    def __init__(self, context: StreamContext, state: Mapping[str, Any]) -> None:
        self._context = context
        self._stream = context.stream
        self.state = self._usable(state)
        try:
            self._stored = StoredState(self.state, self._stream.name, self._stream.cursor_attribute or "")
        except ConfigError as error:
            raise as_traced(error) from None
        self._has_warned_of_future = False

    def _usable(self, state: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the state to resume from; a full refresh uses only the state of its own generation."""
        context = self._context
        if context.incremental:
            return state
        if context.generation is None or state.get(GENERATION) != context.generation:
            return {}
        return state if self._stream.is_resumable or state.get(FULL_REFRESH_DONE) else {}

    @property
    def is_complete(self) -> bool:
        """Return whether an earlier attempt of this full refresh has read everything."""
        return not self._context.incremental and bool(self.state.get(FULL_REFRESH_DONE))

    def recent_hours(self, partition: Partition) -> RecentHours | None:
        """Return the fingerprints of a partition's recent hours; None if the state has none."""
        return self._stored.recent_hours(partition)

    def positions(self, listed: Sequence[tuple[Partition, Slice]]) -> list[PartitionPosition]:
        """Return where each partition resumes; warn of those whose records the state may not cover."""
        positions = [self._position(partition, stream_slice) for partition, stream_slice in listed]
        self._warn_of_full_read(positions)
        self._warn_of_unread_partitions(partition for partition, _ in listed)
        return positions

    def _position(self, partition: Partition, stream_slice: Slice) -> PartitionPosition:
        context, name = self._context, stream_slice.get("query")
        stream = self._stream.query(stream_slice)
        resumed_from = self._resumed_from(partition, name)
        hours = self.recent_hours(partition) if context.counts_hours else None
        start = self._start(stream, resumed_from, hours)
        if context.counts_hours and not (hours and self._stream.recheck_span):
            # a stream with a visibility lag counts the hours that it reads again
            hours = RecentHours(start, start, context.certain_now())
        return PartitionPosition(
            partition,
            start,
            resumed_from,
            query=Query(name, stream.follows_cursor) if name else None,
            catch_up_after=stream.catch_up_after if stream.follows_cursor else None,
            read=self._read_ahead(partition, name),
            recent_hours=hours,
        )

    def _resumed_from(self, partition: Partition, query: str | None) -> Instant | None:
        """Return the position of a partition, never in the future; None if it has not been read yet."""
        position = self._stored.queries.get(query) if query else None
        if position is None and query not in self._stream.new_queries:
            position = self._stored.position(partition)
        return self._clamp_to_now(position, self._stored.recent_hours(partition))

    def _start(self, stream: KlaviyoStream, position: Instant | None, recent_hours: RecentHours | None) -> Instant:
        """Return from when on to read: somewhat before the position, where records may be late."""
        earliest = stream.first_start()
        if position is None:
            return earliest
        if not self._context.incremental:
            return max(earliest, position)
        if stream.visibility_lag:
            return max(earliest, floor(position - stream.visibility_lag, HOUR))
        start = stream.resume_from(position)
        return max(earliest, recent_hours.resume_from(start) if recent_hours else start)

    def _read_ahead(self, partition: Partition, query: str | None) -> list[Span]:
        """Return the spans that have been read; recent hours are counted as they are read, so they are read again."""
        now = self._context.certain_now()
        until = consistent_until(now)
        if self._context.counts_hours:
            until = floor(now - self._context.recent_span, HOUR) - HOUR
        return [(start, min(end, until)) for start, end in self._stored.read_ahead(partition, query)]

    def milestones(self) -> list[Instant]:
        """Return the positions that thousands of partitions reach one after the other."""
        listed_at = self._stream.listed_at()
        listed = self._context.certain_now() if listed_at is None else from_seconds(listed_at)
        stopped = [] if self._stored.read_through is None else [self._stored.read_through]
        return [*stopped, consistent_until(listed)]

    def queries(self, slices: Sequence[Slice]) -> Queries | None:
        """Return the queries that make up the stream; None for a stream of one query."""
        stream = self._stream
        if not stream.queries:
            return None
        unread = set(stream.queries) - {one["query"] for one in slices}
        queries = [Query(name, stream.query({"query": name}).follows_cursor) for name in unread]
        return Queries(queries, self._clamp_to_now(self._stored.position({})), lambda: self._context.began)

    def _clamp_to_now(self, position: Instant | None, recent_hours: RecentHours | None = None) -> Instant | None:
        """Return a position that does not lie in the future, where it would hide the changes until then.

        Such a position does not show when the last sync was. So the stream goes back to what is known to have been
        read or, if nothing is, by a safe span: records that are read twice are deduplicated, lost ones are lost.
        """
        context = self._context
        if position is None:
            return None
        if position > context.now() - CONSISTENCY_LAG:
            # before the first response only the host's clock is known, which may be slow
            self._stream.shared.learn_clock()
        now = context.now()
        if position <= now:
            return min(position, consistent_until(now))
        known = [recent_hours.until, recent_hours.looked] if recent_hours else []
        safe = max((one for one in known if one <= now - CONSISTENCY_LAG), default=floor(now, SECOND) - SAFE_SPAN)
        level = logging.DEBUG if self._has_warned_of_future else logging.WARNING
        self._has_warned_of_future = True
        logger.log(
            level,
            "The state of stream %s lies in the future (%s), so it does not show what has been read. The stream "
            "continues from %s, %s: records since then may be emitted again.",
            self._stream.name,
            for_state(position),
            for_state(safe),
            "up to which it is known to have been read" if safe in known else "30 days ago",
        )
        return safe

    def _warn_of_full_read(self, positions: Sequence[PartitionPosition]) -> None:
        """Warn when a state that is not empty has no usable position, since that means a full read."""
        is_not_empty = any(value for name, value in self.state.items() if name not in NO_CURSOR)
        if is_not_empty and self._stream.cursor_attribute and all(one.resumed_from is None for one in positions):
            logger.warning(
                "The state of stream %s holds no usable position, so the stream is read from its start date on. "
                "If you did not expect this, restore the connection's last good state.",
                self._stream.name,
            )

    def _warn_of_unread_partitions(self, partitions: Iterable[Partition]) -> None:
        """Warn about partitions that an earlier connector may not have read."""
        doubtful = [partition for partition in partitions if self._stored.is_inherited(partition)]
        if doubtful:
            logger.warning(
                "The state of stream %s comes from a connector that may not have read all of it: %s. These resume from "
                "the state's date like the others; clear the stream if older ones are missing.",
                self._stream.name,
                "; ".join(", ".join(f"{name} {value}" for name, value in partition.items()) for partition in doubtful),
            )
