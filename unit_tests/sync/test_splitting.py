"""Splitting: simulated reads of many shapes and sizes, compared with the lower bound of their time."""

from __future__ import annotations

import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_klaviyo.sync.instants import DAY, SECOND, Instant
from source_klaviyo.sync.splitting import (
    BUSY,
    LOAD_SECONDS,
    YOUNGEST_WINDOW,
    Load,
    PageTime,
    SplitPlanner,
    WindowPlan,
    cuts,
)
from unit_tests.sync.reads import NOW, PAGE, SHAPES, START, TIERS, bound, dates, read, sequence

if TYPE_CHECKING:
    from unit_tests.sync.reads import Tier

EVEN = ["even", "growing", "ten empty years", "last hour"]
SKEWED = ["skewed", "first day", "an import"]
SIZES = [(tier, pages) for tier in TIERS for pages in (5, 20, 70, 300, 1_000, 3_000)]


def at(second: int) -> Instant:
    return Instant(second * SECOND)


def fits(pages: int, tier: Tier) -> bool:
    """Return whether a read is well within the quota of a minute."""
    return pages <= 0.9 * tier.steady


# --- whole reads ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", EVEN)
@pytest.mark.parametrize(("name", "pages"), [one for one in SIZES if fits(one[1], TIERS[one[0]])])
def test_a_read_within_the_minutes_quota_takes_about_twice_the_least_time(name: str, pages: int, shape: str) -> None:
    found = [read(dates(shape, pages, seed), TIERS[name]) for seed in range(3)]
    assert min(one.seconds for one in found) <= 2.0 * bound(pages, TIERS[name])
    assert max(one.seconds for one in found) <= 2.3 * bound(pages, TIERS[name])


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("shape", SKEWED)
@pytest.mark.parametrize(("name", "pages"), [one for one in SIZES if fits(one[1], TIERS[one[0]])])
def test_a_read_of_skewed_records_takes_little_longer(name: str, pages: int, shape: str, *, ends: bool) -> None:
    tier = TIERS[name]
    seconds = sorted(read(dates(shape, pages, seed), tier, ends=ends).seconds for seed in range(3))
    # endpoints of the largest tier take an end, all but one
    slack = 1.0 if ends or name != "XL" else 2.0
    assert seconds[1] <= 2.6 * slack * sequence(pages, tier, shape)
    assert seconds[-1] <= 3.3 * slack * sequence(pages, tier, shape)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("name", "pages"), [one for one in SIZES if fits(one[1], TIERS[one[0]])])
def test_within_the_minutes_quota_there_are_few_more_requests_than_pages(name: str, pages: int, shape: str) -> None:
    most = 1.25 * pages + 16 if shape in EVEN else 1.35 * pages + 24
    assert min(read(dates(shape, pages, seed), TIERS[name]).requests for seed in range(3)) <= most


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != "last hour"])
@pytest.mark.parametrize(("name", "pages"), [("M", 1_000), ("L", 3_000), ("XL", 12_000)])
def test_beyond_the_minutes_quota_it_is_used_up_and_hardly_a_request_is_wasted(
    name: str, pages: int, shape: str
) -> None:
    tier = TIERS[name]
    found = read(dates(shape, pages, 1), tier)
    assert found.requests <= 1.03 * pages
    # the last minute may be used in part only
    minutes = found.requests / tier.steady
    # the pages of one second follow one another, from when that second is found
    assert found.seconds <= 60 * minutes / 0.97 + 20 + (0.3 * pages / 10 if shape == "an import" else 0.0)


@pytest.mark.parametrize("pages", [3_000, 6_000, 12_000])
def test_pages_of_less_than_a_few_seconds_are_hardly_split(pages: int) -> None:
    found = read(dates("last hour", pages, 1), TIERS["XL"])
    assert found.requests <= max(1.05 * pages, 3500)
    assert found.seconds <= 2.5 * max(bound(pages, TIERS["XL"]), 60 * found.requests / 3500 * (pages > 3500))


