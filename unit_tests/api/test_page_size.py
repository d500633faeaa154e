"""The page size: the endpoint's maximum, unless records are large or a response was too large."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from source_klaviyo.api.page_size import PAGE_BYTES, TOLERANCE, PageSize

MOST = 1000


def read(size: PageSize, record: int, *, pages: int = 1) -> list[int]:
    """Read full pages of records of one size, each with the best page size; return the sizes requested."""
    requested = []
    for _ in range(pages):
        requested.append(size.choose(MOST))
        size.learn(requested[-1] * record, requested[-1])
    return requested


def test_small_records_come_in_the_largest_pages() -> None:
    assert set(read(PageSize(), 5_000, pages=50)) == {MOST}


def test_large_records_come_in_pages_of_four_megabytes() -> None:
    assert read(PageSize(), 100_000, pages=50) == [MOST] + [PAGE_BYTES // 100_000] * 49


def test_records_larger_than_a_page_come_one_by_one() -> None:
    assert read(PageSize(), 50_000_000, pages=3) == [MOST, 1, 1]


def test_pages_soon_grow_again_when_records_are_small_again() -> None:
    size = PageSize()
    assert read(size, 1_000_000, pages=3)[-1] == 4
    assert read(size, 1_000, pages=12)[-1] == MOST


def test_one_large_record_among_small_ones_does_not_change_the_page_size() -> None:
    size = PageSize()
    for _ in range(10):
        assert size.choose(MOST) == MOST
        size.learn((MOST - 1) * 1_000 + PAGE_BYTES, MOST)


@given(st.integers(1, 400_000), st.floats(0.6, 1.0))
def test_record_sizes_that_vary_a_little_do_not_change_the_page_size(record: int, least: float) -> None:
    size = PageSize()
    read(size, record, pages=2)
    requested = []
    for turn in range(20):
        requested.append(size.choose(MOST))
        size.learn(int(requested[-1] * record * (least if turn % 2 else 1.0)), requested[-1])
    assert set(requested) == {requested[0]}


def test_large_records_in_every_other_page_are_remembered_in_between() -> None:
    size = PageSize()
    read(size, 40_000)
    for turn in range(20):
        requested = size.choose(MOST)
        assert requested * 40_000 <= TOLERANCE * PAGE_BYTES
        size.learn(requested * (40_000 if turn % 2 else 1_000), requested)


@given(st.lists(st.tuples(st.integers(1, 3_000_000), st.integers(1, 20)), min_size=1, max_size=10))
def test_a_page_is_too_large_only_when_records_have_become_larger(runs: list[tuple[int, int]]) -> None:
    size = PageSize()
    for record, pages in runs:
        requested = read(size, record, pages=pages)
        assert not [one for one in requested[1:] if one > 1 and one * record > TOLERANCE * PAGE_BYTES]
        assert all(1 <= one <= MOST for one in requested)


def test_a_few_records_at_the_end_of_a_window_do_not_change_the_page_size() -> None:
    size = PageSize()
    size.choose(MOST)
    size.learn(5 * 500_000, 5)
    assert size.choose(MOST) == MOST


def test_after_a_response_that_was_too_large_a_tenth_is_requested_down_to_one_record() -> None:
    size = PageSize()
    requested = [size.choose(MOST)]
    while size.step_down():
        requested.append(size.choose(MOST))
    assert requested == [1000, 100, 10, 1]
    assert size.choose(MOST) == 1


def test_pages_grow_only_after_the_records_that_made_a_response_too_large() -> None:
    """They are among those requested; larger pages before their end would fail again and again."""
    size = PageSize()
    for most in (MOST, 100, 10):
        assert size.choose(MOST) == most
        assert size.step_down()
    assert read(size, 1_000, pages=10) == [1] * 10
    assert read(size, 1_000, pages=9) == [10] * 9
    assert read(size, 1_000, pages=9) == [100] * 9
    assert size.choose(MOST) == MOST


def test_the_page_size_never_exceeds_the_endpoints_maximum() -> None:
    size = PageSize()
    read(size, 40_000)
    assert size.choose(20) == 20
    assert size.choose(MOST) == 100


def test_a_size_is_outdated_when_another_would_be_better() -> None:
    size = PageSize()
    size.choose(MOST)
    assert not size.is_outdated
    size.learn(MOST * 40_000, MOST)
    assert size.is_outdated
    size.choose(MOST)
    assert not size.is_outdated


def test_the_next_slice_starts_with_the_estimated_record_size() -> None:
    first = PageSize()
    read(first, 40_000)
    assert PageSize(first).choose(MOST) == 100
    assert PageSize(first).record == 40_000


def test_the_next_slice_starts_without_the_cap_of_a_response_that_was_too_large() -> None:
    first = PageSize()
    first.choose(MOST)
    first.step_down()
    assert PageSize(first).choose(MOST) == MOST


def test_nothing_is_learned_from_empty_pages_and_endpoints_without_a_page_size() -> None:
    size = PageSize()
    size.choose(MOST)
    size.learn(100_000_000, 0)
    assert not size.is_outdated
    without = PageSize()
    without.learn(100_000_000, 50)
    assert not without.is_outdated
    assert without.record == 0
