"""Stdout holds whole lines only: with many threads, any reader, and when it cannot be written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import pytest

from integration_tests.connector import ROOT, Connector, Output, catalog
from integration_tests.truth import expected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from klaviyo_simulator import Simulator

BUSY = """
import logging, sys, threading
from airbyte_cdk.logger import PRINT_BUFFER, init_logger
from source_klaviyo.airbyte.stdout import Output

output, logger, done = Output(), init_logger("airbyte"), threading.Event()
sys.stdout = sys.__stdout__ = output.text
PRINT_BUFFER.flush_interval = 0.0

def chat():
    while not done.is_set():
        logger.info("Asking again. " * 30)

def note():
    while not done.is_set():
        print('{"type": "PRINT"}')

for target in (chat, chat, note, note):
    threading.Thread(target=target, daemon=True).start()
line = [b'{"type": "RECORD", "record": {"data": {"text": "', b"x" * 500, b'"}}}', b"\\n"]
for _ in range(100):
    output.write(*line * 1_001)
done.set()
output.exit(0)
"""
ROOM = 1 << 20
"""Bytes of space on the disk: less than the records take."""


def test_lines_of_other_threads_never_break_a_record() -> None:
    done = subprocess.run([sys.executable, "-c", BUSY], cwd=ROOT, capture_output=True, check=True, timeout=60)

    kinds = [json.loads(line)["type"] for line in done.stdout.splitlines()]

    assert kinds.count("RECORD") == 100_100
    assert {"LOG", "PRINT"} < set(kinds)


@contextmanager
def full_device(_: Path) -> Iterator[IO[bytes]]:
    with open("/dev/full", "wb") as device:  # noqa: PTH123 - no file of ours
        yield device


@contextmanager
def limited_file(folder: Path) -> Iterator[IO[bytes]]:
    with (folder / "out").open("wb") as file:
        yield file


@contextmanager
def small_disk(folder: Path) -> Iterator[IO[bytes]]:
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("A disk of its own takes root.")
    try:
        with (disk / "out").open("wb") as file:
            yield file
            (folder / "out").write_bytes((disk / "out").read_bytes())
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("disk", [full_device, limited_file, small_disk], ids=lambda one: one.__name__)
def test_a_full_disk_ends_the_sync_after_a_whole_line(
    connector: Connector, tmp_path: Path, disk: Callable[[Path], Any]
) -> None:
    command = connector.command("read", catalog=catalog())
    with disk(tmp_path) as stdout:
        done = subprocess.run(
            limited(ROOM, command) if disk is limited_file else command,
            env=connector.environment,
            stdout=stdout,
            stderr=subprocess.PIPE,
            check=False,
            timeout=30,
        )

    assert done.returncode == 1
    assert_one_sentence(done.stderr)
    written = (tmp_path / "out").read_bytes() if disk is not full_device else b""
    assert written[-1:] in {b"\n", b""}
    assert len(written) <= ROOM
    assert bool(Output.parse(written).records) == bool(written)


def limited(size: int, command: list[str]) -> list[str]:
    """The same command, in a process whose files may not exceed this many bytes."""
    return ["sh", "-c", f'ulimit -f {size // 512}; exec "$@"', "sh", *command]


def assert_one_sentence(stderr: bytes) -> None:
    """Assert that stderr holds one line: that the output cannot be written, and what to do."""
    (line,) = stderr.decode().splitlines()
    assert line.startswith("Standard output cannot be written (")
    assert line.endswith(", and run the command again.")


@pytest.mark.parametrize("name", ["spec", "check", "discover", "read"])
def test_a_closed_stdout_ends_each_command_without_a_request(connector: Connector, shop: Simulator, name: str) -> None:
    command = connector.command(name, **({"catalog": catalog()} if name == "read" else {}))
    for closed in (">&-", "<&- >&-"):
        done = subprocess.run(
            ["sh", "-c", f'exec "$@" {closed}', "sh", *command],
            env=connector.environment,
            stderr=subprocess.PIPE,
            check=False,
            timeout=30,
        )
        assert done.returncode == 1
        assert_one_sentence(done.stderr)
    assert shop.stats()["requests"] == 0


def test_stderr_and_stdin_may_be_closed(connector: Connector, shop: Simulator) -> None:
    command = ["sh", "-c", 'exec "$@" <&- 2>&-', "sh", *connector.command("read", catalog=catalog())]
    done = subprocess.run(command, env=connector.environment, stdout=subprocess.PIPE, check=False, timeout=60)

    output = Output.parse(done.stdout, done.returncode)
    assert output.code == 0
    assert {*output.ids("events")} == expected(shop, "events")


def test_a_closed_pipe_ends_the_sync_with_one_sentence(connector: Connector) -> None:
    command = connector.command("read", catalog=catalog())
    with subprocess.Popen(
        command, env=connector.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        stderr = process.stderr.read()
        assert process.wait(timeout=30) == 1

    assert_one_sentence(stderr)


def test_a_full_nonblocking_pipe_is_waited_for(connector: Connector, shop: Simulator) -> None:
    """Node.js and other event loops hand out such pipes; when full, they reject the rest of a page."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    command = connector.command("read", catalog=catalog())
    with subprocess.Popen(command, env=connector.environment, stdout=write) as process, open(read, "rb") as pipe:  # noqa: PTH123 - a descriptor
        os.close(write)
        time.sleep(3)  # the pipe fills up long before
        output = Output.parse(pipe.read())
        output.code = process.wait(timeout=60)

    assert output.code == 0
    for stream in ("events", "profiles"):
        assert {*output.ids(stream)} == expected(shop, stream)
        assert output.statuses[stream][-1] == "COMPLETE"


def test_a_read_writes_no_file(connector: Connector, shop: Simulator) -> None:
    """A pod may have a read-only file system without a folder for temporary files."""
    done = subprocess.run(
        limited(0, connector.command("read", catalog=catalog("events"))),
        env=connector.environment,
        capture_output=True,
        check=False,
        timeout=60,
    )
    output = Output.parse(done.stdout, done.returncode, done.stderr.decode())

    assert (output.code, output.errors, output.stderr) == (0, [], "")
    assert {*output.ids("events")} == expected(shop, "events")
