"""The settings: valid values, rejected values, and no sign of the key in any text."""

from __future__ import annotations

import json
import socket
from calendar import timegm
from pathlib import Path
from typing import Any

import pytest

import source_klaviyo
from source_klaviyo.api.client import HOST
from source_klaviyo.api.errors import ConfigError
from source_klaviyo.config import API_URL_VARIABLE, Config
from source_klaviyo.sync.instants import DAY, SECOND, Instant

KEY = "pk_0123456789abcdefMARKED"


def parse(environ: dict[str, str] | None = None, **settings: Any) -> Config:
    return Config.parse({"api_key": KEY, **settings}, environ or {})


def instant(*when: int) -> Instant:
    return Instant(timegm((*when, 0, 0, 0)) * SECOND)


def refusal(environ: dict[str, str] | None = None, **settings: Any) -> str:
    with pytest.raises(ConfigError) as raised:
        parse(environ, **settings)
    message = str(raised.value)
    assert KEY not in message
    assert message.endswith(".")
    assert "\n" not in message
    assert len(message) < 200
    assert raised.value.failure == "config"
    return message


def test_only_the_key_is_required() -> None:
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


def test_unknown_settings_are_ignored() -> None:
    assert parse(unheard_of={"of": [1]}) == parse()


def test_every_setting_of_the_specification_has_an_effect() -> None:
    specification = json.loads((Path(source_klaviyo.__file__).parent / "spec.json").read_text(encoding="utf-8"))
    other: dict[str, Any] = {
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
        assert parse(**{"api_key": "" if name == "credentials" else KEY, name: value}) != parse(), name


# --- api_key --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("around", ["{}", " {}", "{}\n", "\t{}\r\n", "\u00a0{}\u00a0"], ids=repr)
def test_white_space_around_the_key_is_removed(around: str) -> None:
    assert parse(api_key=around.format(KEY)).api_key == KEY


def test_a_key_of_the_old_form_is_accepted() -> None:
    assert parse(api_key="abcDEF012-_").api_key == "abcDEF012-_"


@pytest.mark.parametrize("value", [None, "", "   ", "\n", 5, True, ["pk"], {"key": "pk"}], ids=repr)
def test_an_empty_key_is_rejected(value: object) -> None:
    assert "api_key" in refusal(api_key=value)


def test_settings_without_a_key_are_rejected() -> None:
    with pytest.raises(ConfigError, match="api_key is missing"):
        Config.parse({}, {})


@pytest.mark.parametrize(
    "character",
    [" ", "\n", "\r\n", "\t", "\0", "\x1b", "\x7f", "\u00e4", "\u200b", "\u00a0", "\ufeff", "\U0001f600", "\ud83d"],
    ids=ascii,
)
def test_a_key_with_a_character_that_no_key_has_is_rejected(character: str) -> None:
    assert "api_key" in refusal(api_key=f"{KEY}{character}{KEY}")


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
def test_a_start_of_another_form_is_rejected(value: object) -> None:
    assert "start_date" in refusal(start_date=value)
    assert "YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ" in refusal(start_date=value)


@pytest.mark.parametrize(
    "value",
    ["2023-02-29", "2024-13-01", "2024-00-10", "2024-01-00", "2024-01-32", "0000-01-01", "2024-01-01T25:00:00Z"],
)
def test_a_start_that_is_no_date_is_rejected(value: str) -> None:
    message = refusal(start_date=value)
    assert value in message
    assert "calendar" in message


def test_a_start_in_the_future_is_rejected_to_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = instant(2026, 11, 20, 10, 0, 0)
    monkeypatch.setattr("source_klaviyo.config.time.time", lambda: now / SECOND)
    assert parse(start_date="2026-11-20T10:00:00Z").start == now
    assert "future" in refusal(start_date="2026-11-20T10:00:01Z")
    assert "future" in refusal(start_date="2026-11-21")
    assert "future" in refusal(start_date="9999-12-31")


# --- the others -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "wanted"), [(None, True), (False, True), (True, False)])
def test_predictive_analytics_are_read_unless_they_are_disabled(value: object, wanted: object) -> None:
    assert parse(disable_fetching_predictive_analytics=value).predictive_analytics is wanted


@pytest.mark.parametrize("value", ["true", "", 0, 1, [], {}], ids=repr)
def test_a_flag_is_true_or_false(value: object) -> None:
    assert "disable_fetching_predictive_analytics" in refusal(disable_fetching_predictive_analytics=value)


@pytest.mark.parametrize("value", [None, 1, 10, 50])
def test_the_number_of_workers_is_a_setting(value: int | None) -> None:
    assert parse(num_workers=value).num_workers == value


@pytest.mark.parametrize(("value", "days"), [(None, 0), (0, 0), (7, 7), (36_500, 36_500)])
def test_the_lookback_is_in_days(value: int | None, days: int) -> None:
    assert parse(lookback_window=value).lookback == days * DAY


NO_NUMBERS = [True, False, "5", "", 1.5, float("nan"), float("inf"), [5], {}, -1, 10**9, 10**400, -(10**400)]


@pytest.mark.parametrize("value", [*NO_NUMBERS, 0, 51], ids=lambda value: repr(value)[:20])
def test_a_wrong_number_of_workers_is_rejected(value: object) -> None:
    assert "num_workers" in refusal(num_workers=value)
    assert "from 1 to 50" in refusal(num_workers=value)


@pytest.mark.parametrize("value", [*NO_NUMBERS, 36_501], ids=lambda value: repr(value)[:20])
def test_a_wrong_lookback_is_rejected(value: object) -> None:
    assert "lookback_window" in refusal(lookback_window=value)


# --- the address in the environment -----------------------------------------------------------------------------


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
def test_the_environment_may_set_another_address(value: str, base: str) -> None:
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
def test_an_address_with_more_or_less_than_scheme_host_and_port_is_rejected(value: str) -> None:
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
def test_the_key_is_not_sent_unencrypted_to_another_machine(value: str) -> None:
    message = refusal({API_URL_VARIABLE: value})
    assert f"{API_URL_VARIABLE} would send the API key unencrypted: use https" in message
    assert "localhost" in message
    assert "host.docker.internal" in message


def test_an_address_of_this_machine_needs_no_encryption() -> None:
    own = socket.gethostbyname(socket.gethostname())
    assert parse({API_URL_VARIABLE: f"http://{own}:8080"}).api_url == f"http://{own}:8080"


def test_no_setting_changes_the_address() -> None:
    settings: dict[str, Any] = {
        "api_url": "https://evil.example",
        "url_base": "https://evil.example",
        API_URL_VARIABLE: "http://evil",
    }
    assert parse(**settings).api_url == HOST


# --- nothing leaks --------------------------------------------------------------------------------------


def test_the_key_is_not_shown() -> None:
    config = parse(start_date="2024-01-01")
    assert KEY not in f"{config} {config!r} {[config]}"
    assert config.api_key == KEY


def test_a_message_shows_only_the_beginning_of_a_long_value() -> None:
    assert "…" in refusal(start_date="x" * 100_000)


@pytest.mark.parametrize("name", ["metric_ids", "event_metric_ids"])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        *[(value, "it must be IDs separated by commas") for value in (0, 5, False, {}, {"A": "B"}, [5])],
        *[(value, "which is no ID of Klaviyo: copy it again") for value in ("A B", "A/B", "A;B", ["A", "B C"])],
    ],
)
def test_wrong_ids_are_rejected(name: str, value: Any, words: str) -> None:
    message = refusal(**{name: value})
    assert message.startswith(f"The setting {name} ")
    assert words in message


