"""A model of reads: records change while readers start and stop, in any order that Hypothesis generates."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple, Protocol

from hypothesis import strategies as st

from source_klaviyo.sync.cursor import CONSISTENCY_LAG
from source_klaviyo.sync.instants import SECOND, floor, parse_instant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from source_klaviyo.sync.cursor import WindowCursor
    from source_klaviyo.sync.instants import Instant
    from source_klaviyo.sync.timeline import Window

START = parse_instant("2024-03-01T00:00:00Z")
SPAN = 120 * SECOND
PAGE_SIZE = 3

offsets = st.builds(
    lambda second, fraction: second * SECOND + fraction,
    st.one_of(st.integers(0, 100), st.integers(40, 43)),  # a dense spot among gaps
    st.sampled_from([0, 0, 1, 250_000, 999_999]),
)
"""Offsets of records from START: many ties, many gaps, many at whole seconds."""

steps = st.lists(
    st.tuples(st.sampled_from(["read", "read", "read", "split", "touch", "tick"]), st.integers(0, 50)), max_size=60
)
"""The next actions, and the record or reader that each is about."""


def middle(window: Window, now: Instant) -> Instant | None:
    """Return the whole second that divides the rest of a window in two; None if there is none."""
    end = now if window.end is None else window.end
    found = floor(window.position + (end - window.position) // 2, SECOND)
    return found if window.position + SECOND < found < end else None


def split_in_two(cursor: WindowCursor, index: int, window: Window, now: Instant) -> Window | None:
    """Split what is left of a window in the middle; returns the later part."""
    at = middle(window, now - CONSISTENCY_LAG)
    return next(iter(cursor.split(index, window, [] if at is None else [at])), None)


class Version(NamedTuple):
    """One state of a record; the order is the one that pages have."""

    updated: Instant
    number: int


class Line(Protocol):
    """The object that readers report to: a Timeline or a WindowCursor."""

    def begin(self) -> Iterable[Window]: ...
    def advance(self, window: Window, position: Instant) -> None: ...
    def split(self, window: Window) -> Window | None: ...
    def close(self, window: Window, requested_at: Instant) -> Window | None: ...


class Account:
    """The records, and the clock."""

    def __init__(self, instants: list[Instant]) -> None:
        self.now = START + SPAN
        self.rows = [Version(instant, number) for number, instant in enumerate(instants)]

    def page(self, after: Version, end: Instant | None) -> tuple[list[Version], bool]:
        """Return the next records in the order of their dates, and whether they are the last ones."""
        found = sorted(row for row in self.rows if row > after and (end is None or row.updated < end))
        return found[:PAGE_SIZE], len(found) <= PAGE_SIZE

    def touch(self, number: int) -> None:
        """Change a record now, which moves it to the end."""
        self.now += 1
        self.rows[number] = Version(self.now, number)


class Reader:
    """Reads one window, page by page."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.after = Version(window.start, -1)


class Sync:
    """Readers at work; `emitted` counts what has left."""

    def __init__(self, account: Account, line: Line) -> None:
        self.account = account
        self.line = line
        self.readers = [Reader(window) for window in line.begin()]
        self.emitted: Counter[Version] = Counter()

    def step(self, action: str, choice: int) -> None:
        """Let one thing happen."""
        if action == "tick":
            self.account.now += choice * SECOND // 10
        elif not self.readers:
            return
        elif action == "touch" and self.account.rows:
            self.account.touch(choice % len(self.account.rows))
        elif action == "split":
            self._begin(self.line.split(self.readers[choice % len(self.readers)].window))
        elif action == "read":
            self._read(self.readers[choice % len(self.readers)])

    def drain(self) -> None:
        """Read to the end."""
        while self.readers:
            self._read(self.readers[0])

    def _begin(self, window: Window | None) -> None:
        if window is not None:
            self.readers.append(Reader(window))

    def _read(self, reader: Reader) -> None:
        requested_at = self.account.now
        page, is_last = self.account.page(reader.after, reader.window.end)
        self.emitted.update(page)
        if page:
            reader.after = page[-1]
            self.line.advance(reader.window, floor(page[-1].updated, SECOND))
        if is_last:
            self.readers.remove(reader)
            self._begin(self.line.close(reader.window, requested_at))

    def unread_before(self, instant: Instant) -> set[Version]:
        """Return the records that a state up to an instant would lose."""
        return {row for row in self.account.rows if row.updated < instant and row not in self.emitted}
