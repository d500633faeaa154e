"""Limit how long an answer takes and how large it is, from its first byte to its last.

The timeout of a socket begins again with each byte, so a server that sends a header letter by letter, or
`100 Continue` for ever, would never run into it. Here each read of the socket gets what is left of the time.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from http.client import HTTPResponse
from time import monotonic
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3 import ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from source_klaviyo.api.errors import AnswerTooLarge

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from urllib3 import PoolManager


@dataclass(slots=True)
class _Limits:
    idle: float
    end: float
    most: int
    received: int = 0


_limits: ContextVar[_Limits | None] = ContextVar("limits of what is received", default=None)


@contextmanager
def receiving(seconds: float, idle: float, most: int) -> Iterator[None]:
    """Limit what this thread receives in the meantime, on connections made by `LimitedAdapter`.

    A read after the time is up fails as a read that timed out.

    Args:
        seconds: for all of it.
        idle: seconds without a byte.
        most: bytes as they come from the network.

    Raises:
        AnswerTooLarge: more bytes came.
    """
    token = _limits.set(_Limits(idle, monotonic() + seconds, most))
    try:
        yield
    finally:
        _limits.reset(token)


class LimitedAdapter(HTTPAdapter):
    """Requests' transport, on connections that keep the limits of `receiving`."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make the pool of direct connections."""
        super().init_poolmanager(*args, **options)
        _limit(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **options: Any) -> PoolManager:
        """Return the pool of connections through a proxy; those through a SOCKS proxy keep the limits per read only."""
        manager: PoolManager = super().proxy_manager_for(*args, **options)
        if isinstance(manager, ProxyManager):  # one of SOCKS has pools of its own
            _limit(manager)
        return manager


def _limit(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


class _Socket(io.RawIOBase):
    """The bytes of a socket, within the limits of the thread that reads them."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw = raw
        self._sock = sock

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

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
            raise AnswerTooLarge.than(limits.most)
        return count

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_Socket(self.fp.detach(), sock))


class _Connection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection
