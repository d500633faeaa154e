"""Parallelism: as many windows as the rate limit can use, and few splits more than that is worth."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_klaviyo.sync.parallelism import (
    BUSY,
    FEW,
    LOAD_SECONDS,
    PAGES_A_SPLIT,
    TRUST,
    WORTHWHILE,
    Load,
    Parallelism,
    pages_to_keep,
)

PLENTY = 1e9


def idle(rate: float, most: int) -> Parallelism:
    """On a processor that has nothing else to do."""
    return Parallelism(rate, most, load=lambda: 0.0)


def busy(rate: float, latency: float, most: int = 1000) -> Parallelism:
    """Many pages have been read, and many are to come."""
    parallelism = idle(rate, most)
    for _ in range(20 * PAGES_A_SPLIT):
        parallelism.page_read(0, latency, PLENTY)
    return parallelism


# --- how many readers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "latency", "readers"),
    [(1, 0.1, 4), (1, 1.0, 6), (2.5, 2.0, 16), (12.5, 0.4, 16), (58.3, 0.4, 62), (58.3, 0.02, 6)],
)
def test_no_more_readers_than_the_rate_can_use_at_this_latency(rate: float, latency: float, readers: int) -> None:
    active = next(active for active in range(1, 1000) if not busy(rate, latency).wants_another(0, active))
    assert active == readers
    assert readers > rate * latency


@pytest.mark.parametrize("most", [1, 2, 5])
def test_never_more_readers_than_the_user_allows(most: int) -> None:
    parallelism = busy(1000, 10, most)
    assert not parallelism.wants_another(0, most)
    assert most == 1 or parallelism.wants_another(0, most - 1)


def test_the_latency_follows_what_is_seen() -> None:
    parallelism = busy(10, 10.0)
    assert parallelism.wants_another(0, 20)
    for _ in range(50):
        parallelism.page_read(0, 0.01, PLENTY)
    assert not parallelism.wants_another(0, 20)


def test_one_slow_page_does_not_double_the_readers() -> None:
    parallelism = busy(10, 1.0)
    parallelism.page_read(0, 2.0, PLENTY)
    assert not parallelism.wants_another(0, 28)


def test_where_the_processor_is_busy_one_more_reader_is_of_no_use() -> None:
    load = [BUSY + 0.1]
    parallelism = Parallelism(58, 40, load=lambda: load[0])
    for _ in range(20 * PAGES_A_SPLIT):
        parallelism.page_read(0, 1.0, PLENTY)
    assert not parallelism.wants_another(0, 1)
    load[0] = BUSY
    assert parallelism.wants_another(0, 1)


def test_the_load_is_that_of_this_process() -> None:
    load = Load()
    assert load() == 0.0
    began = time.process_time()
    while time.process_time() - began < 2 * LOAD_SECONDS:
        pass
    assert load() > 0.0


# --- how many splits ------------------------------------------------------------------------------------


def test_nothing_is_split_before_a_page_has_been_read() -> None:
    assert not idle(58, 40).wants_another(0, 1)


def test_the_density_of_one_page_is_believed_up_to_the_trust() -> None:
    parallelism = idle(58, 40)
    needed = PAGES_A_SPLIT / (1 + TRUST)
    for _ in range(int(needed) - 1):
        parallelism.page_read(0, 1.0, PLENTY)
    assert not parallelism.wants_another(0, 1)
    parallelism.page_read(0, 1.0, PLENTY)
    assert parallelism.wants_another(0, 1)
    assert not parallelism.wants_another(0, 1)


def test_a_window_that_is_about_to_end_is_not_split() -> None:
    parallelism = idle(58, 40)
    for _ in range(2 * PAGES_A_SPLIT):
        parallelism.page_read(0, 1.0, FEW - 1)
    assert not parallelism.wants_another(0, 1)
    parallelism.page_read(0, 1.0, FEW)
    assert parallelism.wants_another(0, 1)
    assert not parallelism.wants_another(1, 1)  # nobody knows what it has


def test_small_windows_are_split_only_where_there_is_no_larger_one() -> None:
    parallelism = idle(58, 40)
    for _ in range(10 * PAGES_A_SPLIT):
        parallelism.page_read(0, 1.0, WORTHWHILE - 1)
    parallelism.page_read(1, 1.0, WORTHWHILE)
    parallelism.page_read(2, 1.0, PLENTY)
    assert not parallelism.wants_another(0, 3)
    assert parallelism.wants_another(1, 3)
    parallelism.window_done(2)
    assert parallelism.wants_another(0, 3)


@given(st.floats(FEW, 1e12))
def test_a_cut_leaves_pages_on_both_sides(expected: float) -> None:
    assert FEW / 2 <= pages_to_keep(expected) <= expected / 2


def test_records_in_little_time_are_reached_within_few_cuts() -> None:
    expected, cuts = 1e9, 0  # a year's window, by the density of a bulk import
    while expected > 1000:
        expected, cuts = pages_to_keep(expected), cuts + 1
    assert cuts <= 5


def test_a_window_that_is_done_promises_no_pages_any_more() -> None:
    parallelism = idle(58, 40)
    for _ in range(10):
        parallelism.page_read(1, 1.0, PLENTY)
    parallelism.window_done(1)
    parallelism.window_done(1)
    assert not parallelism.wants_another(0, 1)


def test_the_pages_to_come_are_those_of_the_windows_that_are_read() -> None:
    parallelism = idle(58, 40)
    parallelism.page_read(1, 1.0, 30.0)
    parallelism.page_read(2, 1.0, 4.0)
    parallelism.page_read(2, 1.0, 3.0)
    assert parallelism.expected == 33
    parallelism.window_done(1)
    assert parallelism.expected == 3


events = st.lists(
    st.one_of(
        st.tuples(st.just("page"), st.integers(0, 5), st.floats(0, 1e6)),
        st.tuples(st.just("done"), st.integers(0, 5), st.just(0.0)),
        st.tuples(st.just("ask"), st.integers(0, 50), st.just(0.0)),
    ),
    max_size=200,
)


@given(events, st.sampled_from([0.25, 12.5, 58.3]), st.sampled_from([0.01, 0.4, 30.0]))
def test_splits_are_never_more_than_one_for_twenty_pages_read_or_believed_in(
    life: list[tuple[str, int, float]], rate: float, latency: float
) -> None:
    parallelism = idle(rate, 40)
    pages = splits = 0
    expected: dict[int, float] = {}
    for what, who, more in life:
        if what == "page":
            pages += 1
            expected[who] = more
            parallelism.page_read(who, latency, more)
        elif what == "done":
            expected.pop(who, None)
            parallelism.window_done(who)
        elif parallelism.wants_another(who % 6, who):
            splits += 1
            assert who < 40
            assert splits * PAGES_A_SPLIT <= pages + min(sum(expected.values()), TRUST * pages)


def test_threads_do_not_earn_more_splits_than_one_would() -> None:
    parallelism = busy(1e6, 1.0, 10**9)
    granted: list[bool] = []
    barrier = threading.Barrier(8)

    def ask() -> None:
        barrier.wait(10)
        granted.extend(parallelism.wants_another(0, 1) for _ in range(200))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sum(granted) == 20 * (1 + TRUST)
