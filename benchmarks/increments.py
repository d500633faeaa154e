"""`increments`: how many requests later syncs take."""

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
"""Less than a page of each."""
NEWS_OF = {"email_templates": "templates"}
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
        "Less is better. If nothing has changed, the goal is one for each partition, or for each page of a stream "
        "whose changes Klaviyo cannot be asked for; with a page of changes, one or two for each partition.",
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
        without = shop.by_stream()
        shop.change(**CHANGES)
        shop.settle()
        shop.reset()
        sync(connector, *names, state=second.states)
        with_news = shop.by_stream()
        for name in names:
            endpoint = STREAMS[name]
            parts = endpoint.parts if endpoint.filtered else ceil(first.records[name] / endpoint.page)
            has_news = NEWS_OF.get(name, name) in CHANGES
            table.rows.append(
                (
                    name,
                    f"{parts}",
                    marked(f"{without[name]}", missed=without[name] > parts),
                    marked(f"{with_news[name]}", missed=with_news[name] > 2 * parts) if has_news else "",
                )
            )
    yield table
