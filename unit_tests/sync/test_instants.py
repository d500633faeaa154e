"""Instants: text in, text out, exact integers between."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_klaviyo.sync.instants import DAY, SECOND, Instant, floor, for_filter, for_state, parse_instant

TEN = Instant(1_795_168_800 * SECOND)
"""2026-11-20T10:00:00Z."""

moments = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30))  # noqa: DTZ001 - all here is UTC
offsets = st.integers(-14 * 60, 14 * 60)


def instant_of(moment: dt.datetime) -> Instant:
    """Return the instant, by arithmetic of the standard library."""
    return Instant((moment - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-20T10:00:00Z", TEN),
        ("2026-11-20T10:00:00+00:00", TEN),
        ("2026-11-20T10:00:00+0000", TEN),
        ("2026-11-20 10:00:00+00:00", TEN),
        ("2026-11-20T10:00:00", TEN),
        ("  2026-11-20T10:00:00Z\n", TEN),
        ("2026-11-20T12:30:00+02:30", TEN),
        ("2026-11-20T04:00:00-0600", TEN),
        ("2026-11-20T10:00Z", TEN),
        ("2026-11-20T10:00:00.5Z", TEN + 500_000),
        ("2026-11-20T10:00:00.123456+00:00", TEN + 123_456),
        ("2026-11-20T10:00:00.123456789Z", TEN + 123_456),
        ("2026-11-20", TEN - 10 * 3600 * SECOND),
        ("1970-01-01", 0),
        ("1969-12-31T23:59:59.5Z", -500_000),
        ("2024-02-29", 19_782 * DAY),
    ],
)
def test_a_date_is_read(text: str, instant: int) -> None:
    assert parse_instant(text) == instant


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "now",
        "null",
        "10:00:00",
        "2026",
        "P1D",
        "2026-11-20/2026-11-21",
        "2026-11-20/P1D",
        "2026-11-20T10:00:00Z/2026-11-21T10:00:00Z",
        "2026-11-31",
        "2025-02-29",
        "2026-11-20T25:00:00Z",
        "2026-11-20T10:00:00Z trailing",
        "2026-11-20T10:00:00+99:00",
        "20261120",
        "1795168800",
        "-2026-11-20",
        "0000-01-01",
        "٢٠٢٦-11-20",
        "2026-11-20T10:00:00\x00",
    ],
    ids=repr,
)
def test_a_text_that_is_no_date_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="is not a date"):
        parse_instant(text)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
def test_an_instant_beyond_the_calendar_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="is not a date"):
        parse_instant(text)


@given(text=st.text(max_size=30))
def test_any_text_is_a_date_or_a_value_error(text: str) -> None:
    try:
        for_state(parse_instant(text))
    except ValueError as error:
        assert "is not a date" in str(error)  # noqa: PT017 - either is right


@given(moment=moments, minutes=offsets, separator=st.sampled_from(["T", " "]))
def test_every_offset_and_separator_means_the_same_instant(moment: dt.datetime, minutes: int, separator: str) -> None:
    zone = dt.timezone(dt.timedelta(minutes=minutes))
    text = moment.replace(tzinfo=dt.UTC).astimezone(zone).isoformat(sep=separator)
    assert parse_instant(text) == instant_of(moment)


@given(moments)
def test_an_instant_is_written_and_read_again_to_the_second(moment: dt.datetime) -> None:
    instant = instant_of(moment)
    second = floor(instant, SECOND)
    assert parse_instant(for_filter(instant)) == parse_instant(for_state(instant)) == second


@given(moments)
def test_the_floor_of_an_instant_is_the_whole_second_before_it(moment: dt.datetime) -> None:
    instant = instant_of(moment)
    assert floor(instant, SECOND) % SECOND == 0
    assert 0 <= instant - floor(instant, SECOND) < SECOND


@given(moments, moments)
def test_texts_sort_as_the_instants_do(one: dt.datetime, other: dt.datetime) -> None:
    first, second = sorted([instant_of(one), instant_of(other)])
    assert for_filter(first) <= for_filter(second)
    assert for_state(first) <= for_state(second)


@pytest.mark.parametrize(
    ("instant", "filtered", "stated"),
    [
        (TEN + 999_999, "2026-11-20T10:00:00Z", "2026-11-20T10:00:00+0000"),
        (Instant(0), "1970-01-01T00:00:00Z", "1970-01-01T00:00:00+0000"),
        (Instant(-1), "1969-12-31T23:59:59Z", "1969-12-31T23:59:59+0000"),
        (parse_instant("0900-01-01"), "0900-01-01T00:00:00Z", "0900-01-01T00:00:00+0000"),
    ],
)
def test_filters_and_states_have_their_own_text_form(instant: Instant, filtered: str, stated: str) -> None:
    assert (for_filter(instant), for_state(instant)) == (filtered, stated)
