"""The cursor of one stream: its windows, and when a checkpoint is emitted: a state after the records it covers."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from source_klaviyo.sync.compact import MAX_LISTED_PARTITIONS, compact_state, is_compact
from source_klaviyo.sync.instants import SECOND, Instant, floor
from source_klaviyo.sync.state import FULL_REFRESH_DONE, GENERATION, READ_AHEAD, RECENT_HOURS, write_state

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping, Sequence

    from source_klaviyo.sync.instants import Span
    from source_klaviyo.sync.position import PartitionPosition
    from source_klaviyo.sync.queries import Queries
    from source_klaviyo.sync.recent_hours import Fingerprint
    from source_klaviyo.sync.timeline import Window

CONSISTENCY_LAG = 5 * SECOND
"""Klaviyo needs a moment to show what was just written, so a state stays this far before the present."""
STATE_INTERVAL = 1.0
"""Minimum seconds between two states of a stream."""
PAGES_A_STATE, SHORT_INTERVALS = 10, 10
"""After this many pages the interval is divided by the second number, so that a resumed sync repeats less."""
PARTITIONS_A_STATE = 100
"""Up to this many partitions, a state is emitted every second; larger ones less often."""
MAKING_A_STATE = 0.05
"""Seconds to build a state; one that takes longer is emitted less often."""


def consistent_until(requested_at: Instant) -> Instant:
    """Return the second until which a request made at an instant sees everything that was written."""
    return floor(requested_at - CONSISTENCY_LAG, SECOND)


class WindowCursor:
    """Emits checkpoints: a state covers only records that were emitted before it.

    A state covers the beginning of each partition that has been read without a gap. It never moves back, and stays
    before the present by Klaviyo's clock, whatever the dates of records.

    Args:
        cursor_field: the cursor field of the state; None for a stream without a cursor, whose state covers nothing.
        now: returns the present, by Klaviyo's clock.
        publish: takes a state; called under a lock, in the order of the states.
        horizon: for how long fingerprints of hours are kept, in microseconds.
        rechecks_hours: whether these hours are rechecked as they age; then an hour without records counts as well.
        generation: the generation of the destination's table, for a full refresh that a later attempt can resume.
        resumable: whether a sync can resume from a state before everything has been read.

    Attributes:
        extra_state: further keys of the state.
        open_count: the number of windows still to be read.
    """

    def __init__(
        self,
        cursor_field: str | None,
        now: Callable[[], Instant],
        publish: Callable[[Mapping[str, Any]], None],
        horizon: int = 0,
        *,
        rechecks_hours: bool = True,
        generation: int | None = None,
        resumable: bool = True,
    ) -> None:
        self._cursor_field = cursor_field
        self._now = now
        self._publish = publish
        self._horizon = horizon
        self._rechecks_hours = rechecks_hours
        self._generation = generation
        self._resumable = resumable
        self._positions: Sequence[PartitionPosition] = ()
        self._queries: Queries | None = None
        self._milestones: Sequence[Instant] = ()
        self._begun_at: Instant | None = None
        self._latest: Instant | None = None
        self.extra_state: dict[str, Any] = {}
        self.open_count = 0
        self._published: Mapping[str, Any] | None = None
        self._published_at = 0.0
        self._pages = 0
        self._made_in = 0.0
        self._lock = threading.RLock()

    def begin(
        self,
        positions: Sequence[PartitionPosition],
        queries: Queries | None = None,
        milestones: Sequence[Instant] = (),
    ) -> None:
        """Begin with the partitions to read.

        Args:
            positions: the partitions; in the order of their names if there are thousands.
            queries: the queries that make up the stream; None for a stream of one query.
            milestones: for thousands of partitions, the milestones of `compact_state`; by default the present.
        """
        with self._lock:
            self._begun_at = consistent_until(self._now())
            for one in positions:
                one.begin(self._begun_at, self._horizon)
            self._positions = positions
            self._queries = queries
            self._milestones = milestones or [self._begun_at]
            self.open_count = sum(len(one.timeline.open_windows) for one in positions)

    @property
    def open_windows(self) -> list[tuple[int, Window]]:
        """Return the windows still to be read, each with its partition index."""
        with self._lock:
            return [
                (index, window) for index, one in enumerate(self._positions) for window in one.timeline.open_windows
            ]

    @property
    def reached(self) -> Instant | None:
        """Return how far all partitions have been read; None before the first page that shows it.

        Like `partition_counts` and `covered` it takes no lock, whose holder may wait for the queue, while the queue's
        consumer asks for progress.
        """
        if self._cursor_field is None or not self._positions:
            return None
        reached = min(one.timeline.low_water for one in self._positions)
        return reached if reached > min(one.start for one in self._positions) else None

    @property
    def partition_counts(self) -> tuple[int, int]:
        """Return how many partitions have been read to their end, and how many there are."""
        return sum(not one.timeline.open_windows for one in self._positions), len(self._positions)

    @property
    def covered(self) -> float:
        """Return the share of the time of all partitions that has been read, from 0 to 1."""
        now = self._now()
        return 1.0 - sum(one.left(now) for one in self._positions) / len(self._positions) if self._positions else 0.0

    def advance(self, index: int, window: Window, position: Instant) -> None:
        """Report that all records of a window before `position` are on the queue."""
        with self._lock:
            self._positions[index].timeline.advance(window, position)
            self._pages += 1
            self._publish_if_due()

    def cap_checkpoint(self, latest: Instant) -> None:
        """Let no checkpoint move past an instant."""
        with self._lock:
            self._latest = latest if self._latest is None else min(self._latest, latest)

    def split(self, index: int, window: Window, bounds: Sequence[Instant]) -> list[Window]:
        """Split the rest of a window for other workers; returns the later windows.

        Args:
            index: the window's partition index.
            window: the window.
            bounds: where to split it, in order; those outside the rest are ignored.
        """
        with self._lock:
            later = self._positions[index].timeline.split(window, bounds)
            self.open_count += len(later)
            return later

    def close(self, index: int, window: Window, reached: Instant) -> Window | None:
        """Report that all records of a window are on the queue; returns one more window if it is due.

        Args:
            index: the window's partition index.
            window: the window.
            reached: until when it is known to be complete, if it has no end.
        """
        with self._lock:
            more = self._positions[index].timeline.close(window, reached, self._now())
            self.open_count -= more is None
            self._publish_if_due()
            return more

    def begin_rechecks(self) -> list[tuple[int, Span]]:
        """Return the hours to recheck, each span with its partition index; partitions without any are up to date."""
        with self._lock:
            return [(index, span) for index, one in enumerate(self._positions) for span in one.begin_rechecks()]

    def changed(self, index: int, span: Span, found: Mapping[Instant, Fingerprint]) -> list[Span]:
        """Return the hours of a span whose records differ from those that were emitted."""
        with self._lock:
            hours = self._positions[index].recent_hours
            return hours.changed(span, found) if hours else []

    def mark_reemitted(self, index: int, span: Span, found: Mapping[Instant, Fingerprint]) -> None:
        """Report that the hours of a span are on the queue again, with these fingerprints."""
        with self._lock:
            hours = self._positions[index].recent_hours
            if hours:
                hours.replace(span, found)
            self._publish_if_due()

    def mark_rechecked(self, index: int) -> None:
        """Report that one of the due rechecks is done."""
        with self._lock:
            self._positions[index].end_recheck()
            self._publish_if_due()

    @property
    def is_done(self) -> bool:
        """Return whether nothing is left to be read."""
        with self._lock:
            is_read = self._begun_at is not None and not self.open_count
            return is_read and not any(one.open_rechecks for one in self._positions)

    @property
    def state(self) -> MutableMapping[str, Any]:
        """Return the checkpoint that can be emitted now."""
        with self._lock:
            latest = self._now() - CONSISTENCY_LAG
            latest = latest if self._latest is None else min(latest, self._latest)
            for one in self._positions:
                one.checkpoint(latest)
            hours = self._recent_hours(latest)
            return self._cursors() | self.extra_state | self._read_ahead(latest) | hours | self._attempt()

    def _cursors(self) -> dict[str, Any]:
        """Return the positions, as the state of this stream has them."""
        if self._queries and self._cursor_field:
            return self._queries.state(self._cursor_field, self._positions)
        positions = [(one.partition, one.checkpointed) for one in self._positions]
        if self._cursor_field and is_compact(positions):
            return compact_state(self._cursor_field, positions, self._milestones)
        return write_state(self._cursor_field, positions)

    def _read_ahead(self, latest: Instant) -> dict[str, Any]:
        """Return the spans that a resumed sync can skip."""
        entries = [one.read_ahead_entry(latest) for one in self._positions] if self._cursor_field else []
        found = [entry for entry in entries if entry]
        return {READ_AHEAD: found} if found else {}

    def _recent_hours(self, latest: Instant) -> dict[str, Any]:
        """Return the fingerprints of recent hours; of streams that are not rechecked only if there are any."""
        entries = [one.recent_hours_entry(latest) for one in self._positions]
        kept = [entry for entry in entries if entry]
        found = [entry for entry in kept if self._rechecks_hours or entry["hours"]]
        return {RECENT_HOURS: found[:MAX_LISTED_PARTITIONS]} if kept else {}

    def _attempt(self) -> dict[str, Any]:
        """Return what lets a later attempt of the same full refresh resume this one."""
        if self._generation is None:
            return {}
        return {GENERATION: self._generation} | ({FULL_REFRESH_DONE: True} if self.is_done else {})

    def _publish_if_due(self, *, at_once: bool = False) -> None:
        if self._begun_at is None or not (at_once or self.is_done or self._is_due()):
            return
        began = time.monotonic()
        state = self.state
        self._made_in = time.monotonic() - began
        if state != self._published:
            self._publish(state)
            self._published, self._published_at, self._pages = state, time.monotonic(), 0

    def _is_due(self) -> bool:
        # a state of thousands of partitions, or of hours in many, is large, so it is emitted less often
        listed = 0 if is_compact(self._positions) else len(self._positions)
        length = max(1.0, listed / PARTITIONS_A_STATE, self._made_in / MAKING_A_STATE)
        interval = STATE_INTERVAL if self._pages < PAGES_A_STATE else STATE_INTERVAL / SHORT_INTERVALS
        is_time = time.monotonic() - self._published_at >= interval * length
        return self._cursor_field is not None and self._resumable and is_time

    def ensure_at_least_one_state_emitted(self) -> None:
        """Emit the last checkpoint of a stream that has ended or failed, unless it has been emitted.

        The state of a stream without a cursor only says "done", so it is not emitted if the stream failed.
        """
        with self._lock:
            self._publish_if_due(at_once=self._cursor_field is not None)