def test_a_read_of_a_hundred_thousand_pages_uses_the_whole_rate_limit() -> None:
    found = read(dates("skewed", 100_000, 1), TIERS["XL"])
    assert found.requests <= 1.01 * 100_000
    assert found.seconds <= 60 * found.requests / 3500 / 0.97 + 20


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("pages", [0, 1])
def test_a_small_read_needs_only_the_first_windows(tier: str, pages: int) -> None:
    found = read(dates("even", pages, 1), TIERS[tier])
    assert found.rounds <= 2
    assert found.requests <= 17


@pytest.mark.parametrize(("pages", "requests"), [(0, 1), (1, 1)])
def test_an_incremental_read_of_one_page_needs_one_request(pages: int, requests: int) -> None:
    start = NOW - DAY
    records = dates("last hour", pages, 1)[: PAGE - 1 if pages else 0]
    assert read(records, TIERS["XL"], first=False, start=start).requests == requests


@pytest.mark.parametrize("pages", [20, 70, 300])
def test_an_incremental_read_of_many_pages_is_split_after_its_first_page(pages: int) -> None:
    found = read(dates("last hour", pages, 1), TIERS["XL"], first=False, start=NOW - 3600 * SECOND)
    assert found.seconds <= 2.5 * bound(pages, TIERS["XL"])


def test_records_of_one_second_are_read_page_by_page() -> None:
    instants = dates("even", 30, 1)
    instants[:] = NOW - 90 * DAY
    found = read(instants, TIERS["XL"])
    assert found.rounds <= 30 + 3
    assert found.requests <= 30 * 1.2 + 16


# --- the planner ----------------------------------------------------------------------------------------------


def planner(*, load: float = 0.0, most: int = 64) -> SplitPlanner:
    """One that has read much and expects much."""
    made = SplitPlanner(350, 3500, most, load=lambda: load)
    for _ in range(100):
        made.page_read(0, 0.3, 300.0)
    return made


def first_windows(planner: SplitPlanner, partitions: int = 1) -> int:
    """Return the number of windows with which each partition of a first read begins."""
    return len(planner.opening_bounds(START, NOW, partitions)) + 1


def test_the_first_windows_are_no_more_than_the_rate_limit_allows() -> None:
    assert first_windows(SplitPlanner(350, 3500, 64)) == 14
    assert first_windows(SplitPlanner(75, 750, 64)) == 8
    assert first_windows(SplitPlanner(10, 150, 64)) == 2
    assert first_windows(SplitPlanner(1, 15, 64)) == 1
    assert first_windows(SplitPlanner(350, 3500, 64), 6) == 2
    assert first_windows(SplitPlanner(350, 3500, 64), 5_000) == 1
    assert first_windows(SplitPlanner(350, 3500, 3)) == 3


@pytest.mark.parametrize("most", [1, 2, 5])
def test_there_are_never_more_readers_than_the_user_allows(most: int) -> None:
    assert planner(most=most).windows(0, most)[0] == 1
    assert planner(most=most).windows(0, 1)[0] <= most


def test_nothing_is_split_while_the_processor_is_busy() -> None:
    assert planner(load=BUSY + 0.1).windows(0, 1)[0] == 1
    assert planner(load=BUSY).windows(0, 1)[0] > 1


def test_nothing_is_split_before_each_of_the_first_windows_has_shown_a_page() -> None:
    made = planner()
    made.opened(7)
    assert made.windows(0, 2)[0] == 1
    made.page_read(7, 0.3, 0.0)
    assert made.windows(0, 2)[0] > 1


def test_a_first_window_that_ends_without_a_page_holds_up_no_split() -> None:
    made = planner()
    made.opened(7)
    made.window_done(7)
    assert made.windows(0, 2)[0] > 1


def test_expected_pages_are_the_sum_over_all_windows() -> None:
    made = SplitPlanner(350, 3500, 64)
    made.page_read(1, 0.3, 5.0)
    made.expect(2, 7.0)
    assert made.expected == 12.0
    made.window_done(1)
    assert made.expected == 7.0


