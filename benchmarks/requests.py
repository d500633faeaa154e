"""`requests`: how many a read takes, beside how many pages there are."""

from __future__ import annotations

from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.connector import ours, sync
from benchmarks.klaviyo import STREAMS
from benchmarks.row import OURS, REFERENCE, Row
from benchmarks.simulator import simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.plan import Plan

NAME = "requests"
SLOW = {"campaigns": 0.5, "flows": 0.3, "metrics": 0.05}
"""The share of the pages that streams of a low limit have."""


def measure(plan: Plan, say: Callable[[str], None]) -> Iterator[Row]:
    """A full read of all streams with 200 ms for an answer, and one that goes on from there without any news."""
    sizes = {
        endpoint.size: ceil(plan.pages * SLOW.get(name, 1)) * endpoint.page
        for name, endpoint in STREAMS.items()
        if endpoint.size
    }
    with TemporaryDirectory() as name, simulator(latency=0.2, **sizes) as shop:
        connector = ours(shop, Path(name), disable_fetching_predictive_analytics=True)
        say("reading all streams")
        done = sync(connector, *STREAMS)
        expected = {stream: sizes[endpoint.size] for stream, endpoint in STREAMS.items() if endpoint.size}
        counts = shop.by_stream()
        for stream, endpoint in STREAMS.items():
            pages = ceil(done.holds(**expected).records[stream] / endpoint.page)
            parts = f", in {endpoint.parts} parts" if endpoint.parts > 1 and endpoint.size else ""
            note = f"{done.records[stream]:,} records{parts}"
            what = f"{stream}, a full read (reference: full pages)"
            yield Row(NAME, what, "requests", {OURS: counts[stream], REFERENCE: pages}, note)

        shop.reset()
        say("reading all streams again")
        again = sync(connector, *STREAMS, state=done.states)
        counts = shop.by_stream()
        note = f"{again.total:,} records; " + ", ".join(f"{stream} {counts[stream]}" for stream in STREAMS)
        least = sum(
            endpoint.parts if endpoint.filtered else ceil(done.records[stream] / endpoint.page)
            for stream, endpoint in STREAMS.items()
        )
        what = "all streams again, without news (reference: one for each part; all pages of metrics)"
        yield Row(NAME, what, "requests", {OURS: sum(counts.values()), REFERENCE: least}, note)
