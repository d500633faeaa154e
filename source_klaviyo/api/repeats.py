"""Notice repeated pages, in memory that does not grow with their number."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

RECENT_PAGES = 100
"""Pages whose fingerprints are remembered."""


class Repeats:
    """The fingerprints of the last pages, and of one page further back.

    The page further back is the one at the last power of two (Brent's algorithm). So a cycle of any length is noticed,
    at the latest when about three times as many pages have been read as there are different ones.
    """

    def __init__(self) -> None:
        self._recent: deque[Sequence[int]] = deque(maxlen=RECENT_PAGES)
        self._far: Sequence[int] = ()
        self._count = 0

    def is_repeated(self, fingerprint: Sequence[int]) -> bool:
        """Record a page, and return whether it has a part of its fingerprint in common with one remembered."""
        known = any(part in other for other in (self._far, *self._recent) for part in fingerprint)
        self._recent.append(fingerprint)
        self._count += 1
        if self._count & (self._count - 1) == 0:
            self._far = fingerprint
        return known