@pytest.mark.parametrize("value", ["A, B,,A ", ["A", " B", "", "A"]])
def test_ids_are_separated_by_commas_or_a_list(value: Any) -> None:
    assert parse(metric_ids=value).metric_ids == ("A", "B")


@pytest.mark.parametrize("value", ["x", {}, [5], [[]], False], ids=repr)
def test_metric_aggregates_are_a_list_of_definitions(value: Any) -> None:
    assert refusal(metric_aggregates=value) == (
        f"The setting metric_aggregates is {value!r}: it must be a list of definitions."
    )


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ({}, "metric_aggregates holds a definition without a metric_id: give the ID of one metric"),
        ({"metric_id": {}}, "metric_aggregates holds {} as metric_id: it must be a metric ID"),
        ({"metric_id": ["A"]}, "metric_aggregates holds ['A'] as metric_id"),
        ({"metric_id": "A", "name": 5}, "metric_aggregates holds 5 as name: it must be a text"),
        ({"metric_id": "A", "by": [5]}, "metric_aggregates holds [5] as by: it must be a list of texts"),
        ({"metric_id": "A", "name": "half \ud83d"}, "which holds half a character: write it again"),
        ({"metric_id": "A", "by": ["\ude00"]}, "which holds half a character: write it again"),
        ({"metric_id": "A", "filter": "x"}, "as filter: it must be a list of texts"),
        ({"metric_id": "A", "interval": ["day"]}, "holds ['day'] as interval: it must be day, hour, week or month"),
        ({"metric_id": "A", "measurements": "count"}, "holds 'count' as measurements: it must be a list of"),
        ({"metric_id": "A,B"}, "holds 'A,B' as metric_id: it must be a metric ID"),
        (
            {"metric_id": "A", "measurements": ["mean"]},
            "as measurements: it must be a list of count, sum_value or unique",
        ),
        ({"metric_id": "A", "interval": "year"}, "holds 'year' as interval: it must be day, hour, week or month"),
    ],
)
def test_a_wrong_definition_names_the_setting_the_field_and_the_value(definition: dict[str, Any], words: str) -> None:
    assert words in refusal(metric_aggregates=[definition])


def test_empty_fields_of_a_definition_have_their_defaults() -> None:
    left_out = parse(metric_aggregates=[{"metric_id": "A"}])
    empty: dict[str, Any] = {"name": "", "interval": None, "measurements": [], "by": [], "filter": ""}
    assert parse(metric_aggregates=[{"metric_id": " A,\n", **empty}]) == left_out
    (found,) = left_out.metric_aggregates
    assert (found.name, found.interval, found.measurements) == ("A", "day", ("count",))


def test_equal_definitions_are_requested_once() -> None:
    twice = [{"metric_id": one, "by": ["x", "x"], "measurements": ["count", "count"]} for one in ("A", " A")]
    (found,) = parse(metric_aggregates=twice).metric_aggregates
    assert (found.metric_id, found.by, found.measurements) == ("A", ("x",), ("count",))


def test_a_key_of_thousands_of_characters_is_rejected() -> None:
    assert parse(api_key="k" * 500).api_key
    assert "9,000 characters" in refusal(api_key="k" * 9_000)
