"""`start`: what the commands take that people wait for."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.connector import ours
from benchmarks.row import OURS, REFERENCE, Row, WrongError
from benchmarks.simulator import simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.connector import Connector
    from benchmarks.plan import Plan

NAME = "start"
CDK = (sys.executable, "-c", "import airbyte_cdk.entrypoint")


def measure(plan: Plan, say: Callable[[str], None]) -> Iterator[Row]:
    """Seconds from start to end of a process; the simulator answers at once, so no latency is part of them."""
    say("starting spec, check and the CDK by itself")
    times: dict[str, list[float]] = {"spec": [], "check": [], "cdk": []}
    with TemporaryDirectory() as name, simulator(no_limits=True) as shop:
        connector = ours(shop, Path(name))
        for _ in range(plan.starts):
            for command in ("spec", "check"):
                times[command].append(_seconds(connector, command))
            began = time.monotonic()
            subprocess.run(CDK, check=True, capture_output=True)
            times["cdk"].append(time.monotonic() - began)
    for command in ("spec", "check"):
        yield Row(
            NAME,
            f"{command} (reference: import airbyte_cdk.entrypoint)",
            "s",
            {OURS: median(times[command]), REFERENCE: median(times["cdk"])},
            f"median of {plan.starts}",
        )


def _seconds(connector: Connector, command: str) -> float:
    began = time.monotonic()
    with connector.start(command, subprocess.PIPE) as process:
        output, _ = process.communicate()
        seconds = time.monotonic() - began
    wanted = b'"SPEC"' if command == "spec" else b'"SUCCEEDED"'
    if process.returncode or wanted not in output:
        raise WrongError(f"{command} did not succeed")
    return seconds
