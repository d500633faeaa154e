"""Late events are found, and a table in append mode does not grow by more than their hours."""

from __future__ import annotations

import copy
import signal
from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.connector import KEY, Connector, Output
from integration_tests.test_kill import read_and_stop
from integration_tests.test_sync import assert_sound
from integration_tests.truth import expected
from klaviyo_simulator import Simulator
from source_klaviyo.sync.instants import DAY, HOUR, SECOND, Instant, floor, for_state, parse_instant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STREAMS = ("events", "events_detailed")


@pytest.fixture
def young(tmp_path: Path) -> Iterator[tuple[Simulator, Connector]]:
    """A shop with events of the last two weeks only, and slow enough that many windows are read concurrently."""
    with Simulator(
        key=KEY, limits=False, events=12_000, profiles=20, years=0.04, latency=0.03, events_max_page=200
    ) as shop:
        yield shop, Connector(shop.url, tmp_path)


def aged(states: list[dict[str, Any]], days: int) -> list[dict[str, Any]]:
    """Move the last rechecks in the states this many days back, so that all hours since then are due."""
    states = copy.deepcopy(states)
    for state in states:
        for memory in state["stream"]["stream_state"].get("recent_hours", []):
            memory["looked"] = for_state(parse_instant(memory["looked"]) - days * DAY)
    return states


def hours(output: Output, stream: str) -> set[int]:
    """Return the hours of the events that a sync emitted."""
    return {floor(parse_instant(event["datetime"]), HOUR) for event in output.records[stream]}


def test_a_late_event_repeats_its_hour_and_nothing_else(young: tuple[Simulator, Connector]) -> None:
    shop, connector = young
    connector.settings["late_events_window"] = 30
    first = connector.read(*STREAMS)
    assert_sound(first, shop.now())
    position = parse_instant(first.last("events")["datetime"])

    quiet = connector.read(*STREAMS, state=aged(first.state(), 9))
    assert_sound(quiet, shop.now())
    for stream in STREAMS:
        assert all(parse_instant(event["datetime"]) >= position for event in quiet.records[stream]), stream

    moments = [int(shop.now()) - late_by for late_by in (8_000, 100_000, 500_000)]
    late = {shop.mutate(late_events=1, late_by=int(shop.now()) - one)["late_events"][0] for one in moments}
    third = connector.read(*STREAMS, state=aged(quiet.state(), 9))
    assert_sound(third, shop.now())
    for stream in STREAMS:
        assert late <= {*third.ids(stream)}, stream
        assert {hour for hour in hours(third, stream) if hour < floor(position, HOUR)} <= {
            floor(Instant(one * SECOND), HOUR) for one in moments
        }, stream

    fourth = connector.read(*STREAMS, state=aged(third.state(), 9))
    assert not {*fourth.ids("events")} & late


@pytest.mark.parametrize("after", [3_000, 9_000])
def test_counts_from_before_and_after_a_kill_add_up_to_whole_hours(
    young: tuple[Simulator, Connector], after: int
) -> None:
    shop, connector = young
    stopped, _ = read_and_stop(connector, after, signal.SIGKILL, ("events",))
    resumed = connector.read("events", state=stopped.state())
    assert {*stopped.ids("events"), *resumed.ids("events")} == expected(shop, "events")
    position = parse_instant(resumed.last("events")["datetime"])

    quiet = connector.read("events", state=aged(resumed.state(), 6))

    assert_sound(quiet, shop.now())
    assert all(parse_instant(event["datetime"]) >= position for event in quiet.records["events"])
