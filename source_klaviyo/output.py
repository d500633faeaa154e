"""Standard output: whole lines only, whatever ends the process."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import NoReturn, TextIO, cast

from airbyte_cdk.logger import PRINT_BUFFER

UNREAD_AFTER = 5
"""Seconds that a line begun when the process is told to end has to be taken by its reader."""


class Output:
    """Writes lines to stdout and, on SIGTERM or SIGINT, ends the process behind the last whole one.

    The CDK leaves SIGTERM alone, which does nothing at all for the first process of a container, and an
    orderly exit would wait for workers that wait for the queue. Leaving at once loses nothing: states are
    only ever about records before them.
    """

    def __init__(self) -> None:
        # the CDK puts its buffer for log lines in the place of sys.stdout
        self._stdout = cast("TextIO", sys.__stdout__).buffer
        self._writing = False
        self._stopped_by = 0

    def obey_signals(self) -> None:
        """From now on end well when told to."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def write(self, lines: bytes) -> None:
        """Write one or more lines, each with its line break.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        self._writing = True
        self._stdout.write(lines)
        self._writing = False
        if self._stopped_by:
            self.leave(128 + self._stopped_by)

    def leave(self, code: int) -> NoReturn:
        """Flush what is complete and end the process, whatever its threads are doing."""
        with contextlib.suppress(OSError, ValueError):
            PRINT_BUFFER.flush()
            self._stdout.flush()
        os._exit(code)

    def _stop(self, number: int, _frame: object) -> None:
        if not self._writing:
            self.leave(128 + number)
        self._stopped_by = number
        signal.signal(signal.SIGALRM, lambda *_: os._exit(128 + number))
        signal.alarm(UNREAD_AFTER)
