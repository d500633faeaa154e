"""`account`: the time of a whole small shop, compared with the limit that takes longest."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from benchmarks.connector import ours, sync
from benchmarks.klaviyo import ANALYSED, Endpoint
from benchmarks.simulator import simulator
from benchmarks.table import Table, marked, seconds
from klaviyo_simulator.rules.endpoints import ENDPOINTS, find
from source_klaviyo.streams.periods import Periods
from tools.demo import SIZES
from tools.streams import streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from benchmarks.plan import Plan

NAME = "account"
LATENCY = 0.2
SLOWEST = 6
"""Number of limits that the table lists."""
MOST = 1.05
COUNT = Endpoint("profile_count", 1, 1, 15)


def measure(_: Plan, say: Callable[[str], None]) -> Iterator[Table]:
    """Read all streams of the demo's shop except reports, whose limit of two a minute would decide the result."""
    names = [stream.name for stream in streams() if not isinstance(stream, Periods)]
    table = Table(
        "Does a whole account take longer than its slowest stream?",
        f"{len(names)} streams of the shop of `make demo`, all at once, with {LATENCY:g} s per response: the limits "
        "that take longest. The slowest should start at once, and the sync should end with it: the goal is "
        f"{MOST} times its bound. Less is better.",
        ("Limit", "Requests", "Bound", "First request after", "Last answer after"),
    )
    say(f"reading {len(names)} streams of a small shop")
    with simulator(latency=LATENCY, advanced_kdp=True, **SIZES) as shop, table.guard("the account"):
        done = sync(ours(shop), *names)
        times: defaultdict[str, list[float]] = defaultdict(list)
        made = shop.requests()
        for request in made:
            for limit in _limits(request):
                times[limit].append(request["at"])
        first = min(request["at"] for request in made)
        took = max(request["at"] for request in made) + LATENCY - first
        bounds = {limit: _endpoint(limit).bound(len(each), LATENCY) for limit, each in times.items()}
        slowest = sorted(bounds, key=bounds.__getitem__, reverse=True)
        for limit in slowest[:SLOWEST]:
            row = (bounds[limit], min(times[limit]) - first, max(times[limit]) + LATENCY - first)
            table.rows.append((f"`{limit}`", f"{len(times[limit]):,}", *map(seconds, row)))
        ratio = took / bounds[slowest[0]]
        table.notes.append(
            f"The whole sync took {seconds(took)}, {marked(f'{ratio:.2f}', missed=ratio > MOST)} times the bound of "
            f"`{slowest[0]}`: {done.total:,} records by {len(made):,} requests; {shop.refused()} were refused. The "
            f"first record came {seconds(done.first - done.began)} after the start of the process."
        )
        if shop.refused():
            table.wrong.append(f"{shop.refused()} requests were refused")
    yield table


def _limits(request: dict[str, Any]) -> Iterable[str]:
    """Yield the limits that a request counts against: that of its endpoint, and those that endpoints share."""
    found = find(request["path"])
    if found:
        yield found[0].path
    for shared in ("profile_count", "predictive_analytics"):
        if shared in request["query"]:
            yield shared


def _endpoint(limit: str) -> Endpoint:
    if limit == COUNT.path:
        return COUNT
    rate = ENDPOINTS[limit].rate if limit in ENDPOINTS else None
    return Endpoint(limit, 1, rate.burst, rate.steady) if rate else ANALYSED
