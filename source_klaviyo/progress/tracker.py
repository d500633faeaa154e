"""How far a sync has come: figures of each stream, and the lines that a log gets of them."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from source_klaviyo.api.budget import STEADY_SECONDS
from source_klaviyo.sync.instants import for_filter

if TYPE_CHECKING:
    from collections.abc import Callable

    from source_klaviyo.partitions.context import StreamContext
    from source_klaviyo.sync.instants import Instant

LINE_SECONDS = 10.0
"""Seconds between two lines about what has come, at least."""
HEARTBEAT = 30.0
"""Seconds after which there is a line although nothing has come: platforms take silence for death."""
NAMED = 5
"""Streams that such a line names; the rest is summed up."""
RECENT_SECONDS = STEADY_SECONDS
"""The while that rates are told from: a whole period of Klaviyo's limits, which is a sprint and then a wait."""
SAMPLE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class ProgressSnapshot:
    """A stream, or all together, at one moment.

    Attributes:
        name: the stream's, or another for all.
        records: how many have come.
        rate: records a second, of late; of the whole stream once it has ended.
        requests: how many have been made.
        left: seconds until it ends, as far as one can tell; None if one cannot.
        ended: whether it has.
        failed: whether it ended because of an error.
        share: how much of what its limit allows in a minute has been used in the last one; None before the first use.
        reached: how far its state has come; None where nothing tells.
        partition_counts: how many of its partitions have been read, and how many there are.
    """

    name: str
    records: int
    rate: float
    requests: int
    left: float | None
    ended: bool
    failed: bool
    share: float | None = None
    reached: Instant | None = None
    partition_counts: tuple[int, int] = (0, 0)


class StreamProgress:
    """The progress of one stream. Nothing but a count for each page costs anything until somebody looks.

    Args:
        context: the stream in this sync.
        clock: monotonic seconds.

    Attributes:
        records: how many have come.
    """

    def __init__(self, context: StreamContext, clock: Callable[[], float]) -> None:
        self.records = 0
        self._pages = 0
        self._context = context
        self._stats = context.stream.client.stats
        self._clock = clock
        self._began = clock()
        self._ended: float | None = None
        self._failed = False
        self._samples = deque([(self._began, 0, 0, 0.0)])

    def on_page(self, records: int) -> None:
        """A page with so many records has come."""
        self.records += records
        self._pages += 1

    @property
    def has_ended(self) -> bool:
        """Whether the stream has been read, or given up."""
        return self._ended is not None

    def end(self, *, failed: bool) -> str:
        """The stream has ended; returns what there is to say of it."""
        self._ended, self._failed = self._clock(), failed
        stats = self._stats
        repeated = [(stats.limited, "refused for the rate"), (stats.failed, "failed")]
        reasons = ", ".join(f"{count:,} {reason}" for count, reason in repeated if count)
        requests = _counted(stats.requests, "request") + (f" ({reasons} and repeated)" if reasons else "")
        return (
            f"Stream {self._context.stream.name}: {_counted(self.records, 'record')} in "
            f"{self._ended - self._began:.1f} s, {requests}, {stats.wait_seconds:.1f} s waited for Klaviyo's limits."
        )

    def summary(self) -> str:
        """What has come, in some words."""
        done, parts = self._context.cursor.partition_counts
        reached = self._context.cursor.reached
        place = f" in {done:,} of {parts:,} parts" if parts > 1 else f" up to {day(reached)}" if reached else ""
        return f"{self._context.stream.name} {_counted(self.records, 'record')}{place}"

    def snapshot(self) -> ProgressSnapshot:
        """All there is to know now; to be asked by one thread only."""
        now = self._clock()
        ended = self._ended
        used, allowed = self._context.stream.client.usage()
        if ended is None:
            rate, pages, covered = self._rates(now, used_up=used >= allowed > 0)
            left = self._left(pages, covered, allowed - used, allowed)
        else:
            rate, left = self.records / max(ended - self._began, SAMPLE_SECONDS), None
        return ProgressSnapshot(
            name=self._context.stream.name,
            records=self.records,
            rate=rate,
            requests=self._stats.requests,
            share=used / allowed if allowed else None,
            reached=self._context.cursor.reached,
            partition_counts=self._context.cursor.partition_counts,
            left=left,
            ended=ended is not None,
            failed=self._failed,
        )

    def _rates(self, now: float, *, used_up: bool) -> tuple[float, float, float]:
        """Records, pages and the share of the time to read that has been covered, each a second, of late.

        Where the limit is used up, no more is covered before its minute is over.
        """
        samples = self._samples
        come = (self.records, self._pages, self._context.cursor.covered)
        if now - samples[-1][0] >= SAMPLE_SECONDS:
            samples.append((now, *come))
        while now - samples[0][0] > RECENT_SECONDS:
            samples.popleft()
        since, records, pages, covered = samples[0]
        seconds = max(now - since, SAMPLE_SECONDS)
        whole = RECENT_SECONDS if used_up else seconds
        return (come[0] - records) / seconds, (come[1] - pages) / seconds, (come[2] - covered) / whole

    def _left(self, pages: float, covered: float, free: int, allowed: int) -> float | None:
        """Seconds, told by the pages that seem to be left or, where none do or partitions have not begun, by the time.

        Args:
            pages: read a second, of late.
            covered: the share of all time read a second, of late.
            free: how many more requests the limit takes at once.
            allowed: how many it takes a minute.
        """
        cursor, expected = self._context.cursor, self._context.planner.expected
        if expected and pages and allowed and cursor.partition_counts[1] == 1:
            expected = max(expected, 1.0)  # there is one more until it has ended
            requests = expected * self._stats.requests / self._pages
            return max(expected / pages, (requests - free) * STEADY_SECONDS / allowed)
        return (1.0 - cursor.covered) / covered if covered > 0 else None


