"""The position of one partition in one sync, and what states say of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from source_klaviyo.sync.instants import SECOND, floor, for_state
from source_klaviyo.sync.recent_hours import RecentHours, merged_hours, settled_from
from source_klaviyo.sync.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from source_klaviyo.sync.instants import Instant, Span
    from source_klaviyo.sync.queries import Query
    from source_klaviyo.sync.state import Partition

MAX_SPANS = 100
"""Read-ahead spans that a state lists for a partition; the others are read again."""


@dataclass(eq=False, slots=True)
class PartitionPosition:
    """A partition in one sync: from when on it is read, and how far states say that it has been emitted.

    Attributes:
        partition: the partition, as states name it.
        start: from when on it is read.
        resumed_from: the position of the incoming state; None if it has not been read yet.
        query: the query that the partition is, if several make up the stream.
        catch_up_after: when its end is read once more (see `Timeline`).
        read: the spans after its position that an earlier sync has read.
        recent_hours: the fingerprints of its recent hours; None if none are kept.
        open_rechecks: rechecks that are due and not done.
        checkpointed: the position of the last state.
        timeline: its windows.
    """

    partition: Partition
    start: Instant
    resumed_from: Instant | None = None
    query: Query | None = None
    catch_up_after: int | None = 0
    read: Sequence[Span] = ()
    recent_hours: RecentHours | None = None
    open_rechecks: int = 0
    checkpointed: Instant = field(init=False)
    timeline: Timeline = field(init=False)
    _begun_at: Instant = field(init=False)
    _horizon: int = field(init=False)

    def begin(self, begun_at: Instant, horizon: int) -> None:
        """Begin to read.

        Args:
            begun_at: until when the first request of the sync sees everything.
            horizon: for how long fingerprints of hours are kept, in microseconds.
        """
        self._begun_at, self._horizon = begun_at, horizon
        self.checkpointed = self.start if self.resumed_from is None else self.resumed_from
        counted_from = None
        if self.recent_hours:
            self.recent_hours.looked = min(self.recent_hours.looked, begun_at)
            self.recent_hours.cut(self.start)
            counted_from = settled_from(self.recent_hours.looked, horizon)
        self.timeline = Timeline(self.start, counted_from, catch_up_after=self.catch_up_after, read=self.read)

    def begin_rechecks(self) -> list[Span]:
        """Return the spans of hours that are due for a recheck; if there are none, the hours are up to date."""
        due = self.recent_hours.due(self._begun_at, self._horizon) if self.recent_hours else []
        self.open_rechecks = len(due)
        self._mark_up_to_date()
        return due

    def end_recheck(self) -> None:
        """Report that one of the spans has been rechecked."""
        self.open_rechecks -= 1
        self._mark_up_to_date()

    def _mark_up_to_date(self) -> None:
        if self.recent_hours and not self.open_rechecks:
            self.recent_hours.looked = self._begun_at

    def left(self, now: Instant) -> float:
        """Return the share of its time that is still to be read, from 0 to 1."""
        return self.timeline.left(now) / max(now - self.start, 1)

    def checkpoint(self, latest: Instant) -> None:
        """Move the position of states to how far the partition has been emitted, at most to an instant."""
        self.checkpointed = max(self.checkpointed, min(self.timeline.low_water, latest))

    def read_ahead_entry(self, latest: Instant) -> dict[str, Any] | None:
        """Return the spans that a resumed sync can skip, for a state; None if there are none."""
        # within the span: a state knows whole seconds only
        spans = [
            (floor(start + (SECOND - 1), SECOND), floor(min(end, latest), SECOND))
            for start, end in self.timeline.read_ahead
        ]
        written = [[for_state(start), for_state(end)] for start, end in spans if start < end]
        if not written:
            return None
        query = {"query": self.query.name} if self.query else {}
        return {"partition": self.partition, **query, "spans": written[:MAX_SPANS]}

    def recent_hours_entry(self, latest: Instant) -> dict[str, Any] | None:
        """Return the fingerprints of the recent hours, for a state; None if none are kept."""
        known, line = self.recent_hours, self.timeline
        if known is None:
            return None
        # before the first response, Klaviyo's clock is unknown
        looked = min(known.looked, latest)
        hours = RecentHours(known.since, line.low_water, looked, merged_hours([known.hours, line.hours]))
        return {"partition": self.partition} | hours.written(self._horizon)
