"""The progress of a sync as a table on stderr, for a person at a terminal."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from source_klaviyo.progress.tracker import ProgressSnapshot, day

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import ConsoleDimensions

    from source_klaviyo.progress.tracker import Progress

FRAMES_A_SECOND = 2
GAP = 2
"""Spaces between columns."""
SHORT_NAME = 12
"""Characters of a name that still distinguish streams."""
AROUND = 5
"""Lines in addition to those of streams: title, heads, total, those not shown, and the cursor's line."""


class _Column(NamedTuple):
    """A column of figures: what stands above it, how many characters it takes, and the text of a stream."""

    head: str
    width: int
    show: Callable[[ProgressSnapshot], str]


def _time_left(figures: ProgressSnapshot) -> str:
    if figures.ended:
        return "failed" if figures.failed else "done"
    return "" if figures.left is None else duration(figures.left)


def _position(figures: ProgressSnapshot) -> str:
    done, parts = figures.partition_counts
    if parts > 1:
        return f"{done}/{parts}"
    return "" if figures.reached is None else day(figures.reached)


def _rate(figures: ProgressSnapshot) -> str:
    return f"{figures.rate:.1f}" if 0 < figures.rate < 10 else f"{figures.rate:,.0f}"


COLUMNS = (
    _Column("Records", 10, lambda one: f"{one.records:,}"),
    _Column("Time left", 9, _time_left),
    _Column("Read up to", 10, _position),
    _Column("Records/s", 9, _rate),
    _Column("Limit", 5, lambda one: "" if one.ended or one.share is None else f"{one.share:.0%}"),
    _Column("Requests", 8, lambda one: f"{one.requests:,}"),
)
"""The most important columns come first: a narrow terminal shows as many as fit."""


@contextmanager
def live_table(progress: Progress, console: Console | None = None) -> Iterator[None]:
    """Show the progress while records are read; the last table stays on the screen."""
    console = console or Console(stderr=True)
    table = Live(
        console=console,
        get_renderable=lambda: frame(progress, console.size),
        refresh_per_second=FRAMES_A_SECOND,
        redirect_stdout=False,  # belongs to Airbyte's messages
    )
    with suppress(RuntimeError):  # if the system lets no thread start to draw it, it appears at the end
        table.start()
    console.show_cursor(True)  # a process that is killed could not bring a hidden one back
    try:
        yield
    finally:
        table.stop()


def frame(progress: Progress, size: ConsoleDimensions) -> Group:
    """Return the current table, within the size of the terminal."""
    *streams, total = progress.snapshot()
    columns = _fitting(size.width, max(len(one.name) for one in (*streams, total)))
    chosen = _chosen(streams, max(1, size.height - AROUND))

    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
    names = size.width - sum(GAP + column.width for column in columns)
    table.add_column("Stream", no_wrap=True, overflow="ellipsis", max_width=max(1, names))
    for column in columns:
        table.add_column(column.head, justify="right", no_wrap=True, width=column.width)
    for one in (*chosen, total):
        style = "bold" if one is total else "red" if one.failed else "dim" if one.ended else ""
        table.add_row(one.name, *(column.show(one) for column in columns), style=style)

    ended = sum(one.ended for one in streams)
    title = f"{ended} of {len(streams)} streams ended after {duration(progress.seconds)}"
    lines: list[Text | Table] = [Text(title, no_wrap=True, overflow="ellipsis"), table]
    missing = len(streams) - len(chosen)
    if missing:
        gone = ended - sum(one.ended for one in chosen)
        rest = f"Not shown: {missing - gone} under way, {gone} ended."
        lines.append(Text(rest, style="dim", no_wrap=True, overflow="ellipsis"))
    return Group(*lines, Text())


def _fitting(width: int, names: int) -> Sequence[_Column]:
    """Return the first columns that fit next to the stream names, which are cut before the time left is dropped."""
    for count in range(len(COLUMNS), 1, -1):
        names_width = names if count > 2 else SHORT_NAME
        if names_width + sum(GAP + column.width for column in COLUMNS[:count]) <= width:
            return COLUMNS[:count]
    return COLUMNS[:1]


def _chosen(streams: Sequence[ProgressSnapshot], lines: int) -> list[ProgressSnapshot]:
    """Return as many streams as there are lines: running ones by activity, then those that failed."""
    by_activity = sorted(streams, key=lambda one: (one.ended, not one.failed, -one.requests))
    return [one for one in streams if one in by_activity[:lines]]


def duration(seconds: float) -> str:
    """Format seconds for people: `45 s`, `12 min`, `3 h 20`, `5 d 3 h`."""
    minutes = round(seconds / 60)
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if minutes < 100:
        return f"{minutes} min"
    hours, days = minutes // 60, minutes // 1440
    return f"{hours} h {minutes % 60:02}" if days < 2 else f"{days} d {hours % 24} h"
