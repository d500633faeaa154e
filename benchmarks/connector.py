"""Run a connector as Airbyte does, measure its process and count its output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.table import WrongError
from integration_tests.connector import ROOT, Connector, catalog
from integration_tests.heavy import MB, memory_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.simulator import Simulator

PEAK_SECONDS = 0.02
"""Seconds between two readings of the memory of a process."""
RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in a unit of `ru_maxrss`."""


def ours(simulator: Simulator, **settings: Any) -> Connector:
    """Return the connector of this checkout."""
    return Connector(simulator.url, simulator.folder, settings)


def start(connector: Connector, command: str, stdout: Any, **files: Any) -> subprocess.Popen[bytes]:
    """Start a command with these files."""
    with (connector.folder / "stderr").open("wb") as stderr:
        return subprocess.Popen(
            connector.command(command, **files),
            cwd=connector.folder,
            env=connector.environment,
            stdout=stdout,
            stderr=stderr,
        )


@dataclass(frozen=True)
class Sync:
    """The figures of a sync.

    Attributes:
        began, first, ended: seconds since 1970; `first` is when the first record was emitted.
        cpu: processor seconds, including the start.
        peak: peak of resident memory, in bytes.
        records, distinct: number of records and of different IDs, by stream.
        fullest: number of records in the second that has the most, by stream.
        states: the last state of each stream.
    """

    began: float
    first: float
    ended: float
    cpu: float
    peak: int
    records: dict[str, int]
    distinct: dict[str, int]
    fullest: dict[str, int]
    states: list[Any]

    @property
    def total(self) -> int:
        """Return the number of records."""
        return sum(self.records.values())

    @property
    def twice(self) -> int:
        """Return the number of repeated records."""
        return self.total - sum(self.distinct.values())

    @property
    def rate(self) -> float:
        """Return the records per second, from the first record on."""
        return self.total / (self.ended - self.first)

    def holds(self, *, once: bool = True, **expected: int) -> Sync:
        """Return the sync itself, if it has read the expected numbers of IDs.

        Args:
            once: whether no ID may be repeated.
            expected: number of IDs, by stream.

        Raises:
            WrongError: it has not.
        """
        twice = {stream: count - self.distinct[stream] for stream, count in self.records.items()}
        if once and any(twice.values()):
            raise WrongError(f"ids came more than once: {twice}")
        if {**self.distinct, **expected} != self.distinct:
            raise WrongError(f"expected {expected}, but got {self.distinct}")
        return self


class Running:
    """A running sync."""

    def __init__(self, process: subprocess.Popen[bytes], sink: subprocess.Popen[bytes] | None, output: Path) -> None:
        self.process = process
        self.sink = sink
        self._output = output
        self._began = time.time()
        self._peak = 0.0
        self._watching = threading.Thread(target=self._watch, daemon=True)
        self._watching.start()

    def _watch(self) -> None:
        """Note the peak memory of the process until it ends."""
        while peak := memory_of(self.process.pid):
            self._peak = peak
            time.sleep(PEAK_SECONDS)

    def ends_within(self, most: float) -> bool:
        """Wait for its end for at most this many seconds, and return whether it has ended."""
        end = time.monotonic() + most
        while os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True

    def finish(self) -> Sync:
        """Wait for its end and return its figures.

        Raises:
            WrongError: it has failed.
        """
        _, status, usage = os.wait4(self.process.pid, 0)
        ended = time.time()
        self.process.returncode = code = os.waitstatus_to_exitcode(status)
        if self.sink is None:
            with self._output.open("rb") as output:
                seen = json.loads(_sink(output).communicate()[0])
            self._output.unlink()
        else:
            seen = json.loads(self.sink.communicate()[0])
        if code:
            raise WrongError(f"the sync ended with {code}: {'; '.join(seen['errors'])[:300] or 'see its stderr'}")
        return Sync(
            began=self._began,
            first=seen["first"],
            ended=ended,
            cpu=usage.ru_utime + usage.ru_stime,
            # the system's own figure is never less than the size of this process
            peak=int(self._peak * MB) or usage.ru_maxrss * RSS_UNIT,
            records=seen["records"],
            distinct=seen["distinct"],
            fullest=seen["fullest"],
            states=list(seen["states"].values()),
        )


@contextmanager
def running(connector: Connector, *streams: str, state: Any = None, piped: bool = True) -> Iterator[Running]:
    """Start to read streams; in the end, kill what still runs.

    Args:
        connector: which one.
        streams: their names.
        state: the states to resume from.
        piped: whether the output is read from a pipe at once, or from a file at the end.
    """
    files = {"catalog": catalog(*streams)} | ({} if state is None else {"state": state})
    output = connector.folder / "output.jsonl"
    if piped:
        process = start(connector, "read", subprocess.PIPE, **files)
        sink = _sink(process.stdout)
        if process.stdout:
            process.stdout.close()
    else:
        with output.open("wb") as file:
            process, sink = start(connector, "read", file, **files), None
    try:
        yield Running(process, sink, output)
    finally:
        for each in (process, sink):
            if each is not None:
                if each.poll() is None:
                    each.kill()
                each.wait()


def sync(connector: Connector, *streams: str, state: Any = None, piped: bool = False) -> Sync:
    """Read streams to their end."""
    with running(connector, *streams, state=state, piped=piped) as under_way:
        return under_way.finish()


def sync_within(most: float, connector: Connector, *streams: str) -> Sync | None:
    """Read streams to their end, or return None if that takes more than `most` seconds."""
    with running(connector, *streams, piped=False) as under_way:
        return under_way.finish() if under_way.ends_within(most) else None


def _sink(source: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "benchmarks.sink"]
    return subprocess.Popen(command, cwd=ROOT, stdin=source, stdout=subprocess.PIPE)