def test_the_load_is_the_processor_time_of_the_last_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, processor = [100.0], [7.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "process_time", lambda: processor[0])
    load = Load()
    assert load() == 0.0
    clock[0] += 2 * LOAD_SECONDS
    processor[0] += LOAD_SECONDS
    assert load() == pytest.approx(0.5)
    clock[0] += LOAD_SECONDS / 2  # too short to measure
    assert load() == pytest.approx(0.5)
    clock[0] += LOAD_SECONDS
    assert load() == 0.0


def test_a_planner_can_be_used_by_several_threads() -> None:
    made = planner()
    counts: list[int] = []

    def ask(number: int) -> None:
        for _ in range(200):
            made.page_read(number, 0.1, 10.0)
            counts.append(made.windows(number, 3)[0])
        made.window_done(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(counts) == 1600
    assert made.expected == 300.0


# --- where to divide --------------------------------------------------------------------------------------------


@given(
    st.integers(0, 10**6),
    st.integers(1, 10**9),
    st.integers(1, 10**8),
    st.floats(0.1, 1e6),
    st.floats(0.1, 1e4),
    st.integers(2, 64),
)
def test_cuts_are_whole_seconds_in_order_inside_of_what_is_left(
    position: int, rest: int, page: int, expected: float, believed: float, count: int
) -> None:
    start, end = at(position), at(position + rest)
    found = cuts(start, end, page * 1_000, expected, believed, count)
    assert all(start + SECOND < one < end and one % SECOND == 0 for one in found)
    assert all(one < other for one, other in pairwise(found))
    assert len(found) < count


def test_records_that_are_spread_evenly_are_split_evenly() -> None:
    assert cuts(at(0), at(100), SECOND, 100.0, 100.0, 4) == [at(25), at(50), at(75)]


def test_among_dense_records_each_window_is_longer_than_the_one_before() -> None:
    found = cuts(at(0), at(10**6), SECOND, 1e6, 8.0, 8)
    lengths = [later - earlier for earlier, later in pairwise([at(0), *found, at(10**6)])]
    assert len(found) > 3
    assert lengths == sorted(lengths)
    assert lengths[0] < 10 * SECOND


def test_the_older_a_first_window_is_the_longer_it_is() -> None:
    bounds = [START, *planner().opening_bounds(START, NOW), NOW]
    lengths = [later - earlier for earlier, later in pairwise(bounds)]
    assert len(lengths) == 14
    assert lengths == sorted(lengths, reverse=True)
    assert abs(lengths[-1] - YOUNGEST_WINDOW) <= SECOND


@pytest.mark.parametrize("span", [0, 5, 3600, 7200])
def test_a_read_of_a_short_time_begins_with_one_window(span: int) -> None:
    assert planner().opening_bounds(NOW - span * SECOND, NOW) == []


def test_pages_of_one_second_do_not_show_how_dense_the_time_after_them_is() -> None:
    time_of_page = PageTime()
    time_of_page.add(at(5), at(5) + 10)
    assert time_of_page.microseconds is None
    time_of_page.add(at(0), at(100))
    time_of_page.add(at(5), at(5) + 10)
    assert time_of_page.microseconds == 100 * SECOND


@pytest.mark.parametrize("ends", [True, False])
def test_the_time_after_a_second_of_many_pages_is_split_off(*, ends: bool) -> None:
    plan = WindowPlan(planner(), 0, ends=ends)
    end = at(1_000)
    assert plan.split_after(at(5), at(5) + 10, end, 0.3, 1) == [6 * SECOND]
    assert plan.split_after(at(5), at(5) + 20, at(6), 0.3, 2) == []


def test_nothing_is_split_off_if_all_readers_are_busy() -> None:
    plan = WindowPlan(planner(most=4), 0, ends=True)
    assert plan.split_after(at(5), at(5) + 10, at(1_000), 0.3, 4) == []


def test_a_page_of_denser_records_counts_more_than_those_before_it() -> None:
    time_of_page = PageTime()
    for _ in range(5):
        time_of_page.add(at(0), at(100))
    assert time_of_page.microseconds == 100 * SECOND
    time_of_page.add(at(0), at(1))
    assert time_of_page.microseconds < 15 * SECOND
    time_of_page.add(at(0), at(1_000))
    assert time_of_page.microseconds > 100 * SECOND
