"""How much is read: a try-out of minutes, the default of half an hour, and as long as it takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """The sizes of all comparisons.

    Attributes:
        name: what it is called on the page.
        sizes: full pages of first reads.
        largest: the most pages to read, by the requests a minute that Klaviyo takes.
        awkward_sizes: full pages of reads whose dates are spread in an awkward way.
        wheel_sizes: full pages that Airbyte's connector reads too.
        wheel_seconds: after how many seconds Airbyte's connector is stopped.
        streams: whose first reads are measured; all if empty.
        tries: how often a read that misses its goal is measured; the fastest counts.
        parents: of streams that take a request for each.
        minutes: how long the limits are kept busy.
        events: to be read without limits.
        wheel_events: the same with Airbyte's connector.
        memory: two numbers of events.
        record_sizes: bytes of the records whose reads are watched.
        volume: bytes of these records that a fast consumer takes.
        pause: seconds for which nobody takes the output, or takes it slowly.
        starts: how often the start is measured.
    """

    name: str
    sizes: tuple[int, ...]
    largest: dict[int, int]
    awkward_sizes: tuple[int, ...]
    wheel_sizes: tuple[int, ...]
    wheel_seconds: float
    streams: tuple[str, ...]
    tries: int
    parents: int
    minutes: int
    events: int
    wheel_events: int
    memory: tuple[int, int]
    record_sizes: tuple[int, ...]
    volume: int
    pause: float
    starts: int


QUICK = Plan(
    name="a try-out of a few sizes",
    sizes=(5, 20, 70),
    largest={3500: 70, 750: 70, 150: 70, 60: 5},
    awkward_sizes=(20,),
    wheel_sizes=(20,),
    wheel_seconds=60,
    streams=("events", "events, 90 % in 1 % of the time", "profiles", "email_templates", "lists", "list_profiles"),
    tries=1,
    parents=20,
    minutes=1,
    events=100_000,
    wheel_events=5_000,
    memory=(50_000, 200_000),
    record_sizes=(1_000, 100_000),
    volume=100_000_000,
    pause=3,
    starts=1,
)
NORMAL = Plan(
    name="all comparisons",
    sizes=(5, 20, 70, 300, 1_000, 3_500),
    largest={3500: 3_500, 750: 3_500, 150: 1_000, 60: 300},
    awkward_sizes=(20, 70, 300),
    wheel_sizes=(5, 20, 70, 300),
    wheel_seconds=150,
    streams=(),
    tries=2,
    parents=200,
    minutes=1,
    events=300_000,
    wheel_events=15_000,
    memory=(300_000, 1_000_000),
    record_sizes=(1_000, 20_000, 100_000, 1_000_000),
    volume=400_000_000,
    pause=8,
    starts=3,
)
FULL = Plan(
    name="all comparisons at large sizes",
    sizes=(5, 20, 70, 300, 1_000, 3_500),
    largest={3500: 3_500, 750: 3_500, 150: 3_500, 60: 1_000},
    awkward_sizes=(5, 20, 70, 300, 1_000, 3_500),
    wheel_sizes=(5, 20, 70, 300, 1_000, 3_500),
    wheel_seconds=3_600,
    streams=(),
    tries=5,
    parents=1_000,
    minutes=3,
    events=1_000_000,
    wheel_events=50_000,
    memory=(1_000_000, 10_000_000),
    record_sizes=(1_000, 20_000, 100_000, 1_000_000),
    volume=2_000_000_000,
    pause=60,
    starts=7,
)
