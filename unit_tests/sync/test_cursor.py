"""WindowCursor: a state is a promise, made after the records it covers, kept for ever, never about the future."""

from __future__ import annotations

import json
import threading
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from source_klaviyo.sync import cursor as module
from source_klaviyo.sync.cursor import CONSISTENCY_LAG, WindowCursor
from source_klaviyo.sync.instants import DAY, SECOND, floor, for_state, parse_instant
from source_klaviyo.sync.position import PartitionPosition
from source_klaviyo.sync.state import StoredState
from unit_tests.sync.model import START, Account, Sync, Version, middle, offsets, steps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from source_klaviyo.sync.instants import Instant, Span
    from source_klaviyo.sync.state import Partition
    from source_klaviyo.sync.timeline import Window

NOW = START + 1000 * SECOND


def divide(cursor: WindowCursor, number: int, window: Window, now: Instant = NOW - CONSISTENCY_LAG) -> Window | None:
    """Divide what is left of a window in two; returns the later one."""
    at = middle(window, now)
    return next(iter(cursor.split(number, window, [] if at is None else [at])), None)


class Stage:
    """A cursor, its clock, and the states it has published."""

    def __init__(
        self,
        *partitions: Partition,
        starts: tuple[Instant, ...] | None = None,
        positions: tuple[Instant, ...] | None = None,
    ) -> None:
        partitions = partitions or ({},)
        self.now = NOW
        self.states: list[Mapping[str, Any]] = []
        self.cursor = WindowCursor("updated", now=lambda: self.now, publish=self.states.append)
        starts = starts or (START,) * len(partitions)
        self.cursor.begin(list(map(PartitionPosition, partitions, starts, positions or starts)))

    def window(self, number: int = 0) -> Window:
        """The first open window of a partition."""
        return next(window for owner, window in self.cursor.open_windows if owner == number)

    @property
    def seconds(self) -> list[int]:
        """The published states as seconds after START."""
        return [(parse_instant(state["updated"]) - START) // SECOND for state in self.states]


@pytest.fixture
def each_state() -> Iterator[None]:
    """Publish at every opportunity."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "STATE_INTERVAL", 0.0)
        yield


# --- one partition --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("each_state")
def test_each_advance_is_published() -> None:
    stage = Stage()
    for second in (10, 20, 30):
        stage.cursor.advance(0, stage.window(), START + second * SECOND)
    assert stage.seconds == [10, 20, 30]


@pytest.mark.usefixtures("each_state")
def test_the_same_state_is_not_published_twice_in_a_row() -> None:
    stage = Stage()
    for _ in range(3):
        stage.cursor.advance(0, stage.window(), START + 10 * SECOND)
    stage.cursor.close(0, stage.window(), NOW)
    stage.cursor.ensure_at_least_one_state_emitted()
    stage.cursor.ensure_at_least_one_state_emitted()
    assert stage.seconds == [10, 995]


@pytest.mark.usefixtures("each_state")
def test_a_later_window_moves_no_state_while_an_earlier_one_is_open() -> None:
    stage = Stage()
    earlier = stage.window()
    later = divide(stage.cursor, 0, earlier)
    assert later is not None
    stage.cursor.advance(0, later, START + 900 * SECOND)
    stage.cursor.close(0, later, NOW)
    assert set(stage.seconds) == {0}
    stage.cursor.advance(0, earlier, START + 400 * SECOND)
    assert stage.seconds[-1] == 400


@pytest.mark.usefixtures("each_state")
def test_spans_that_later_windows_have_read_stand_in_the_state_as_read_ahead() -> None:
    stage = Stage()
    earlier = stage.window()
    later = divide(stage.cursor, 0, earlier)
    assert later is not None
    stage.cursor.advance(0, later, START + 900 * SECOND)
    spans = [[for_state(START + 497 * SECOND), for_state(START + 900 * SECOND)]]
    assert stage.states[-1]["read_ahead"] == [{"partition": {}, "spans": spans}]
    stage.cursor.close(0, earlier, NOW)
    assert "read_ahead" not in stage.states[-1]
    assert stage.seconds[-1] == 900


@pytest.mark.usefixtures("each_state")
@pytest.mark.parametrize("position", [NOW - 4 * SECOND, NOW, NOW + DAY, NOW + 400 * DAY])
def test_no_date_of_a_record_moves_a_state_past_the_present(position: Instant) -> None:
    stage = Stage()
    stage.cursor.advance(0, stage.window(), position)
    assert stage.seconds == [995]


@pytest.mark.usefixtures("each_state")
def test_a_closed_window_is_complete_until_its_last_request() -> None:
    stage = Stage()
    stage.now = NOW + 60 * SECOND
    stage.cursor.close(0, stage.window(), NOW - CONSISTENCY_LAG)
    assert stage.seconds == [995]


@pytest.mark.usefixtures("each_state")
def test_a_clock_that_goes_back_moves_no_state_back() -> None:
    stage = Stage()
    stage.cursor.advance(0, stage.window(), NOW)
    stage.now -= 100 * SECOND
    stage.cursor.advance(0, stage.window(), NOW + SECOND)
    stage.cursor.ensure_at_least_one_state_emitted()
    assert stage.seconds == [995]


@pytest.mark.usefixtures("each_state")
def test_a_lookback_moves_no_state_back() -> None:
    stage = Stage(starts=(START,), positions=(START + 100 * SECOND,))
    for second in (50, 99, 101):
        stage.cursor.advance(0, stage.window(), START + second * SECOND)
    assert stage.seconds == [100, 101]
    assert stage.window().start == START


def test_a_stream_without_records_has_a_state() -> None:
    stage = Stage()
    stage.cursor.close(0, stage.window(), NOW)
    stage.cursor.ensure_at_least_one_state_emitted()
    assert stage.states == [{"updated": "2024-03-01T00:16:35+0000"}]


def test_a_stream_that_ends_early_has_a_state() -> None:
    stage = Stage()
    stage.cursor.ensure_at_least_one_state_emitted()
    assert stage.seconds == [0]


def test_extra_state_is_part_of_each_state() -> None:
    stage = Stage()
    stage.cursor.extra_state["future_is_read"] = True
    stage.cursor.close(0, stage.window(), NOW)
    assert stage.states == [{"updated": "2024-03-01T00:16:35+0000", "future_is_read": True}]


# --- how often ------------------------------------------------------------------------------------------


def test_states_are_no_more_frequent_than_the_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.time, "monotonic", lambda: clock)
    stage = Stage()
    for second in range(1, 36):
        clock = 100 + second / 10
        stage.cursor.advance(0, stage.window(), START + second * SECOND)
    assert stage.seconds == [1, 11, 21, 31]


def test_after_many_pages_a_state_is_published_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.time, "monotonic", lambda: clock)
    stage = Stage()
    for page in range(1, 101):
        clock = 100 + page / 50
        stage.cursor.advance(0, stage.window(), START + page * SECOND)
    assert stage.seconds == [1, *range(11, 101, module.PAGES_A_STATE)]


def test_a_state_that_takes_long_to_make_is_published_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of half a second each ten seconds, so that the making takes a twentieth of the time."""
    now = [100.0]
    stage = Stage()
    made = module.WindowCursor.state.fget

    def slowly(cursor: module.WindowCursor) -> Any:
        now[0] += 0.5
        return made(cursor)

    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(module.WindowCursor, "state", property(slowly))
    for second in range(1, 36):
        now[0] = max(now[0], 100.0 + second)
        stage.cursor.advance(0, stage.window(), START + second * SECOND)
    assert stage.seconds == [1, 11, 21, 31]


@pytest.mark.parametrize("interval", [0.0, 1.0, 1e9])
def test_the_last_state_is_published_whatever_the_interval(monkeypatch: pytest.MonkeyPatch, interval: float) -> None:
    monkeypatch.setattr(module, "STATE_INTERVAL", interval)
    stage = Stage()
    stage.cursor.advance(0, stage.window(), START + 10 * SECOND)
    stage.cursor.advance(0, stage.window(), START + 20 * SECOND)
    stage.cursor.close(0, stage.window(), NOW)
    assert stage.cursor.is_done
    assert stage.seconds[-1] == 995


# --- windows --------------------------------------------------------------------------------------------


def test_a_window_is_split_only_inside_of_what_is_left() -> None:
    stage = Stage()
    window = stage.window()
    stage.cursor.advance(0, window, START + 100 * SECOND)
    bounds = [START + second * SECOND for second in (0, 100, 200, 300)]
    later = stage.cursor.split(0, window, bounds)
    assert [(one.start, one.end) for one in (window, *later)] == [
        (START, START + 200 * SECOND),
        (START + 200 * SECOND, START + 300 * SECOND),
        (START + 300 * SECOND, None),
    ]
    assert stage.cursor.open_count == 3
    assert stage.cursor.split(0, window, [START + 200 * SECOND, START + 250 * SECOND]) == []


def test_the_stream_is_done_when_all_windows_of_all_partitions_are_closed() -> None:
    stage = Stage({"archived": "false"}, {"archived": "true"})
    stage.cursor.close(1, stage.window(1), NOW)
    assert not stage.cursor.is_done
    later = divide(stage.cursor, 0, stage.window(0))
    assert later is not None
    stage.cursor.close(0, stage.window(0), NOW)
    assert not stage.cursor.is_done
    stage.cursor.close(0, later, NOW)
    assert stage.cursor.is_done


def test_a_catch_up_keeps_the_stream_open() -> None:
    stage = Stage()
    earlier = stage.window()
    later = divide(stage.cursor, 0, earlier)
    assert later is not None
    stage.cursor.close(0, later, NOW - CONSISTENCY_LAG)
    catch_up = stage.cursor.close(0, earlier, NOW + SECOND)
    assert catch_up is not None
    assert catch_up.start == NOW - CONSISTENCY_LAG
    assert not stage.cursor.is_done


# --- several partitions ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("each_state")
def test_each_partition_has_its_own_position_and_the_stream_the_smallest() -> None:
    stage = Stage({"archived": "false"}, {"archived": "true"})
    stage.cursor.advance(1, stage.window(1), START + 60 * SECOND)
    stage.cursor.close(0, stage.window(0), NOW)
    assert stage.states[-1] == {
        "use_global_cursor": False,
        "states": [
            {"partition": {"archived": "false"}, "cursor": {"updated": "2024-03-01T00:16:35+0000"}},
            {"partition": {"archived": "true"}, "cursor": {"updated": "2024-03-01T00:01:00+0000"}},
        ],
        "state": {"updated": "2024-03-01T00:01:00+0000"},
        "lookback_window": 0,
    }


@pytest.mark.usefixtures("each_state")
def test_partitions_without_a_name_share_the_smallest_position() -> None:
    stage = Stage({}, {})
    stage.cursor.advance(0, stage.window(0), START + 60 * SECOND)
    stage.cursor.advance(1, stage.window(1), START + 30 * SECOND)
    stage.cursor.close(0, stage.window(0), NOW)
    assert stage.seconds == [0, 30]


# --- a model --------------------------------------------------------------------------------------------


class CursorOf:
    """Reports to a cursor as a partition does, and holds each state against what has been emitted."""

    def __init__(self, account: Account, position: Instant) -> None:
        self.account = account
        self.sync: Sync | None = None
        self.states: list[Instant] = []
        self.cursor = WindowCursor("updated", lambda: account.now, self.publish)
        self.cursor.begin([PartitionPosition({}, START, position)])

    def publish(self, state: Mapping[str, Any]) -> None:
        promised = parse_instant(state["updated"])
        assert self.sync is not None
        assert not self.sync.unread_before(promised)
        assert promised <= self.account.now - CONSISTENCY_LAG
        assert not self.states or promised >= self.states[-1]
        self.states.append(promised)

    def begin(self) -> Iterable[Window]:
        return [window for _, window in self.cursor.open_windows]

    def advance(self, window: Window, position: Instant) -> None:
        self.cursor.advance(0, window, position)

    def split(self, window: Window) -> Window | None:
        return divide(self.cursor, 0, window, self.account.now - CONSISTENCY_LAG)

    def close(self, window: Window, asked: Instant) -> Window | None:
        return self.cursor.close(0, window, asked - CONSISTENCY_LAG)


@pytest.mark.parametrize("interval", [0.0, 1e9])
@settings(deadline=None, max_examples=150)
@given(instants=st.lists(offsets, max_size=30), life=steps)
def test_states_grow_and_follow_the_records_that_they_cover_whatever_happens(
    interval: float, instants: list[Instant], life: list[tuple[str, int]]
) -> None:
    account = Account([START + instant for instant in instants])
    line = CursorOf(account, START)
    line.sync = sync = Sync(account, line)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "STATE_INTERVAL", interval)
        for step in life:
            sync.step(*step)
        sync.drain()
        line.cursor.ensure_at_least_one_state_emitted()
    assert line.cursor.is_done
    assert set(account.rows) <= set(sync.emitted)
    assert line.states[-1] == parse_instant(line.cursor.state["updated"])


