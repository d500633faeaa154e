"""The time of a partition: cut into windows without gap or overlap, whatever its readers do."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from source_klaviyo.sync.instants import SECOND, floor
from source_klaviyo.sync.timeline import Timeline, Window
from unit_tests.sync.model import START, Account, Sync, middle, offsets, steps

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from source_klaviyo.sync.instants import Instant, Span

NOW = START + 1000 * SECOND
CONSISTENCY_LAG = 5 * SECOND


# --- a window -------------------------------------------------------------------------------------------


def test_a_window_begins_unread() -> None:
    window = Window(START, NOW)
    assert window.position == START


# --- splits ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [START - 1, START, START + 2 * SECOND, START + 10 * SECOND, START + 11 * SECOND])
def test_a_window_is_not_split_outside_of_what_is_left(at: Instant) -> None:
    line = Timeline(START)
    (window,) = line.open_windows
    line.split(window, [START + 10 * SECOND])
    line.advance(window, START + 2 * SECOND)
    assert line.split(window, [at]) == []
    assert [(one.start, one.end) for one in line.open_windows] == [
        (START, START + 10 * SECOND),
        (START + 10 * SECOND, None),
    ]


def test_a_position_never_moves_back() -> None:
    line = Timeline(START)
    (window,) = line.open_windows
    for second in (10, 5, 0, 7):
        line.advance(window, START + second * SECOND)
        assert line.low_water == START + 10 * SECOND


def test_a_window_never_advances_past_its_end() -> None:
    line, earlier, later = split_once()
    line.advance(earlier, START + 20 * SECOND)
    assert earlier.position == START + 10 * SECOND
    line.close(earlier, NOW)
    assert line.low_water == later.position == START + 10 * SECOND


class Chronicle:
    """A timeline and every window it ever had; each catch-up begins a list of its own."""

    def __init__(self) -> None:
        self.line = Timeline(START)
        self.generations = [list(self.line.open_windows)]
        self.owed = False  # whether the end of the time was closed while others were open

    def step(self, action: str, choice: int, amount: Instant) -> None:
        if not self.line.open_windows:
            return
        window = self.line.open_windows[choice % len(self.line.open_windows)]
        if action == "advance":
            self.line.advance(window, window.position + amount)
        elif action == "split":
            at = middle(window, NOW)
            if at is not None:
                self.generations[-1] += self.line.split(window, [at])
        else:
            self.close(window, NOW + amount)

    def close(self, window: Window, reached: Instant) -> None:
        is_last = len(self.line.open_windows) == 1
        if window.end is None:
            self.owed, self.reached = not is_last, reached
        catch_up = self.line.close(window, reached)
        assert (catch_up is not None) == (is_last and self.owed)
        if catch_up is not None:
            self.owed = False
            self.generations.append([catch_up])

    def drain(self) -> None:
        while self.line.open_windows:
            self.close(self.line.open_windows[0], NOW + 100 * SECOND)


lives = st.lists(st.tuples(st.sampled_from(["advance", "split", "split", "close"]), st.integers(0, 20), offsets))


@settings(deadline=None)
@given(lives)
def test_windows_tile_the_time_without_gap_or_overlap(life: list[tuple[str, int, Instant]]) -> None:
    chronicle = Chronicle()
    for step in life:
        chronicle.step(*step)
        for generation in chronicle.generations:
            tiles = sorted(generation, key=lambda window: window.start)
            ends = [window.end for window in tiles]
            assert ends == [*(window.start for window in tiles[1:]), None]
            assert all(window.end is None or window.start < window.end for window in tiles)
    assert min(window.start for window in chronicle.generations[0]) == START


@settings(deadline=None)
@given(lives)
def test_the_low_water_is_the_smallest_position_and_each_lies_in_its_window(
    life: list[tuple[str, int, Instant]],
) -> None:
    chronicle = Chronicle()
    for step in life:
        before = {id(window): window.position for window in chronicle.line.open_windows}
        chronicle.step(*step)
        for window in chronicle.line.open_windows:
            assert window.position >= before.get(id(window), window.start)
            assert window.end is None or window.position <= window.end
            assert chronicle.line.low_water <= window.position


@settings(deadline=None)
@given(lives)
def test_a_catch_up_window_runs_from_the_former_end_to_the_present(life: list[tuple[str, int, Instant]]) -> None:
    chronicle = Chronicle()
    for step in life:
        known = len(chronicle.generations)
        chronicle.step(*step)
        if len(chronicle.generations) > known:
            (catch_up,) = chronicle.line.open_windows
            assert (catch_up.start, catch_up.end, catch_up.catches_up) == (chronicle.reached, None, True)
    chronicle.drain()
    assert not chronicle.owed
    assert not chronicle.line.open_windows


# --- catching up ----------------------------------------------------------------------------------------


def split_once() -> tuple[Timeline, Window, Window]:
    line = Timeline(START)
    (earlier,) = line.open_windows
    (later,) = line.split(earlier, [START + 10 * SECOND])
    return line, earlier, later


def test_a_single_window_needs_no_catch_up() -> None:
    line = Timeline(START)
    (window,) = line.open_windows
    assert line.close(window, NOW) is None
    assert line.low_water == NOW


def test_an_end_that_is_read_last_needs_no_catch_up() -> None:
    line, earlier, later = split_once()
    assert line.close(earlier, NOW) is None
    assert line.close(later, NOW + 1) is None
    assert line.low_water == NOW + 1


def test_an_end_that_is_read_first_is_followed_by_a_catch_up_after_the_last_window() -> None:
    line, earlier, later = split_once()
    assert line.close(later, NOW) is None
    catch_up = line.close(earlier, NOW + 9 * SECOND)
    assert catch_up is not None
    assert (catch_up.start, catch_up.end) == (NOW, None)
    assert line.low_water == NOW
    assert line.close(catch_up, NOW + 20 * SECOND) is None
    assert line.low_water == NOW + 20 * SECOND


def test_a_catch_up_that_is_split_may_need_another() -> None:
    line, earlier, later = split_once()
    line.close(later, NOW)
    catch_up = line.close(earlier, NOW)
    assert catch_up is not None
    (rest,) = line.split(catch_up, [NOW + 10 * SECOND])
    assert rest.catches_up
    assert line.close(rest, NOW + 20 * SECOND) is None
    another = line.close(catch_up, NOW + 30 * SECOND)
    assert another is not None
    assert another.start == NOW + 20 * SECOND


def test_the_low_water_never_lies_before_the_start() -> None:
    line = Timeline(START)
    (window,) = line.open_windows
    line.close(window, START - SECOND)  # requested less than the consistency lag after the state
    assert line.low_water == START


def test_a_window_cannot_be_closed_twice() -> None:
    line = Timeline(START)
    (window,) = line.open_windows
    line.close(window, NOW)
    with pytest.raises(ValueError, match="not in list"):
        line.close(window, NOW)


# --- a model: records, readers, any order -----------------------------------------------------------------


class TimelineOf:
    """Reports to a timeline as a cursor does."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.line = Timeline(START)
        self.promised = START

    def begin(self) -> Iterable[Window]:
        return self.line.open_windows

    def advance(self, window: Window, position: Instant) -> None:
        self.line.advance(window, position)

    def split(self, window: Window) -> Window | None:
        at = middle(window, self.account.now - CONSISTENCY_LAG)
        return None if at is None else self.line.split(window, [at])[0]

    def close(self, window: Window, requested_at: Instant) -> Window | None:
        return self.line.close(window, requested_at - CONSISTENCY_LAG)

    def promise(self) -> Instant:
        """Return the position that a state would have now, and that must hold from then on."""
        self.promised = max(self.promised, min(self.line.low_water, self.account.now - CONSISTENCY_LAG))
        return self.promised


