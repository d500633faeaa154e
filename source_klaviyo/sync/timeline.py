"""The time of one partition, cut into windows that are read side by side."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from source_klaviyo.sync.instants import merged_spans
from source_klaviyo.sync.recent_hours import HourCounts, merged_hours

if TYPE_CHECKING:
    from collections.abc import Sequence

    from source_klaviyo.sync.instants import Instant, Span
    from source_klaviyo.sync.recent_hours import Fingerprint


@dataclass(eq=False, slots=True)
class Window:
    """The half-open span `[start, end)`; `end` is None for the one that reaches the present.

    `position` says how far it has been read: every record before it has been emitted. A window that catches up reads
    again from where the present was before. `hour_counts` counts what is emitted, if hours are rechecked.
    """

    start: Instant
    end: Instant | None = None
    catches_up: bool = False
    hour_counts: HourCounts | None = None
    position: Instant = field(init=False)

    def __post_init__(self) -> None:
        self.position = self.start


class Timeline:
    """The windows of one partition, and how far all of them together have come.

    It begins as a single window from `start` to the present. `split` hands the later part of what is left of a window
    to another worker; `advance` and `close` report progress. A state may claim `low_water` and nothing else: the end
    of the contiguous beginning that has been emitted. Not locked: its owner serialises the calls.

    Args:
        start: where it begins.
        counted_from: from when on what is emitted is counted; None for never.
        catch_up_after: microseconds after which the end is read once more, when the rest has been read: 0 if records
            that change move to the end meanwhile; None for never.
        read: spans that an earlier sync has read, which was stopped.
    """

    def __init__(
        self,
        start: Instant,
        counted_from: Instant | None = None,
        *,
        catch_up_after: int | None = 0,
        read: Sequence[Span] = (),
    ) -> None:
        self.start = start
        self._counted_from = counted_from
        self._catch_up_after = catch_up_after
        self._read = merged_spans(read)
        ahead = [span for span in self._read if span[1] > start]
        starts = [start, *(end for _, end in ahead)]
        ends = [*(begin for begin, _ in ahead), None]
        gaps = zip(starts, ends, strict=True)
        self._open = [self._window(begin, end) for begin, end in gaps if end is None or begin < end]
        self._closed: list[Window] = []
        self._reached = start
        self._tail_is_stale = False

    def _window(self, start: Instant, end: Instant | None = None, *, catches_up: bool = False) -> Window:
        return Window(start, end, catches_up, None if self._counted_from is None else HourCounts(self._counted_from))

    @property
    def open_windows(self) -> tuple[Window, ...]:
        """Return the windows that are not read to their end yet."""
        return tuple(self._open)

    @property
    def low_water(self) -> Instant:
        """Return the instant before which every record has been emitted."""
        return min((window.position for window in self._open), default=self._reached)

    @property
    def read_ahead(self) -> list[Span]:
        """Return the spans after `low_water` that have been read: a sync that resumes leaves them out."""
        reached = self.low_water
        spans = merged_spans([*self._read, *((window.start, window.position) for window in self._open)])
        return [(max(start, reached), end) for start, end in spans if end > reached]

    @property
    def hours(self) -> dict[Instant, Fingerprint]:
        """Return the fingerprints of the hours, of exactly what has been emitted before `low_water`."""
        until = self.low_water
        # windows are disjoint: what one that begins before has committed lies before as well
        before = [window.hour_counts for window in (*self._closed, *self._open) if window.start < until]
        return merged_hours(counts.hours for counts in before if counts)

    def left(self, now: Instant) -> int:
        """Return how much is still to be read up to now, in microseconds."""
        ends = [(window, now if window.end is None else window.end) for window in self.open_windows]
        return sum(max(end - window.position, 0) for window, end in ends)

    def advance(self, window: Window, position: Instant) -> None:
        """Report that everything in the window before `position` has been emitted; never moves back or past the end."""
        if window.end is not None:
            position = min(position, window.end)
        window.position = max(window.position, position)
        if window.hour_counts:
            window.hour_counts.commit(window.position)

    def split(self, window: Window, bounds: Sequence[Instant]) -> list[Window]:
        """Split what is left of a window at these instants, in order; returns the later windows.

        Instants that are not inside of what is left are ignored.
        """
        inside = [at for at in bounds if at > window.position and (window.end is None or at < window.end)]
        spans = pairwise([*inside, window.end])
        later = [self._window(at, end, catches_up=window.catches_up) for at, end in spans if at is not None]
        window.end = inside[0] if inside else window.end
        self._open += later
        return later

    def close(self, window: Window, reached: Instant, now: Instant | None = None) -> Window | None:
        """Report that the window has been read to its end; returns the catch-up window if one is due.

        `reached` is the instant up to which the last, open-ended window is known to be complete. What changed while
        other windows were still being read has moved past it, out of their reach and out of its own, so one more
        window then runs from there to the present.
        """
        self.advance(window, reached if window.end is None else window.end)
        self._open.remove(window)
        self._read = merged_spans([*self._read, (window.start, window.position)])
        if window.hour_counts and window.hour_counts.hours:
            self._closed.append(window)
        if window.end is None:
            self._reached = max(self._reached, reached)
            self._tail_is_stale = bool(self._open)
        after = self._catch_up_after
        if self._open or not self._tail_is_stale or after is None or max((now or reached) - self._reached, 0) < after:
            return None
        self._tail_is_stale = False
        catch_up = self._window(self._reached, catches_up=True)
        self._open.append(catch_up)
        return catch_up
