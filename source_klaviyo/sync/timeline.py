"""The time of one partition, cut into windows that are read side by side."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from source_klaviyo.sync.recent_hours import HourCounts, merged_hours

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from source_klaviyo.sync.instants import Instant
    from source_klaviyo.sync.recent_hours import Fingerprint, Span


@dataclass(eq=False, slots=True)
class Window:
    """The half-open span `[start, end)`; `end` is None for the one that reaches the present.

    `position` says how far it has been read: every record before it has been emitted. A window that
    catches up reads again from where the present was before. `tally` counts what is emitted, where that is wanted.
    """

    start: Instant
    end: Instant | None = None
    catches_up: bool = False
    tally: HourCounts | None = None
    position: Instant = field(init=False)

    def __post_init__(self) -> None:
        self.position = self.start


class Timeline:
    """The windows of one partition, and how far all of them together have come.

    It begins as a single window from `start` to the present. `split` hands the later half of what
    is left of a window to another reader; `advance` and `close` report progress; `low_water` is the
    only thing a state may ever claim: the end of the contiguous prefix that has been emitted.
    Not locked: its owner serialises the calls.

    Args:
        start: where it begins.
        counted: from when on what is emitted is counted; None: nothing is.
        catch_up_after: microseconds after which the end is read once more, when the rest has been read: 0 where records
            that change move to the end meanwhile; None for never.
        read: spans that an earlier sync has read, which was stopped.
    """

    def __init__(
        self,
        start: Instant,
        counted: Instant | None = None,
        *,
        catch_up_after: int | None = 0,
        read: Sequence[Span] = (),
    ) -> None:
        self.start = start
        self._counted = counted
        self._catch_up_after = catch_up_after
        self._read = merged_spans(read)
        bounds = [start, *(bound for span in self._read for bound in span if bound > start), None]
        if any(begin <= start < end for begin, end in self._read):
            bounds = bounds[1:]
        self._open = [
            self._window(begin, end) for begin, end in zip(bounds[::2], bounds[1::2], strict=True) if begin is not None
        ]
        self._closed: list[Window] = []
        self._reached = start
        self._tail_is_stale = False

    def _window(self, start: Instant, end: Instant | None = None, *, catches_up: bool = False) -> Window:
        return Window(start, end, catches_up, None if self._counted is None else HourCounts(self._counted))

    @property
    def open_windows(self) -> tuple[Window, ...]:
        """The windows that are not read to their end yet."""
        return tuple(self._open)

    @property
    def low_water(self) -> Instant:
        """Every record before this instant has been emitted."""
        return min((window.position for window in self._open), default=self._reached)

    @property
    def read_ahead(self) -> list[Span]:
        """The spans behind `low_water` that have been read: a sync that resumes leaves them out."""
        reached = self.low_water
        under_way = [(window.start, window.position) for window in self._open if window.position > window.start]
        return [(max(start, reached), end) for start, end in merged_spans([*self._read, *under_way]) if end > reached]

    @property
    def hours(self) -> dict[Instant, Fingerprint]:
        """The fingerprints of the hours, of exactly what has been emitted before `low_water`."""
        until = self.low_water
        # windows are disjoint: what one that begins before has committed lies before as well
        before = [window for window in (*self._closed, *self._open) if window.start < until and window.tally]
        return merged_hours(window.tally.hours for window in before if window.tally)

    def left(self, now: Instant) -> int:
        """Return how much is still to be read up to now, in microseconds."""
        ends = [(window, now if window.end is None else window.end) for window in self.open_windows]
        return sum(max(end - window.position, 0) for window, end in ends)

    def advance(self, window: Window, position: Instant) -> None:
        """Everything in the window before `position` has been emitted; never moves back or past the end."""
        if window.end is not None:
            position = min(position, window.end)
        window.position = max(window.position, position)
        if window.tally:
            window.tally.commit(window.position)

    def split(self, window: Window, at: Instant) -> Window:
        """End the window at `at` and return a new one for the rest.

        Raises:
            ValueError: `at` is not inside what is left of the window.
        """
        if at <= window.position or (window.end is not None and at >= window.end):
            raise ValueError("a window is cut inside of what is left of it")
        later = self._window(at, window.end, catches_up=window.catches_up)
        window.end = at
        self._open.append(later)
        return later

    def close(self, window: Window, reached: Instant, now: Instant | None = None) -> Window | None:
        """The window has been read to its end; returns the catch-up window when one is due.

        `reached` is the instant up to which the last, open-ended window is known to be complete.
        What changed while other windows were still being read has moved past it, out of their reach
        and out of its own, so one more window then runs from there to the present.
        """
        self.advance(window, reached if window.end is None else window.end)
        self._open.remove(window)
        self._read = merged_spans([*self._read, (window.start, window.position)])
        if window.tally and window.tally.hours:
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


def merged_spans(spans: Iterable[Span]) -> list[Span]:
    """Return the same time as spans in order that do not touch; empty ones are left out."""
    merged_hours: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if merged_hours and start <= merged_hours[-1][1]:
            merged_hours[-1] = merged_hours[-1][0], max(merged_hours[-1][1], end)
        else:
            merged_hours.append((start, end))
    return merged_hours
