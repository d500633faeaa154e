"""A shop that keeps changing, an API that fails at random, a connector that is killed: in the end nothing is missing.

The environment may change it: SOAK_SYNCS (number of syncs) and SOAK_SEED (seed of what is random).
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.connector import KEY, ROOT, Connector, Output, catalog
from integration_tests.forks import impatient
from integration_tests.test_late import aged
from integration_tests.truth import expected, walk
from klaviyo_simulator import Simulator
from source_klaviyo.sync.cursor import CONSISTENCY_LAG
from source_klaviyo.sync.instants import SECOND, parse_instant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SYNCS = int(os.environ.get("SOAK_SYNCS", "14"))
SEED = int(os.environ.get("SOAK_SEED", "6"))

DATED = {
    "campaigns": ("updated_at", "campaigns?filter=equals(messages.channel,'{channel}'),equals(archived,{archived})"),
    "email_templates": ("updated", "templates"),
    "events": ("datetime", "events?page[size]=200"),
    "flows": ("updated", "flows?filter=equals(archived,{archived})"),
    "lists": ("updated", "lists"),
    "profiles": ("updated", "profiles?page[size]=100"),
}
"""Streams whose records have a date that tells versions apart, and the requests that read all of them."""
FAMILIES = ("campaign_messages", "flow_messages", "list_profiles", "segment_profiles")
STREAMS = (*DATED, *FAMILIES)
CHANGES = {
    **dict.fromkeys(("profiles", "events"), 3),
    **dict.fromkeys(("campaigns", "flows", "lists", "templates", "new_profiles", "new_campaigns", "late_events"), 1),
    **dict.fromkeys(("delete_profiles", "archive_campaigns", "unarchive_campaigns", "archive_flows"), 1),
}
FAULTS: list[dict[str, Any]] = [
    *({"kind": "status", "status": status} for status in (408, 429, 500, 502, 503, 504)),
    {"kind": "status", "status": 429, "retry_after": 0},
    *({"kind": kind} for kind in ("html", "html_403", "empty", "invalid_json", "bad_gzip", "bad_cursor")),
    *({"kind": kind} for kind in ("reset_before", "reset_middle", "truncated", "unordered", "wrong_type")),
    *({"kind": kind} for kind in ("nan", "control_character")),
    {"kind": "slow_body", "seconds": 0.1},
]
FAULTS_A_SYNC = 120
LATE = 8_000, 5 * 86_400
"""Seconds. The hour of an event that is less late would not be due for a recheck at the end."""


class Soak:
    """A long history of syncs: what they printed, and the state for the next one."""

    def __init__(self, shop: Simulator, connector: Connector) -> None:
        self.shop = shop
        self.connector = connector
        self.random = random.Random(SEED)
        self.state: dict[str, dict[str, Any]] = {}
        self.versions: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self.keys: defaultdict[str, set[Any]] = defaultdict(set)
        self.counts: Counter[str] = Counter()

    def sync(self, stop: signal.Signals | None = None, *, slow: bool = False) -> Output:
        """Sync once from the last state; maybe stop at a random moment, and maybe take the output slowly."""
        output = self.read(catalog(*STREAMS), list(self.state.values()), stop, slow=slow)
        self.take(output)
        return output

    def read(
        self, streams: dict[str, Any], state: list[dict[str, Any]], stop: signal.Signals | None, *, slow: bool
    ) -> Output:
        """Run one read."""
        files = {"catalog": streams} | ({"state": state} if state else {})
        command = impatient(self.connector.command("read", **files))
        moment = self.random.randrange(1, 4_000) if stop else -1
        output = Output()
        with subprocess.Popen(command, cwd=ROOT, env=self.connector.environment, stdout=subprocess.PIPE) as process:
            assert process.stdout
            for line in process.stdout:
                if not line.endswith(b"\n"):
                    assert stop == signal.SIGKILL, line
                    break
                output.add(json.loads(line))
                if output.lines == moment:
                    process.send_signal(stop or signal.SIGKILL)
                if slow and output.lines % 500 == 0:
                    time.sleep(0.1)
            output.code = process.wait(timeout=20)
        return output

    def refresh(self, generation: int) -> Iterator[Output]:
        """Read everything in full, in attempts that are stopped, until one ends by itself."""
        streams = catalog(*STREAMS, mode="full_refresh")
        for entry in streams["streams"]:
            entry |= {"generation_id": generation, "minimum_generation_id": generation, "sync_id": generation}
        state: dict[str, dict[str, Any]] = {}
        for stop in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, None):
            output = self.read(streams, list(state.values()), stop, slow=stop is None)
            state |= {name: states[-1] for name, states in output.states.items() if states}
            yield output

    def take(self, output: Output) -> None:
        """Save records and states as a destination and the platform do."""
        for stream, (cursor, _) in DATED.items():
            for record in output.records[stream]:
                self.versions[stream][record["id"]] = record["attributes"][cursor]
        for stream in STREAMS:
            self.keys[stream] |= {*output.ids(stream)}
            for state in output.states[stream]:
                self.commit(stream, state)
        self.counts["records"] += sum(map(len, output.records.values()))

    def commit(self, stream: str, state: dict[str, Any]) -> None:
        """Save a state; assert that no partition goes back, and none is ahead of Klaviyo's clock."""
        before, now = (positions(one) for one in (self.state.get(stream), state))
        assert all(position <= self.shop.now() * SECOND - CONSISTENCY_LAG + SECOND for position in now.values()), stream
        for partition in before.keys() & now.keys():
            assert before[partition] <= now[partition], (stream, partition)
        self.state[stream] = state
        self.counts["states"] += 1

    def disturb(self) -> None:
        """Start random failures and changes, the same for each seed."""
        self.counts.update(self.shop.stats()["faults"])
        self.shop.reset_stats()
        self.shop.clear_faults()
        self.shop.add_faults(
            [
                {**self.random.choice(FAULTS), "path": "/api/*", "after": self.random.randrange(4)}
                for _ in range(FAULTS_A_SYNC)
            ]
        )
        self.shop.mutate_continuously(2, **CHANGES, late_by=self.random.randrange(*LATE))

    def rest(self) -> None:
        """Stop all failures and changes."""
        self.counts.update(self.shop.stats()["faults"])
        self.shop.mutate_continuously(0)
        self.shop.clear_faults()
        time.sleep(2 * CONSISTENCY_LAG / SECOND)


