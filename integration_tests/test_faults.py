"""Transient failures are retried; a lasting one ends its stream with one sentence, and no other stream."""

from __future__ import annotations

import datetime as dt
import socket
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from airbyte_cdk.models import FailureType

from integration_tests.connector import CORE, KEY, Connector
from integration_tests.test_sync import assert_sound
from integration_tests.truth import assert_complete, expected
from klaviyo_simulator import Simulator
from source_klaviyo.api import client, retry
from source_klaviyo.sync.instants import SECOND, parse_instant
from unit_tests.fake_api import NoLimits, Output, sync

if TYPE_CHECKING:
    from pathlib import Path

PASSING: list[dict[str, Any]] = [
    {"kind": "status", "status": 503, "path": "/api/events"},
    {"kind": "status", "status": 429, "retry_after": 1, "path": "/api/lists"},
    {"kind": "status", "status": 429, "path": "/api/metrics"},
    {"kind": "status", "status": 500, "path": "/api/campaigns"},
    {"kind": "html_403", "path": "/api/templates"},
    {"kind": "html", "path": "/api/flows"},
    {"kind": "empty", "path": "/api/profiles"},
    {"kind": "invalid_json", "path": "/api/lists"},
    {"kind": "reset_before", "path": "/api/metrics"},
    {"kind": "reset_middle", "path": "/api/profiles", "after": 2},
    {"kind": "truncated", "path": "/api/events", "after": 2},
    {"kind": "bad_gzip", "path": "/api/templates", "after": 1},
    {"kind": "bad_cursor", "path": "/api/profiles", "after": 4},
    {"kind": "unordered", "path": "/api/events", "after": 3},
]


def test_all_records_arrive_in_spite_of_transient_failures(shop: Simulator, connector: Connector) -> None:
    shop.add_faults([{"times": 1, **fault} for fault in PASSING])

    output = connector.read()

    assert_sound(output, shop.now())
    assert_complete(output, shop, output.statuses)
    assert sum(shop.stats()["faults"].values()) == len(PASSING)


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        pytest.param(
            {"kind": "redirect", "location": "https://example.org/"}, "system_error", "redirect", id="redirect"
        ),
        pytest.param({"kind": "foreign_next", "host": "example.org"}, "system_error", "example.org", id="foreign page"),
        pytest.param({"kind": "repeat_page"}, "system_error", "same page", id="page without end"),
    ],
)
def test_a_lasting_failure_ends_only_its_stream(
    shop: Simulator, connector: Connector, fault: dict[str, Any], kind: str, words: str
) -> None:
    shop.add_faults([{"path": "/api/lists", "times": None, **fault}])

    output = connector.read("lists", "metrics")

    assert output.code == 1
    assert output.statuses["lists"][-1] == "INCOMPLETE"
    assert output.statuses["metrics"][-1] == "COMPLETE"
    (error,) = [error for error in output.errors if error.get("stream_descriptor")]
    assert error["failure_type"] == kind
    assert words in error["message"]
    assert "Traceback" not in "".join(output.logs)


def test_a_parent_deleted_during_the_read_loses_only_its_own_children(shop: Simulator, connector: Connector) -> None:
    first, *others = shop.ids("lists")
    shop.add_faults([{"kind": "status", "status": 404, "path": f"/api/lists/{first}/profiles", "times": None}])

    output = connector.read("list_profiles")

    assert_sound(output, shop.now())
    shop.clear_faults()
    assert set(output.ids("list_profiles")) == {
        (group, profile) for group, profile in expected(shop, "list_profiles") if group in others
    }


# --- every kind of fault, without waits between attempts ----------------------------------------------------

BREAKING: list[dict[str, Any]] = [
    *({"kind": "status", "status": status} for status in (408, 429, 500, 502, 503, 504, 520, 524)),
    *({"kind": "status", "status": 429, "retry_after": seconds} for seconds in (0, 1, -5, "soon", 99_999_999)),
    {"kind": "status", "status": 429, "retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"},
    *({"kind": kind} for kind in ("html", "html_403", "empty", "invalid_json")),
    *({"kind": kind} for kind in ("reset_before", "reset_middle", "truncated", "bad_gzip")),
    {"kind": "slow_headers", "seconds": 30},
    {"kind": "slow_body", "seconds": 20},
]
"""Faults that make a request fail which succeeds when it is retried."""
HARMLESS: list[dict[str, Any]] = [
    {"kind": "wrong_type"},
    {"kind": "wrong_type", "type": "text/html"},
    {"kind": "slow_body", "seconds": 0.2},
    {"kind": "unordered"},
    {"kind": "bad_cursor"},
]
"""Faults that change nothing, or make a window start again."""
STREAMS = ("events", "profiles", "lists", "campaigns", "list_profiles")


def name_of(fault: dict[str, Any]) -> str:
    """Return a name for a fault, of a word or two."""
    return " ".join(str(fault[key]) for key in ("kind", "status", "retry_after", "type") if key in fault)


