"""A whole sync, as Airbyte runs it: every record once, and the second time only what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.connector import CORE, DECLARED, KEY, Connector, Output
from integration_tests.truth import assert_complete
from klaviyo_simulator import Simulator
from source_klaviyo.sync.instants import SECOND, parse_instant

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def requests_by_path(shop: Simulator) -> dict[str, int]:
    """Return the number of requests of each path."""
    return {path: counts["requests"] for path, counts in shop.stats()["endpoints"].items()}


def dates(state: Any) -> Iterable[str]:
    """Return all texts of a state, each of which is a date."""
    if isinstance(state, dict):
        for key, value in state.items():
            if key not in ("partition", "query"):
                yield from dates(value)
    elif isinstance(state, list):
        for value in state:
            yield from dates(value)
    elif isinstance(state, str):
        yield state


def assert_sound(output: Output, now: float) -> None:
    """Assert what holds for every successful sync."""
    assert output.code == 0, output.logs
    assert output.errors == []
    for stream, statuses in output.statuses.items():
        assert statuses[0] == "STARTED", stream
        assert statuses[-1] == "COMPLETE", stream
    for states in output.states.values():
        for state in states:
            assert all(parse_instant(date) < now * SECOND for date in dates(state["stream"]["stream_state"]))
        counted = sum(state["sourceStats"]["recordCount"] for state in states)
        assert counted == len(output.records[states[0]["stream"]["stream_descriptor"]["name"]])


@pytest.mark.parametrize("mode", ["full_refresh", "incremental"])
def test_a_first_sync_reads_every_record_exactly_once(shop: Simulator, connector: Connector, mode: str) -> None:
    output = connector.read(mode=mode)

    assert_sound(output, shop.now())
    assert_complete(output, shop, CORE, once=True)
    assert shop.stats()["by_status"].keys() == {"200"}


def test_every_record_matches_its_schema(connector: Connector) -> None:
    output = connector.read()

    for stream in CORE:
        output.assert_valid(stream)


def test_a_second_sync_reads_what_changed_with_one_request_for_each_partition(
    shop: Simulator, connector: Connector
) -> None:
    first = connector.read()
    shop.reset_stats()
    nothing = connector.read(state=first.state())

    assert_sound(nothing, shop.now())
    assert requests_by_path(shop) == {
        "/api/campaigns": 6,
        "/api/events": 1,
        "/api/flows": 2,
        "/api/lists": 1,
        "/api/metrics": 1,
        "/api/profiles": 4,
        "/api/templates": 1,
    }

    changed = shop.mutate(profiles=7, events=40, campaigns=2, flows=2, lists=2, templates=2, suppress_profiles=3)
    second = connector.read(state=nothing.state())

    assert_sound(second, shop.now())
    assert set(second.ids("events")) >= set(changed["events"])
    for stream in ("campaigns", "email_templates", "flows", "lists", "profiles"):
        resource = DECLARED[stream].resource
        assert set(second.ids(stream)) >= set(changed[resource]), stream
        assert len(second.ids(stream)) <= 2 * len(changed[resource]) + 5, stream
    assert set(second.ids("global_exclusions")) >= set(changed["suppress_profiles"])


def test_a_full_refresh_ignores_the_state(shop: Simulator, connector: Connector) -> None:
    state = connector.read("lists").state()

    again = connector.read("lists", state=state, mode="full_refresh")

    assert_complete(again, shop, ["lists"])


@pytest.mark.slow
def test_a_large_account_is_read_within_the_real_limits(tmp_path: Path) -> None:
    """100,000 events and 10,000 profiles: each once, no 400, no 429, and few more requests than pages."""
    with Simulator(key=KEY, events=100_000, profiles=10_000, latency=0.05) as shop:
        output = Connector(shop.url, tmp_path, {"disable_fetching_predictive_analytics": True}).read(
            "events", "profiles", "lists", "campaigns", mode="full_refresh"
        )

        assert_sound(output, shop.now())
        assert_complete(output, shop, ("events", "profiles", "lists", "campaigns"), once=True)
        assert shop.stats()["by_status"].keys() == {"200"}
        for path in ("/api/events", "/api/profiles"):  # 100 pages of each: the quota suffices, so the time counts
            assert requests_by_path(shop)[path] <= 150