# --- a model of several partitions, killed and resumed -----------------------------------------------------


class PartOf:
    """Reports to a cursor as one of several partitions does."""

    def __init__(self, cursor: WindowCursor, number: int) -> None:
        self.cursor = cursor
        self.number = number

    def begin(self) -> Iterable[Window]:
        return [window for number, window in self.cursor.open_windows if number == self.number]

    def advance(self, window: Window, position: Instant) -> None:
        self.cursor.advance(self.number, window, position)

    def split(self, window: Window) -> Window | None:
        return divide(self.cursor, self.number, window, self.cursor._now() - CONSISTENCY_LAG)

    def close(self, window: Window, asked: Instant) -> Window | None:
        return self.cursor.close(self.number, window, asked - CONSISTENCY_LAG)


class Shop:
    """Several accounts with one clock, read in syncs that hand each other nothing but the text of the last state."""

    def __init__(self, partitions: Sequence[Partition], instants: Sequence[list[Instant]]) -> None:
        self.partitions = partitions
        self.accounts = [Account([START + instant for instant in one]) for one in instants]
        self.emitted: list[Counter[Version]] = [Counter() for _ in partitions]
        self.text = "{}"
        self.promised: list[Instant] = [START] * len(partitions)

    @property
    def now(self) -> Instant:
        return max(account.now for account in self.accounts)

    def positions(self) -> list[Instant]:
        """What the last state says, as the next sync reads it."""
        stored = StoredState(json.loads(self.text), "stream", "updated")
        return [START if (found := stored.position(one)) is None else found for one in self.partitions]

    def publish(self, state: Mapping[str, Any]) -> None:
        self.text = json.dumps(state)
        positions = self.positions()
        assert all(position <= self.now - CONSISTENCY_LAG for position in positions)
        assert all(before <= after for before, after in zip(self.promised, positions, strict=True))
        for account, sync, position in zip(self.accounts, self.syncs, positions, strict=True):
            assert not sync.unread_before(position), account
        for account, sync, spans in zip(self.accounts, self.syncs, self.read_ahead(), strict=True):
            within = [row for row in account.rows for start, end in spans if start <= row.updated < end]
            assert all(row in sync.emitted for row in within)
        self.promised = positions

    def read_ahead(self) -> list[list[Span]]:
        """What the last state says was read ahead, as the next sync reads it."""
        stored = StoredState(json.loads(self.text), "stream", "updated")
        return [stored.read_ahead(one) for one in self.partitions]

    def sync(self, life: list[tuple[str, int, int]], *, lookback: int = 0, to_its_end: bool) -> None:
        """One sync, which begins so many seconds before its state, killed where its life ends or read to its end."""
        self.cursor = WindowCursor("updated", lambda: self.now, self.publish)
        starts = [max(START, position - lookback * SECOND) for position in self.positions()]
        stopped = StoredState(json.loads(self.text), "stream", "updated").read_through
        milestones = [*([] if stopped is None else [stopped]), floor(self.now - CONSISTENCY_LAG, SECOND)]
        found = zip(self.partitions, starts, self.positions(), self.read_ahead(), strict=True)
        begun = [PartitionPosition(one, start, position, read=read) for one, start, position, read in found]
        self.cursor.begin(begun, milestones=milestones)
        self.syncs = [Sync(account, PartOf(self.cursor, number)) for number, account in enumerate(self.accounts)]
        for sync, known in zip(self.syncs, self.emitted, strict=True):
            sync.emitted = known
        before = [Counter(known) for known in self.emitted]
        for action, choice, number in life:
            self.syncs[number % len(self.syncs)].step(action, choice)
            for account in self.accounts:
                account.now = self.now
        if to_its_end:
            for sync in self.syncs:
                sync.drain()
            self.cursor.ensure_at_least_one_state_emitted()
            assert self.cursor.is_done
        for start, known, now_known in zip(starts, before, self.emitted, strict=True):
            assert all(row.updated >= start for row in now_known - known)


