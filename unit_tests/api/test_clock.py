"""Klaviyo's clock and the host's: requests use Klaviyo's, and states the one that is behind."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from source_klaviyo.api.clock import CLOCK_SAMPLES, Clock

NOW = 1_795_168_800.0
HOUR, DAY = 3_600, 86_400


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("source_klaviyo.api.clock.time.time", lambda: NOW)


def date(ahead: float) -> str:
    return format_datetime(datetime.fromtimestamp(NOW + ahead, tz=UTC), usegmt=True)


def clock(*ahead: float) -> Clock:
    """A clock that has seen responses of a Klaviyo this many seconds ahead of the host."""
    made = Clock()
    for one in ahead:
        made.learn(date(one))
    return made


def test_the_hosts_clock_is_used_before_the_first_response() -> None:
    assert clock().now() == clock().certain_now() == NOW


@pytest.mark.parametrize("ahead", [-40 * 365 * DAY, -30 * DAY, -26 * HOUR, -HOUR, -3, 3, HOUR, 26 * HOUR, 365 * DAY])
def test_states_use_the_clock_that_is_behind_however_far_apart_they_are(ahead: int) -> None:
    assert clock(ahead).now() == NOW + ahead
    assert clock(ahead).certain_now() == NOW + min(ahead, 0)


@pytest.mark.parametrize("ahead", [-2, -1, 0, 1, 2])
def test_a_difference_of_two_seconds_is_ignored(ahead: int) -> None:
    assert clock(ahead).now() == NOW


@pytest.mark.parametrize("ahead", [-300, 300])
def test_a_single_wrong_date_does_not_put_the_clock_ahead(ahead: int) -> None:
    assert clock(0, 0, ahead, 0).now() <= NOW


def test_a_corrected_clock_is_used_after_five_responses() -> None:
    assert clock(-300, *[0] * CLOCK_SAMPLES).now() == NOW


@pytest.mark.parametrize("text", [None, "", "today", "1795168900", "Fri, 99 Nov 2026 99:00:00 GMT", "\0"])
def test_an_invalid_date_is_ignored(text: str | None) -> None:
    made = clock(300)
    made.learn(text)
    assert made.now() == NOW + 300


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (-26 * HOUR, "The clock of this machine is 26 hours ahead of Klaviyo's"),
        (3 * DAY, "The clock of this machine is 3 days behind Klaviyo's"),
        (-600, "The clock of this machine is 10 minutes ahead of Klaviyo's"),
    ],
)
def test_clocks_that_differ_by_minutes_cause_one_warning(log: pytest.LogCaptureFixture, ahead: int, words: str) -> None:
    clock(ahead, ahead, ahead)
    (said,) = [record.message for record in log.records if record.levelname == "WARNING"]
    assert said.startswith(words)
    assert said.endswith("Set the machine's clock.")


def test_clocks_that_differ_by_seconds_cause_no_warning(log: pytest.LogCaptureFixture) -> None:
    clock(-200, 200)
    assert not [record for record in log.records if record.levelname == "WARNING"]
