"""`account`: how long a whole small shop takes, beside the one limit that takes longest."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.connector import ours, sync
from benchmarks.klaviyo import ANALYSED, STREAMS, Endpoint
from benchmarks.row import OURS, REFERENCE, Row
from benchmarks.simulator import simulator
from klaviyo_simulator.endpoints import ENDPOINTS, find
from source_klaviyo.streams.periods import Periods
from tools.tables import streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from benchmarks.plan import Plan

NAME = "account"
SIZES = {"campaigns": 300, "flows": 30, "lists": 15, "segments": 15, "templates": 300, "metrics": 20, "forms": 20}


def measure(plan: Plan, say: Callable[[str], None]) -> Iterator[Row]:
    """All streams but reports at once, real limits, 200 ms for an answer; the time includes the start of the process.

    Reports are left out because two of them a minute decide everything.
    """
    names = [stream.name for stream in streams() if not isinstance(stream, Periods)]
    say(f"reading {len(names)} streams of a small shop")
    sizes = {**SIZES, "profiles": plan.analysed, "events": plan.analysed * 10}
    with TemporaryDirectory() as name, simulator(latency=0.2, **sizes) as shop:
        done = sync(ours(shop, Path(name)), *names)
        done.holds(**{stream: sizes[endpoint.size] for stream, endpoint in STREAMS.items() if endpoint.size})
        made = shop.requests()
    counts = Counter(limit for request in made for limit in _limits(request))
    longest, bound = max(((limit, _bound(limit, count)) for limit, count in counts.items()), key=lambda pair: pair[1])
    seconds = done.ended - done.began
    yield Row(
        NAME,
        f"{len(names)} streams of a small shop (reference: the limit of {longest})",
        "s",
        {OURS: seconds, REFERENCE: bound},
        f"{done.total:,} records by {len(made):,} requests, {counts[longest]:,} of them under that limit; "
        f"{done.first - done.began:.1f} s until the first record",
    )


def _limits(request: dict[str, Any]) -> Iterable[str]:
    """The limits that a request draws on: of its endpoint, and those that endpoints share."""
    found = find(request["path"])
    if found:
        yield found[0].path
    for shared in ("profile_count", "predictive_analytics"):
        if shared in request["query"]:
            yield shared


def _bound(limit: str, requests: int) -> float:
    tier = ENDPOINTS[limit].tier if limit in ENDPOINTS else None
    burst, steady = (tier.burst, tier.steady) if tier else (ANALYSED.burst, ANALYSED.steady)
    if limit == "profile_count":
        burst, steady = 1, 15
    return Endpoint(limit, 0, burst, steady).bound(requests)
