"""Tune the memory allocators: memory of pages is reused, and unused memory is returned to the system."""

from __future__ import annotations

import ctypes
import gc
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

OBJECTS = 100_000
"""New objects after which Python's garbage collector runs."""
TRIM_SECONDS = 0.25
"""Seconds between two times that unused memory is returned."""
_PLENTY = 1 << 26  # bytes; more than a page ever takes
_OPTIONS = {
    -8: 1,  # M_ARENA_MAX of glibc's malloc.h: one heap for all threads
    -3: _PLENTY,  # M_MMAP_THRESHOLD: pages belong into it, and are not fetched from the system each time
    -1: _PLENTY,  # M_TRIM_THRESHOLD
}


class AllocatorTuning:
    """Sets the options of glibc's allocator and of Python's garbage collector.

    A page is a megabyte and thousands of objects without cycles. Getting its memory from the system and returning it
    each time costs as much as the page itself, and so does garbage collection. Keeping all memory makes the process
    grow with its threads. Environment variables would have to be set before the process starts, which no command can
    rely on. Other C libraries than glibc are left alone.
    """

    def __init__(self) -> None:
        gc.freeze()  # imported modules stay
        gc.set_threshold(OBJECTS)
        self._trimmed = time.monotonic()
        self._trim: Callable[[int], Any] | None = None
        try:
            library = ctypes.CDLL(None)
            for option, value in _OPTIONS.items():
                library.mallopt(option, value)
            self._trim = library.malloc_trim
        except (OSError, AttributeError):
            return

    def page_done(self) -> None:
        """After a page has been written, return unused memory from time to time."""
        if self._trim and time.monotonic() - self._trimmed > TRIM_SECONDS:
            self._trim(0)
            self._trimmed = time.monotonic()
