"""The memory budget: how much all readers hold together, and that none waits for ever."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_klaviyo.api import memory
from source_klaviyo.api.memory import Hold, MemoryBudget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HANGS = 10.0
"""Seconds after which a thread that still waits counts as waiting for ever."""
SOON = 0.1
"""Seconds in which something would have happened that does not."""


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Holds that end with the test."""
    with ExitStack() as open_holds:
        yield open_holds


def started(work: Callable[[], None]) -> threading.Event:
    """Do something in another thread; set when it is done."""
    done = threading.Event()

    def run() -> None:
        work()
        done.set()

    threading.Thread(target=run, daemon=True).start()
    return done


def full(budget: MemoryBudget, stack: ExitStack) -> tuple[Hold, Hold]:
    """Use up a budget of 100 bytes; one reader exceeds it."""
    first, second = stack.enter_context(budget.hold()), stack.enter_context(budget.hold())
    first.resize(90)
    second.resize(20)
    return first, second


def test_a_reader_waits_for_memory_while_the_budget_is_used_up(stack: ExitStack) -> None:
    budget = MemoryBudget(100)
    first, _ = full(budget, stack)
    third = stack.enter_context(budget.hold())
    done = started(lambda: third.resize(50))
    assert not done.wait(SOON)
    first.resize(10)
    assert done.wait(HANGS)


def test_memory_is_released_at_the_end_of_a_hold_also_after_an_error(stack: ExitStack) -> None:
    budget = MemoryBudget(100)

    def fail(hold: Hold) -> None:
        hold.resize(90)
        raise RuntimeError

    with pytest.raises(RuntimeError), budget.hold() as hold:
        fail(hold)
    full(budget, stack)


def test_only_one_reader_at_a_time_may_exceed_the_budget(stack: ExitStack) -> None:
    budget = MemoryBudget(100)
    large, another = stack.enter_context(budget.hold()), stack.enter_context(budget.hold())
    large.resize(1_000)
    done = started(lambda: another.resize(1_000))
    assert not done.wait(SOON)
    large.resize(0)
    assert done.wait(HANGS)


def test_readers_that_hold_memory_and_need_more_do_not_wait_for_each_other() -> None:
    budget = MemoryBudget(100)
    ready = threading.Barrier(4)

    def read() -> None:
        with budget.hold() as hold:
            hold.resize(25)
            ready.wait(HANGS)
            for size in range(26, 60):
                hold.resize(size)

    assert all(done.wait(HANGS) for done in [started(read) for _ in range(4)])


@given(st.lists(st.lists(st.integers(0, 150), min_size=1, max_size=8), min_size=2, max_size=6))
def test_all_readers_finish_and_hold_no_more_than_the_total_and_one_page(
    needs: list[list[int]],
) -> None:
    budget = MemoryBudget(100)
    held: dict[int, int] = {}
    most = 0

    def read(number: int, sizes: list[int]) -> None:
        nonlocal most
        with budget.hold() as hold:
            for size in sizes:
                if size < held.get(number, 0):
                    held[number] = size
                hold.resize(size)
                held[number] = size
                most = max(most, sum(held.values()))
            held[number] = 0

    readers = [threading.Thread(target=read, args=(each, sizes), daemon=True) for each, sizes in enumerate(needs)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(HANGS)
    assert not any(reader.is_alive() for reader in readers)
    assert most <= 100 + 150


def test_free_bytes_do_not_count_against_the_budget(stack: ExitStack) -> None:
    budget = MemoryBudget(100)
    full(budget, stack)
    passing = stack.enter_context(budget.hold(free=1_000))
    assert started(lambda: passing.resize(1_000)).wait(HANGS)
    assert not started(lambda: passing.resize(1_001)).wait(SOON)


def test_a_hold_counts_the_seconds_it_waited(stack: ExitStack) -> None:
    budget = MemoryBudget(100)
    first, second = full(budget, stack)
    third = stack.enter_context(budget.hold())
    done = started(lambda: third.resize(50))
    time.sleep(SOON)
    first.resize(0)
    assert done.wait(HANGS)
    assert third.wait_seconds >= SOON / 2
    assert second.wait_seconds < SOON / 2


def test_new_readers_wait_while_the_output_is_stalled(stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "STALLED_SECONDS", SOON)
    budget = MemoryBudget(100)
    first, _ = full(budget, stack)
    waiting = stack.enter_context(budget.hold())
    started(lambda: waiting.resize(50))
    time.sleep(3 * SOON)
    new, passing = stack.enter_context(budget.hold()), stack.enter_context(budget.hold(free=1))
    begun = started(new.wait_while_stalled)
    assert not begun.wait(SOON)
    assert started(passing.wait_while_stalled).wait(HANGS)
    first.resize(0)
    assert begun.wait(HANGS)
    assert new.wait_seconds >= SOON / 2


def test_new_readers_do_not_wait_for_a_budget_that_is_merely_used_up(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "STALLED_SECONDS", 0.0)
    budget = MemoryBudget(100)
    full(budget, stack)
    assert started(stack.enter_context(budget.hold()).wait_while_stalled).wait(HANGS)
