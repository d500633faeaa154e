"""The progress table that a person sees at a terminal."""

from __future__ import annotations

import io
import re
import sys
from threading import Thread

import pytest
from rich.console import Console

from source_klaviyo.api.budget import Limit, M
from source_klaviyo.progress.table import AROUND, duration, frame, live_table
from source_klaviyo.sync.instants import parse_instant
from unit_tests.progress.stage import Stage

NAMES = ["events", "list_profiles", "metrics", "template_universal_content"]


def terminal(width: int, height: int = 60) -> Console:
    return Console(file=io.StringIO(), width=width, height=height, force_terminal=True)


def text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def drawn(stage: Stage, width: int, height: int = 60) -> str:
    """The table on a terminal of a size, with its colours."""
    console = terminal(width, height)
    console.print(frame(stage.progress, console.size))
    return text(console)


def lines(stage: Stage, width: int, height: int = 60) -> list[str]:
    """The lines of the table without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", drawn(stage, width, height)).splitlines()


@pytest.fixture
def stage() -> Stage:
    """All kinds of streams, ten seconds after the beginning."""
    stage = Stage(*NAMES)
    stage.now = 10.0
    stage.read("events", 12_345_678)
    stage.send("events", Limit("events", M), requests=3)
    stage.contexts["events"].reached = parse_instant("2024-03-01T00:00:00Z")
    stage.contexts["events"].covered = 0.5
    stage.read("list_profiles", 3)
    stage.contexts["list_profiles"].partition_counts = (12, 300)
    stage.end("metrics")
    stage.end("template_universal_content", failed=True)
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
def test_a_narrow_terminal_shows_as_many_columns_as_fit(stage: Stage, width: int, heads: str) -> None:
    table = lines(stage, width)

    assert max(map(len, table)) <= width
    assert table[1].split() == heads.split()
    for name, line in zip(NAMES, table[2:6], strict=True):
        assert name.startswith(line.split()[0].rstrip("…"))


def test_each_figure_is_in_its_column(stage: Stage) -> None:
    table = lines(stage, 160)

    assert table[0] == "2 of 4 streams ended after 10 s"
    assert table[2].split() == ["events", "12,345,678", "10", "s", "2024-03-01", "1,234,568", "2%", "3"]
    assert table[3].split() == ["list_profiles", "3", "12/300", "0.3", "0"]
    assert table[4].split() == ["metrics", "0", "done", "0", "0"]
    assert table[5].split() == ["template_universal_content", "0", "failed", "0", "0"]
    assert table[6].split() == ["Total", "12,345,681", "10", "s", "1,234,568", "3"]


def test_a_short_terminal_shows_active_and_failed_streams_first() -> None:
    names = [f"stream_{number:02}" for number in range(52)]
    stage = Stage(*names)
    active = names[::7]
    for name in names:
        if name in active:
            stage.send(name, Limit(name, M))
        else:
            stage.end(name, failed=name == names[-1])

    table = lines(stage, 100, 24)
    shown_names = [line.split()[0] for line in table if line.startswith("stream_")]

    assert len(table) == 24
    assert len(shown_names) == 24 - AROUND
    assert {*active, names[-1]} <= set(shown_names)
    assert shown_names == sorted(shown_names)
    assert table[-2] == f"Not shown: 0 under way, {52 - len(shown_names)} ended."


@pytest.mark.parametrize("has_colours", [True, False])
def test_no_color_is_respected(stage: Stage, has_colours: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if not has_colours:
        monkeypatch.setenv("NO_COLOR", "1")

    failed = next(line for line in drawn(stage, 80).splitlines() if "failed" in line)

    assert bool(re.search(r"\x1b\[(\d+;)*3[0-9]", failed)) is has_colours


def test_the_last_table_stays_and_the_cursor_is_not_hidden(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    console, stdout = terminal(80), sys.stdout

    with live_table(stage.progress, console):
        assert sys.stdout is stdout
        during = text(console)
        stage.read("list_profiles", 74)  # to the three that there are

    assert during.rindex("\x1b[?25h") > during.rindex("\x1b[?25l")
    assert "77" not in during
    assert "77" in text(console)[len(during) :]


def test_the_table_appears_at_the_end_if_no_thread_can_start_to_draw_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", refuse)
    console = terminal(80)
    with live_table(stage.progress, console):
        stage.read("list_profiles", 74)  # to the three that there are

    assert "77" in text(console)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (99, "99 s"), (100, "2 min"), (5940, "99 min"), (6000, "1 h 40"), (200_000, "2 d 7 h")],
)
def test_durations_are_readable(seconds: float, words: str) -> None:
    assert duration(seconds) == words
