"""An end to answers that crawl: a timeout of the socket begins anew with each byte."""

from __future__ import annotations

import contextlib
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import urllib3

_PRECISION = 0.05
"""How exactly deadlines are kept, as a share of the time allowed."""


class Deadline:
    """Breaks off answers that take too long as a whole, from a thread that sleeps as long as there are none.

    Args:
        seconds: how long an answer may take from its first byte to its last.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due: dict[int, tuple[float, urllib3.BaseHTTPResponse]] = {}
        self._some = threading.Event()
        self._watching = threading.Lock()

    @contextmanager
    def over(self, answer: urllib3.BaseHTTPResponse) -> Iterator[None]:
        """While this lasts, the answer is taken in; after the deadline, that fails as if the other side had gone."""
        if self._watching.acquire(blocking=False):  # the first answer; never released
            # where the system lets no thread start, only the time between bytes is limited
            with contextlib.suppress(RuntimeError):
                threading.Thread(target=self._watch, daemon=True).start()
        self._due[id(answer)] = time.monotonic() + self._seconds, answer
        self._some.set()
        try:
            yield
        finally:
            del self._due[id(answer)]

    def _watch(self) -> None:
        while True:
            self._some.wait()
            time.sleep(self._seconds * _PRECISION)
            self._some.clear()
            now = time.monotonic()
            for due, answer in list(self._due.values()):
                self._some.set()
                if due < now:
                    with contextlib.suppress(Exception):  # it has just ended by itself
                        answer.shutdown()
