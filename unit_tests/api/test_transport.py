"""The transport: a response that never ends is cut off at the deadline, however its bytes arrive."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from itertools import repeat
from typing import TYPE_CHECKING, Any

import pytest
import requests
import urllib3

from source_klaviyo.api.budget import XL, Limit
from source_klaviyo.api.client import KlaviyoClient
from source_klaviyo.api.errors import ResponseTooLarge
from source_klaviyo.api.page import decode_page
from source_klaviyo.api.request import Request
from source_klaviyo.api.transport import new_session, receiving

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SECONDS = 0.3
"""The deadline of these tests."""
HANGS = 10.0
"""A request that takes so long hangs."""
MOST = 1_000_000
TIMEOUTS = (requests.RequestException, urllib3.exceptions.ReadTimeoutError)

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@contextmanager
def server(*responses: Iterable[bytes]) -> Iterator[str]:
    """A server that sends the parts of a response, the next one to each request, and the last one again and again."""
    listening = socket.create_server(("127.0.0.1", 0))

    def talk(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while True:
                asked = b""
                while not asked.endswith(b"\r\n\r\n"):
                    piece = connection.recv(1 << 16)
                    if not piece:
                        return
                    asked += piece
                for part in waiting.pop(0) if len(waiting) > 1 else waiting[0]:
                    connection.sendall(part)

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=talk, args=(listening.accept()[0],), daemon=True).start()

    waiting = list(responses)
    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.close()


def dripping(head: bytes, drop: bytes) -> Iterator[bytes]:
    yield head
    for one in repeat(drop):
        time.sleep(0.02)
        yield one


def session(**proxies: str) -> requests.Session:
    made = new_session()
    made.trust_env = False
    made.proxies = proxies
    return made


def fetch(client: requests.Session, url: str, seconds: float = SECONDS, idle: float = SECONDS) -> bytes:
    with receiving(seconds, idle, MOST), client.get(url, stream=True, timeout=(HANGS, HANGS)) as response:
        body: bytes = response.raw.read(MOST, decode_content=True)
        return body


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
NEVER_ENDING = {
    "no response": (b"", b""),
    "a status line letter by letter": (b"HTTP/1.1 200 ", b"x"),
    "a header letter by letter": (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "continue for ever": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body byte by byte": (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"),
    "a chunk byte by byte": (CHUNKED + b"ffff\r\n", b"x"),
    "small chunks for ever": (CHUNKED, b"1\r\nx\r\n"),
    "the size of a chunk letter by letter": (CHUNKED + b"1;", b"x"),
    "trailers for ever": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: x\r\n"),
}


@pytest.mark.parametrize("parts", NEVER_ENDING.values(), ids=NEVER_ENDING)
def test_a_response_that_never_ends_times_out(parts: tuple[bytes, bytes]) -> None:
    with server(dripping(*parts)) as url:
        began = time.monotonic()
        with pytest.raises(TIMEOUTS, match="timed out"):
            fetch(session(), url)
        assert time.monotonic() - began < HANGS


def test_a_pause_longer_than_allowed_times_out_before_the_deadline() -> None:
    def pausing() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{"
        time.sleep(HANGS)

    with server(pausing()) as url:
        began = time.monotonic()
        with pytest.raises(TIMEOUTS, match="timed out"):
            fetch(session(), url, seconds=2 * HANGS, idle=SECONDS)
        assert time.monotonic() - began < HANGS


def test_a_proxy_that_answers_letter_by_letter_times_out() -> None:
    with server(dripping(b"HTTP/1.1 200 OK\r\nX: ", b"x")) as url, pytest.raises(TIMEOUTS, match="timed out"):
        fetch(session(http=url), "http://klaviyo.invalid/")


def test_a_proxy_that_opens_a_tunnel_letter_by_letter_times_out() -> None:
    with server(dripping(b"HTTP/1.1 200 OK\r\nX: ", b"x")) as url, pytest.raises(TIMEOUTS, match="timed out"):
        fetch(session(https=url), "https://klaviyo.invalid/")


@pytest.mark.parametrize(
    "parts",
    [(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000), (CHUNKED, b"1;" + b"x" * 60_000 + b"\r\nx\r\n")],
    ids=["in its head", "in its body"],
)
def test_more_bytes_than_allowed_are_an_error(parts: tuple[bytes, bytes]) -> None:
    with server(dripping(*parts)) as url, pytest.raises(ResponseTooLarge, match="larger than 1 MB"):
        fetch(session(), url, HANGS, HANGS)


def test_a_connection_is_reused_after_a_successful_response() -> None:
    with server([GOOD]) as url:
        client = session()
        bodies = [fetch(client, url) for _ in range(3)]
        assert bodies == [b"{}"] * 3
        adapter: Any = client.get_adapter(url)
        (pool,) = adapter.poolmanager.pools._container.values()
        assert pool.num_connections == 1


def test_each_response_has_a_deadline_of_its_own() -> None:
    with server([GOOD]) as url:
        client = session()
        assert fetch(client, url) == b"{}"
        time.sleep(2 * SECONDS)
        assert fetch(client, url) == b"{}"


def test_a_request_without_limits_is_not_cut_off() -> None:
    with server([GOOD]) as url:
        assert session().get(url, timeout=HANGS).json() == {}


@pytest.mark.parametrize("parts", NEVER_ENDING.values(), ids=NEVER_ENDING)
def test_the_client_retries_a_response_that_never_ends(
    parts: tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("source_klaviyo.api.timeouts.DEFAULT_SECONDS", SECONDS)
    monkeypatch.setattr("source_klaviyo.api.timeouts.MIN_SECONDS", SECONDS)
    monkeypatch.setattr("source_klaviyo.api.client.RESPONSE_DEADLINE_SECONDS", SECONDS)
    naps: list[float] = []
    good = b'HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n{"data":[{"id":"1"}]}'
    with server(dripping(*parts), [good]) as url:
        client = KlaviyoClient("pk_made_up", url, sleep=naps.append)
        began = time.monotonic()
        page = client.get(Request("/api/events", None, (Limit("events", XL),), lambda body: decode_page(body, None)))
        assert time.monotonic() - began < HANGS
    assert len(page.resources) == 1
    assert len(naps) == 1
