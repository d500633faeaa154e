"""A thread pool that works with as many threads as the system lets it start."""

from __future__ import annotations

import threading
from concurrent.futures import wait
from typing import TYPE_CHECKING

import pytest

from source_klaviyo.api.worker_pool import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let this many more threads start."""
    start, left = threading.Thread.start, [0]

    def start_if_allowed(thread: threading.Thread) -> None:
        if not left[0]:
            raise RuntimeError("can't start new thread")
        left[0] -= 1
        start(thread)

    def allow(threads: int) -> None:
        left[0] = threads
        monkeypatch.setattr(threading.Thread, "start", start_if_allowed)

    return allow


def test_all_work_is_done_by_the_threads_that_could_be_started(limit: Callable[[int], None]) -> None:
    limit(2)
    with WorkerPool(10) as pool:
        seen = set(pool.map(lambda _: threading.current_thread(), range(50)))

    assert 1 <= len(seen) <= 2
    assert threading.current_thread() not in seen


def test_the_thread_that_submits_work_does_it_if_no_other_could_be_started(limit: Callable[[int], None]) -> None:
    limit(0)
    with WorkerPool(10) as pool:
        assert pool.start_threads(3) == 0
        assert set(pool.map(lambda _: threading.current_thread(), range(5))) == {threading.current_thread()}
        failed = pool.submit(divmod, 1, 0)

    assert isinstance(failed.exception(), ZeroDivisionError)


def test_threads_start_later_when_the_system_lets_them(limit: Callable[[int], None]) -> None:
    limit(1)
    with WorkerPool(10) as pool:
        assert pool.start_threads(5) == 1
        limit(10)
        together = threading.Barrier(4, timeout=10)
        wait([pool.submit(together.wait) for _ in range(4)])

    assert not together.broken


def test_threads_started_in_advance_do_the_first_work() -> None:
    with WorkerPool(10) as pool:
        assert pool.start_threads(4) == 4
        together = threading.Barrier(4, timeout=10)
        wait([pool.submit(together.wait) for _ in range(4)])

        assert len(pool._threads) == 4
    assert not together.broken


def test_no_more_threads_are_started_than_the_pool_allows() -> None:
    with WorkerPool(3) as pool:
        assert pool.start_threads(10) == 3
