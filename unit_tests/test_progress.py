"""Progress: the figures of streams, the lines a log gets, and the table that a person sees."""

from __future__ import annotations

import io
import re
import sys
from itertools import count, islice
from queue import Queue
from threading import Event, Thread
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from airbyte_cdk.models import Type
from airbyte_cdk.sources.message import InMemoryMessageRepository
from rich.console import Console

from source_klaviyo.airbyte import engine
from source_klaviyo.api.budget import REPORT, Budget, Limit, M, S, Tier
from source_klaviyo.api.client import KlaviyoClient
from source_klaviyo.progress.table import AROUND, duration, frame, live_table
from source_klaviyo.progress.tracker import HEARTBEAT, LINE_SECONDS, NAMED, Progress, ProgressSnapshot
from source_klaviyo.sync.instants import DAY, parse_instant
from unit_tests.fake_api import FakeKlaviyo, sync

if TYPE_CHECKING:
    from collections.abc import Sequence

START = parse_instant("2024-01-01T00:00:00Z")
MANY = tuple(f"stream_{number:02}" for number in range(52))


class Stream:
    """As much of a stream as progress looks at."""

    def __init__(self, name: str, client: KlaviyoClient) -> None:
        self.name = name
        self.client = client


class Reading:
    """A stream that tests read: they say how far it has come."""

    def __init__(self, name: str, client: KlaviyoClient) -> None:
        self.stream = Stream(name, client)
        self.cursor = self.planner = self
        self.reached: int | None = None
        self.partition_counts = (0, 1)
        self.covered = 0.0
        self.expected = 0.0


class Stage:
    """A sync without requests, its clock and its budget."""

    def __init__(self, *names: str) -> None:
        self.now = 0.0
        self.budget = Budget(clock=lambda: self.now)
        client = KlaviyoClient("pk_made_up", budget=self.budget)
        self.progress = Progress(clock=lambda: self.now)
        self.readings = {name: Reading(name, client.with_own_stats()) for name in names}
        self.progress.follow(list(self.readings.values()))  # type: ignore[arg-type]

    def ask(self, name: str, limit: Limit, requests: int = 1) -> None:
        """Requests of a stream, answered at once."""
        for _ in range(requests):
            self.budget.acquire((limit,))
            self.readings[name].stream.client.stats.record_request((limit,))
            self.budget.release((limit,))

    def come(self, name: str, records: int) -> None:
        """Records of a stream have come."""
        self.progress.streams[name].on_page(records)

    def snapshot(self, name: str) -> ProgressSnapshot:
        """A stream's figures, or those of all."""
        return next(one for one in self.progress.snapshot() if one.name == name)

    def drawn(self, width: int, height: int = 60, **options: bool) -> list[str]:
        """The table on a terminal of a size."""
        console = terminal(width, height, **options)
        console.print(frame(self.progress, console.size))
        return text(console).splitlines()


def terminal(width: int, height: int = 60, **options: bool) -> Console:
    return Console(file=io.StringIO(), width=width, height=height, force_terminal=True, **options)  # type: ignore[arg-type]


def text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def plain(lines: Sequence[str]) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(lines))


# --- lines of the log -----------------------------------------------------------------------------------


def test_a_line_comes_when_something_has_come_and_not_too_often() -> None:
    stage = Stage("events", "profiles")
    lines = []
    for second in range(1, 61):
        stage.now = second
        stage.come("events", 1000)
        lines.append(stage.progress.next_log_line())

    logged = [second for second, line in enumerate(lines, 1) if line]

    assert logged == list(range(int(LINE_SECONDS), 61, int(LINE_SECONDS)))
    assert lines[59] == "Still reading: events 60,000 records, profiles 0 records."


def test_silence_is_broken_when_nothing_comes() -> None:
    stage = Stage("events")
    logged = []
    for second in range(1, 121):
        stage.now = second
        if line := stage.progress.next_log_line():
            assert line.startswith("Waiting for Klaviyo's answers or its rate limits. Still reading: events")
            logged.append(second)

    assert logged == list(range(int(HEARTBEAT), 121, int(HEARTBEAT)))


