"""The settings: what is taken, what is refused, and that the key shows nowhere."""

from __future__ import annotations

import datetime as dt
import json
import socket
from pathlib import Path
from typing import Any

import pytest

import source_klaviyo
from source_klaviyo.api.client import HOST
from source_klaviyo.api.errors import ConfigError
from source_klaviyo.config import API_URL_VARIABLE, Config
from source_klaviyo.sync.instants import DAY, SECOND

KEY = "pk_0123456789abcdefMARKED"


def parse(environ: dict[str, str] | None = None, **settings: Any) -> Config:
    return Config.parse({"api_key": KEY, **settings}, environ or {})


def instant(*when: int) -> int:
    return int(dt.datetime(*when, tzinfo=dt.UTC).timestamp()) * SECOND


def refusal(environ: dict[str, str] | None = None, **settings: Any) -> str:
    with pytest.raises(ConfigError) as raised:
        parse(environ, **settings)
    message = str(raised.value)
    assert message.endswith(".")
    assert "\n" not in message
    assert len(message) < 200
    assert raised.value.failure == "config"
    return message


def test_the_key_is_all_that_is_needed() -> None:
    assert parse() == Config(
        api_key=KEY,
        start=instant(2012, 1, 1),
        predictive_analytics=True,
        num_workers=None,
        lookback=0,
        late_events=7 * DAY,
        event_metric_ids=(),
        metric_ids=(),
        reporting_lookback=0,
        metric_aggregates=(),
        api_url="https://a.klaviyo.com",
    )


def test_settings_of_other_versions_are_left_alone() -> None:
    assert parse(unheard_of={"of": [1]}) == parse()


def test_every_setting_of_the_specification_has_an_effect() -> None:
    specification = json.loads((Path(source_klaviyo.__file__).parent / "spec.json").read_text(encoding="utf-8"))
    other = {
        "api_key": "another",
        "credentials": {"auth_type": "api_key", "api_key": "another"},
        "start_date": "2020-01-01",
        "disable_fetching_predictive_analytics": True,
        "num_workers": 5,
        "lookback_window": 5,
        "late_events_window": 0,
        "metric_ids": "RESQ6t",
        "event_metric_ids": "RESQ6t",
        "reporting_lookback_window": 5,
        "metric_aggregates": [{"metric_id": "RESQ6t"}],
    }
    assert set(specification["connectionSpecification"]["properties"]) == set(other)
    for name, value in other.items():
        alone = {"api_key": ""} if name == "credentials" else {}
        assert parse(**{name: value, **alone}) != parse(), name


# --- api_key --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("around", ["{}", " {}", "{}\n", "\t{}\r\n", "\u00a0{}\u00a0"], ids=repr)
def test_what_is_copied_around_the_key_is_cut_off(around: str) -> None:
    assert parse(api_key=around.format(KEY)).api_key == KEY


def test_a_key_of_the_old_form_is_taken() -> None:
    assert parse(api_key="abcDEF012-_").api_key == "abcDEF012-_"


@pytest.mark.parametrize("value", [None, "", "   ", "\n", 5, True, ["pk"], {"key": "pk"}], ids=repr)
def test_a_key_is_needed(value: object) -> None:
    assert "api_key" in refusal(api_key=value)


def test_settings_without_a_key_are_refused() -> None:
    with pytest.raises(ConfigError, match="api_key is missing"):
        Config.parse({}, {})


@pytest.mark.parametrize(
    "character",
    [" ", "\n", "\r\n", "\t", "\0", "\x1b", "\x7f", "\u00e4", "\u200b", "\u00a0", "\ufeff", "\U0001f600", "\ud83d"],
    ids=ascii,
)
def test_a_key_with_a_character_that_no_key_has_is_refused(character: str) -> None:
    message = refusal(api_key=f"{KEY}{character}{KEY}")
    assert "api_key" in message
    assert KEY not in message


# --- start_date -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "start"),
    [
        (None, instant(2012, 1, 1)),
        ("", instant(2012, 1, 1)),
        ("2024-02-29", instant(2024, 2, 29)),
        ("2024-02-29T12:34:56Z", instant(2024, 2, 29, 12, 34, 56)),
        (" 2024-02-29 ", instant(2024, 2, 29)),
        ("2024-02-29T12:34:56Z\n", instant(2024, 2, 29, 12, 34, 56)),
        ("2024-02-29T12:34:56.000Z", instant(2024, 2, 29, 12, 34, 56)),
        ("2024-02-29T12:34:56.25Z", instant(2024, 2, 29, 12, 34, 56) + SECOND // 4),
        ("1970-01-02", DAY),
        ("1969-12-31", DAY),
        ("0001-01-01T00:00:00Z", DAY),
    ],
)
def test_the_start_is_a_date_or_a_date_and_time(value: str | None, start: int) -> None:
    assert parse(start_date=value).start == start


