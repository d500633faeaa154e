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
    from collections.abc import Iterator, Sequence

STDOUT = 1
PIECES = 1000
"""How many pieces the system takes at once: 1024 on Linux."""
PUT_OUT = 2.0
"""Seconds that what has been read already has to be put out when the process is told to end."""
UNREAD_AFTER = 5.0
"""Seconds that lines being written when the process is told to end have to be taken by their reader."""


class Output:
    """Writes lines to stdout and, on SIGTERM or SIGINT, ends the process behind the last whole one.

    The CDK leaves SIGTERM alone, which does nothing at all for the first process of a container, and an
    orderly exit would wait for workers that wait for the queue. So what has been read is put out, and the
    process leaves. Nothing is lost: states are only ever about records before them.

    Attributes:
        told: set when the process has been told to end.
    """

    def __init__(self) -> None:
        self.told = threading.Event()
        self._whole = threading.Lock()
        self._code = 0
        self._reads = False
        self._put_out = threading.Event()
        # the CDK's log lines, which its own buffer collects, come from any thread: they wait for the lines under way
        sys.__stdout__ = cast("io.TextIOWrapper", _Text(self))  # type: ignore[misc]

    def obey_signals(self) -> None:
        """From now on end well when told to."""
        told, tell = os.pipe()
        threading.Thread(target=self._leave_when_told, args=(told,), daemon=True).start()
        for number in (signal.SIGTERM, signal.SIGINT):
            # a handler may interrupt anything, so it does nothing itself
            signal.signal(number, lambda number, _: cast("None", os.write(tell, bytes([number]))))

    def write(self, *pieces: bytes | memoryview) -> None:
        """Write lines, each with its line break, that may be in many pieces: these are not put together before.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        with self._whole:
            for start in range(0, len(pieces), PIECES):
                _write(pieces[start : start + PIECES])

    @contextlib.contextmanager
    def reading(self, stopped: type[Exception]) -> Iterator[None]:
        """While this lasts, there may be something to be put out in the end; `stopped` says that it has been."""
        self._reads = True
        try:
            yield
        except stopped:
            with contextlib.suppress(OSError, ValueError):
                PRINT_BUFFER.flush()
            self._put_out.set()
            threading.Event().wait()  # for the end, of which another thread takes care
        finally:
            self._reads = False

    def leave(self, code: int) -> NoReturn:
        """Flush what is complete and end the process, whatever its threads are doing."""
        with contextlib.suppress(OSError, ValueError):
            PRINT_BUFFER.flush()
        os._exit(self._code or code)

    def _leave_when_told(self, told: int) -> None:
        self._code = code = 128 + os.read(told, 1)[0]
        threading.Timer(UNREAD_AFTER, os._exit, (code,)).start()
        self.told.set()
        if self._reads:
            self._put_out.wait(PUT_OUT)
        self._whole.acquire()
        os._exit(code)


class _Text(io.TextIOBase):
    """Text on its way to the output."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def write(self, text: str) -> int:
        """Write whole lines."""
        self._output.write(text.encode())
        return len(text)


def _write(pieces: Sequence[bytes | memoryview]) -> None:
    rest = memoryview(b"")
    written = os.writev(STDOUT, pieces)
    if written < sum(map(len, pieces)):  # a pipe takes as much as it has room for when a signal comes
        rest = memoryview(b"".join(pieces))[written:]
    while rest:
        rest = rest[os.write(STDOUT, rest) :]
