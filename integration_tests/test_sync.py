"""A whole sync, as Airbyte runs it: complete, once, and only what changed the second time."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator

from integration_tests.connector import CORE, DECLARED, KEY, ROOT, Connector, Output
from integration_tests.truth import expected
from klaviyo_simulator import Simulator
from source_klaviyo.sync.instants import SECOND, parse_instant

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def requests_by_path(shop: Simulator) -> dict[str, int]:
    """How often each path was asked for."""
    return {path: counts["requests"] for path, counts in shop.stats()["endpoints"].items()}


def dates(state: Any) -> Iterable[str]:
    """All texts of a state, which are all dates."""
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
    """What holds for every sync that ends well."""
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
    for stream in CORE:
        ids = output.ids(stream)
        assert set(ids) == expected(shop, stream), stream
        assert [name for name, times in Counter(ids).items() if times > 1] == [], stream
    assert shop.stats()["by_status"].keys() == {"200"}


def test_every_record_is_valid_by_its_schema(connector: Connector) -> None:
    output = connector.read()

    for stream in CORE:
        schema = json.loads((ROOT / "source_klaviyo" / "schemas" / f"{stream}.json").read_text("utf-8"))
        validator = Draft7Validator(schema)
        for record in output.records[stream]:
            validator.validate(record)


def test_a_second_sync_brings_what_changed_and_asks_once_for_each_part(shop: Simulator, connector: Connector) -> None:
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

    assert set(again.ids("lists")) == expected(shop, "lists")


@pytest.mark.slow
def test_a_large_account_is_read_within_the_real_limits(tmp_path: Path) -> None:
    """100,000 events and 10,000 profiles: each once, no 400, no 429, few requests more than pages."""
    with Simulator(key=KEY, events=100_000, profiles=10_000, latency=0.05) as shop:
        output = Connector(shop.url, tmp_path, {"disable_fetching_predictive_analytics": True}).read(
            "events", "profiles", "lists", "campaigns", mode="full_refresh"
        )

        assert_sound(output, shop.now())
        for stream in ("events", "profiles", "lists", "campaigns"):
            ids = output.ids(stream)
            assert len(ids) == len(set(ids)), stream
            assert set(ids) == expected(shop, stream), stream
        assert shop.stats()["by_status"].keys() == {"200"}
        for path in ("/api/events", "/api/profiles"):  # 100 pages of each; requests are plenty, time is not
            assert requests_by_path(shop)[path] <= 150
