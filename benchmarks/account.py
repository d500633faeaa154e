"""`account`: how long a whole small shop takes, beside the one stream that takes longest for its limit."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.connector import ours, sync
from benchmarks.klaviyo import ANALYSED, STREAMS, stream_of
from benchmarks.row import OURS, REFERENCE, Row
from benchmarks.simulator import simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.plan import Plan

NAME = "account"
SIZES = {"campaigns": 600, "flows": 200, "lists": 100, "templates": 300, "metrics": 60}


def measure(plan: Plan, say: Callable[[str], None]) -> Iterator[Row]:
    """All streams at once, real limits, 200 ms for an answer; the time includes the start of the process."""
    say("reading all streams of a small shop")
    sizes = {**SIZES, "profiles": plan.analysed, "events": plan.analysed * 10}
    with TemporaryDirectory() as name, simulator(latency=0.2, **sizes) as shop:
        done = sync(ours(shop, Path(name)), *STREAMS)
        done.holds(**{stream: sizes[endpoint.size] for stream, endpoint in STREAMS.items() if endpoint.size})
        made = shop.requests()
    times: defaultdict[str, list[float]] = defaultdict(list)
    for request in made:
        times[stream_of(request["path"], request["query"])].append(request["at"])
    bounds = {
        stream: (ANALYSED if stream == "profiles" else endpoint).bound(len(times[stream]))
        for stream, endpoint in STREAMS.items()
    }
    longest = max(bounds, key=bounds.__getitem__)
    seconds = done.ended - done.began
    yield Row(
        NAME,
        f"all streams of a small shop (reference: the limit of {longest})",
        "s",
        {OURS: seconds, REFERENCE: bounds[longest]},
        f"{done.total:,} records by {len(made):,} requests; {done.first - done.began:.1f} s until the first record; "
        f"{len(times[longest]):,} requests for {longest}, the last one {times[longest][-1] - times[longest][0]:.1f} s "
        "after the first",
    )