@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "2024",
        "2024-02",
        "20240229",
        "2024-2-9",
        "29.02.2024",
        "02/29/2024",
        "2024-02-29T12:34:56",
        "2024-02-29T12:34:56+02:00",
        "2024-02-29 12:34:56Z",
        "2024-02-29T12:34Z",
        "2024-02-29/2024-03-01",
        "2024-W09",
        "12:34:56",
        "   ",
        "-2024-02-29",
        20240229,
        1709164800,
        1709164800.5,
        True,
        ["2024-02-29"],
        "2024-02-29" * 1000,
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_start_of_another_form_is_refused(value: object) -> None:
    assert "start_date" in refusal(start_date=value)
    assert "YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ" in refusal(start_date=value)


@pytest.mark.parametrize(
    "value",
    ["2023-02-29", "2024-13-01", "2024-00-10", "2024-01-00", "2024-01-32", "0000-01-01", "2024-01-01T25:00:00Z"],
)
def test_a_start_that_is_on_no_calendar_is_refused(value: str) -> None:
    message = refusal(start_date=value)
    assert value in message
    assert "calendar" in message


def test_a_start_in_the_future_is_refused_to_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = instant(2026, 11, 20, 10, 0, 0)
    monkeypatch.setattr("source_klaviyo.config.time.time", lambda: now / SECOND)
    assert parse(start_date="2026-11-20T10:00:00Z").start == now
    assert "future" in refusal(start_date="2026-11-20T10:00:01Z")
    assert "future" in refusal(start_date="2026-11-21")
    assert "future" in refusal(start_date="9999-12-31")


# --- the others -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "wanted"), [(None, True), (False, True), (True, False)])
def test_predictive_analytics_are_read_unless_the_user_does_without(value: object, wanted: object) -> None:
    assert parse(disable_fetching_predictive_analytics=value).predictive_analytics is wanted


@pytest.mark.parametrize("value", ["true", "", 0, 1, [], {}], ids=repr)
def test_a_switch_is_true_or_false(value: object) -> None:
    assert "disable_fetching_predictive_analytics" in refusal(disable_fetching_predictive_analytics=value)


@pytest.mark.parametrize("value", [None, 1, 10, 50])
def test_the_workers_are_as_many_as_the_user_says(value: int | None) -> None:
    assert parse(num_workers=value).num_workers == value


@pytest.mark.parametrize(("value", "days"), [(None, 0), (0, 0), (7, 7), (36_500, 36_500)])
def test_the_lookback_is_in_days(value: int | None, days: int) -> None:
    assert parse(lookback_window=value).lookback == days * DAY


NO_NUMBERS = [True, False, "5", "", 1.5, float("nan"), float("inf"), [5], {}, -1, 10**9, 10**400, -(10**400)]


@pytest.mark.parametrize("value", [*NO_NUMBERS, 0, 51], ids=lambda value: repr(value)[:20])
def test_a_number_of_workers_that_makes_no_sense_is_refused(value: object) -> None:
    assert "num_workers" in refusal(num_workers=value)
    assert "from 1 to 50" in refusal(num_workers=value)


@pytest.mark.parametrize("value", [*NO_NUMBERS, 36_501], ids=lambda value: repr(value)[:20])
def test_a_lookback_that_makes_no_sense_is_refused(value: object) -> None:
    assert "lookback_window" in refusal(lookback_window=value)


# --- the operator's address -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "base"),
    [
        ("", HOST),
        ("https://a.klaviyo.com", HOST),
        ("https://a.klaviyo.com/", HOST),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.8.8.8", "http://127.8.8.8"),
        (" http://localhost:8080/\n", "http://localhost:8080"),
        ("HTTP://LocalHost", "http://LocalHost"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://host.docker.internal:8080", "http://host.docker.internal:8080"),
        ("http://host.containers.internal:8080", "http://host.containers.internal:8080"),
        ("https://simulator:8443", "https://simulator:8443"),
    ],
)
def test_the_environment_may_name_another_address(value: str, base: str) -> None:
    assert parse({API_URL_VARIABLE: value}).api_url == base


