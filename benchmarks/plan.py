"""The amounts to read: a quick run of minutes, the default of half an hour, and a full run of hours."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """The sizes of all comparisons.

    Attributes:
        name: its name in the results.
        sizes: numbers of full pages of first reads.
        largest: the largest number of pages, by Klaviyo's limit in requests per minute.
        awkward_sizes: numbers of full pages for reads with unevenly spread dates.
        wheel_sizes: numbers of full pages that Airbyte's connector reads too.
        wheel_seconds: seconds after which Airbyte's connector is stopped.
        streams: the streams to read first; all if empty.
        tries: attempts at a read that misses its goal; the fastest counts.
        parents: number of parents, for streams with a request for each.
        minutes: duration of reads at the limits.
        events: number of events to read without limits.
        wheel_events: the same with Airbyte's connector.
        memory: two numbers of events.
        record_sizes: sizes of the records whose reads are watched, in bytes.
        volume: bytes of these records that a fast consumer takes.
        pause: seconds for which the consumer is stopped or slow.
        starts: attempts at the start of a command.
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
    name="a quick run of a few sizes",
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
