"""WindowCursor: a state is emitted after the records it covers, never moves back, and never covers the future."""

from __future__ import annotations

import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from source_klaviyo.sync import cursor as module
from source_klaviyo.sync.cursor import CONSISTENCY_LAG, WindowCursor, consistent_until
from source_klaviyo.sync.instants import DAY, SECOND, Instant, for_state, parse_instant
from source_klaviyo.sync.position import PartitionPosition
from unit_tests.sync.model import START, split_in_two

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from source_klaviyo.sync.state import Partition
    from source_klaviyo.sync.timeline import Window

NOW = START + 1000 * SECOND


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
    later = split_in_two(stage.cursor, 0, earlier, NOW)
    assert later is not None
    stage.cursor.advance(0, later, START + 900 * SECOND)
    stage.cursor.close(0, later, NOW)
    assert set(stage.seconds) == {0}
    stage.cursor.advance(0, earlier, START + 400 * SECOND)
    assert stage.seconds[-1] == 400


@pytest.mark.usefixtures("each_state")
def test_spans_that_later_windows_have_read_are_in_the_state_as_read_ahead() -> None:
    stage = Stage()
    earlier = stage.window()
    later = split_in_two(stage.cursor, 0, earlier, NOW)
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
    stage, clock = Stage(), [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    for second in range(1, 36):
        clock[0] = 100 + second / 10
        stage.cursor.advance(0, stage.window(), START + second * SECOND)
    assert stage.seconds == [1, 11, 21, 31]


def test_after_many_pages_a_state_is_published_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, clock = Stage(), [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    for page in range(1, 101):
        clock[0] = 100 + page / 50
        stage.cursor.advance(0, stage.window(), START + page * SECOND)
    assert stage.seconds == [1, *range(11, 101, module.PAGES_A_STATE)]


def test_a_state_that_takes_long_to_make_is_published_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """If it takes half a second, one is made every ten seconds, which costs a twentieth of the time."""
    now = [100.0]
    stage = Stage()
    cursors = WindowCursor._cursors

    def slowly(cursor: WindowCursor) -> dict[str, Any]:
        now[0] += 0.5
        return cursors(cursor)

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(WindowCursor, "_cursors", slowly)
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
    later = split_in_two(stage.cursor, 0, stage.window(0), NOW)
    assert later is not None
    stage.cursor.close(0, stage.window(0), NOW)
    assert not stage.cursor.is_done
    stage.cursor.close(0, later, NOW)
    assert stage.cursor.is_done


def test_a_catch_up_keeps_the_stream_open() -> None:
    stage = Stage()
    earlier = stage.window()
    later = split_in_two(stage.cursor, 0, earlier, NOW)
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
                later = split_in_two(stage.cursor, number, window, NOW)
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
    assert stage.cursor.reached is None
    assert stage.cursor.covered == pytest.approx(0.2)

    stage.cursor.advance(0, stage.window(), START + 100 * SECOND)
    assert stage.cursor.reached == START + 100 * SECOND
    assert stage.cursor.covered == pytest.approx(0.25)

    stage.cursor.close(0, stage.window(), NOW)
    assert (stage.cursor.reached, stage.cursor.partition_counts) == (START + 400 * SECOND, (1, 2))
    assert stage.cursor.covered == pytest.approx(0.7)


def test_a_stream_without_a_cursor_has_no_position() -> None:
    cursor = WindowCursor(None, now=lambda: NOW, publish=lambda _: None)
    cursor.begin([PartitionPosition({}, START)])
    cursor.close(0, cursor.open_windows[0][1], NOW)

    assert (cursor.reached, cursor.partition_counts, cursor.covered) == (None, (1, 1), 1.0)


def test_progress_can_be_read_while_a_state_waits_for_the_queue() -> None:
    publishing, read = threading.Event(), threading.Event()

    def publish(_: Mapping[str, Any]) -> None:
        publishing.set()
        assert read.wait(10), "the progress waits for the queue, whose consumer reads the progress"

    cursor = WindowCursor("updated", now=lambda: NOW, publish=publish)
    cursor.begin([PartitionPosition({}, START)])
    window = cursor.open_windows[0][1]
    thread = threading.Thread(target=cursor.advance, args=(0, window, START + SECOND))
    thread.start()
    assert publishing.wait(10)

    found = cursor.reached, cursor.partition_counts, cursor.covered > 0
    read.set()
    thread.join(10)

    assert found == (START + SECOND, (0, 1), True)


@pytest.mark.parametrize("fraction", [0, 1, SECOND - 1])
def test_what_has_been_read_ends_at_a_whole_second_as_requests_do(fraction: int) -> None:
    assert consistent_until(Instant(NOW + fraction)) == NOW - CONSISTENCY_LAG
