"""Notice pages that come again, in memory that does not grow with their number."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

RECENT_PAGES = 100
"""Pages whose marks are remembered."""


class Repeats:
    """The marks of the last pages, and of one page further back.

    The page further back is the one at the last power of two (Brent's algorithm). So a cycle of any length is noticed,
    at the latest when about three times as many pages have been read as there are different ones.
    """

    def __init__(self) -> None:
        self._recent: deque[Sequence[int]] = deque(maxlen=RECENT_PAGES)
        self._far: Sequence[int] = ()
        self._count = 0

    def noticed(self, marks: Sequence[int]) -> bool:
        """Note a page by its marks, and return whether it is one of those remembered."""
        known = any(mark in others for others in (self._far, *self._recent) for mark in marks)
        self._recent.append(marks)
        self._count += 1
        if self._count & (self._count - 1) == 0:
            self._far = marks
        return known
