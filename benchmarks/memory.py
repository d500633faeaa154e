"""`memory`: the peak of a sync by number of records, size of records, and speed of the consumer."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.connector import ours, running, sync
from benchmarks.simulator import simulator
from benchmarks.table import Table, UnmeasurableError, WrongError, marked
from integration_tests.heavy import Heavy, memory_of, watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.plan import Plan
    from benchmarks.simulator import Simulator
    from integration_tests.heavy import Watched

NAME, KB, MB = "memory", 1_000, 1_000_000
SLOW = 4 * MB
"""Bytes per second that a slow consumer takes."""
GOALS = {5 * KB: 200, 100 * KB: 256, 1_000 * KB: 400}
"""Memory goals in MB, by the largest size of records in bytes."""
BEGINNING = 0.1
"""The share of the pages after which the consumer stops."""
SETTLE = 1.0
"""Seconds for the pipe to fill."""


def measure(plan: Plan, say: Callable[[str], None]) -> Iterator[Table]:
    """Measure the resident memory of the connector's process."""
    yield _by_record_size(plan, say)
    small = plan.memory[0]
    table = Table(
        "Does memory grow with the account, or while the consumer is stopped?",
        "The peak of resident memory of the process; the same everywhere is best. Limits are off, and events have "
        "about 1 KB.",
        ("Read", "Memory"),
    )
    with table.guard("memory"):
        for events in plan.memory:
            with simulator(no_limits=True, events=events) as shop:
                say(f"reading {events:,} events")
                done = sync(ours(shop), "events", piped=True).holds(events=events)
                table.rows.append((f"{events:,} events", f"{done.peak / MB:.0f} MB"))
        with simulator(no_limits=True, events=small) as shop:
            say(f"reading {small:,} events, and stopping the consumer for {plan.pause} s")
            table.rows.append(_stopped(plan, shop))
    yield table


def _by_record_size(plan: Plan, say: Callable[[str], None]) -> Table:
    """Measure peaks by the size of records and the speed of the consumer."""
    table = Table(
        "How much memory do large records and slow consumers take?",
        f"The peak of resident memory (VmHWM) of the process. *Fast*: {plan.volume // MB} MB of events are taken at "
        f"once. *Slow*: {SLOW // MB} MB are taken per second, for {plan.pause:g} s. Less is better; the goals are "
        + ", ".join(f"{goal} MB up to {size // KB:,} KB" for size, goal in GOALS.items())
        + ".",
        ("Size of an event", "Fast consumer", "Slow consumer"),
    )
    for size in plan.record_sizes:
        goal = min(most for limit, most in GOALS.items() if size <= limit)
        cells = []
        for rate in (None, SLOW):
            say(f"reading events of {size // KB:,} KB, {'slowly' if rate else 'fast'}")
            events = plan.volume // size
            seen = _apart(events, size, rate, plan.pause if rate else 300.0)
            if seen.errors or (rate is None and seen.records != events):
                table.wrong.append(f"{seen.records:,} of {events:,} events of {size // KB:,} KB came: {seen.errors}")
            cells.append(marked(f"{seen.peak:.0f} MB", missed=seen.peak > goal))
        table.rows.append((f"{size // KB:,} KB", *cells))
    return table


def _apart(events: int, size: int, rate: float | None, seconds: float) -> Watched:
    """Watch a read from a separate process.

    The server needs memory, and on Linux the peak of a process is never below the size of the one that started it.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_watched, events, size, rate, seconds).result()


def _watched(events: int, size: int, rate: float | None, seconds: float) -> Watched:
    with TemporaryDirectory() as name, Heavy(events=events, size=size) as server:
        return watch(server, Path(name), seconds=seconds, rate=rate)


def _stopped(plan: Plan, shop: Simulator) -> tuple[str, str]:
    """Stop the consumer in the middle, continue later, and check that all records arrive."""
    events = plan.memory[0]
    with running(ours(shop), "events") as under_way:
        if under_way.sink is None:
            raise UnmeasurableError("there is no consumer to stop")
        while shop.stats()["requests"] < events * BEGINNING / 1000:
            if under_way.process.poll() is not None:
                raise WrongError("the sync ended before it was stopped")
            time.sleep(0.01)
        under_way.sink.send_signal(signal.SIGSTOP)
        time.sleep(SETTLE)
        asked = shop.stats()["requests"]
        time.sleep(plan.pause)
        memory, asked_since = memory_of(under_way.process.pid, "VmRSS"), shop.stats()["requests"] - asked
        under_way.sink.send_signal(signal.SIGCONT)
        under_way.finish().holds(events=events)
    what = f"{events:,} events, stopped for {plan.pause:g} s after {asked} requests ({asked_since} more while stopped)"
    return what, f"{memory:.0f} MB"
