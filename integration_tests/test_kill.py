"""A shutdown or a kill at any moment: the next sync resumes from the last state without a gap."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.connector import COLLECTIONS, CORE, KEY, ROOT, Connector, Output, catalog, is_incremental
from integration_tests.forks import impatient
from integration_tests.truth import expected
from klaviyo_simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator


CHILDREN = ("campaign_messages", "flow_messages", "form_versions", "list_profiles", "reviews", "segment_profiles")


def read_and_stop(
    connector: Connector, after: int, number: signal.Signals, streams: tuple[str, ...] = CORE, **files: Any
) -> tuple[Output, bytes]:
    """Read until this many records have come, then stop; return the whole lines, and the rest after the last."""
    command = impatient(connector.command("read", catalog=catalog(*streams), **files))
    with subprocess.Popen(command, cwd=ROOT, env=connector.environment, stdout=subprocess.PIPE) as process:
        assert process.stdout
        output, seen = Output(), 0
        for line in process.stdout:
            output.add(json.loads(line))
            seen += b'"RECORD"' in line[:20]
            if seen == after:
                process.send_signal(number)
                break
        rest = process.stdout.read()
        *lines, half = rest.split(b"\n")
        for line in lines:
            output.add(json.loads(line))
        process.wait(timeout=20)
        output.code = process.returncode
    return output, half


@pytest.mark.parametrize("after", [1, 400, 2_500, 5_500])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_next_sync_reads_what_is_left(
    shop: Simulator, connector: Connector, after: int, number: signal.Signals
) -> None:
    stopped, half = read_and_stop(connector, after, number)
    resumed = connector.read(state=stopped.state())

    assert resumed.code == 0, resumed.logs
    for stream in CORE:
        assert {*stopped.ids(stream), *resumed.ids(stream)} == expected(shop, stream), stream
    if number == signal.SIGTERM:
        assert half == b""
        assert stopped.code == -signal.SIGTERM


def test_a_long_read_resumes_where_it_was_killed(tmp_path: Path) -> None:
    with Simulator(key=KEY, limits=False, events=40_000, profiles=10, latency=0.1) as shop:
        connector = Connector(shop.url, tmp_path)
        stopped, _ = read_and_stop(connector, 25_000, signal.SIGKILL)
        resumed = connector.read("events", state=stopped.state())

        assert {*stopped.ids("events"), *resumed.ids("events")} == expected(shop, "events")
        assert len(resumed.ids("events")) < 40_000


@pytest.fixture
def families(tmp_path: Path) -> Iterator[Simulator]:
    """A shop whose children take long to read: long lists, page by page, and many parents with few each."""
    sizes = {"profiles": 1_200, "members": 1_000, "lists": 12, "segments": 8, "flows": 6, "forms": 9, "reviews": 350}
    with Simulator(
        key=KEY, limits=False, events=10, campaigns=40, metrics=3, latency=0.2, advanced_kdp=True, **sizes
    ) as simulator:
        yield simulator


@pytest.mark.parametrize("after", [1, 700, 2_500, 3_700])  # of 3,843; then the last page is still in flight
def test_the_next_sync_reads_what_is_left_of_children(families: Simulator, tmp_path: Path, after: int) -> None:
    connector = Connector(families.url, tmp_path)
    stopped, _ = read_and_stop(connector, after, signal.SIGKILL, CHILDREN)
    resumed = connector.read(*CHILDREN, state=stopped.state())

    assert resumed.code == 0, resumed.logs
    read, left = (sum(map(len, output.records.values())) for output in (stopped, resumed))
    assert stopped.code == -signal.SIGKILL
    assert read >= after
    assert left < 3_843 or after < 1_000
    for stream in CHILDREN:
        assert {*stopped.ids(stream), *resumed.ids(stream)} == expected(families, stream), stream


INCREMENTAL = tuple(name for name in COLLECTIONS if is_incremental(name))


@pytest.mark.parametrize("seed", [1, 2])
def test_every_incremental_stream_is_complete_after_several_kills(
    families: Simulator, tmp_path: Path, seed: int
) -> None:
    """All are read together, with their parents and partitions, and stopped at random moments until they complete."""
    connector = Connector(families.url, tmp_path)
    families.switch(latency=0.02)
    moments = random.Random(seed)
    states: dict[str, Any] = {}
    ids: defaultdict[str, set[Any]] = defaultdict(set)
    for stop in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, None):
        after = moments.randrange(50, 3_000) if stop else -1
        output, half = read_and_stop(connector, after, stop or signal.SIGKILL, INCREMENTAL, state=list(states.values()))
        assert half == b"" or stop == signal.SIGKILL
        for stream in INCREMENTAL:
            ids[stream] |= {*output.ids(stream)}
            if output.states[stream]:
                states[stream] = output.states[stream][-1]

    assert output.code == 0, output.logs
    for stream in INCREMENTAL:
        assert ids[stream] >= expected(families, stream), stream


def test_a_shutdown_writes_the_pages_that_have_been_read(tmp_path: Path) -> None:
    """The output is not read before SIGTERM: pages wait in the connector, and none of them is lost."""
    with Simulator(key=KEY, limits=False, events=60_000, profiles=10) as shop:
        connector = Connector(shop.url, tmp_path)
        command = connector.command("read", catalog=catalog("events"))
        with subprocess.Popen(command, cwd=ROOT, env=connector.environment, stdout=subprocess.PIPE) as process:
            requests = requests_until_idle(shop)
            process.send_signal(signal.SIGTERM)
            assert process.stdout
            *lines, half = process.stdout.read().split(b"\n")
            assert process.wait(timeout=20) == -signal.SIGTERM

    assert half == b""
    assert 5 < requests < 50
    # a window's last page is half full, and at most one of them for each of the first windows
    assert sum(b'"RECORD"' in line[:20] for line in lines) >= 1_000 * (requests - 12)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("is_first", [False, True], ids=["a process among others", "the first process of a container"])
def test_a_signal_ends_the_process_as_callers_expect(
    shop: Simulator, connector: Connector, number: signal.Signals, is_first: bool
) -> None:
    """The signal ends it; the first process of a container, which ignores signals, exits with a shell's code."""
    shop.switch(latency=0.3)
    connector.settings["num_workers"] = 1
    command = connector.command("read", catalog=catalog("events", "profiles"))
    container = ["unshare", "--pid", "--fork", "--mount-proc"]
    if is_first and subprocess.run([*container, "true"], check=False, capture_output=True).returncode:
        pytest.skip("A namespace of its own takes root.")
    with subprocess.Popen(
        [*container, *command] if is_first else command,
        env=connector.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stderr
        while b'"RECORD"' not in process.stdout.readline()[:20]:
            pass
        pid = child_of(process.pid) if is_first else process.pid
        for _ in range(2):  # timeout(1) and others signal a process and then its group
            os.kill(pid, number)
        *lines, half = process.stdout.read().split(b"\n")
        assert process.wait(timeout=20) == (128 + number if is_first else -number)
        assert process.stderr.read() == b""
    assert half == b""
    assert all(json.loads(line) for line in lines)


def child_of(pid: int) -> int:
    """The only child of a process."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_blocked_pipe_does_not_delay_a_shutdown(tmp_path: Path, number: signal.Signals) -> None:
    with Simulator(key=KEY, limits=False, events=60_000, profiles=10) as shop:
        connector = Connector(shop.url, tmp_path)
        command = connector.command("read", catalog=catalog("events"))
        with subprocess.Popen(command, env=connector.environment, stdout=subprocess.PIPE) as process:
            requests_until_idle(shop)
            process.send_signal(number)
            assert process.wait(timeout=20) == -number


def requests_until_idle(shop: Simulator) -> int:
    """Return the number of requests once no more arrive."""
    before, now = -1, 0
    while now == 0 or now != before:
        time.sleep(1)
        before, now = now, shop.stats()["requests"]
    return now
