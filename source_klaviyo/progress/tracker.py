"""Progress of a sync: a snapshot of each stream, and the progress lines of the log."""

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
"""Minimum seconds between two progress lines while records arrive."""
HEARTBEAT = 30.0
"""Seconds after which a line is logged even if nothing has arrived: platforms end silent processes."""
NAMED = 5
"""Streams that a line names; the others are added up."""
RECENT_SECONDS = STEADY_SECONDS
"""Window for rates: one period of Klaviyo's limits, since throughput comes in bursts."""
SAMPLE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class ProgressSnapshot:
    """The progress of a stream, or of all together, at one moment.

    Attributes:
        name: the stream's name, or "Total".
        records: records so far.
        rate: recent records a second; the average once the stream has ended.
        requests: requests so far.
        left: estimated seconds until the end; None if unknown.
        ended: whether it has ended.
        failed: whether it ended because of an error.
        share: the share of its limit a minute that was used in the last minute; None before the first use.
        reached: how far it has been read; None if unknown.
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
    """The progress of one stream. A page costs one count; the rest is computed on demand.

    Args:
        context: the stream in this sync.
        clock: monotonic seconds.

    Attributes:
        records: records so far.
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
        """Count a page with this many records."""
        self.records += records
        self._pages += 1

    @property
    def has_ended(self) -> bool:
        """Return whether the stream has been read or has failed."""
        return self._ended is not None

    def end(self, *, failed: bool) -> str:
        """End the stream; returns its summary for the log."""
        self._ended, self._failed = self._clock(), failed
        stats = self._stats
        repeated = [(stats.limited, "refused for the rate"), (stats.failed, "failed")]
        reasons = ", ".join(f"{count:,} {reason}" for count, reason in repeated if count)
        requests = _format_count(stats.requests, "request") + (f" ({reasons} and repeated)" if reasons else "")
        return (
            f"Stream {self._context.stream.name}: {_format_count(self.records, 'record')} in "
            f"{self._ended - self._began:.1f} s, {requests}, {stats.wait_seconds:.1f} s waited for Klaviyo's limits."
        )

    def summary(self) -> str:
        """Return the progress in a few words."""
        done, parts = self._context.cursor.partition_counts
        reached = self._context.cursor.reached
        place = f" in {done:,} of {parts:,} parts" if parts > 1 else f" up to {day(reached)}" if reached else ""
        return f"{self._context.stream.name} {_format_count(self.records, 'record')}{place}"

    def snapshot(self) -> ProgressSnapshot:
        """Return a snapshot. Not thread-safe."""
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
        """Return the recent rates, a second, of records, pages and the covered share of the time to read.

        Once the limit is exhausted, no more is covered before its minute is over.
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
        """Estimate the seconds left by the expected pages or, if unknown, by the time that is covered.

        Args:
            pages: recent pages a second.
            covered: the share of all time that was recently read a second.
            free: requests that the limit allows at once.
            allowed: requests that it allows a minute.
        """
        cursor, expected = self._context.cursor, self._context.planner.expected
        if expected and pages and allowed and cursor.partition_counts[1] == 1:
            expected = max(expected, 1.0)  # until the end there is at least one more page
            requests = expected * self._stats.requests / self._pages
            return max(expected / pages, (requests - free) * STEADY_SECONDS / allowed)
        return (1.0 - cursor.covered) / covered if covered > 0 else None


class Progress:
    """The progress of a sync.

    Args:
        clock: monotonic seconds.

    Attributes:
        streams: the streams of the sync, by name.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.streams: dict[str, StreamProgress] = {}
        self._clock = clock
        self._began = self._logged_at = clock()
        self._last_count = 0

    @property
    def seconds(self) -> float:
        """Return the duration of the sync so far, in seconds."""
        return self._clock() - self._began

    def follow(self, contexts: list[StreamContext]) -> None:
        """Follow the streams of a sync."""
        self.streams = {context.stream.name: StreamProgress(context, self._clock) for context in contexts}

    def snapshot(self) -> list[ProgressSnapshot]:
        """Return a snapshot of each stream, and of all together as the last one. Not thread-safe."""
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
        """Return the next progress line, or None if it is not due."""
        now, records = self._clock(), sum(stream.records for stream in self.streams.values())
        has_new_records = records != self._last_count
        if now - self._logged_at < (LINE_SECONDS if has_new_records else HEARTBEAT):
            return None
        self._logged_at, self._last_count = now, records
        waiting = "" if has_new_records else "Waiting for Klaviyo's answers or its rate limits. "
        return f"{waiting}{self._summary()}"

    def _summary(self) -> str:
        under_way = [stream for stream in self.streams.values() if not stream.has_ended]
        under_way.sort(key=lambda stream: stream.records, reverse=True)
        parts = [stream.summary() for stream in under_way[:NAMED]]
        rest = under_way[NAMED:]
        if rest:
            records = sum(stream.records for stream in rest)
            parts.append(f"{_format_count(len(rest), 'more stream')} {_format_count(records, 'record')}")
        return f"Still reading: {', '.join(parts)}."


def day(instant: Instant) -> str:
    """Return the day of an instant, in UTC: `2026-11-20`."""
    return for_filter(instant)[:10]


def _format_count(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
