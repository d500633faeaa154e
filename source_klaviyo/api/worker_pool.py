"""A thread pool that works with as many threads as the system lets the connector start."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING, Any

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future


class WorkerPool(ThreadPoolExecutor):
    """A thread pool that works with fewer threads if the system lets it start no more.

    A container or a user may be limited in processes, and each thread counts as one. The threads that could be
    started then do all the work, or, if there is none, the thread that submits it.
    """

    def start_threads(self, wanted: int) -> int:
        """Start up to this many threads before there is work, if there are none yet.

        Returns:
            How many there are.
        """
        idle = Event()
        for _ in range(wanted):
            threads = len(self._threads)
            super().submit(idle.wait)  # a thread is started for each work as long as all others are busy
            if len(self._threads) == threads:
                self._work_queue.get_nowait()  # no thread takes it
                break
        idle.set()
        for _ in self._threads:
            self._idle_semaphore.acquire()  # a thread has nothing left to do
        for _ in self._threads:
            self._idle_semaphore.release()
        return len(self._threads)

    @override
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = super().submit(fn, *args, **kwargs)
        if not self._threads:
            self._work_queue.get_nowait().run()
        return future

    @override
    def _adjust_thread_count(self) -> None:
        with contextlib.suppress(RuntimeError):  # can't start new thread
            super()._adjust_thread_count()