def test_the_engine_speaks_while_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "POLL", 0.01)
    progress = Progress(clock=count(0.0, HEARTBEAT).__next__)
    queue: Queue[object] = Queue()
    paged = engine.PagedSource.start(1, 1, queue, InMemoryMessageRepository(), progress, Event())
    under_way = SimpleNamespace(_streams_done=set(), _stream_name_to_instance={"events": None})

    messages = list(islice(paged._consume_from_queue(queue, under_way), 2))  # type: ignore[arg-type]

    assert [message.log.message[:7] for message in messages] == ["Waiting", "Waiting"]


class Asked(Queue[object]):
    """A queue that is not asked for ever."""

    times = 0

    def get(self, block: bool = True, timeout: float | None = None) -> object:
        self.times += 1
        assert self.times < 50, "it does not end"
        return super().get(block, timeout)


def test_the_engine_ends_when_told_to_as_soon_as_nothing_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "POLL", 0.01)
    stop_requested = Event()
    stop_requested.set()
    queue = Asked()
    paged = engine.PagedSource.start(1, 1, queue, InMemoryMessageRepository(), Progress(), stop_requested)
    under_way = SimpleNamespace(_streams_done=set(), _stream_name_to_instance={"events": None})

    with pytest.raises(engine.ShutdownRequested):
        list(paged._consume_from_queue(queue, under_way))  # type: ignore[arg-type]


