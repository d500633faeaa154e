"""The simulator as a program of its own."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Run = Callable[..., tuple[str, subprocess.Popen[str]]]


ROOT = Path(__file__).parents[2]


@pytest.fixture
def run() -> Iterator[Run]:
    processes = []

    def started(*arguments: str) -> tuple[str, subprocess.Popen[str]]:
        process = subprocess.Popen(
            [sys.executable, "-m", "klaviyo_simulator", "--port", "0", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        line = process.stderr.readline()
        return re.search(r"http://[\w.:]+", line).group(), process

    yield started
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_tells_its_address_serves_and_ends_quietly(run: Run, how: signal.Signals) -> None:
    url, process = run("--events", "50", "--profiles", "5", "--key", "pk_x", "--no-limits", "--scopes", "events:read")
    headers = {"Authorization": "Klaviyo-API-Key pk_x", "revision": "2026-07-15"}
    answer = requests.get(f"{url}/api/events", headers=headers, timeout=9)
    assert len(answer.json()["data"]) == 50
    assert "RateLimit-Limit" not in answer.headers
    assert requests.get(f"{url}/api/lists", headers=headers, timeout=9).status_code == 403
    process.send_signal(how)
    assert process.communicate(timeout=9) == ("", "")
    assert process.returncode == 0


def test_sizes(run: Run) -> None:
    url, _ = run("--coupons", "1", "--coupon-codes", "7", "--catalog-items", "3")
    for name, count in (("coupons", 1), ("coupon-codes", 7), ("catalog-items", 3)):
        assert len(requests.get(f"{url}/_simulator/ids?resource={name}", timeout=9).json()) == count


def test_switches(run: Run) -> None:
    url, _ = run("--events", "50", "--switch", "events_max_page=20", "--switch", "space_datetimes=true")
    headers = {"Authorization": "Klaviyo-API-Key pk_demo", "revision": "2026-07-15"}
    answer = requests.get(f"{url}/api/events", headers=headers, timeout=9).json()
    assert len(answer["data"]) == 20
    assert answer["data"][0]["attributes"]["datetime"][10] == " "


def test_unknown_switches_are_refused() -> None:
    command = [sys.executable, "-m", "klaviyo_simulator", "--port", "0", "--switch", "colour=red"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert "no switch 'colour'" in done.stderr
