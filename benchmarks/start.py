"""`start`: the time of the commands that people wait for."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

from benchmarks.connector import ours, start
from benchmarks.simulator import simulator
from benchmarks.table import Table, WrongError, figure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.plan import Plan
    from integration_tests.connector import Connector

NAME = "start"
CDK = (sys.executable, "-c", "import airbyte_cdk.entrypoint")


def measure(plan: Plan, say: Callable[[str], None]) -> Iterator[Table]:
    """Start each command; the simulator responds at once, so the time includes no latency."""
    table = Table(
        "How long do the commands take that people wait for?",
        f"Seconds from start to end of the process, the fastest of {plan.starts}; for comparison, the import of "
        "Airbyte's CDK alone. Less is better.",
        ("Command", "Time"),
    )
    say("starting spec, check and the CDK alone")
    times: dict[str, list[float]] = {"spec": [], "check": [], "import airbyte_cdk.entrypoint": []}
    with simulator(no_limits=True) as shop, table.guard("the start"):
        connector = ours(shop)
        for _ in range(plan.starts):
            for command in ("spec", "check"):
                times[command].append(_seconds(connector, command))
            began = time.monotonic()
            subprocess.run(CDK, check=True, capture_output=True)
            times["import airbyte_cdk.entrypoint"].append(time.monotonic() - began)
        table.rows += [(f"`{command}`", f"{figure(min(each))} s") for command, each in times.items()]
    yield table


def _seconds(connector: Connector, command: str) -> float:
    began = time.monotonic()
    with start(connector, command, subprocess.PIPE) as process:
        output, _ = process.communicate()
        seconds = time.monotonic() - began
    wanted = b'"SPEC"' if command == "spec" else b'"SUCCEEDED"'
    if process.returncode or wanted not in output:
        raise WrongError(f"{command} did not succeed")
    return seconds