shops = st.sampled_from(
    [({},), ({"archived": "false"}, {"archived": "true"}), tuple({"id": name} for name in ("L1", "L2", "L3"))]
).flatmap(
    lambda partitions: st.builds(
        Shop,
        st.just(partitions),
        st.lists(st.lists(offsets, max_size=30), min_size=len(partitions), max_size=len(partitions)),
    )
)
lives = st.lists(
    st.tuples(st.sampled_from(["read", "read", "split", "touch", "tick"]), st.integers(0, 50), st.integers(0, 2)),
    max_size=60,
)


@pytest.mark.parametrize("interval", [0.0, 1e9])
@pytest.mark.parametrize("listed", [5_000, 0], ids=["each listed", "compact"])
@settings(deadline=None, max_examples=150)
@given(shops, st.lists(lives, max_size=2), lives, st.sampled_from([0, 30]))
def test_however_often_a_sync_is_killed_the_next_one_resumes_from_its_last_state(
    interval: float,
    listed: int,
    shop: Shop,
    killed: list[list[tuple[str, int, int]]],
    life: list[tuple[str, int, int]],
    lookback: int,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "STATE_INTERVAL", interval)
        patch.setattr("source_klaviyo.sync.compact.MAX_LISTED_PARTITIONS", listed)
        for each in killed:
            shop.sync(each, lookback=lookback, to_its_end=False)
        shop.sync(life, lookback=lookback, to_its_end=True)
        for account, emitted in zip(shop.accounts, shop.emitted, strict=True):
            assert set(account.rows) <= set(emitted)
        assert min(shop.positions()) >= shop.accounts[0].now - CONSISTENCY_LAG - account_time(life)
        shop.sync([], to_its_end=True)  # nothing has changed: only the last seconds are read again