def test_the_engine_ends_when_told_to_though_more_keeps_coming(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_requested = Event()
    stop_requested.set()
    queue = Asked()
    for number in range(20):
        queue.put(number)
    paged = engine.PagedSource.start(1, 1, queue, InMemoryMessageRepository(), Progress(), stop_requested)
    under_way = SimpleNamespace(_streams_done=set(), _stream_name_to_instance={"events": None})

    def handle(item: object, _: object) -> list[object]:
        queue.put(item)  # somebody goes on reading
        return []

    monkeypatch.setattr(paged, "_handle_item", handle)
    with pytest.raises(engine.ShutdownRequested):
        list(paged._consume_from_queue(queue, under_way))  # type: ignore[arg-type]


def test_a_line_says_how_far_streams_have_come_and_leaves_out_those_that_have_ended() -> None:
    stage = Stage("events", "list_profiles", "metrics")
    stage.now = LINE_SECONDS
    stage.come("events", 1)
    stage.come("list_profiles", 1200)
    stage.come("metrics", 5000)
    stage.readings["events"].reached = parse_instant("2024-03-01T12:00:00Z")
    stage.readings["list_profiles"].partition_counts = (12, 300)
    stage.progress.streams["metrics"].end(failed=False)

    assert stage.progress.next_log_line() == (
        "Still reading: list_profiles 1,200 records in 12 of 300 parts, events 1 record up to 2024-03-01."
    )


def test_a_line_sums_up_the_small_streams() -> None:
    stage = Stage(*MANY)
    for number, name in enumerate(MANY):
        stage.come(name, 100 - number)
    stage.now = LINE_SECONDS

    line = stage.progress.next_log_line() or ""

    assert line.count("stream_") == NAMED
    assert "stream_00 100 records" in line
    assert line.endswith(f"{52 - NAMED} more streams {sum(100 - number for number in range(NAMED, 52)):,} records.")


def test_the_end_of_a_stream_is_summed_up() -> None:
    stage = Stage("events")
    stats = stage.readings["events"].stream.client.stats
    stage.ask("events", Limit("events", M), requests=3)
    stage.come("events", 30_250)
    stats.record_retry(limited=True)
    stats.record_retry(limited=False)
    stage.now = 16.12

    line = stage.progress.streams["events"].end(failed=False)

    assert line == (
        "Stream events: 30,250 records in 16.1 s, 3 requests (1 refused for the rate, 1 failed and repeated), "
        "0.0 s waited for Klaviyo's limits."
    )


def test_whoever_reads_from_python_gets_the_line_of_each_stream_as_a_message(klaviyo: FakeKlaviyo) -> None:
    klaviyo.add("metrics", *[{"updated": "2024-02-01T00:00:00+00:00"}] * 3)

    output = sync("metrics", "lists")

    logs = [message.log.message for message in output if message.type == Type.LOG]
    assert any(re.match(r"Stream metrics: 3 records in \d+\.\d s, 1 request, \d", log) for log in logs)
    assert any(re.match(r"Stream lists: 0 records in \d+\.\d s, 1 request, \d", log) for log in logs)


# --- figures --------------------------------------------------------------------------------------------


def test_rates_are_those_of_the_last_minute() -> None:
    stage = Stage("events")
    for second in range(1, 201):
        stage.now = second
        stage.come("events", 1000 if second <= 100 else 10)
        rate = stage.snapshot("events").rate
        if second == 100:
            assert rate == 1000

    assert rate == 10
    stage.progress.streams["events"].end(failed=False)
    assert stage.snapshot("events").rate == stage.snapshot("Total").rate == (100 * 1000 + 100 * 10) / 200


def test_the_share_is_that_of_the_limit_that_is_used_most_by_whomever() -> None:
    stage = Stage("campaigns_detailed", "campaigns", "lists")
    stage.ask("campaigns_detailed", Limit("campaigns", M), requests=3)
    stage.now = 2.0
    stage.ask("campaigns_detailed", Limit("estimations", S), requests=3)
    stage.ask("campaigns", Limit("campaigns", M), requests=2)

    assert stage.snapshot("campaigns_detailed").share == 3 / S.steady
    assert stage.snapshot("campaigns").share == 5 / M.steady
    assert stage.snapshot("lists").share is None

    stage.now = 61.0
    assert stage.snapshot("campaigns").share == 2 / M.steady


def test_the_time_left_is_told_by_the_pages_to_come() -> None:
    stage = Stage("flows")
    for second in range(1, 11):
        stage.now = second
        stage.ask("flows", Limit("flows", M), requests=2)
        stage.come("flows", 50)
        stage.snapshot("flows")

    stage.readings["flows"].expected = 50
    assert stage.snapshot("flows").left == 50
    stage.readings["flows"].expected = 0.1
    assert stage.snapshot("flows").left == 1


def test_the_time_left_is_not_less_than_the_limit_demands() -> None:
    stage = Stage("flows")
    stage.now = 1.0
    stage.ask("flows", Limit("flows", M), requests=10)
    for _ in range(5):
        stage.come("flows", 50)
    stage.readings["flows"].expected = (140 + 2 * M.steady) / 2

    assert stage.snapshot("flows").left == 2 * 60


def test_the_time_left_is_told_by_the_time_read_where_partitions_are_many() -> None:
    stage = Stage("list_profiles")
    reading = stage.readings["list_profiles"]
    reading.partition_counts = (1, 300)
    reading.expected = 5
    stage.ask("list_profiles", Limit("list_profiles", M), requests=5)
    stage.come("list_profiles", 5)
    assert stage.snapshot("list_profiles").left is None

    stage.now, reading.covered = 20.0, 0.2

    assert stage.snapshot("list_profiles").left == pytest.approx(80)


def test_a_sprint_that_has_used_the_limit_up_counts_for_its_whole_minute() -> None:
    stage = Stage("reports")
    stage.now = 2.0
    stage.ask("reports", Limit("reports", Tier(2, REPORT.steady)), requests=REPORT.steady)
    stage.readings["reports"].covered = 0.25

    assert stage.snapshot("reports").left == pytest.approx(180)


def test_the_total_is_the_sum_and_lasts_as_long_as_the_longest() -> None:
    stage = Stage("events", "lists", "metrics")
    stage.now = 10.0
    for name, records in (("events", 100), ("lists", 20), ("metrics", 7)):
        stage.come(name, records)
        stage.ask(name, Limit(name, M))
    stage.readings["events"].covered = 0.5
    stage.readings["lists"].covered = 0.1
    stage.progress.streams["metrics"].end(failed=True)

    total = stage.snapshot("Total")

    assert (total.records, total.requests, total.rate) == (127, 3, 12.0)
    assert total.left == pytest.approx(90)
    assert not total.ended


# --- the table ------------------------------------------------------------------------------------------


def full() -> Stage:
    """All kinds of streams, a while after the beginning."""
    stage = Stage("events", "list_profiles", "metrics", "template_universal_content")
    stage.now = 10.0
    stage.come("events", 12_345_678)
    stage.ask("events", Limit("events", M), requests=3)
    stage.readings["events"].reached = START + 60 * DAY
    stage.readings["events"].covered = 0.5
    stage.come("list_profiles", 3)
    stage.readings["list_profiles"].partition_counts = (12, 300)
    stage.progress.streams["metrics"].end(failed=False)
    stage.progress.streams["template_universal_content"].end(failed=True)
    return stage


@pytest.mark.parametrize(
    ("width", "heads"),
    [
        (20, "Stream Records"),
        (40, "Stream Records Time left"),
        (80, "Stream Records Time left Read up to Records/s Limit"),
        (160, "Stream Records Time left Read up to Records/s Limit Requests"),
    ],
)
def test_a_narrow_terminal_shows_as_many_columns_as_fit(width: int, heads: str) -> None:
    lines = plain(full().drawn(width)).splitlines()

    assert max(map(len, lines)) <= width
    assert lines[1].split() == heads.split()
    assert [line.split()[0].rstrip("…") for line in lines[2:6]] == [
        name[: len(line.split()[0].rstrip("…"))]
        for name, line in zip(
            ["events", "list_profiles", "metrics", "template_universal_content"], lines[2:], strict=False
        )
    ]


def test_each_figure_stands_in_its_column() -> None:
    lines = plain(full().drawn(160)).splitlines()

    assert lines[0] == "2 of 4 streams ended after 10 s"
    assert lines[2].split() == ["events", "12,345,678", "10", "s", "2024-03-01", "1,234,568", "2%", "3"]
    assert lines[3].split() == ["list_profiles", "3", "12/300", "0.3", "0"]
    assert lines[4].split() == ["metrics", "0", "done", "0", "0"]
    assert lines[5].split() == ["template_universal_content", "0", "failed", "0", "0"]
    assert lines[6].split() == ["Total", "12,345,681", "10", "s", "1,234,568", "3"]


def test_all_streams_fit_a_low_terminal_and_those_under_way_are_shown() -> None:
    stage = Stage(*MANY)
    active = MANY[::7]
    for name in MANY:
        if name in active:
            stage.ask(name, Limit(name, M))
        else:
            stage.progress.streams[name].end(failed=name == MANY[-1])

    drawn = stage.drawn(100, 24)
    lines = plain(drawn).splitlines()
    shown_names = [line.split()[0] for line in lines if line.startswith("stream_")]

    assert len(drawn) == 24
    assert len(shown_names) == 24 - AROUND
    assert {*active, MANY[-1]} <= set(shown_names)
    assert shown_names == sorted(shown_names)
    assert lines[-1] == f"Not shown: 0 under way, {52 - len(shown_names)} ended."


@pytest.mark.parametrize("colours", [True, False])
def test_no_color_is_respected(colours: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if not colours:
        monkeypatch.setenv("NO_COLOR", "1")

    failed = next(line for line in full().drawn(80) if "failed" in line)

    assert bool(re.search(r"\x1b\[(\d+;)*3[0-9]", failed)) is colours


def test_the_last_state_stays_and_the_cursor_is_never_hidden_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    stage, console, stdout = full(), terminal(80), sys.stdout

    with live_table(stage.progress, console):
        assert sys.stdout is stdout
        during = text(console)
        stage.come("list_profiles", 74)  # to the three that there are

    assert during.rindex("\x1b[?25h") > during.rindex("\x1b[?25l")
    assert "77" not in during
    assert "77" in text(console)[len(during) :]


def test_the_table_appears_at_the_end_if_no_thread_can_be_started_to_draw_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", refuse)
    stage, console = full(), terminal(80)
    with live_table(stage.progress, console):
        stage.come("list_profiles", 74)  # to the three that there are

    assert "77" in text(console)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (99, "99 s"), (100, "2 min"), (5940, "99 min"), (6000, "1 h 40"), (200_000, "2 d 7 h")],
)
def test_durations_read_well(seconds: float, words: str) -> None:
    assert duration(seconds) == words
