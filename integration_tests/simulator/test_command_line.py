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
        assert process.stderr is not None
        ready = re.search(r"http://[\w.:]+", process.stderr.readline())
        assert ready
        return ready[0], process

    yield started
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_its_url_serves_and_stops_quietly(run: Run, how: signal.Signals) -> None:
    url, process = run("--events", "50", "--profiles", "5", "--key", "pk_x", "--no-limits", "--scopes", "events:read")
    headers = {"Authorization": "Klaviyo-API-Key pk_x", "revision": "2026-07-15"}
    response = requests.get(f"{url}/api/events", headers=headers, timeout=9)
    assert len(response.json()["data"]) == 50
    assert "RateLimit-Limit" not in response.headers
    assert requests.get(f"{url}/api/lists", headers=headers, timeout=9).status_code == 403
    process.send_signal(how)
    assert process.communicate(timeout=9) == ("", "")
    assert process.returncode == 0


def test_sizes_are_options(run: Run) -> None:
    url, _ = run("--coupons", "1", "--coupon-codes", "7", "--catalog-items", "3")
    for name, count in (("coupons", 1), ("coupon-codes", 7), ("catalog-items", 3)):
        assert len(requests.get(f"{url}/_simulator/ids?resource={name}", timeout=9).json()) == count


def test_switches_are_options(run: Run) -> None:
    url, _ = run("--events", "50", "--switch", "events_max_page=20", "--switch", "list_inactive_segments=true")
    headers = {"Authorization": "Klaviyo-API-Key pk_demo", "revision": "2026-07-15"}
    assert len(requests.get(f"{url}/api/events", headers=headers, timeout=9).json()["data"]) == 20
    segments = requests.get(f"{url}/api/segments", headers=headers, timeout=9).json()["data"]
    assert {segment["attributes"]["is_active"] for segment in segments} == {True, False}


def test_properties_of_the_account_are_options(run: Run) -> None:
    url, _ = run("--events", "5", "--advanced-kdp", "--timezone", "Asia/Tokyo")
    headers = {"Authorization": "Klaviyo-API-Key pk_demo", "revision": "2026-07-15"}
    assert requests.get(f"{url}/api/webhooks", headers=headers, timeout=9).status_code == 200
    (account,) = requests.get(f"{url}/api/accounts", headers=headers, timeout=9).json()["data"]
    assert account["attributes"]["timezone"] == "Asia/Tokyo"


def test_the_oauth_app_is_set_by_options(run: Run) -> None:
    app = ("--client-id", "app", "--client-secret", "word", "--refresh-token", "token")
    url, _ = run("--events", "5", *app, "--token-life", "7", "--rotation", "at_once")
    form = {"grant_type": "refresh_token", "refresh_token": "token"}
    tokens = requests.post(f"{url}/oauth/token", data=form, auth=("app", "word"), timeout=9).json()
    assert tokens["expires_in"] == 7
    assert tokens["refresh_token"] != "token"


@pytest.mark.parametrize(
    ("switch", "reason"),
    [
        ("colour=red", "no switch 'colour'"),
        ("suppression_order=random", "must be one of latest, first, any"),
        ("rotation=often", "must be one of off, when_used, at_once"),
    ],
)
def test_unknown_switches_and_values_are_rejected(switch: str, reason: str) -> None:
    command = [sys.executable, "-m", "klaviyo_simulator", "--port", "0", "--switch", switch]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert reason in done.stderr
