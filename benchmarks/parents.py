"""`parents`: streams that take a request for each parent or record."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.connector import ours, running
from benchmarks.klaviyo import Endpoint
from benchmarks.reads import LATENCY, PLAIN
from benchmarks.simulator import simulator
from benchmarks.table import Table, figure, marked, seconds
from klaviyo_simulator.rules.endpoints import find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.plan import Plan
    from benchmarks.simulator import Simulator

NAME = "parents"
MOST_OF_IT = 0.97


@dataclass(frozen=True)
class Children:
    """A stream with one request for each parent, all to one endpoint.

    Attributes:
        stream: its name.
        endpoint: the endpoint and its limits.
        size: the simulator's option for the number of parents.
        each: requests for each parent.
    """

    stream: str
    endpoint: Endpoint
    size: str
    each: float = 1.0


SIDE_BY_SIDE = (
    Children("list_profiles", Endpoint("/api/lists/{id}/profiles", 100, 75, 750), "lists"),
    Children("segment_profiles", Endpoint("/api/segments/{id}/profiles", 100, 75, 750), "segments"),
    Children("coupon_codes", Endpoint("/api/coupon-codes", 100, 350, 3500), "coupons"),
    Children("flow_messages", Endpoint("/api/flow-actions/{id}/flow-messages", 50, 3, 60), "flows", 2.2),
    Children("form_versions", Endpoint("/api/forms/{id}/form-versions", 100, 3, 60), "forms"),
    Children("campaigns_detailed", Endpoint("/api/campaign-recipient-estimations/{id}", 1, 10, 150), "campaigns"),
)
COUNTED = (
    Children("lists_detailed", Endpoint("/api/lists/{id}", 1, 1, 15), "lists"),
    Children("segments_detailed", Endpoint("/api/segments/{id}", 1, 1, 15), "segments"),
)
"""Lists and segments with their counts, which share one limit."""


def measure(plan: Plan, say: Callable[[str], None]) -> Iterator[Table]:
    """Read them side by side: from an account with many parents, and one with few lists and segments to count."""
    table = Table(
        "Do streams that take a request for each parent use what Klaviyo allows?",
        "All are read side by side, with 300 ms per response. The bound is one round trip plus the time that the "
        "limits take for these requests. The share is the bound divided by the time from the first request to the last "
        "response. *In the first second*: the number of requests, up to the burst limit. More is better, for both.",
        ("Stream", "Requests", "Burst, steady", "In the first second", "Time", "Bound", "Share of the allowed rate"),
    )
    sizes = {each.size: _parents(each, plan) for each in SIDE_BY_SIDE}
    few = {each.size: max(2, (plan.minutes * 15 + 2) // 2) for each in COUNTED}
    say("reading " + ", ".join(each.stream for each in (*SIDE_BY_SIDE, *COUNTED)))
    with ExitStack() as stack, table.guard("streams with parents"):
        shops = [
            stack.enter_context(simulator(latency=LATENCY, **options, members=100, events=100))
            for options in (sizes, few)
        ]
        syncs = [
            stack.enter_context(running(ours(shop, **PLAIN), *(each.stream for each in children)))
            for shop, children in zip(shops, (SIDE_BY_SIDE, COUNTED), strict=True)
        ]
        for each in syncs:
            each.finish()
        table.rows += [_row(shops[0], [each.endpoint], each.stream) for each in SIDE_BY_SIDE]
        both = " and ".join(each.stream for each in COUNTED)
        table.rows.append(_row(shops[1], [each.endpoint for each in COUNTED], both))
        refused = sum(shop.refused() for shop in shops)
        table.notes.append(f"Klaviyo refused {refused} requests (429 or 400).")
        if refused:
            table.wrong.append(f"{refused} requests were refused")
    yield table


def _parents(children: Children, plan: Plan) -> int:
    """Return the number of parents: that of the plan, but at most the quota of the plan's minutes and one request."""
    most = plan.minutes * children.endpoint.steady + 1
    return min(plan.parents, int(most / children.each) + 1)


def _row(shop: Simulator, endpoints: Sequence[Endpoint], stream: str) -> tuple[str, ...]:
    endpoint, paths = endpoints[0], {each.path for each in endpoints}
    times = [request["at"] for request in shop.requests() if _path(request["path"]) in paths]
    first = min(times, default=0.0)
    took = max(times, default=0.0) - first + LATENCY
    bound = endpoint.bound(len(times), LATENCY, trips=1)
    at_once = sum(at - first < 1.0 for at in times)
    share = min(bound / took, 1.0)
    return (
        stream,
        f"{len(times):,}",
        f"{endpoint.burst}/s, {endpoint.steady}/min",
        figure(at_once),
        seconds(took),
        seconds(bound),
        marked(f"{share:.0%}", missed=share < MOST_OF_IT),
    )


def _path(path: str) -> str:
    """Return the endpoint that a path belongs to."""
    found = find(path)
    return found[0].path if found else path
