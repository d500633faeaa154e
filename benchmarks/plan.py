"""How much is read: sizes for a try-out, for minutes and for as long as it takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """The sizes of all comparisons.

    The connector keeps within Klaviyo's limits of its own accord, simulated or not: what is to be read faster
    than that has to need fewer requests than a minute's quota.

    Attributes:
        name: how it is called in the table.
        events: of the throughput, ours; 1000 a request, 3500 a minute.
        wheel_events: of the throughput, Airbyte's, which is slower.
        profiles: of the throughput; 100 a request, 750 a minute.
        lists: of the throughput; 10 a request, 750 a minute.
        rounds: how often ours is measured; Airbyte's comes in between.
        minutes: how long the limits are kept busy.
        pace: the share of the quotas that keeps them busy; less than 1 only to try it out.
        pages: how many pages of most streams are read to count requests.
        analysed: profiles with predictive analytics of the small shop.
        memory: two numbers of events.
        pause: seconds for which nobody takes the output.
        starts: how often the start is measured.
    """

    name: str
    events: int
    wheel_events: int
    profiles: int
    lists: int
    rounds: int
    minutes: int
    pace: float
    pages: int
    analysed: int
    memory: tuple[int, int]
    pause: float
    starts: int


TINY = Plan(
    name="a try-out, whose figures mean nothing",
    events=10_000,
    wheel_events=1_000,
    profiles=2_000,
    lists=300,
    rounds=1,
    minutes=1,
    pace=0.02,
    pages=4,
    analysed=500,
    memory=(5_000, 20_000),
    pause=1,
    starts=1,
)
QUICK = Plan(
    name="quick",
    events=300_000,
    wheel_events=15_000,
    profiles=30_000,
    lists=5_000,
    rounds=2,
    minutes=1,
    pace=1,
    pages=60,
    analysed=10_000,
    memory=(300_000, 1_000_000),
    pause=10,
    starts=3,
)
FULL = Plan(
    name="full",
    events=1_000_000,
    wheel_events=50_000,
    profiles=60_000,
    lists=6_000,
    rounds=3,
    minutes=5,
    pace=1,
    pages=150,
    analysed=30_000,
    memory=(1_000_000, 10_000_000),
    pause=60,
    starts=7,
)
