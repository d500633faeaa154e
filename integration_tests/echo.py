"""A server that repeats secrets, in every place of a response and in every spelling."""

from __future__ import annotations

import base64
import html
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hypothesis import HealthCheck, settings
from typing_extensions import override

from integration_tests.connector import catalog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from integration_tests.forks import Forks

LEVELS: tuple[tuple[tuple[str, ...], dict[str, str]], ...] = ((), {}), (("--debug",), {}), ((), {"LOG_LEVEL": "debug"})
fuzz = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in quotes": lambda key: f"'{key}'",
    "in capitals": str.upper,
    "the whole header": "Klaviyo-API-Key {}".format,
    "percent-encoded": lambda key: quote(key, safe=""),
    "every character percent-encoded": lambda key: "".join(f"%{ord(one):02x}" for one in key),
    "percent-encoded twice": lambda key: quote("".join(f"%{ord(one):02X}" for one in key)),
    "escaped for JSON": lambda key: json.dumps(key)[1:-1],
    "every character escaped for JSON": lambda key: "".join(f"\\u{ord(one):04x}" for one in key),
    "escaped as C does": lambda key: "".join(f"\\x{ord(one):02x}" for one in key),
    "escaped for HTML": html.escape,
    "every character escaped for HTML": lambda key: "".join(f"&#{ord(one)};" for one in key),
    "hexadecimal for HTML": lambda key: "".join(f"&#x{ord(one):x};" for one in key),
    "base64": encoded,
    "a Basic header": lambda key: f"Basic {encoded(f'{key}:')}",
    "a Basic header with a user": lambda key: f"Basic {encoded(f'me:{key}')}",
    "base64 without filling": lambda key: encoded(key).rstrip("="),
    "base64 for addresses": lambda key: base64.urlsafe_b64encode(f"??{key}".encode()).decode(),
    "base64, percent-encoded": lambda key: quote(encoded(key), safe=""),
}

Answer = tuple[int, list[tuple[str, str]], bytes]
"""Status, headers, body."""


def refusal(status: int, **words: Any) -> Answer:
    return status, [], json.dumps({"errors": [{"id": "x", "code": "error", "title": "T", **words}]}).encode()


def page(link: str | None = None) -> Answer:
    record = {"type": "list", "id": "1", "attributes": {"updated": "2026-01-01T00:00:00+00:00"}}
    return 200, [], json.dumps({"data": [record], "links": {"next": link}}).encode()


PLACES: dict[str, Callable[[int, str, str], Answer]] = {
    "the detail": lambda status, said, _: refusal(status, detail=f"The key {said} may not."),
    "a long detail": lambda status, said, _: refusal(status, detail="x" * 280 + said),
    "the title": lambda status, said, _: refusal(status, title=said),
    "the code": lambda status, said, _: refusal(status, code=said, detail="No."),
    "the parameter": lambda status, said, _: refusal(status, source={"parameter": said}),
    "the pointer": lambda status, said, _: refusal(status, source={"pointer": f"/data/{said}"}),
    "a cursor that is refused": lambda _, said, __: refusal(400, detail=said, source={"parameter": "page[cursor]"}),
    "a revision that is refused": lambda _, said, __: refusal(400, detail=f"revision {said}"),
    "HTML": lambda status, said, _: (status, [], f"<html><b>{said}</b></html>".encode()),
    "plain text": lambda status, said, _: (status, [], said.encode()),
    "half of a document": lambda status, said, _: (status, [], f'{{"errors":[{{"detail":"{said}'.encode()),
    "headers": lambda status, said, _: (
        status,
        [(name, said) for name in ("X-Request", "Date", "Retry-After", "RateLimit-Remaining", "Content-Type")],
        b"",
    ),
    "a header that is none": lambda status, said, _: (status, [("", said)], b""),
    "a redirect": lambda status, said, _: (302 + status % 2, [("Location", f"http://{said}.example/{said}")], b""),
    "a redirect to here": lambda _, said, url: (307, [("Location", f"{url}/api/{said}")], b""),
    "the host of the next page": lambda _, said, __: page(f"https://{said}/api/lists"),
    "the user of the next page": lambda _, said, __: page(f"https://{said}:{said}@a.klaviyo.com/api/lists"),
    "the query of the next page": lambda _, said, __: page(f"https://evil.example/?key={said}"),
    "the path of the next page": lambda _, said, url: page(f"{url}/api/lists/{said}"),
    "what is no address of the next page": lambda _, said, __: page(f"https://[{said}"),
    "a document of another kind": lambda _, said, __: (200, [], json.dumps({"data": said}).encode()),
    "a document that is none": lambda _, said, __: (200, [], said.encode()),
}

STATUSES = (400, 401, 403, 404, 405, 408, 409, 410, 415, 425, 429, 451, 500, 502, 503, 504)


class Echo(ThreadingHTTPServer):
    """Answers every request with its own key, at the current place and in the current spelling."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), EchoHandler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.asked = 0
        self.certificate: Path | None = None
        self.play: tuple[str, str, int] = ("the detail", "as it is", 400)

    def answer(self, key: str) -> Answer:
        self.asked += 1
        place, spelling, status = self.play
        return PLACES[place](status, SPELLINGS[spelling](key), self.url)


class EchoHandler(BaseHTTPRequestHandler):
    server: Echo

    def do_GET(self) -> None:
        status, headers, body = self.server.answer(self.headers["Authorization"].split(" ", 1)[1])
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    @override
    def log_message(self, *_: Any) -> None: ...


def assert_hidden(key: str, spelling: str, text: str) -> None:
    """Assert that a text has neither the key nor the server's spelling of it, also not as JSON writes them."""
    for secret in (key, SPELLINGS[spelling](key)):
        for written in (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]):
            assert written.lower() not in text.lower()


def command(forks: Forks, url: str, name: str, config: dict[str, Any], *options: str, **environ: str) -> str:
    """Run a command for the stream lists; return what it printed."""
    for option, content in (("config", config), ("catalog", catalog("lists"))):
        (forks.folder / option).write_text(json.dumps(content), "utf-8")
    files = ["--config", "config"] + (["--catalog", "catalog"] if name == "read" else [])
    forks.run(name, *files, *options, KLAVIYO_API_URL=url, **environ)
    return forks.printed
