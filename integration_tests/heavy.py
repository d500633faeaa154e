"""A server for the worst responses (huge, broken, endless), and a connector whose memory is measured.

It does not know Klaviyo's rules, as the simulator does, but only events in the order of their dates. These can be as
large and as many as a test needs, and are made so fast that the connector is the bottleneck.
"""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
import zlib
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit

from typing_extensions import override

from integration_tests.connector import Connector, catalog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

FIRST = 1_704_067_200
"""Time of the first event, 2024-01-01, in seconds since 1970."""
MB = 1_000_000
START = 60.0
"""Seconds that a machine under load may take to start a connector."""


@dataclass
class Heavy:
    """Events behind a local port.

    Attributes:
        events: their number.
        size: bytes of each event, or a function that returns the bytes of an index.
        seconds: between two events; with 0, all happen at once.
        spoil: returns the fault or None, given the number of the request (from 1) and its page size.
        sizes: the page size of each request for events so far.
    """

    events: int = 1_000_000
    size: int | Callable[[int], int] = 1_000
    seconds: float = 1.0
    spoil: Callable[[int, int], str | None] = lambda _number, _size: None
    sizes: list[int] = field(default_factory=list)
    url: str = ""

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"heavy": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def page(self, query: dict[str, str]) -> bytes:
        """Return the document for a query."""
        size = int(query.get("page[size]", 200))
        self.sizes.append(size)
        first, end = self._span(query.get("filter", ""))
        first = int(query.get("page[cursor]", first))
        last = min(first + size, end)
        following = None
        if last < end:
            more = {**query, "page[cursor]": str(last)}
            following = f"{self.url}/api/events?" + "&".join(f"{quote(k)}={quote(v)}" for k, v in more.items())
        data = b",".join(map(self._event, range(first, last)))
        return b'{"data":[%s],"links":{"next":%s}}' % (data, json.dumps(following).encode())

    def _span(self, conditions: str) -> tuple[int, int]:
        """Return the first index and the end of the events that a filter selects."""
        places = {"greater-or-equal": 0, "less-than": self.events}
        for operator, date in re.findall(r"([a-z-]+)\(datetime,([^)]+)\)", conditions):
            behind = time.mktime(time.strptime(date[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone - FIRST
            place = behind / self.seconds if self.seconds else (0 if behind <= 0 else self.events)
            places[operator] = min(max(-int(-place // 1), 0), self.events)
        return places["greater-or-equal"], places["less-than"]

    def _event(self, place: int) -> bytes:
        date = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(FIRST + place * self.seconds)).encode()
        event = b'{"type":"event","id":"%d","attributes":{"datetime":"%s","event_properties":{"x":"' % (place, date)
        size = self.size if isinstance(self.size, int) else self.size(place)
        return event + b"x" * (size - len(event) - 4) + b'"}}}'


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    @override
    def handle_error(self, *_: object) -> None:
        """Keep quiet: connections break here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    heavy: Heavy

    @override
    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        """Respond, correctly or with a fault."""
        address = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        try:
            if address.path == "/api/events":
                body = self.heavy.page(query)
                fault = self.heavy.spoil(len(self.heavy.sizes), self.heavy.sizes[-1])
                getattr(self, f"_{fault or 'well'}")(body)
            else:
                self._well(b'{"data":[]}')
        except OSError:
            self.close_connection = True

    def _head(self, *headers: str) -> None:
        self.wfile.write("\r\n".join(("HTTP/1.1 200 OK", "Content-Type: application/json", *headers, "\r\n")).encode())

    def _well(self, body: bytes) -> None:
        self._head(f"Content-Length: {len(body)}")
        self.wfile.write(body)

    def _breaks_off(self, body: bytes) -> None:
        self._head(f"Content-Length: {len(body)}")
        self.wfile.write(body[: -len(body) // 10])
        self.close_connection = True

    def _damaged(self, body: bytes) -> None:
        self._well(body[:-20])

    def _bomb(self, _body: bytes) -> None:
        """Send 4 GB of blanks that are compressed to 4 MB."""
        pack = zlib.compressobj(9, wbits=31)
        opening = pack.compress(b'{"data":[') + pack.flush(zlib.Z_FULL_FLUSH)
        blanks = pack.compress(b" " * (1 << 26)) + pack.flush(zlib.Z_FULL_FLUSH)
        self._head("Content-Encoding: gzip", f"Content-Length: {len(opening) + 64 * len(blanks)}")
        self.wfile.write(opening)
        for _ in range(64):
            self.wfile.write(blanks)

    def _endless(self, _: bytes) -> None:
        self._head("Transfer-Encoding: chunked")
        self.wfile.write(b'9\r\n{"data":[\r\n')
        while True:
            self.wfile.write(b"10000\r\n%s\r\n" % (b" " * (1 << 16)))


@dataclass
class Watched:
    """The measurements of a running connector.

    Attributes:
        peak: the peak of resident memory, in MB.
        records: received so far.
        bytes: received so far.
        ids: of the records, if they are kept.
        errors: the messages of its errors.
        code: its exit code; None if it did not end.
    """

    peak: float = 0.0
    records: int = 0
    bytes: int = 0
    ids: list[int] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    code: int | None = None


def watch(
    server: Heavy,
    folder: Path,
    *,
    seconds: float = 300.0,
    rate: float | None = None,
    keep: bool = False,
    **settings: Any,
) -> Watched:
    """Read the events of a server and watch the memory of the connector, until it ends or some seconds have passed.

    Args:
        server: where the events are.
        folder: takes the files.
        seconds: the longest time to watch, from the first record on, which may take a minute.
        rate: bytes of the output to take per second; None for no limit.
        keep: whether to keep the ids.
        settings: of the connector.
    """
    connector = Connector(
        server.url, folder, {"start_date": "2024-01-01T00:00:00Z", "late_events_window": 0, **settings}
    )
    command = connector.command("read", catalog=catalog("events"))
    seen = Watched()
    with subprocess.Popen(
        command, env=connector.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        taking = threading.Thread(target=_take, args=(process.stdout, seen, rate, keep), daemon=True)
        taking.start()
        begun, end = False, time.monotonic() + START + seconds
        try:
            while process.poll() is None and time.monotonic() < end:
                seen.peak = max(seen.peak, memory_of(process.pid))
                if seen.records and not begun:
                    begun, end = True, time.monotonic() + seconds
                time.sleep(0.02)
            seen.code = process.poll()
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            taking.join(10)
    return seen


def memory_of(pid: int, what: str = "VmHWM") -> float:
    """Return the resident memory of a process in MB: its peak (VmHWM) or the present one (VmRSS); 0 if it ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("utf-8")
    except OSError:
        return 0.0
    found = re.search(rf"{what}:\s*(\d+) kB", status)
    return int(found.group(1)) * 1024 / MB if found else 0.0


_ID = re.compile(rb'"id":"(\d+)"')


def _take(output: Any, seen: Watched, rate: float | None, keep: bool) -> None:
    for line in _lines(output, seen, rate):
        if line.startswith(b'{"type":"RECORD"'):
            seen.records += 1
            if keep:
                seen.ids.append(int(_ID.search(line).group(1)))  # type: ignore[union-attr]
        elif b'"ERROR"' in line and b'"TRACE"' in line:
            seen.errors.append(json.loads(line)["trace"]["error"]["message"])
        elif b'"LOG"' in line:
            seen.logs.append(json.loads(line)["log"]["message"])


def _lines(output: Any, seen: Watched, rate: float | None) -> Iterator[bytes]:
    began = time.monotonic()
    rest = b""
    while piece := output.read1(1 << 18):
        seen.bytes += len(piece)
        if rate:
            time.sleep(max(0.0, began + seen.bytes / rate - time.monotonic()))
        *lines, rest = (rest + piece).split(b"\n") if b"\n" in piece else (rest + piece,)
        yield from lines
