"""`memory`: what a sync takes of it, whatever the size, and when nobody takes the output."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.connector import ours, running, sync
from benchmarks.row import OURS, REFERENCE, Row, UnmeasurableError, WrongError
from benchmarks.simulator import simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.plan import Plan
    from benchmarks.simulator import Simulator

NAME, UNIT, MB = "memory", "MB", 1_000_000
BEGINNING = 0.1
"""The share of the pages after which the output is no longer taken."""
SETTLE = 1.0
"""Seconds in which the pipe fills."""


def measure(plan: Plan, say: Callable[[str], None]) -> Iterator[Row]:
    """Resident memory of the connector's process."""
    small, large = plan.memory
    with TemporaryDirectory() as name:
        peaks = []
        for events in plan.memory:
            with simulator(no_limits=True, events=events) as shop:
                say(f"reading {events:,} events")
                done = sync(ours(shop, Path(name)), "events", piped=True)
                peaks.append(done.holds(events=events).peak / MB)
        figures = {OURS: peaks[1], REFERENCE: peaks[0]}
        yield Row(NAME, f"peak, {large:,} events (reference: {small:,} events)", UNIT, figures)

        with simulator(no_limits=True, events=small) as shop:
            say(f"reading {small:,} events, and taking none for {plan.pause} s")
            yield _stopped(plan, shop, Path(name))


def _stopped(plan: Plan, shop: Simulator, folder: Path) -> Row:
    """Stop who takes the output in the middle; go on later, and see that all arrives."""
    events = plan.memory[0]
    with running(ours(shop, folder), "events") as under_way:
        if under_way.sink is None:
            raise UnmeasurableError("there is nobody to stop")
        while shop.stats()["requests"] < events * BEGINNING / 1000:
            if under_way.process.poll() is not None:
                raise WrongError("the sync ended before it was stopped")
            time.sleep(0.01)
        under_way.sink.send_signal(signal.SIGSTOP)
        time.sleep(SETTLE)
        before, asked = _resident(under_way.process.pid), shop.stats()["requests"]
        time.sleep(plan.pause)
        after, asked_since = _resident(under_way.process.pid), shop.stats()["requests"] - asked
        under_way.sink.send_signal(signal.SIGCONT)
        under_way.finish().holds(events=events)
    return Row(
        NAME,
        f"{plan.pause:g} s without anybody who takes the output (reference: before)",
        UNIT,
        {OURS: after / MB, REFERENCE: before / MB},
        f"stopped after {asked} requests, {asked_since} more while stopped; then all {events:,} events arrived",
    )


def _resident(pid: int) -> int:
    """Bytes of memory that a process holds now.

    Raises:
        UnmeasurableError: the system does not tell.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text("utf-8")
    except OSError:
        raise UnmeasurableError("a process's memory can be looked at on Linux only") from None
    found = re.search(r"VmRSS:\s*(\d+) kB", status)
    return int(found.group(1)) * 1024 if found else 0
