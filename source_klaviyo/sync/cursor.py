"""The cursor of one stream: its windows, and the states that may be printed about them."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from airbyte_cdk.sources.streams.concurrent.cursor import Cursor

from source_klaviyo.sync.compact import MOST_PARTITIONS, compact_state, in_order
from source_klaviyo.sync.instants import SECOND, Instant, for_state, whole_second
from source_klaviyo.sync.recent_hours import RecentHours, merged_hours, settled_from
from source_klaviyo.sync.state import FULL_REFRESH_DONE, GENERATION, READ_AHEAD, RECENT_HOURS, write_state
from source_klaviyo.sync.timeline import Timeline, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping, Sequence

    from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition as CdkPartition
    from airbyte_cdk.sources.types import Record

    from source_klaviyo.sync.queries import Queries
    from source_klaviyo.sync.recent_hours import Fingerprint, Span
    from source_klaviyo.sync.state import Partition

CONSISTENCY_LAG = 5 * SECOND
"""Klaviyo needs a moment to show what was just written: a state keeps this far behind the present."""
STATE_INTERVAL = 1.0
"""Seconds between two states of a stream, at least."""
PAGES_A_STATE, SHORT_INTERVALS = 10, 10
"""After so many pages a state comes sooner, after that part of the interval: less is read again by who resumes."""
PARTITIONS_A_STATE = 100
"""A state of so many partitions comes each second, a longer one less often."""
MOST_SPANS = 100
"""Spans that were read ahead which a state names for a partition; the rest would come again."""
MAKING_A_STATE = 0.05
"""Seconds; a state that is made in so many comes each second, one that takes longer less often."""


class WindowCursor(Cursor):
    """Keeps the promise of a state: everything before it has been emitted, before it.

    A state is published only after the records it covers, covers only the finished beginning of each
    partition, never falls, and stays behind the present by Klaviyo's clock, whatever dates records carry.

    Args:
        cursor_field: the field that a state names; None for a stream without a cursor, whose state promises nothing.
        now: the present, by Klaviyo's clock.
        publish: takes a state; called under a lock, in the order in which the states are true.
        horizon: how long hours are remembered, in microseconds.
        looks_again: whether they are looked at again as they age; an hour without records then counts as well.
        generation: the generation of the destination's table, for a full refresh that a later attempt can go on with.
        resumable: whether a state is of use before all has been read.

    Attributes:
        notes: what a state says besides.
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
        """Say what there is to read.

        Args:
            partitions: what distinguishes the parts of the stream.
            starts: for each partition where the reading begins.
            positions: for each partition what the incoming state already promises.
            memories: for each partition what is known of its recent hours; none where nothing is to be kept.
            queries: the positions of the queries that make up the stream; None for a stream of one query.
            catch_up_after: for each partition when its end is read once more (see `Timeline`); each is if left out.
            read_ahead: for each partition the spans of time behind its position that have been read.
            milestones: for thousands of partitions, what `compact_state` needs; that they were just listed if left out.
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
        """How many windows are still to be read."""
        return self._open

    @property
    def open_windows(self) -> list[tuple[int, Window]]:
        """The windows still to be read, each with the number of its partition."""
        with self._lock:
            return [(number, window) for number, line in enumerate(self._timelines) for window in line.open_windows]

    @property
    def reached(self) -> Instant | None:
        """How far all partitions have come; None before the first page that tells.

        It takes no lock, as `parts` and `covered` do not: its holder may wait for who asks, to make room for a state.
        """
        if self._cursor_field is None or not self._timelines:
            return None
        reached = min(line.low_water for line in self._timelines)
        return reached if reached > min(self._starts) else None

    @property
    def partition_counts(self) -> tuple[int, int]:
        """How many partitions have been read to their end, and how many there are."""
        lines = self._timelines
        return sum(not line.open_windows for line in lines), len(lines)

    @property
    def covered(self) -> float:
        """How much of the time of all partitions has been read, from 0 to 1; a finished one counts as a whole."""
        now = self._now()
        shares = [
            line.left(now) / max(now - start, 1) for line, start in zip(self._timelines, self._starts, strict=True)
        ]
        return 1.0 - sum(shares) / len(shares) if shares else 0.0

    def advance(self, number: int, window: Window, position: Instant) -> None:
        """All records of the window before `position` are on their way out."""
        with self._lock:
            self._timelines[number].advance(window, position)
            self._pages += 1
            self._publish_if_due()

    def cap_checkpoint(self, latest: Instant) -> None:
        """Let no state say that anything after this instant has been read."""
        with self._lock:
            self._latest = min(self._latest, latest)

    def divide(self, number: int, window: Window, bounds: Sequence[Instant]) -> list[Window]:
        """Divide what is left of a window, for others to read; returns the later windows.

        Args:
            number: the window's partition.
            window: the window.
            bounds: where to divide it, in order; what does not lie inside of what is left is passed over.
        """
        with self._lock:
            inside = [
                bound for bound in bounds if bound > window.position and (window.end is None or bound < window.end)
            ]
            later = [self._timelines[number].split(window, bound) for bound in reversed(inside)]
            self._open += len(later)
            return later[::-1]

    def close(self, number: int, window: Window, reached: Instant) -> Window | None:
        """All records of the window are on their way out; returns one more window if that is due.

        Args:
            number: the window's partition.
            window: the window.
            reached: up to when it is known to be complete, should it have no end.
        """
        with self._lock:
            more = self._timelines[number].close(window, reached, self._now())
            self._open -= more is None
            self._publish_if_due()
            return more

    def due_rechecks(self) -> list[tuple[int, Span]]:
        """The hours to look at again, each span with the number of its partition."""
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
        """The hours of a span of which something else is found than was emitted."""
        with self._lock:
            return self._memories[number].changed(span, found)

    def mark_reemitted(self, number: int, span: Span, found: Mapping[Instant, Fingerprint]) -> None:
        """The hours of a span are on their way out once more, as they have been found."""
        with self._lock:
            self._memories[number].replace(span, found)
            self._publish_if_due()

    def mark_rechecked(self, number: int) -> None:
        """One of the looks that were due is over."""
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
        """What may be promised now."""
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
        """What a sync that resumes may leave out."""
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
        """What tells a later attempt of the same full refresh how far this one has come."""
        if self._generation is None:
            return {}
        return {GENERATION: self._generation} | ({FULL_REFRESH_DONE: True} if self.is_done else {})

    def _recent_hours(self, latest: Instant) -> dict[str, Any]:
        if not self._memories:
            return {}
        known = [
            # before its first answer, nobody knows Klaviyo's clock
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
        # a state of thousands of partitions, or of hours in many, is long: it comes less often
        listed = 0 if self._order else len(self._partitions)
        length = max(1.0, listed / PARTITIONS_A_STATE, self._made_in / MAKING_A_STATE)
        interval = STATE_INTERVAL if self._pages < PAGES_A_STATE else STATE_INTERVAL / SHORT_INTERVALS
        return (
            self._cursor_field is not None
            and self._resumable
            and time.monotonic() - self._published_at >= interval * length
        )

    def ensure_at_least_one_state_emitted(self) -> None:
        """The stream has ended, well or not: print where it stands, unless the last state says so already.

        A stream without a cursor has nowhere to stand: its state says "done", and a stream that failed is not.
        """
        with self._lock:
            self._publish_if_due(at_once=self._cursor_field is not None)

    def observe(self, record: Record) -> None:
        """Pages are observed by `advance`, not records."""

    def close_partition(self, partition: CdkPartition) -> None:
        """Windows are closed by `close`, by the partition itself, which knows whether it was read to its end."""

    def should_be_synced(self, record: Record) -> bool:
        """Whether a record belongs to the sync is decided a page at a time."""
        return True
