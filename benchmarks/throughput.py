"""`throughput`: records a second where nothing but the connector takes time."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks import airbyte
from benchmarks.connector import ours, sync
from benchmarks.klaviyo import STREAMS
from benchmarks.row import OURS, REFERENCE, WHEEL, Row, UnmeasurableError, WrongError
from benchmarks.simulator import simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.connector import Sync
    from benchmarks.plan import Plan

NAME, UNIT = "throughput", "records/s"
YEARS = 10
FUTURE = 0.003
"""The simulator dates a little less of the events ahead, which Airbyte's connector leaves out."""


def measure(plan: Plan, say: Callable[[str], None]) -> Iterator[Row]:
    """Each stream in a sync of its own, without latency and limits; the output goes to a file."""
    with TemporaryDirectory() as name:
        yield _events(plan, Path(name), say)
        with simulator(no_limits=True, profiles=plan.profiles, lists=plan.lists) as shop:
            for stream, expected in (("profiles", plan.profiles), ("lists", plan.lists), ("global_exclusions", None)):
                say(f"reading {stream}")
                connector = ours(shop, Path(name), disable_fetching_predictive_analytics=True)
                done = sync(connector, stream).holds(**({stream: expected} if expected else {}))
                endpoint = STREAMS[stream]
                burst = endpoint.page * endpoint.burst
                yield Row(
                    NAME,
                    f"{stream} (reference: the limit)",
                    UNIT,
                    {OURS: done.rate, REFERENCE: endpoint.page * endpoint.steady / 60},
                    f"{_told(done)}; after the first second its own budget holds it to {burst:,}/s",
                )


def _events(plan: Plan, folder: Path, say: Callable[[str], None]) -> Row:
    """Events, beside Airbyte's connector: the same number of them a day, and the same machine at the same time."""
    years = YEARS * plan.wheel_events / plan.events
    start = f"{datetime.now(timezone.utc) - timedelta(days=years * 365.25 + 1):%Y-%m-%dT00:00:00Z}"
    own, others, why = [], [], ""
    with (
        simulator(no_limits=True, events=plan.events, years=YEARS) as shop,
        simulator(no_limits=True, events=plan.wheel_events, years=years) as small_shop,
    ):
        for turn in range(plan.rounds):
            say(f"reading {plan.events:,} events")
            own.append(sync(ours(shop, folder), "events").holds(events=plan.events))
            if why or (turn and turn == plan.rounds - 1):
                continue
            try:
                wheel = airbyte.connector(small_shop, folder, start, say)
                say(f"reading {plan.wheel_events:,} events with Airbyte's connector")
                others.append(sync(wheel, "events").holds())
                if others[-1].total < plan.wheel_events * (1 - FUTURE):
                    raise WrongError(f"{others[-1].total:,} of {plan.wheel_events:,} events came")
            except (UnmeasurableError, WrongError) as error:
                why = f"; Airbyte's is not measured: {error}"
    endpoint = STREAMS["events"]
    figures = {OURS: median(done.rate for done in own), REFERENCE: endpoint.page * endpoint.steady / 60}
    note = f"ours, {len(own)} times {_told(own[0])}"
    if others and not why:
        figures[WHEEL] = median(done.rate for done in others)
        note += f"; Airbyte's, {len(others)} times {_told(others[0])}"
    return Row(NAME, "events (reference: the limit)", UNIT, figures, note + why)


def _told(done: Sync) -> str:
    seconds = done.ended - done.first
    return f"{done.total:,} records in {seconds:.1f} s, {done.cpu:.1f} s of CPU with the start"
