"""`pods`: the cores and memory of a sync, and whether concurrent syncs of several accounts slow each other down."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from benchmarks.connector import ours, running, sync
from benchmarks.klaviyo import STREAMS
from benchmarks.reads import PLAIN
from benchmarks.simulator import simulator
from benchmarks.table import Table, figure, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.connector import Sync
    from benchmarks.plan import Plan

NAME, MB = "pods", 1_000_000
LATENCY = {"latency": 0.4, "jitter": 0.2}
ACCOUNTS = 4
EIGHT = ("campaigns", "email_templates", "events", "flows", "global_exclusions", "lists", "metrics", "profiles")


def measure(plan: Plan, say: Callable[[str], None]) -> Iterator[Table]:
    """Measure cores and memory at Klaviyo's limits, with several accounts, and if nothing has changed."""
    table = Table(
        "How many cores and how much memory does a sync need?",
        "Less is better. *At the limit* is what Klaviyo allows in a minute plus one page, with 0.4 to 0.6 s "
        "per response.",
        ("Sync", "Records", "Time", "Cores", "Memory"),
    )
    with table.guard("events at the limit"):
        say(f"reading events at the limit: {plan.minutes} minutes")
        (done,) = _read(plan, 1, "events")
        table.rows.append(_row("events at the limit", [done]))
        if done.twice:
            table.wrong.append(f"{done.twice} events came twice")
    with table.guard("profiles at the limit"):
        say(f"reading profiles at the limit, of 1 account and of {ACCOUNTS}: {plan.minutes} minutes each")
        table.rows.append(_row("profiles at the limit", _read(plan, 1, "profiles")))
        table.rows.append(_row(f"profiles of {ACCOUNTS} accounts at once", _read(plan, ACCOUNTS, "profiles")))
    with table.guard("nothing changed"), simulator(latency=0.2) as shop:
        say("reading eight streams again, unchanged")
        first = sync(ours(shop), *EIGHT)
        shop.settle()
        table.rows.append(_row("8 streams, nothing changed", [sync(ours(shop), *EIGHT, state=first.states)]))
    yield table


def _read(plan: Plan, accounts: int, stream: str) -> list[Sync]:
    """Read this many accounts at once, each with its own limits."""
    endpoint = STREAMS[stream]
    size = plan.minutes * endpoint.steady * endpoint.page + 1
    with ExitStack() as stack:
        under_way = []
        for _ in range(accounts):
            shop = stack.enter_context(simulator(**LATENCY, **{endpoint.size: size}))
            shop.settle()
            under_way.append(stack.enter_context(running(ours(shop, **PLAIN), stream)))
        return [each.finish().holds(once=False, **{stream: size}) for each in under_way]


def _row(what: str, syncs: list[Sync]) -> tuple[str, ...]:
    took = max(each.ended - each.began for each in syncs)
    cores = sum(each.cpu / (each.ended - each.began) for each in syncs)
    records, peak = sum(each.total for each in syncs), sum(each.peak for each in syncs) / MB
    return what, f"{records:,}", seconds(took), figure(cores), f"{peak:.0f} MB"