class Progress:
    """The progress of a sync.

    Args:
        clock: monotonic seconds.

    Attributes:
        streams: those that are read, by name.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.streams: dict[str, StreamProgress] = {}
        self._clock = clock
        self._began = self._said = clock()
        self._last_count = 0

    @property
    def seconds(self) -> float:
        """How long the sync has taken so far."""
        return self._clock() - self._began

    def follow(self, contexts: list[StreamContext]) -> None:
        """These streams are about to be read."""
        self.streams = {context.stream.name: StreamProgress(context, self._clock) for context in contexts}

    def snapshot(self) -> list[ProgressSnapshot]:
        """Each stream now, and all of them together as the last; to be asked by one thread only."""
        streams = [stream.snapshot() for stream in list(self.streams.values())]
        records = sum(one.records for one in streams)
        ended = all(one.ended for one in streams)
        total = ProgressSnapshot(
            name="Total",
            records=records,
            rate=records / max(self.seconds, SAMPLE_SECONDS)
            if ended
            else sum(one.rate for one in streams if not one.ended),
            requests=sum(one.requests for one in streams),
            left=max((one.left for one in streams if one.left is not None), default=None),
            ended=ended,
            failed=any(one.failed for one in streams),
        )
        return [*streams, total]

    def next_log_line(self) -> str | None:
        """What a log is to be told, if it is time for that: asked often enough, there is never silence for long."""
        now, records = self._clock(), sum(stream.records for stream in self.streams.values())
        news = records != self._last_count
        if now - self._said < (LINE_SECONDS if news else HEARTBEAT):
            return None
        self._said, self._last_count = now, records
        return self._so_far() if news else f"Waiting for Klaviyo's answers or its rate limits. {self._so_far()}"

    def _so_far(self) -> str:
        under_way = [stream for stream in self.streams.values() if not stream.has_ended]
        under_way.sort(key=lambda stream: stream.records, reverse=True)
        parts = [stream.summary() for stream in under_way[:NAMED]]
        rest = under_way[NAMED:]
        if rest:
            records = sum(stream.records for stream in rest)
            parts.append(f"{_counted(len(rest), 'more stream')} {_counted(records, 'record')}")
        return f"Still reading: {', '.join(parts)}."


def day(instant: Instant) -> str:
    """The day of an instant, in UTC: `2026-11-20`."""
    return for_filter(instant)[:10]


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