@pytest.mark.parametrize(
    "value",
    [
        "   ",
        "127.0.0.1:8080",
        "simulator",
        "//simulator",
        "ftp://simulator",
        "file:///etc/passwd",
        "https://",
        "http://:8080",
        "https://a.klaviyo.com/api",
        "https://a.klaviyo.com?x=1",
        "https://a.klaviyo.com#x",
        "https://user:secret@a.klaviyo.com",
        "https://@a.klaviyo.com",
        "http://simulator:65536",
        "http://simulator:port",
        "http://[::1",
        "http://two words",
        "http://simulator\\@evil.example",
    ],
)
def test_an_address_with_more_or_less_than_scheme_host_and_port_is_refused(value: str) -> None:
    message = refusal({API_URL_VARIABLE: value})
    assert API_URL_VARIABLE in message
    assert "secret" not in message


@pytest.mark.parametrize(
    "value",
    [
        "http://a.klaviyo.com",
        "http://simulator:8080",
        "http://10.0.0.1:8080",
        "http://0.0.0.0:8080",
        "http://[fe80::1]:8080",
        "http://localhost.example:8080",
        "http://127.0.0.1.example",
        "http://127.1",
        "http://2130706433",
        "HTTP://host.docker.internal.example",
    ],
)
def test_the_key_goes_to_no_other_machine_unencrypted(value: str) -> None:
    message = refusal({API_URL_VARIABLE: value})
    assert f"{API_URL_VARIABLE} would send the API key unencrypted: use https" in message
    assert "localhost" in message
    assert "host.docker.internal" in message


def test_an_address_of_this_machine_is_this_machine() -> None:
    own = socket.gethostbyname(socket.gethostname())
    assert parse({API_URL_VARIABLE: f"http://{own}:8080"}).api_url == f"http://{own}:8080"


def test_no_setting_changes_the_address() -> None:
    settings = {"api_url": "https://evil.example", "url_base": "https://evil.example", API_URL_VARIABLE: "http://evil"}
    assert parse(**settings).api_url == HOST


# --- nothing leaks --------------------------------------------------------------------------------------


def test_the_key_is_not_shown() -> None:
    config = parse(start_date="2024-01-01")
    assert KEY not in f"{config} {config!r} {[config]}"
    assert config.api_key == KEY


@pytest.mark.parametrize(
    "bad",
    [{"start_date": "x"}, {"num_workers": 0}, {"lookback_window": -1}, {"disable_fetching_predictive_analytics": 1}],
    ids=lambda bad: next(iter(bad)),
)
def test_no_refusal_shows_the_key(bad: dict[str, Any]) -> None:
    assert KEY not in refusal(**bad)


def test_what_is_shown_of_a_wrong_setting_is_short() -> None:
    assert "…" in refusal(start_date="x" * 100_000)


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ({"metric_id": {}}, "metric_aggregates holds {} as metric_id: it must be a metric ID"),
        ({"metric_id": ["A"]}, "metric_aggregates holds ['A'] as metric_id"),
        ({"metric_id": "A", "name": 5}, "metric_aggregates holds 5 as name: it must be a text"),
        ({"metric_id": "A", "by": [5]}, "metric_aggregates holds [5] as by: it must be a list of texts"),
        ({"metric_id": "A", "name": "half \ud83d"}, "which holds half a character: write it again"),
        ({"metric_id": "A", "by": ["\ude00"]}, "which holds half a character: write it again"),
        ({"metric_id": "A", "filter": "x"}, "as filter: it must be a list of texts"),
        ({"metric_id": "A,B"}, "holds 'A,B' as metric_id: it must be a metric ID"),
        (
            {"metric_id": "A", "measurements": ["mean"]},
            "as measurements: it must be a list of count, sum_value or unique",
        ),
        ({"metric_id": "A", "interval": "year"}, "holds 'year' as interval: it must be day, hour, week or month"),
    ],
)
def test_a_definition_without_sense_names_the_setting_and_the_value(definition: dict[str, Any], words: str) -> None:
    assert words in refusal(metric_aggregates=[definition])


def test_settings_of_a_definition_that_are_left_empty_have_their_defaults() -> None:
    left_out = parse(metric_aggregates=[{"metric_id": "A"}])
    empty = {"name": "", "interval": None, "measurements": [], "by": [], "filter": ""}
    assert parse(metric_aggregates=[{"metric_id": " A,\n", **empty}]) == left_out
    (found,) = left_out.metric_aggregates
    assert (found.name, found.interval, found.measurements) == ("A", "day", ("count",))


def test_what_is_defined_twice_is_asked_for_once() -> None:
    twice = [{"metric_id": one, "by": ["x", "x"], "measurements": ["count", "count"]} for one in ("A", " A")]
    (found,) = parse(metric_aggregates=twice).metric_aggregates
    assert (found.metric_id, found.by, found.measurements) == ("A", ("x",), ("count",))


def test_a_key_of_thousands_of_characters_is_refused() -> None:
    assert parse(api_key="k" * 500).api_key
    assert "9,000 characters" in refusal(api_key="k" * 9_000)