@settings(deadline=None, max_examples=300)
@given(st.lists(offsets, max_size=40), steps)
def test_if_nothing_changes_each_record_is_emitted_exactly_once(
    instants: list[Instant], life: list[tuple[str, int]]
) -> None:
    account = Account([START + instant for instant in instants])
    sync = Sync(account, line := TimelineOf(account))
    for action, choice in life:
        if action != "touch":
            sync.step(action, choice)
        assert not sync.unread_before(line.promise())
    sync.drain()
    assert sync.emitted == Counter(account.rows)
    assert line.promise() >= max(account.rows, default=(START,))[0]


@settings(deadline=None, max_examples=300)
@given(st.lists(offsets, min_size=1, max_size=40), steps)
def test_if_records_change_none_is_lost_and_no_position_passes_an_unread_one(
    instants: list[Instant], life: list[tuple[str, int]]
) -> None:
    account = Account([START + instant for instant in instants])
    sync = Sync(account, line := TimelineOf(account))
    for step in life:
        sync.step(*step)
        assert not sync.unread_before(line.promise())
    sync.drain()
    assert set(account.rows) <= set(sync.emitted)
    assert not sync.unread_before(line.promise())


# --- what a stopped sync has read ahead -------------------------------------------------------------------


class Resumable:
    """A timeline that a later sync can resume: from its low water, without what was read ahead."""

    def __init__(self, account: Account, start: Instant = START, read: Sequence[Span] = ()) -> None:
        self.account = account
        self.line = Timeline(start, read=read)

    def begin(self) -> Iterable[Window]:
        return self.line.open_windows

    def advance(self, window: Window, position: Instant) -> None:
        self.line.advance(window, position)

    def split(self, window: Window) -> Window | None:
        cut = middle(window, self.account.now - CONSISTENCY_LAG)
        return None if cut is None else self.line.split(window, [cut])[0]

    def close(self, window: Window, requested_at: Instant) -> Window | None:
        return self.line.close(window, floor(requested_at - CONSISTENCY_LAG, SECOND))


