"""`pods`: what a sync takes of a machine, and whether accounts that are read side by side keep each other waiting."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.connector import ours, running, sync
from benchmarks.klaviyo import STREAMS
from benchmarks.row import OURS, REFERENCE, Row
from benchmarks.simulator import simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.connector import Sync
    from benchmarks.plan import Plan

NAME, MB = "pods", 1_000_000
LATENCY = {"latency": 0.4, "jitter": 0.2}
ACCOUNTS = 4
EIGHT = tuple(STREAMS)


def measure(plan: Plan, say: Callable[[str], None]) -> Iterator[Row]:
    """Cores and memory at Klaviyo's limits, of a sync that finds no news, and of several accounts on one machine."""
    say(f"reading events at the limit: {plan.minutes} minutes")
    (done,) = _read(plan, 1, "events")
    yield from _rows("events at the limit", done, done.ended - done.first)

    say(f"reading profiles at the limit, of 1 account and of {ACCOUNTS}: {plan.minutes} minutes each")
    (alone,) = _read(plan, 1, "profiles")
    yield from _rows("profiles at the limit", alone, alone.ended - alone.first)
    together = _read(plan, ACCOUNTS, "profiles")
    cores = sum(each.cpu / (each.ended - each.began) for each in together)
    yield Row(
        NAME,
        f"{ACCOUNTS} accounts at once (reference: one alone)",
        "s",
        {OURS: max(each.ended - each.began for each in together), REFERENCE: alone.ended - alone.began},
        f"{sum(each.total for each in together):,} profiles; {cores:.2f} cores and "
        f"{sum(each.peak for each in together) / MB:.0f} MB in all",
    )

    say("reading the eight first streams again, without news")
    with TemporaryDirectory() as name, simulator(latency=0.2) as shop:
        first = sync(ours(shop, Path(name)), *EIGHT)
        again = sync(ours(shop, Path(name)), *EIGHT, state=first.states)
    yield from _rows("no news in 8 streams", again, again.ended - again.began)


def _read(plan: Plan, accounts: int, stream: str) -> list[Sync]:
    """Read so many accounts at once, each with limits of its own and a page more than the quota of the time."""
    endpoint = STREAMS[stream]
    size = int(plan.minutes * endpoint.steady * plan.pace) * endpoint.page + 1
    with ExitStack() as stack:
        under_way = []
        for _ in range(accounts):
            folder = Path(stack.enter_context(TemporaryDirectory()))
            shop = stack.enter_context(simulator(**LATENCY, **{endpoint.size: size}))
            connector = ours(shop, folder, disable_fetching_predictive_analytics=True)
            under_way.append(stack.enter_context(running(connector, stream)))
        return [each.finish().holds(**{stream: size}) for each in under_way]


def _rows(what: str, done: Sync, seconds: float) -> Iterator[Row]:
    note = f"{done.total:,} records in {seconds:.1f} s, {done.cpu:.1f} s of CPU with the start"
    yield Row(NAME, f"{what} (reference: one core)", "cores", {OURS: done.cpu / seconds, REFERENCE: 1}, note)
    yield Row(NAME, f"{what}, peak", "MB", {OURS: done.peak / MB})
