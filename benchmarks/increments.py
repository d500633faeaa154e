"""`increments`: the number of requests of later syncs."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from benchmarks.connector import ours, sync
from benchmarks.klaviyo import STREAMS
from benchmarks.reads import PLAIN
from benchmarks.simulator import simulator
from benchmarks.table import Table, marked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.plan import Plan

NAME = "increments"
CHANGES = {"events": 500, "profiles": 50, "campaigns": 20, "flows": 20, "lists": 5, "templates": 5}
"""Number of changes, less than a page of each kind."""
KIND_OF = {"email_templates": "templates"}
SIZES = {
    "events": 20_000,
    "profiles": 2_000,
    "lists": 100,
    "templates": 100,
    "campaigns": 300,
    "flows": 60,
    "segments": 50,
}


def measure(_: Plan, say: Callable[[str], None]) -> Iterator[Table]:
    """Read streams, read them again, change less than a page of each, and read them once more."""
    table = Table(
        "How many requests does a later sync take?",
        "Less is better. If nothing has changed, the goal is one for each partition, or one for each page of a "
        "stream that Klaviyo cannot filter by date; with a page of changes, one or two for each partition.",
        ("Stream", "Partitions", "Nothing changed", "A page changed"),
    )
    names = [name for name, endpoint in STREAMS.items() if name != "list_profiles"]
    with simulator(latency=0.1, **SIZES) as shop, table.guard("later syncs"):
        shop.settle()
        connector = ours(shop, **PLAIN)
        say(f"reading {len(names)} streams, three times")
        first = sync(connector, *names)
        shop.settle()
        shop.reset()
        second = sync(connector, *names, state=first.states)
        unchanged = shop.by_stream()
        shop.change(**CHANGES)
        shop.settle()
        shop.reset()
        sync(connector, *names, state=second.states)
        changed = shop.by_stream()
        for name in names:
            endpoint = STREAMS[name]
            parts = endpoint.parts if endpoint.filtered else ceil(first.records[name] / endpoint.page)
            is_changed = KIND_OF.get(name, name) in CHANGES
            table.rows.append(
                (
                    name,
                    f"{parts}",
                    marked(f"{unchanged[name]}", missed=unchanged[name] > parts),
                    marked(f"{changed[name]}", missed=changed[name] > 2 * parts) if is_changed else "",
                )
            )
    yield table