@given(instants=st.lists(offsets, max_size=30), before=steps, after=steps)
@settings(max_examples=300)
def test_a_resumed_sync_loses_nothing_and_reads_no_span_twice(
    instants: list[Instant], before: list[tuple[str, int]], after: list[tuple[str, int]]
) -> None:
    account = Account([START + instant for instant in instants])
    stopped = Sync(account, Resumable(account))
    for action, choice in before:
        stopped.step(action, choice)
    line = stopped.line.line  # type: ignore[attr-defined]
    spans = line.read_ahead
    resumed = Sync(account, Resumable(account, line.low_water, spans))
    for action, choice in after:
        resumed.step(action, choice)
    resumed.drain()
    assert all(row in stopped.emitted or row in resumed.emitted for row in account.rows)
    touched = {choice for action, choice in (*before, *after) if action == "touch"}
    again = [row for row in resumed.emitted if row in stopped.emitted]
    assert touched or not any(start <= row.updated < end for row in again for start, end in spans)


@pytest.mark.parametrize(
    ("read", "windows"),
    [
        ([], [(0, None)]),
        ([(10, 20)], [(0, 10), (20, None)]),
        ([(0, 20)], [(20, None)]),
        ([(30, 40), (10, 20), (20, 25)], [(0, 10), (25, 30), (40, None)]),
        ([(5, 5), (9, 3)], [(0, None)]),
        ([(-10, -5), (-3, 7)], [(7, None)]),
    ],
)
def test_the_windows_of_a_resumed_sync_are_the_gaps_that_are_left(
    read: list[tuple[int, int]], windows: list[tuple[int, int | None]]
) -> None:
    line = Timeline(START, read=[(START + start * SECOND, START + end * SECOND) for start, end in read])
    found = [(window.start, window.end) for window in line.open_windows]
    assert found == [(START + start * SECOND, None if end is None else START + end * SECOND) for start, end in windows]
    line.advance(line.open_windows[-1], NOW)
    assert line.low_water == found[0][0] if len(found) > 1 else NOW


@pytest.mark.parametrize(
    ("after", "seconds", "due"), [(0, 0, True), (60, 59, False), (60, 60, True), (None, 10**6, False)]
)
def test_the_end_is_read_once_more_if_the_rest_took_long_enough(after: int | None, seconds: int, *, due: bool) -> None:
    line = Timeline(START, catch_up_after=None if after is None else after * SECOND)
    (window,) = line.open_windows
    (later,) = line.split(window, [START + 50 * SECOND])
    assert line.close(later, NOW) is None
    assert (line.close(window, NOW, NOW + seconds * SECOND) is not None) == due
    assert line.low_water >= NOW