@pytest.fixture
def at_once(shop: Simulator, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let reads in this process skip the waits between attempts; the list collects these waits, in seconds."""
    naps: list[float] = []
    monkeypatch.setenv("KLAVIYO_API_URL", shop.url)
    hasty = partial(client.KlaviyoClient, sleep=naps.append, budget=NoLimits())
    monkeypatch.setattr("source_klaviyo.source.KlaviyoClient", hasty)
    return naps


def read(*streams: str, **settings: Any) -> Output:
    """Read streams from the beginning."""
    return sync(*streams, api_key=KEY, start_date="2012-01-01", **settings)


def keys(output: Output, stream: str) -> set[Any]:
    """Return the IDs of a stream's records, in the form of `expected`."""
    found = output.records(stream)
    return {(one["list_id"], one["profile_id"]) if stream == "list_profiles" else one["id"] for one in found}


@pytest.mark.parametrize("fault", [*BREAKING, *HARMLESS], ids=name_of)
def test_no_temporary_fault_loses_a_record(
    shop: Simulator, at_once: list[float], fault: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if "slow" in fault["kind"] and fault in BREAKING:  # a machine under load is slow as well, which is no fault
        monkeypatch.setattr("source_klaviyo.api.timeouts.MAX_SECONDS", 0.5)
        monkeypatch.setattr(client, "RESPONSE_DEADLINE_SECONDS", 1.0)
    paths = ["/api/events", "/api/profiles", "/api/lists", "/api/campaigns", "/api/lists/*/profiles"]
    shop.add_faults([{**fault, "path": path, "after": after} for path in paths for after in (0, 1, 2)])

    output = read(*STREAMS)

    assert output.raised is None
    assert output.errors() == []
    for stream in STREAMS:
        assert output.statuses(stream)[-1] == "COMPLETE"
        assert keys(output, stream) == expected(shop, stream), stream
    assert sum(shop.stats()["faults"].values()) >= len(paths)
    assert bool(at_once) == (fault in BREAKING)
    assert all(nap <= retry.MAX_BACKOFF_SECONDS + 1 for nap in at_once)


@pytest.mark.parametrize("fault", [one for one in BREAKING if "slow" not in one["kind"]], ids=name_of)
def test_a_lasting_fault_fails_only_its_stream(shop: Simulator, at_once: list[float], fault: dict[str, Any]) -> None:
    shop.add_faults([{**fault, "path": "/api/lists", "times": None, "after": 1}])

    output = read("lists", "metrics", num_workers=1)

    assert output.statuses("lists")[-1] == "INCOMPLETE"
    assert output.statuses("metrics")[-1] == "COMPLETE"
    assert keys(output, "metrics") == expected(shop, "metrics")
    assert len(output.records("lists")) == 10  # the page before
    (error,) = output.errors()
    assert error.failure_type == FailureType.transient_error
    assert "run the sync again later" in error.message
    assert "Not read to the end: lists" in str(output.raised)


def test_the_error_of_failing_profiles_names_the_setting_that_helps(shop: Simulator, at_once: list[float]) -> None:
    shop.add_faults([{"kind": "status", "status": 503, "path": "/api/profiles", "times": None}])

    (error,) = read("profiles").errors()

    assert "disable_fetching_predictive_analytics" in error.message


def closed_port() -> int:
    """Return a port on which no process listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:{port}", "the connection was refused"),
        ("https://klaviyo.invalid", "its name cannot be resolved"),
    ],
)
def test_one_sentence_says_why_the_host_cannot_be_reached(
    at_once: list[float], monkeypatch: pytest.MonkeyPatch, url: str, words: str
) -> None:
    monkeypatch.setenv("KLAVIYO_API_URL", url.format(port=closed_port()))

    output = read("lists")

    (error,) = output.errors()
    assert words in error.message
    assert error.failure_type == FailureType.transient_error
    assert output.statuses("lists") == ["STARTED", "INCOMPLETE"]


# --- records without dates, and wrong clocks ----------------------------------------------------------------


@pytest.mark.parametrize("stream", ["events", "profiles", "lists"])
def test_records_without_a_date_are_emitted(shop: Simulator, at_once: list[float], stream: str) -> None:
    path = f"/api/{stream}"
    shop.add_faults([{"kind": "missing_cursor", "records": 3, "path": path, "times": 2, "after": 1}])

    output = read(stream)

    assert output.raised is None
    assert keys(output, stream) == expected(shop, stream)
    cursor = "datetime" if stream == "events" else "updated"
    assert sum(one[cursor] is None for one in output.records(stream)) >= 3


@pytest.mark.parametrize("minutes", [-15, 15])
def test_klaviyos_clock_decides_what_the_present_is(tmp_path: Path, minutes: int) -> None:
    """With a host clock ahead, Klaviyo would reject the filter; with one behind, minutes would be missed."""
    began = time.time()
    now = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)
    with Simulator(key=KEY, limits=False, events=3_000, profiles=300, now=now) as shop:
        connector = Connector(shop.url, tmp_path)
        first = connector.read()
        made = shop.mutate(events=5, profiles=5)
        second = connector.read(state=first.state())

        for output in (first, second):
            assert_sound(output, shop.now())
            assert not any("lies in the future" in log for log in output.logs)
            # no state lies past the slower clock
            assert (
                min(now.timestamp(), began) - 10
                < parse_instant(output.last("events")["datetime"]) / SECOND
                < shop.now()
            )
        for stream in CORE:
            assert {*first.ids(stream), *second.ids(stream)} >= expected(shop, stream), stream
        assert {*made["events"]} <= {*second.ids("events")}
        assert {*made["profiles"]} <= {*second.ids("profiles")}
