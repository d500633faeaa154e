"""Selection: which records of a page belong to the window, against a model that parses each date."""

from __future__ import annotations

import datetime as dt
import json
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_klaviyo.sync.instants import SECOND, Instant, parse_instant
from source_klaviyo.sync.selection import Selection, instant_of, select, select_spans

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE = parse_instant("2024-03-01T00:00:00Z")

FORMS = {
    "Z": "%Y-%m-%dT%H:%M:%SZ",
    "micro Z": "%Y-%m-%dT%H:%M:%S.%fZ",
    "colon": "%Y-%m-%dT%H:%M:%S+00:00",
    "micro colon": "%Y-%m-%dT%H:%M:%S.%f+00:00",
    "no colon": "%Y-%m-%dT%H:%M:%S+0000",
    "space": "%Y-%m-%d %H:%M:%S+00:00",
    "none": "%Y-%m-%dT%H:%M:%S",
    "micro none": "%Y-%m-%dT%H:%M:%S.%f",
}
NO_DATES = ["null", "5", "true", '""', '"soon"', '"2024-03-01T00:61:00Z"', '{"at":1}', "[]", '"2024-02-30T00:00:00Z"']


def at(second: float, form: str = "Z", offset: int = 0) -> bytes:
    """A cursor as JSON, `second` seconds after BASE; `offset` in hours is written for the form `colon`."""
    moment = dt.datetime(2024, 3, 1) + dt.timedelta(seconds=second, hours=offset)  # noqa: DTZ001 - all here is UTC
    text = moment.strftime(FORMS[form])
    if offset:
        text = text.replace("+00:00", f"{offset:+03d}:00")
    return json.dumps(text).encode()


def instant(cursor: bytes) -> Instant | None:
    value = json.loads(cursor)
    try:
        return parse_instant(value) if isinstance(value, str) else None
    except ValueError:
        return None


def naive(cursors: list[bytes], start: Instant, end: Instant | None, before: Instant | None) -> Selection:
    """Return the expected result of `select`, found one record at a time."""
    instants = [instant(cursor) for cursor in cursors]
    known = [one for one in instants if one is not None]
    chain = known if before is None else [before, *known]
    return Selection(
        keep=[
            place for place, one in enumerate(instants) if one is None or (start <= one and (end is None or one < end))
        ],
        ordered=all(one <= other for one, other in pairwise(chain)),
        last=known[-1] if known else None,
        past_end=end is not None and any(one >= end for one in known),
    )


def same(found: Selection, expected: Selection) -> bool:
    return (list(found.keep), found.ordered, found.last, found.past_end) == (
        list(expected.keep),
        expected.ordered,
        expected.last,
        expected.past_end,
    )


seconds = st.one_of(st.integers(0, 20), st.integers(0, 20_000_000).map(lambda micro: micro / 1e6))
dated = st.builds(at, seconds, st.sampled_from(sorted(FORMS)))
zoned = st.builds(at, seconds, st.just("colon"), st.integers(-3, 3))
anything = st.one_of(dated, zoned, st.sampled_from(NO_DATES).map(str.encode))
bounds = st.one_of(st.none(), st.integers(0, 21).map(lambda second: BASE + second * SECOND))
one_form = st.sampled_from(sorted(FORMS)).flatmap(
    lambda form: st.lists(seconds).map(lambda times: [at(time, form) for time in sorted(times)])
)
pages = st.one_of(st.lists(anything), one_form, st.lists(dated), st.lists(zoned))


@given(pages, bounds, bounds, bounds)
def test_a_page_is_sorted_as_if_each_date_were_parsed(
    page: list[bytes], start: Instant | None, end: Instant | None, before: Instant | None
) -> None:
    start = start or BASE
    assert same(select(page, start, end, before), naive(page, start, end, before))


@given(one_form, bounds, st.data())
def test_one_date_in_another_form_is_noticed(page: list[bytes], end: Instant | None, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(page)))
    page = [*page[:place], data.draw(anything), *page[place:]]
    assert same(select(page, BASE, end), naive(page, BASE, end, None))


@pytest.mark.parametrize("form", FORMS)
def test_a_page_inside_of_the_window_is_kept_whole(form: str) -> None:
    page = [at(second, form) for second in (1, 2, 2, 5)]
    assert same(
        select(page, BASE + SECOND, BASE + 6 * SECOND),
        Selection(range(4), ordered=True, last=BASE + 5 * SECOND, past_end=False),
    )


def test_the_start_belongs_to_the_window_and_the_end_does_not() -> None:
    chosen = select([at(0.999999, "micro Z"), at(1), at(2), at(3)], BASE + SECOND, BASE + 3 * SECOND)
    assert list(chosen.keep) == [1, 2]
    assert chosen.past_end


def test_records_without_a_date_are_kept_and_do_not_count_for_the_order() -> None:
    page = [b"null", at(3), b'"soon"', at(4), b"null"]
    assert same(
        select(page, BASE, BASE + 10 * SECOND),
        Selection(range(5), ordered=True, last=BASE + 4 * SECOND, past_end=False),
    )


def test_a_page_without_any_date_is_kept() -> None:
    assert same(
        select([b"null"] * 3, BASE, BASE + SECOND, BASE), Selection(range(3), ordered=True, last=None, past_end=False)
    )


