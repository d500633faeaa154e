"""The transport: requests whose responses are limited in time and in size, from the first byte to the last.

The timeout of a socket starts again with each byte, so a server that sends a header letter by letter, or
`100 Continue` for ever, would never reach it. Here each read of the socket gets what is left of the time. urllib3's own
reads check no deadline while they wait for the end of a line, in the headers or between chunks.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from http.client import HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from time import monotonic
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from typing_extensions import override

from source_klaviyo.api.errors import KlaviyoError, ResponseTooLarge
from source_klaviyo.api.network import network_error

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from requests.auth import AuthBase
    from urllib3.connectionpool import ConnectionPool

CONNECT_SECONDS = 10.0


def new_session(auth: AuthBase | None = None, connections: int = 1) -> requests.Session:
    """Return a session on which `send` makes requests.

    Args:
        auth: authenticates the requests. Setting it as the session's own also keeps `.netrc` out.
        connections: how many are kept open.
    """
    session = requests.Session()
    session.auth = auth
    # keep no cookies of any server or proxy, so that no request depends on an earlier one
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    session.headers.update({"Accept-Encoding": "gzip, deflate", "User-Agent": "airbyte-source-klaviyo"})
    adapter = _LimitedAdapter(pool_maxsize=connections)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def send(session: requests.Session, url: str, seconds: float, most: int, **options: Any) -> requests.Response:
    """Send a request; return the response, of which only the head has been read.

    Args:
        session: see `new_session`.
        url: where to send it; redirects are not followed.
        seconds: for the head of the response, apart from those to connect.
        most: bytes of the head.
        options: those of `requests.Session.request`.

    Raises:
        ResponseTooLarge: the head has more bytes.
        ConfigError: a setting of the network is wrong.
        TransientError: the network has failed.
    """
    try:
        with receiving(seconds, seconds, most):
            return session.request(
                url=url, stream=True, allow_redirects=False, timeout=(CONNECT_SECONDS, seconds), **options
            )
    except KlaviyoError:
        raise
    except Exception as error:  # noqa: BLE001 - a wrong proxy variable raises nearly anything
        raise network_error(error, url, seconds) from None


@dataclass(slots=True)
class _Limits:
    idle: float
    end: float
    most: int
    received: int = 0


_limits: ContextVar[_Limits | None] = ContextVar("limits of what is received", default=None)


@contextmanager
def receiving(seconds: float, idle: float, most: int) -> Iterator[None]:
    """Limit what this thread receives in the meantime, on connections of `new_session`.

    A read after the deadline fails as a read that timed out.

    Args:
        seconds: until the deadline.
        idle: seconds without a byte.
        most: bytes as they come from the network.

    Raises:
        ResponseTooLarge: more bytes came.
    """
    token = _limits.set(_Limits(idle, monotonic() + seconds, most))
    try:
        yield
    finally:
        _limits.reset(token)


class _Socket(io.RawIOBase):
    """The bytes of a socket, within the limits of the thread that reads them."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw = raw
        self._sock = sock

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int | None:
        limits = _limits.get()
        if limits is None:
            return self._raw.readinto(buffer)
        left = min(limits.idle, limits.end - monotonic())
        if left <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(left)
        count = self._raw.readinto(buffer)
        limits.received += count or 0
        if limits.received > limits.most:
            raise ResponseTooLarge.than(limits.most)
        return count

    @override
    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_Socket(self.fp.detach(), sock))


class _LimitedAdapter(HTTPAdapter):
    """Requests' own transport, on connections that keep the limits of `receiving`."""

    @override
    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> ConnectionPool:
        pool = super().get_connection_with_tls_context(*args, **options)
        connections: Any = pool  # its type says less than it is
        kind = connections.ConnectionCls
        if kind.response_class is not _Response:
            connections.ConnectionCls = type(kind.__name__, (kind,), {"response_class": _Response})
        return pool
