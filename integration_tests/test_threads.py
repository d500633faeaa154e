"""If the system lets the connector start only few threads, it reads everything with less concurrency."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from integration_tests.connector import ROOT, Connector, Output, catalog
from integration_tests.forks import impatient
from integration_tests.truth import assert_complete

if TYPE_CHECKING:
    from klaviyo_simulator import Simulator

STREAMS = ("campaigns", "events", "global_exclusions", "list_profiles", "lists", "lists_detailed", "profiles")
FEWEST = 4
"""Threads that a read takes: the main one, one that waits for signals, and two that read."""


def run_limited(connector: Connector, threads: int, name: str) -> Output:
    """Run a command in a process that may have this many threads.

    The limit is one of the process's real user, which is one that nothing else runs as. Root's capabilities that lift
    the limit are taken away, and its others stay, so that it may read the project.
    """
    limit = [
        *("setpriv", f"--ruid={100_000 + os.getpid()}", "--bounding-set=-sys_admin,-sys_resource"),
        *("prlimit", f"--nproc={threads}"),
    ]
    try:
        usable = subprocess.run([*limit, "true"], check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        usable = False
    if not usable:
        pytest.skip("A limit for one process takes root, setpriv and prlimit.")
    files = {"catalog": catalog(*STREAMS)} if name == "read" else {}
    command = [*limit, *impatient(connector.command(name, **files))]
    done = subprocess.run(command, cwd=ROOT, env=connector.environment, capture_output=True, check=False, timeout=60)
    return Output.parse(done.stdout, done.returncode, done.stderr.decode())


@pytest.mark.parametrize("threads", [FEWEST, FEWEST + 1, len(STREAMS) + 2, 60])
def test_a_read_is_complete_with_few_threads(connector: Connector, shop: Simulator, threads: int) -> None:
    output = run_limited(connector, threads, "read")

    assert (output.code, output.errors, output.stderr) == (0, [], "")
    assert_complete(output, shop, STREAMS)
    warnings = [line for line in output.logs if "raise the limit of processes" in line]
    assert len(warnings) == (threads <= len(STREAMS) + 2)


def test_more_partitions_than_threads_cause_no_deadlock(connector: Connector, shop: Simulator) -> None:
    """A stream that begins holds a thread until the last of its parts has one."""
    connector.settings["num_workers"] = 1
    output = run_limited(connector, FEWEST, "read")

    assert output.code == 0
    assert_complete(output, shop, ["list_profiles"])


def test_a_read_without_enough_threads_fails_with_one_sentence(connector: Connector) -> None:
    for threads in range(1, FEWEST):
        output = run_limited(connector, threads, "read")

        (error,) = output.errors
        assert (output.code, output.stderr) == (1, "")
        assert error["failure_type"] == "transient_error"
        assert "raise the limit of processes" in error["message"]


@pytest.mark.parametrize("name", ["spec", "check", "discover"])
def test_the_other_commands_need_a_single_thread(connector: Connector, name: str) -> None:
    output = run_limited(connector, 1, name)

    assert (output.code, output.errors, output.stderr) == (0, [], "")
    assert len(output.others) == 1
    assert output.others[0].get("connectionStatus", {}).get("status") in {None, "SUCCEEDED"}
