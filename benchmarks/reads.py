"""First reads of a certain size: the cases, and the figures of a read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from math import ceil
from typing import TYPE_CHECKING, Any

from benchmarks.airbyte import connector as airbytes
from benchmarks.connector import ours, sync, sync_within
from benchmarks.klaviyo import ANALYSED, STREAMS
from benchmarks.simulator import simulator
from benchmarks.table import WrongError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.connector import Sync
    from benchmarks.klaviyo import Endpoint
    from benchmarks.simulator import Simulator

LATENCY = 0.3
"""Seconds per response."""
MINUTE = 60
PLAIN = {"disable_fetching_predictive_analytics": True}
YEARS = 10
"""Age of the simulator's oldest data, where a first read starts."""
SHORT = 20.0
"""Seconds. A read that takes longer is not repeated."""
WORKERS = {"num_workers": 50}
"""The maximum of Airbyte's connector."""
AHEAD = 0.003
"""Upper limit of the share of future-dated events, which Airbyte's connector does not read."""


@dataclass(frozen=True, eq=False)
class Case:
    """A kind of read.

    Attributes:
        what: its name in the tables.
        stream: the stream.
        endpoint: its endpoint and limits.
        options: further options of the simulator.
        settings: of the connector.
        since: years before now at which it starts.
        goal: the largest ratio of its time to the bound.
        largest: the largest useful number of pages.
        awkward: whether its dates are spread unevenly.
        peer: whether Airbyte's connector reads it too.
    """

    what: str
    stream: str
    endpoint: Endpoint
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    since: float = YEARS
    goal: float = 2.0
    largest: int = 1_000_000
    awkward: bool = False
    peer: bool = False

    def size(self, pages: int) -> tuple[int, dict[str, Any]]:
        """Return the number of records in this many full pages, and the simulator's options for them."""
        records = pages * self.endpoint.page
        sizes = {"lists": 1, "profiles": records} if self.stream == "list_profiles" else {}
        return records, {**self.options, **sizes, self.endpoint.size: records}

    def waits(self, pages: int) -> bool:
        """Return whether a read of this many pages mostly waits for a quota."""
        return self.endpoint.is_paced(pages) and self.stream != "events"


CASES = (
    Case("events", "events", STREAMS["events"], peer=True),
    Case("events, 90 % in 1 % of the time", "events", STREAMS["events"], {"skew": 0.9}, goal=2.5),
    Case("profiles", "profiles", STREAMS["profiles"], settings=PLAIN, peer=True),
    Case("profiles with predictive analytics", "profiles", ANALYSED, peer=True),
    Case("email_templates", "email_templates", STREAMS["email_templates"], peer=True),
    Case("lists", "lists", STREAMS["lists"], peer=True),
    Case("segments", "segments", STREAMS["segments"]),
    Case("list_profiles", "list_profiles", STREAMS["list_profiles"]),
    Case("images", "images", STREAMS["images"]),
    Case("flows", "flows", STREAMS["flows"]),
    *(
        Case(f"{stream}, {what}", stream, STREAMS[stream], {"years": years}, PLAIN, since, 2.5, largest, awkward=True)
        for stream in ("events", "profiles")
        for what, years, since, largest in (
            ("ten empty years before", 2, YEARS + 2, 1_000),
            ("all in the last hour", 1 / 8766, YEARS, 1_000),
            ("all in one second", 1e-9, YEARS, 70),
        )
    ),
)


@dataclass(frozen=True)
class Read:
    """The figures of a read.

    Attributes:
        seconds: from the first request to the last response.
        cpu: processor seconds of the connector, including the start.
        pages: number of full pages for its records.
        bound: lower bound of its time, in seconds.
        requests: number of requests.
        refused: number of responses with status 429 or 400.
        twice: number of repeated records.
        share: share of the allowed requests that were made in its whole minutes; 0 for less than a minute.
        trace: number of requests in each interval of one round trip.
    """

    seconds: float
    cpu: float
    pages: int
    bound: float
    requests: int
    refused: int
    twice: int
    share: float
    trace: tuple[int, ...]

    @property
    def ratio(self) -> float:
        """Return its time divided by the bound."""
        return self.seconds / self.bound

    def traced(self) -> str:
        """Return the trace as text: `1 12 75x3` are five intervals."""
        runs = ((count, len(list(run))) for count, run in groupby(self.trace))
        return " ".join(f"{count}" if times == 1 else f"{count}x{times}" for count, times in runs)


def read(case: Case, pages: int, tries: int = 1) -> Read:
    """Read this many full pages with this connector; repeat a read that misses its goal. The fastest counts.

    Raises:
        WrongError: records are missing.
    """
    records, options = case.size(pages)
    settings = {"start_date": start_of(case.since), **case.settings}
    best: Read | None = None
    for _ in range(tries):
        with simulator(latency=LATENCY, **options) as shop:
            shop.settle()
            done = sync(ours(shop, **settings), case.stream)
            found = _taken(case, done, shop)
        if done.distinct.get(case.stream) != records:
            raise WrongError(f"{done.distinct} of {records:,} records came")
        best = found if best is None else min(best, found, key=lambda one: one.seconds)
        if best.ratio <= case.goal or best.seconds > SHORT:
            break
    if best is None:
        raise WrongError("not tried")
    return best


def read_with_airbytes(case: Case, pages: int, most: float, say: Callable[[str], None]) -> Read | None:
    """Read the same with Airbyte's connector, or return None if that takes more than `most` seconds.

    Raises:
        UnmeasurableError: it cannot be installed here.
        WrongError: records are missing.
    """
    records, options = case.size(pages)
    settings = {**WORKERS, **case.settings}
    with simulator(latency=LATENCY, **options) as shop:
        shop.settle()
        done = sync_within(most, airbytes(shop, start_of(case.since), say, **settings), case.stream)
        if done is None:
            return None
        if done.distinct.get(case.stream, 0) < records * (1 - AHEAD):
            raise WrongError(f"{done.distinct} of {records:,} records came")
        return _taken(case, done, shop)


def start_of(years: float) -> str:
    """Return the date this many years and a day ago."""
    return f"{datetime.now(UTC) - timedelta(days=years * 365.25 + 1):%Y-%m-%dT00:00:00Z}"


def _taken(case: Case, done: Sync, shop: Simulator) -> Read:
    endpoint = case.endpoint
    times = sorted(request["at"] for request in shop.requests())
    pages = ceil(done.records[case.stream] / endpoint.page)
    fullest = done.fullest.get(case.stream, 0) / endpoint.page
    minutes = (times[-1] - times[0]) // MINUTE
    made = sum(at - times[0] < minutes * MINUTE for at in times)
    trace = [0] * (int((times[-1] - times[0]) / LATENCY) + 1)
    for at in times:
        trace[int((at - times[0]) / LATENCY)] += 1
    return Read(
        seconds=times[-1] - times[0] + LATENCY,
        cpu=done.cpu,
        pages=pages,
        # splitting takes at least one more request, which must wait if the quota is just used up
        bound=endpoint.bound(pages if pages % endpoint.steady else pages + 1, LATENCY, fullest),
        requests=shop.stats()["requests"],
        refused=shop.refused(),
        twice=done.twice,
        share=made / (minutes * endpoint.steady) if minutes else 0.0,
        trace=tuple(trace),
    )