def account_time(life: list[tuple[str, int, int]]) -> Instant:
    """The most by which the end of a sync lies behind the clock: what has passed during it."""
    return SECOND + sum(choice * SECOND // 10 + 1 for _, choice, _ in life)


# --- threads --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("each_state")
def test_states_grow_while_threads_advance_split_and_close_windows() -> None:
    stage = Stage({"shard": "0"}, {"shard": "1"}, {"shard": "2"})
    barrier = threading.Barrier(3)
    read: list[list[tuple[Instant, Instant]]] = [[], [], []]

    def reader(number: int) -> None:
        barrier.wait(10)
        todo = [stage.window(number)]
        while todo:
            window = todo.pop()
            for _ in range(6):
                later = divide(stage.cursor, number, window)
                if later is not None:
                    todo.append(later)
                assert window.end is None or window.end > window.start
                stage.cursor.advance(number, window, window.position + 20 * SECOND)
            more = stage.cursor.close(number, window, NOW)
            read[number].append((window.start, window.end or NOW))
            if more is not None:
                todo.append(more)

    threads = [threading.Thread(target=reader, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert stage.cursor.is_done
    for spans in read:
        first = sorted(span for span in spans if span[0] != NOW - CONSISTENCY_LAG)
        assert [start for start, _ in first[1:]] == [end for _, end in first[:-1]]
    positions = [[parse_instant(one["cursor"]["updated"]) for one in state["states"]] for state in stage.states]
    for earlier, later in pairwise(positions):
        assert later != earlier
        assert all(one <= other for one, other in zip(earlier, later, strict=True))
    assert positions[-1] == [NOW - CONSISTENCY_LAG] * 3


# --- how far it has come --------------------------------------------------------------------------------


def test_before_the_first_page_nothing_is_reached() -> None:
    cursor = WindowCursor("updated", now=lambda: NOW, publish=lambda _: None)
    assert (cursor.reached, cursor.partition_counts, cursor.covered) == (None, (0, 0), 0.0)

    stage = Stage()
    assert (stage.cursor.reached, stage.cursor.partition_counts, stage.cursor.covered) == (None, (0, 1), 0.0)


def test_reached_is_the_smallest_position_and_covered_counts_all_partitions() -> None:
    stage = Stage({"archived": "true"}, {"archived": "false"})
    window = stage.window(1)
    stage.cursor.split(1, window, [window.position + 600 * SECOND])
    stage.cursor.advance(1, window, START + 400 * SECOND)
    assert (stage.cursor.reached, stage.cursor.covered) == (None, pytest.approx(0.2))

    stage.cursor.advance(0, stage.window(), START + 100 * SECOND)
    assert (stage.cursor.reached, stage.cursor.covered) == (START + 100 * SECOND, pytest.approx(0.25))

    stage.cursor.close(0, stage.window(), NOW)
    assert (stage.cursor.reached, stage.cursor.partition_counts) == (START + 400 * SECOND, (1, 2))
    assert stage.cursor.covered == pytest.approx(0.7)


def test_a_stream_without_a_cursor_has_no_position() -> None:
    cursor = WindowCursor(None, now=lambda: NOW, publish=lambda _: None)
    cursor.begin([PartitionPosition({}, START)])
    cursor.close(0, cursor.open_windows[0][1], NOW)

    assert (cursor.reached, cursor.partition_counts, cursor.covered) == (None, (1, 1), 1.0)


def test_progress_can_be_asked_for_while_a_state_waits_for_the_queue() -> None:
    publishing, asked = threading.Event(), threading.Event()

    def publish(_: Mapping[str, Any]) -> None:
        publishing.set()
        assert asked.wait(10), "the question waits for what waits for whoever asks"

    cursor = WindowCursor("updated", now=lambda: NOW, publish=publish)
    cursor.begin([PartitionPosition({}, START)])
    window = cursor.open_windows[0][1]
    thread = threading.Thread(target=cursor.advance, args=(0, window, START + SECOND))
    thread.start()
    assert publishing.wait(10)

    found = cursor.reached, cursor.partition_counts, cursor.covered > 0
    asked.set()
    thread.join(10)

    assert found == (START + SECOND, (0, 1), True)
