"""Memory of pages: used again and again, and given back to the system when it is more than is needed."""

from __future__ import annotations

import ctypes
import gc
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

OBJECTS = 100_000
"""New objects after which Python looks for cycles among them."""
TRIM_SECONDS = 0.25
"""How often unused memory is given back."""
_PLENTY = 1 << 26  # bytes; more than a page ever takes
_OPTIONS = {
    -8: 1,  # M_ARENA_MAX of glibc's malloc.h: one heap for all threads
    -3: _PLENTY,  # M_MMAP_THRESHOLD: pages belong into it, and are not fetched from the system each time
    -1: _PLENTY,  # M_TRIM_THRESHOLD
}


class AllocatorTuning:
    """What the allocators are told.

    A page is a megabyte and thousands of objects without a cycle. To fetch its memory from the system and give it
    back each time makes as much work as the page itself; so does looking for cycles. To keep it all makes the
    process grow with the number of its threads. Other C libraries than glibc are left alone.
    """

    def __init__(self) -> None:
        gc.freeze()  # what has been imported stays
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
        """A page has been written: now and then, give back what is not in use."""
        if self._trim and time.monotonic() - self._trimmed > TRIM_SECONDS:
            self._trim(0)
            self._trimmed = time.monotonic()