def test_an_empty_page_is_in_order() -> None:
    assert same(select([], BASE, BASE, BASE), Selection([], ordered=True, last=None, past_end=False))


@pytest.mark.parametrize(
    ("page", "before", "ordered"),
    [
        ([at(1), at(2)], BASE + SECOND, True),
        ([at(1), at(2)], BASE + SECOND + 1, False),
        ([at(2), at(1)], None, False),
        ([at(1), at(1)], None, True),
        ([at(1), at(1.5, "micro Z")], None, True),
        ([at(1.5, "micro Z"), at(1)], None, False),
        ([at(1, "space"), at(0, "colon")], None, False),
        ([b'"2024-03-01T00:00:00.1234Z"', b'"2024-03-01T00:00:01-05:00"', b'"2024-03-01T00:00:02.1234Z"'], None, False),
        ([at(2, "colon", 2), at(1, "colon", 3)], None, False),
        ([at(1, "colon", 3), at(2, "colon", 2)], None, True),
    ],
    ids=[
        "ties with the page before",
        "falls behind it",
        "falls",
        "a tie",
        "fractions",
        "fractions that fall",
        "separators",
        "an offset among Zs of the same length",
        "offsets that fall",
        "offsets",
    ],
)
def test_the_order_is_that_of_instants_not_of_texts(page: list[bytes], before: Instant | None, ordered: bool) -> None:
    assert select(page, BASE, None, before).ordered is ordered


@pytest.mark.parametrize("text", ["2024-03-01/2024-03-05", "2024-03-01/P1D"])
def test_a_period_is_no_date(text: str) -> None:
    assert select([json.dumps(text).encode()], BASE, None).last is None


# --- records that several instants place ----------------------------------------------------------------------


def read_window(
    records: list[tuple[Instant, list[Instant]]], start: Instant, end: Instant | None, size: int, *, filters_any: bool
) -> Iterator[int]:
    """The numbers of the records that a window emits, from a server that sorts by a key of its own for each record."""
    found = [
        (key, number, instants)
        for number, (key, instants) in enumerate(records)
        if (max(instants) if filters_any else key) >= start
    ]
    found.sort()
    before = None
    for first in range(0, len(found), size):
        page = found[first : first + size]
        chosen = select_spans([instants for _, _, instants in page], start, end, before)
        assert chosen.ordered
        yield from (page[place][1] for place in chosen.keep)
        if chosen.past_end:
            return
        before = chosen.last


def spans_of(*spans: list[int]) -> list[list[Instant]]:
    return [list(map(Instant, span)) for span in spans]


spans = st.lists(st.integers(0, 60), min_size=1, max_size=4)


@given(
    st.lists(spans.flatmap(lambda instants: st.tuples(st.sampled_from(instants), st.just(instants))), max_size=30),
    st.lists(st.integers(1, 60), unique=True, max_size=5).map(sorted),
    st.integers(1, 4),
    st.booleans(),
)
def test_windows_find_every_record_whichever_of_its_instants_the_server_sorts_by(
    records: list[tuple[Instant, list[Instant]]], cuts: list[Instant], size: int, filters_any: bool
) -> None:
    windows = zip([Instant(0), *cuts], [*cuts, None], strict=True)
    emitted = [
        number for start, end in windows for number in read_window(records, start, end, size, filters_any=filters_any)
    ]
    assert set(emitted) == set(range(len(records)))
    single = {number for number, (_, instants) in enumerate(records) if len(set(instants)) == 1}
    assert all(emitted.count(number) == 1 for number in single)


def test_a_record_without_spans_is_left_out_and_one_with_unknown_spans_is_kept() -> None:
    assert list(select_spans([[], None, *spans_of([5], [1])], Instant(2), Instant(9)).keep) == [1, 2]


@pytest.mark.parametrize(
    ("spans", "ordered"), [([[1], [3], [2]], False), ([[1], [3], [2, 4]], True), ([[2], [1]], False)]
)
def test_spans_are_out_of_order_if_no_choice_of_instants_puts_them_in_order(
    spans: list[list[Instant]], ordered: bool
) -> None:
    assert select_spans(spans, Instant(0), None).ordered is ordered


def test_the_last_instant_of_spans_is_one_before_which_no_record_follows() -> None:
    assert select_spans(spans_of([1], [2, 9], [3, 5]), Instant(0), None).last == 3
    assert select_spans(spans_of([1]), Instant(0), None, before=Instant(4)).last == 4


def test_a_page_in_order_is_not_parsed_date_by_date(monkeypatch: pytest.MonkeyPatch) -> None:
    """Klaviyo mixes `T` and a blank within a page; to parse a thousand dates takes as long as all else about a page."""
    parsed: list[bytes] = []

    def counted(cursor: bytes) -> Instant | None:
        parsed.append(cursor)
        return instant_of(cursor)

    monkeypatch.setattr("source_klaviyo.sync.selection.instant_of", counted)
    page = [at(second, "space" if second % 3 else "colon") for second in range(1_000)]
    assert select(page, BASE, None) == Selection(range(1_000), ordered=True, last=BASE + 999 * SECOND, past_end=False)
    assert len(parsed) == 2
