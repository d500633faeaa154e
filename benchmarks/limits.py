"""`limits`: which share of the requests that Klaviyo allows is put to use."""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.connector import ours, running, sync
from benchmarks.klaviyo import ANALYSED, STREAMS
from benchmarks.row import OURS, REFERENCE, Row
from benchmarks.simulator import simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Self

    from benchmarks.klaviyo import Endpoint
    from benchmarks.plan import Plan
    from benchmarks.simulator import Simulator

NAME = "limits"
TOGETHER = ("events", "profiles", "lists", "flows", "email_templates")
LATENCY = {"latency": 0.4, "jitter": 0.2}
MINUTE = 60
EVERY = 20.0
"""Seconds between two looks: the simulator remembers more requests than the limits let through in that time."""


def measure(plan: Plan, say: Callable[[str], None]) -> Iterator[Row]:
    """Reads that need one request more than the quota of so many minutes: these minutes are the ideal."""
    endpoints = {name: STREAMS[name] for name in TOGETHER}
    sizes = {endpoint.size: _size(endpoint, plan) for endpoint in endpoints.values()}
    analysed = _size(ANALYSED, plan)
    with ExitStack() as stack:
        folders = [Path(stack.enter_context(TemporaryDirectory())) for _ in range(2)]
        shop = stack.enter_context(simulator(**LATENCY, **sizes))
        other = stack.enter_context(simulator(**LATENCY, profiles=analysed))
        watches = [stack.enter_context(Watch(each)) for each in (shop, other)]
        say(f"reading {', '.join(TOGETHER)}, and profiles with predictive analytics: {plan.minutes} minutes")
        plain = ours(shop, folders[0], disable_fetching_predictive_analytics=True)
        first = stack.enter_context(running(plain, *TOGETHER))
        second = stack.enter_context(running(ours(other, folders[1]), "profiles"))
        first.finish().holds(**{name: sizes[endpoint.size] for name, endpoint in endpoints.items()})
        second.finish().holds(profiles=analysed)
        for name, endpoint in endpoints.items():
            yield _share(name, endpoint, plan, watches[0])
        yield _share("profiles with predictive analytics, at the same time", ANALYSED, plan, watches[1])
        yield _refusals("all of them", shop, other)

    with TemporaryDirectory() as folder, simulator(**LATENCY, events=sizes["events"], skew=0.9) as shop:
        say(f"reading events of which 90 % lie in 1 % of the time: {plan.minutes} minutes")
        with Watch(shop) as watch:
            sync(ours(shop, Path(folder)), "events", piped=True).holds(events=sizes["events"])
            yield _share("events, 90 % of them in 1 % of the time", STREAMS["events"], plan, watch)
        yield _refusals("events, 90 % of them in 1 % of the time", shop)


class Watch:
    """Notes when each endpoint was asked."""

    def __init__(self, shop: Simulator) -> None:
        self._shop = shop
        self._times: defaultdict[str, set[float]] = defaultdict(set)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def times(self, path: str) -> list[float]:
        """When, in seconds since the first request."""
        self._look()
        times = sorted(self._times[path])
        return [at - times[0] for at in times]

    def requests(self, path: str) -> int:
        """How many there were."""
        count: int = self._shop.stats()["endpoints"][path]["requests"]
        return count

    def _run(self) -> None:
        while not self._ended.wait(EVERY):
            self._look()

    def _look(self) -> None:
        for request in self._shop.requests():
            self._times[request["path"]].add(request["at"])


def _size(endpoint: Endpoint, plan: Plan) -> int:
    """Records of one page more than all the quota of the time."""
    return _quota(endpoint, plan) * endpoint.page + 1


def _quota(endpoint: Endpoint, plan: Plan) -> int:
    return int(plan.minutes * endpoint.steady * plan.pace)


def _share(what: str, endpoint: Endpoint, plan: Plan, watch: Watch) -> Row:
    """The rate over the whole minutes in which there was still something to read."""
    times = watch.times(endpoint.path)
    minutes = max(times[-1] // MINUTE, 1)
    made = sum(at < minutes * MINUTE for at in times)
    return Row(
        NAME,
        f"{what} (reference: the limit)",
        "requests/min",
        {OURS: made / minutes, REFERENCE: endpoint.steady},
        f"{_quota(endpoint, plan) + 1:,} pages by {watch.requests(endpoint.path):,} requests in {times[-1]:.1f} s",
    )


def _refusals(what: str, *shops: Simulator) -> Row:
    counts = [shop.stats() for shop in shops]
    throttled, bad = (sum(each[kind] for each in counts) for kind in ("throttled", "bad_requests"))
    note = f"{throttled} times 429 and {bad} times 400 in {sum(each['requests'] for each in counts):,} requests"
    return Row(NAME, f"refusals, {what}", "answers", {OURS: throttled + bad}, note, failed=throttled + bad > 0)
