"""A read at a terminal shows its progress there, and stdout holds only messages."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import threading
from typing import TYPE_CHECKING

from integration_tests.connector import Connector, Output, catalog

if TYPE_CHECKING:
    from pathlib import Path

STREAMS = ("events", "lists", "metrics")


def read_at_a_terminal(connector: Connector, *, stdout: bool) -> tuple[Output, str]:
    """Read with a terminal as stderr, and optionally as stdout; return the messages and what the terminal shows."""
    command = connector.command("read", catalog=catalog(*STREAMS))
    # rich obeys these of the machine that runs the tests
    environment = {name: value for name, value in connector.environment.items() if name not in {"COLUMNS", "LINES"}}
    master, terminal = pty.openpty()
    seen: list[bytes] = []
    reader = threading.Thread(target=_read_all, args=(master, seen))
    with subprocess.Popen(
        command,
        env={**environment, "TERM": "xterm-256color"},
        stdout=terminal if stdout else subprocess.PIPE,
        stderr=terminal,
    ) as process:
        os.close(terminal)
        reader.start()
        printed, _ = process.communicate(timeout=300)
    reader.join()
    shown = b"".join(seen)
    return Output.parse(shown if stdout else printed, process.returncode), shown.decode()


def _read_all(master: int, seen: list[bytes]) -> None:
    try:
        while piece := os.read(master, 65_536):
            seen.append(piece)
    except OSError:
        pass  # the other end is closed
    os.close(master)


def test_the_table_is_drawn_on_stderr_and_stdout_holds_only_messages(connector: Connector) -> None:
    output, shown = read_at_a_terminal(connector, stdout=False)
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).split("3 of 3 streams ended")[-1]

    assert output.code == 0, output.logs
    for stream in STREAMS:
        assert re.search(rf"^{stream} +{len(output.records[stream]):,} +done", last, re.MULTILINE)
    assert re.search(r"^Total +5,0\d\d +done", last, re.MULTILINE)


def test_no_table_is_drawn_if_stdout_is_a_terminal_too(connector: Connector) -> None:
    output, shown = read_at_a_terminal(connector, stdout=True)

    assert output.code == 0
    assert len(output.records["events"]) == 5_000
    assert "\x1b" not in shown


def test_without_a_terminal_the_table_is_neither_drawn_nor_imported(connector: Connector, tmp_path: Path) -> None:
    watched = {**connector.environment, "PYTHONPROFILEIMPORTTIME": "1"}

    done = subprocess.run(
        connector.command("read", catalog=catalog(*STREAMS)), env=watched, capture_output=True, check=True, timeout=300
    )
    imported = {line.split("|")[-1].strip() for line in done.stderr.decode().splitlines()}

    assert Output.parse(done.stdout).records["events"]
    assert "source_klaviyo.progress.tracker" in imported
    assert not {name for name in imported if name.split(".")[0] == "rich" or name == "source_klaviyo.progress.table"}
