"""The cursor of one stream: its windows, and when a checkpoint (a state) is emitted."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from source_klaviyo.sync.compact import MOST_PARTITIONS, compact_state, in_order
from source_klaviyo.sync.instants import SECOND, Instant, for_state, whole_second
from source_klaviyo.sync.recent_hours import RecentHours, merged_hours, settled_from
from source_klaviyo.sync.state import FULL_REFRESH_DONE, GENERATION, READ_AHEAD, RECENT_HOURS, write_state
from source_klaviyo.sync.timeline import Timeline, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping, Sequence

    from source_klaviyo.sync.queries import Queries
    from source_klaviyo.sync.recent_hours import Fingerprint, Span
    from source_klaviyo.sync.state import Partition

CONSISTENCY_LAG = 5 * SECOND
"""Klaviyo needs a moment to show what was just written, so a state stays this far behind the present."""
STATE_INTERVAL = 1.0
"""Minimum seconds between two states of a stream."""
PAGES_A_STATE, SHORT_INTERVALS = 10, 10
"""After this many pages the interval is divided by the second number, so that a resumed sync repeats less."""
PARTITIONS_A_STATE = 100
"""Up to this many partitions, a state is emitted every second; larger ones less often."""
MOST_SPANS = 100
"""Read-ahead spans that a state lists for a partition, at most; the others are read again."""
MAKING_A_STATE = 0.05
"""Seconds to build a state; one that takes longer is emitted less often."""


class WindowCursor:
    """Emits checkpoints: a state covers only records that were emitted before it.

    A state covers the beginning of each partition that has been read without a gap. It never moves back, and stays
    behind the present by Klaviyo's clock, whatever the dates of records.

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
        self._partitions: Sequence[Partition] = ()
        self._timelines: list[Timeline] = []
        self._starts: Sequence[Instant] = ()
        self._queries: Queries | None = None
        self._milestones: Sequence[Instant] = ()
        self._order: Sequence[int] = ()
        self._checkpointed: list[Instant] = []
        self._horizon = horizon
        self._rechecks_hours = rechecks_hours
        self._generation = generation
        self._resumable = resumable
        self._memories: Sequence[RecentHours] = ()
        self._rechecks: Counter[int] = Counter()
        self._latest: float = math.inf
        self._begun_at = 0
        self._begun = False
        self._open = 0
        self._now = now
        self._publish = publish
        self.extra_state: dict[str, Any] = {}
        self._published: Mapping[str, Any] | None = None
        self._published_at = 0.0
        self._pages = 0
        self._made_in = 0.0
        self._lock = threading.RLock()

    def begin(
        self,
        partitions: Sequence[Partition],
        starts: Sequence[Instant],
        positions: Sequence[Instant],
        memories: Sequence[RecentHours] = (),
        queries: Queries | None = None,
        catch_up_after: Sequence[int | None] = (),
        read_ahead: Sequence[Sequence[Span]] = (),
        milestones: Sequence[Instant] = (),
    ) -> None:
        """Begin with what there is to read.

        Args:
            partitions: the partitions, as states name them.
            starts: for each partition, from when on it is read.
            positions: for each partition, the position of the incoming state.
            memories: for each partition, the fingerprints of its recent hours; empty if none are kept.
            queries: the positions of the queries that make up the stream; None for a stream of one query.
            catch_up_after: for each partition, when its end is read once more (see `Timeline`); always if left out.
            read_ahead: for each partition, the spans after its position that have been read.
            milestones: for thousands of partitions, the milestones of `compact_state`; by default the present.
        """
        with self._lock:
            self._begun_at = whole_second(self._now() - CONSISTENCY_LAG)
            for memory, start in zip(memories, starts, strict=False):
                memory.looked = min(memory.looked, self._begun_at)
                memory.cut(start)
            self._memories = memories
            self._partitions = partitions
            counted = [settled_from(memory.looked, self._horizon) for memory in memories]
            self._timelines = [
                Timeline(start, hour, catch_up_after=after, read=spans or ())
                for start, hour, after, spans in zip_longest(
                    starts, counted, catch_up_after or [0] * len(starts), read_ahead
                )
            ]
            self._starts = starts
            self._queries = queries
            self._milestones = milestones or [self._begun_at]
            self._order = in_order(partitions) if len(partitions) > MOST_PARTITIONS else []
            self._checkpointed = list(positions)
            self._open = sum(len(line.open_windows) for line in self._timelines)
            self._begun = True

    @property
    def open_count(self) -> int:
        """Return the number of windows still to be read."""
        return self._open

    @property
    def open_windows(self) -> list[tuple[int, Window]]:
        """Return the windows still to be read, each with its partition index."""
        with self._lock:
            return [(number, window) for number, line in enumerate(self._timelines) for window in line.open_windows]

    @property
    def reached(self) -> Instant | None:
        """Return how far all partitions have been read; None before the first page that tells.

        It takes no lock, as `parts` and `covered` do not: its holder may wait for who asks, to make room for a state.
        """
        if self._cursor_field is None or not self._timelines:
            return None
        reached = min(line.low_water for line in self._timelines)
        return reached if reached > min(self._starts) else None

    @property
    def partition_counts(self) -> tuple[int, int]:
        """Return how many partitions have been read to their end, and how many there are."""
        lines = self._timelines
        return sum(not line.open_windows for line in lines), len(lines)

    @property
    def covered(self) -> float:
        """Return the share of the time of all partitions that has been read, from 0 to 1."""
        now = self._now()
        shares = [
            line.left(now) / max(now - start, 1) for line, start in zip(self._timelines, self._starts, strict=True)
        ]
        return 1.0 - sum(shares) / len(shares) if shares else 0.0

    def advance(self, number: int, window: Window, position: Instant) -> None:
        """Report that all records of a window before `position` are on the queue."""
        with self._lock:
            self._timelines[number].advance(window, position)
            self._pages += 1
            self._publish_if_due()

    def cap_checkpoint(self, latest: Instant) -> None:
        """Let no checkpoint move past an instant."""
        with self._lock:
            self._latest = min(self._latest, latest)

    def divide(self, number: int, window: Window, bounds: Sequence[Instant]) -> list[Window]:
        """Split the rest of a window for other workers; returns the later windows.

        Args:
            number: the window's partition index.
            window: the window.
            bounds: where to split it, in order; those outside the rest are ignored.
        """
        with self._lock:
            inside = [
                bound for bound in bounds if bound > window.position and (window.end is None or bound < window.end)
            ]
            later = [self._timelines[number].split(window, bound) for bound in reversed(inside)]
            self._open += len(later)
            return later[::-1]

    def close(self, number: int, window: Window, reached: Instant) -> Window | None:
        """Report that all records of a window are on the queue; returns one more window if it is due.

        Args:
            number: the window's partition index.
            window: the window.
            reached: until when it is known to be complete, if it has no end.
        """
        with self._lock:
            more = self._timelines[number].close(window, reached, self._now())
            self._open -= more is None
            self._publish_if_due()
            return more

    def due_rechecks(self) -> list[tuple[int, Span]]:
        """Return the hours to recheck, each span with its partition index."""
        with self._lock:
            looks = [
                (number, span)
                for number, memory in enumerate(self._memories)
                for span in memory.due(self._begun_at, self._horizon)
            ]
            self._rechecks.update(number for number, _ in looks)
            for number, memory in enumerate(self._memories):
                if not self._rechecks[number]:
                    memory.looked = self._begun_at
            return looks

    def changed(self, number: int, span: Span, found: Mapping[Instant, Fingerprint]) -> list[Span]:
        """Return the hours of a span whose records differ from those that were emitted."""
        with self._lock:
            return self._memories[number].changed(span, found)

    def mark_reemitted(self, number: int, span: Span, found: Mapping[Instant, Fingerprint]) -> None:
        """Report that the hours of a span are on the queue again, with these fingerprints."""
        with self._lock:
            self._memories[number].replace(span, found)
            self._publish_if_due()

    def mark_rechecked(self, number: int) -> None:
        """Report that one of the due rechecks is done."""
        with self._lock:
            self._rechecks[number] -= 1
            if not self._rechecks[number]:
                self._memories[number].looked = self._begun_at
            self._publish_if_due()

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to be read."""
        with self._lock:
            return self._begun and not self._open and not self._rechecks.total()

    @property
    def state(self) -> MutableMapping[str, Any]:
        """Return the checkpoint that can be emitted now."""
        with self._lock:
            latest = int(min(self._now() - CONSISTENCY_LAG, self._latest))
            self._checkpointed = [
                max(promised, min(line.low_water, latest))
                for promised, line in zip(self._checkpointed, self._timelines, strict=True)
            ]
            if self._queries and self._cursor_field:
                state = self._queries.state(self._cursor_field, self._checkpointed, self._timelines)
            elif self._order and self._cursor_field:
                state = compact_state(
                    self._cursor_field, self._partitions, self._checkpointed, self._order, self._milestones
                )
            else:
                state = write_state(self._cursor_field, self._partitions, self._checkpointed)
            return state | self.extra_state | self._read_ahead(latest) | self._recent_hours(latest) | self._attempt()

    def _read_ahead(self, latest: Instant) -> dict[str, Any]:
        """Return the spans that a resumed sync can skip."""
        if self._cursor_field is None:
            return {}
        names = self._queries.names if self._queries else [None] * len(self._timelines)
        found = []
        for partition, name, line in zip(self._partitions, names, self._timelines, strict=True):
            # within the span: a state knows whole seconds only
            whole = [(-whole_second(-start), whole_second(min(end, latest))) for start, end in line.read_ahead]
            spans = [[for_state(start), for_state(end)] for start, end in whole if start < end]
            if spans:
                query = {"query": name} if name else {}
                found.append({"partition": partition, **query, "spans": spans[:MOST_SPANS]})
        return {READ_AHEAD: found} if found else {}

    def _attempt(self) -> dict[str, Any]:
        """Return what lets a later attempt of the same full refresh resume this one."""
        if self._generation is None:
            return {}
        return {GENERATION: self._generation} | ({FULL_REFRESH_DONE: True} if self.is_done else {})

    def _recent_hours(self, latest: Instant) -> dict[str, Any]:
        if not self._memories:
            return {}
        known = [
            # before the first response, Klaviyo's clock is unknown
            RecentHours(
                memory.since, line.low_water, min(memory.looked, latest), merged_hours([memory.hours, line.hours])
            )
            for memory, line in zip(self._memories, self._timelines, strict=True)
        ]
        written = [memory.written(self._horizon) for memory in known]
        return {
            RECENT_HOURS: [
                {"partition": partition} | memory
                for partition, memory in zip(self._partitions, written, strict=True)
                if self._rechecks_hours or memory["hours"]
            ][:MOST_PARTITIONS]
        }

    def _publish_if_due(self, *, at_once: bool = False) -> None:
        if not self._begun or not (at_once or self.is_done or self._is_due()):
            return
        began = time.monotonic()
        state = self.state
        self._made_in = time.monotonic() - began
        if state != self._published:
            self._publish(state)
            self._published, self._published_at, self._pages = state, time.monotonic(), 0

    def _is_due(self) -> bool:
        # a state of thousands of partitions, or of hours in many, is large, so it is emitted less often
        listed = 0 if self._order else len(self._partitions)
        length = max(1.0, listed / PARTITIONS_A_STATE, self._made_in / MAKING_A_STATE)
        interval = STATE_INTERVAL if self._pages < PAGES_A_STATE else STATE_INTERVAL / SHORT_INTERVALS
        return (
            self._cursor_field is not None
            and self._resumable
            and time.monotonic() - self._published_at >= interval * length
        )

    def ensure_at_least_one_state_emitted(self) -> None:
        """Emit the last checkpoint of a stream that has ended or failed, unless it has been emitted.

        The state of a stream without a cursor only says "done", so it is not emitted if the stream failed.
        """
        with self._lock:
            self._publish_if_due(at_once=self._cursor_field is not None)