def positions(state: dict[str, Any] | None) -> dict[str, int]:
    """Return the position of each partition in a state."""
    blob = state["stream"]["stream_state"] if state else {}
    entries = blob.get("states") or [{"partition": {}, "cursor": blob}]
    return {
        json.dumps(entry["partition"]): parse_instant(value)
        for entry in entries
        for name, value in entry["cursor"].items()
        if name in {"datetime", "updated", "updated_at", "joined_group_at"}
    }


def truth(shop: Simulator, stream: str) -> dict[str, str]:
    """Return the newest version of each record."""
    cursor, path = DATED[stream]
    channels = ("email", "sms", "mobile_push") if "{channel}" in path else ("",)
    archived = ("true", "false") if "{archived}" in path else ("",)
    paths = [path.format(channel=channel, archived=one) for channel in channels for one in archived]
    return {one["id"]: one["attributes"][cursor] for asked in paths for one in walk(shop, f"/api/{asked}")}


@pytest.fixture
def soak(tmp_path: Path) -> Iterator[Soak]:
    """A shop of a year with many kinds of parents and children."""
    sizes = {"profiles": 600, "campaigns": 60, "flows": 40, "lists": 12, "segments": 8, "members": 300}
    with Simulator(key=KEY, limits=False, events=6_000, years=1, seed=SEED, events_max_page=200, **sizes) as shop:
        for days, size in ((300, 200_000), (200, 1_000_000), (100, 20_000)):
            at = shop.now() - days * 86_400
            shop.create("template", 12, attributes={"html": "x" * size}, at=at)
            shop.create("profile", 12, attributes={"properties": {"text": "x" * size}}, at=at)
        yield Soak(shop, Connector(shop.url, tmp_path, {"late_events_window": 30}))


@pytest.mark.slow
def test_no_record_is_lost_by_failures_changes_and_kills(soak: Soak) -> None:
    endings: list[signal.Signals | None] = [signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, None]
    for number in range(SYNCS):
        soak.disturb()
        output = soak.sync(endings[number % len(endings)], slow=number % 3 == 0)
        soak.counts[f"ended by {output.code}"] += 1
    soak.rest()
    soak.state = {state["stream"]["stream_descriptor"]["name"]: state for state in aged(list(soak.state.values()), 9)}

    last = soak.sync()

    story = f"seed {SEED}, {SYNCS} syncs: {dict(soak.counts)}"
    assert last.code == 0, (story, last.logs)
    for stream in DATED:
        missing = {key: one for key, one in truth(soak.shop, stream).items() if soak.versions[stream].get(key) != one}
        assert missing == {}, (stream, story)
    for stream in FAMILIES:
        assert expected(soak.shop, stream) <= soak.keys[stream], (stream, story)
    assert soak.counts["states"] > SYNCS, story
    print(story)  # noqa: T201 - pytest shows it on request


@pytest.mark.slow
@pytest.mark.parametrize("generation", [3, 4])
def test_a_full_refresh_that_is_stopped_and_retried_repeats_few_records(soak: Soak, generation: int) -> None:
    soak.random.seed(SEED + generation)
    soak.shop.add_faults([{**soak.random.choice(FAULTS), "path": "/api/*"} for _ in range(FAULTS_A_SYNC)])
    rows: Counter[tuple[str, Any]] = Counter()
    for output in soak.refresh(generation):
        rows.update((stream, key) for stream in STREAMS for key in output.ids(stream))
    assert output.code == 0, output.logs
    for stream in STREAMS:
        found = {key: count for (name, key), count in rows.items() if name == stream}
        missing = expected(soak.shop, stream) - found.keys()
        assert missing == set(), stream
    # the pages that were being read at each stop are repeated
    assert rows.total() - len(rows) <= 3 * 12 * 200
    assert max(rows.values()) <= 8
