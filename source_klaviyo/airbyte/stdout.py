"""Standard output and shutdown: whole lines only, however the process ends."""

from __future__ import annotations

import contextlib
import io
import os
import select
import signal
import threading
from typing import TYPE_CHECKING, NoReturn

from typing_extensions import override

from source_klaviyo.api.critical import TOKEN_EXCHANGE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STDOUT, STDERR = 1, 2
MAX_PIECES = 1000
"""Pieces that one system call takes: 1024 on Linux."""
FLUSH_SECONDS = 2.0
"""On a shutdown, the time for what has been read to be written."""
EXCHANGE_SECONDS = 4.0
"""On a shutdown, the time after that for a new token to arrive that replaces the one in the settings."""
READER_SECONDS = 3.0
"""On a shutdown, the time after that for a slow reader to take the lines that are being written."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Output:
    """Writes whole lines to stdout, and ends the process after the last one.

    A normal interpreter exit would join workers that wait for the queue. So a shutdown writes what has been read and
    ends the process without joining its threads. Nothing is lost: a state only covers records before it.

    Attributes:
        stop_requested: set by SIGTERM or SIGINT.
        text: a text stream for `print` and logging, whose lines never break a record.
    """

    def __init__(self) -> None:
        _fill_closed_descriptors()
        self.stop_requested = threading.Event()
        self.text = _Lines(self)
        self._write_lock = threading.Lock()
        self._reads = False
        self._flushed = threading.Event()
        self._signal: int | None = None

    def install_signal_handlers(self) -> None:
        """Start a shutdown on SIGTERM and SIGINT; call this before other threads start.

        One thread waits for these signals, which all others inherit as blocked. Their default action stays in place
        for the end.
        """
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            threading.Thread(target=self._shutdown_on_signal, daemon=True).start()
        except RuntimeError:  # the system lets no thread start: then the signals end the process at once
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    def write(self, *pieces: bytes | memoryview) -> None:
        """Write lines, each with its line break, in any number of pieces, which are not joined first.

        If they cannot be written (disk full, reader gone), the process ends with one line on stderr.
        """
        with self._write_lock:
            size = os.fstat(STDOUT).st_size
            try:
                for start in range(0, len(pieces), MAX_PIECES):
                    _write(pieces[start : start + MAX_PIECES])
            except OSError as error:
                with contextlib.suppress(OSError):  # a file ends after a whole line; a pipe cannot be truncated
                    os.ftruncate(STDOUT, size)
                self._fail(error)

    @contextlib.contextmanager
    def reading(self, shutdown: type[Exception]) -> Iterator[None]:
        """During a read: on a shutdown, let the process end once `shutdown` is raised, after the last record read."""
        self._reads = True
        try:
            yield
        except shutdown:
            self._flushed.set()
            threading.Event().wait()  # the thread that waited for the signal ends the process
        finally:
            self._reads = False

    def exit(self, code: int) -> NoReturn:
        """End the process at once; after SIGTERM or SIGINT as an effect of that signal, as callers expect."""
        if self._signal is not None:
            code = 128 + self._signal
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {self._signal})
            os.kill(os.getpid(), self._signal)
        os._exit(code)  # also for the first process of a container, on which these signals have no effect

    def _shutdown_on_signal(self) -> None:
        self._signal = signal.sigwait(_SIGNALS)
        self.stop_requested.set()
        if self._reads:
            self._flushed.wait(FLUSH_SECONDS)
        TOKEN_EXCHANGE.acquire(timeout=EXCHANGE_SECONDS)
        self._write_lock.acquire(timeout=READER_SECONDS)
        self.exit(0)

    def _fail(self, error: OSError) -> NoReturn:
        if not self.stop_requested.is_set():  # otherwise the reader requested the shutdown and has gone
            message = (
                f"Standard output cannot be written ({error.strerror}), so the connector ends here: check the disk, or "
                "the program that reads the output, and run the command again.\n"
            )
            with contextlib.suppress(OSError):
                os.write(STDERR, message.encode())
        self.exit(1)


class _Lines(io.TextIOBase):
    """Passes whole lines on to the output: `print` writes a line and its break one after the other."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._begun = threading.local()

    @override
    def write(self, text: str) -> int:
        """Write whole lines; the rest of the text waits for the thread's next line break."""
        lines, newline, self._begun.text = (getattr(self._begun, "text", "") + text).rpartition("\n")
        if newline:
            self._output.write(f"{lines}\n".encode())
        return len(text)


def _fill_closed_descriptors() -> None:
    """Keep sockets from getting the number of a standard stream that is closed: lines would be written to them."""
    while (descriptor := os.open(os.devnull, os.O_RDONLY)) <= STDERR:
        pass
    os.close(descriptor)


def _write(pieces: Sequence[bytes | memoryview]) -> None:
    """Write all pieces; wait for room even if stdout is set not to block, which other processes may do."""
    written = 0
    with contextlib.suppress(BlockingIOError):
        written = os.writev(STDOUT, pieces)
    if written == sum(map(len, pieces)):
        return
    rest = memoryview(b"".join(pieces))[written:]
    room = select.poll()
    room.register(STDOUT, select.POLLOUT)
    while rest:
        room.poll()
        with contextlib.suppress(BlockingIOError):
            rest = rest[os.write(STDOUT, rest) :]
