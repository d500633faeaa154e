"""Work that a shutdown waits for, since half of it would lose something."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType


class CriticalSection:
    """Code that threads enter until the section is closed, and leave before the process ends."""

    def __init__(self) -> None:
        self._inside = 0
        self._closed = False
        self._changed = threading.Condition()

    def __enter__(self) -> None:
        """Enter; once the section is closed, wait for the process to end."""
        with self._changed:
            self._changed.wait_for(lambda: not self._closed)
            self._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()

    def close(self, seconds: float) -> bool:
        """Let nobody enter any more and wait until all have left, up to so many seconds; return whether they have."""
        with self._changed:
            self._closed = True
            return self._changed.wait_for(lambda: not self._inside, seconds)


TOKEN_EXCHANGE = CriticalSection()
"""From sending a refresh token until the platform has been given the one that replaces it."""
