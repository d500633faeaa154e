"""Repeated pages are detected, whatever their number, in memory that does not grow."""

from __future__ import annotations

import tracemalloc
from itertools import chain, count, cycle, islice
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from source_klaviyo.api.repeats import RECENT_PAGES, Repeats

if TYPE_CHECKING:
    from collections.abc import Iterable


def pages_until_repeat(pages: Iterable[int]) -> int:
    """Return the number of pages read until a repeated one is detected."""
    repeats = Repeats()
    return next(read for read, page in enumerate(pages, 1) if repeats.is_repeated([page, -page - 1]))


@given(st.integers(0, 2_000), st.integers(1, 1_000))
def test_pages_that_link_in_a_circle_are_detected(before: int, length: int) -> None:
    pages = chain(range(before), cycle(range(before, before + length)))
    assert pages_until_repeat(pages) <= 3 * (before + length) + 1


def test_a_page_that_is_soon_repeated_is_detected_at_once() -> None:
    for distance in (1, 2, RECENT_PAGES):
        pages = chain(range(5_000), islice(count(5_000 - distance), 1))
        assert pages_until_repeat(pages) == 5_001


def test_one_part_of_the_fingerprint_in_common_is_enough() -> None:
    repeats = Repeats()
    assert not repeats.is_repeated([1, 2])
    assert repeats.is_repeated([3, 2])


def test_pages_that_differ_are_no_repeats() -> None:
    repeats = Repeats()
    assert not any(repeats.is_repeated([2 * page, 2 * page + 1]) for page in range(10_000))


def test_pages_without_a_fingerprint_are_no_repeats() -> None:
    repeats = Repeats()
    assert not any(repeats.is_repeated([]) for _ in range(10))


def test_memory_does_not_grow_with_the_number_of_pages() -> None:
    repeats = Repeats()
    pages = count()

    def read(number: int) -> None:
        for page in islice(pages, number):
            repeats.is_repeated([hash((page, "next")), hash((page, "ends"))])

    read(2 * RECENT_PAGES)
    tracemalloc.start()
    read(20_000)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 100_000
