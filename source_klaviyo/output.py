"""Standard output: whole lines only, whatever ends the process."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, NoReturn, cast

from airbyte_cdk.logger import PRINT_BUFFER

if TYPE_CHECKING:
    from collections.abc import Sequence

_PIECES = 1000
"""How many pieces the system takes at once: 1024 on Linux."""
UNREAD_AFTER = 5.0
"""Seconds that lines being written when the process is told to end have to be taken by their reader."""


class Output:
    """Writes lines to stdout and, on SIGTERM or SIGINT, ends the process behind the last whole one.

    The CDK leaves SIGTERM alone, which does nothing at all for the first process of a container, and an
    orderly exit would wait for workers that wait for the queue. Leaving at once loses nothing: states are
    only ever about records before them.
    """

    def __init__(self) -> None:
        # One buffered writer for records and for the CDK's log lines, which it writes to sys.__stdout__: its
        # lock keeps lines whole. Python's own is not buffered where PYTHONUNBUFFERED is set, as in many images.
        self._stdout = open(1, "wb", closefd=False)  # noqa: SIM115 - stays open as long as the process
        sys.__stdout__ = io.TextIOWrapper(self._stdout, "utf-8", write_through=True)  # type: ignore[misc]
        self._whole = threading.Lock()

    def obey_signals(self) -> None:
        """From now on end well when told to."""
        told, tell = os.pipe()
        threading.Thread(target=self._leave_when_told, args=(told,), daemon=True).start()
        for number in (signal.SIGTERM, signal.SIGINT):
            # a handler may interrupt anything, so it does nothing itself
            signal.signal(number, lambda number, _: cast("None", os.write(tell, bytes([number]))))

    def write(self, line: bytes) -> None:
        """Write a line, with its line break.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        with self._whole:
            self._stdout.write(line)

    def write_pieces(self, lines: Sequence[bytes | memoryview]) -> None:
        """Write many lines that are in pieces, without putting these together before.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        with self._whole:
            self._stdout.flush()
            for start in range(0, len(lines), _PIECES):
                pieces = lines[start : start + _PIECES]
                rest = sum(map(len, pieces)) - os.writev(1, pieces)
                if rest:  # a pipe takes as much as it has room for when a signal comes
                    self._stdout.write(b"".join(pieces)[-rest:])
                    self._stdout.flush()

    def leave(self, code: int) -> NoReturn:
        """Flush what is complete and end the process, whatever its threads are doing."""
        with contextlib.suppress(OSError, ValueError):
            PRINT_BUFFER.flush()
            self._stdout.flush()
        os._exit(code)

    def _leave_when_told(self, told: int) -> None:
        code = 128 + os.read(told, 1)[0]
        threading.Timer(UNREAD_AFTER, os._exit, (code,)).start()
        with self._whole:
            self.leave(code)
