"""Faults of the connection: resets, truncation, slow or endless responses, and broken encodings."""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import web
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.abc import AbstractStreamWriter

    from klaviyo_simulator.faults.schedule import Fault
    from klaviyo_simulator.protocol.messages import Response

_CRAWL_STEPS = 10
_CHUNK_BYTES = 1024
_BOMB_MEMBER_BYTES = 2**24  # of each member of a gzip bomb


class FaultyResponse(web.StreamResponse):
    """A response that a fault writes to the socket itself before it closes the connection."""

    def __init__(self, fault: Fault, response: Response) -> None:
        super().__init__(status=response.status)
        self._fault = fault
        self._respond = response
        self.force_close()

    @override
    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write the response with its fault."""
        transport = request.transport
        if transport is not None:
            await _SENDERS[self._fault.kind](transport, self._respond, self._fault.options)
        return None

    @override
    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: `prepare` has written everything."""


def _head(response: Response, length: int, **more: str) -> bytes:
    headers = {**response.headers, **more, "Content-Length": str(length), "Connection": "close"}
    lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _reset(transport: asyncio.Transport) -> None:
    """Close a connection with a TCP reset."""
    peer = transport.get_extra_info("socket")
    if peer is not None and not transport.is_closing():  # the client may have closed it already
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _reset_middle(transport: asyncio.Transport, response: Response) -> None:
    transport.write(_head(response, len(response.body)) + response.body[: len(response.body) // 2])
    await asyncio.sleep(0.05)  # an immediate reset would discard the bytes before it
    await _reset(transport)


async def _truncated(transport: asyncio.Transport, response: Response) -> None:
    transport.write(_head(response, len(response.body)) + response.body[: len(response.body) // 2])


async def _bad_gzip(transport: asyncio.Transport, response: Response) -> None:
    packed = bytearray(gzip.compress(response.body, 1))
    middle = len(packed) // 2
    packed[middle : middle + 8] = b"\xff" * 8
    packed[-8:] = b"\x00" * 8  # breaks the checksum in any case
    transport.write(_head(response, len(packed), Content_Encoding="gzip") + packed)


async def _gzip_bomb(transport: asyncio.Transport, response: Response, options: dict[str, Any]) -> None:
    """Send the response after gigabytes of blanks, which are valid JSON and compress to a thousandth."""
    count = int(float(options.get("gigabytes", 2.0)) * 2**30) // _BOMB_MEMBER_BYTES
    packed = gzip.compress(b" " * _BOMB_MEMBER_BYTES) * count + gzip.compress(response.body)
    transport.write(_head(response, len(packed), Content_Encoding="gzip") + packed)


async def _endless_headers(transport: asyncio.Transport, response: Response, options: dict[str, Any]) -> None:
    transport.write(_head(response, len(response.body))[:-2] + b"X-Endless: ")
    await _drip(transport, b"a", float(options.get("seconds", 0.05)))


async def _endless_body(transport: asyncio.Transport, response: Response, options: dict[str, Any]) -> None:
    transport.write(_head(response, 0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked"))
    await _drip(transport, b"%x\r\n%s\r\n" % (_CHUNK_BYTES, b" " * _CHUNK_BYTES), float(options.get("seconds", 0.05)))


async def _drip(transport: asyncio.Transport, content: bytes, seconds: float) -> None:
    """Send the same content every `seconds` until the client closes the connection."""
    while not transport.is_closing():
        transport.write(content)
        await asyncio.sleep(seconds)


async def _slow_headers(transport: asyncio.Transport, response: Response, options: dict[str, Any]) -> None:
    await _crawl(transport, _head(response, len(response.body)), float(options.get("seconds", 1.0)))
    transport.write(response.body)


async def _slow_body(transport: asyncio.Transport, response: Response, options: dict[str, Any]) -> None:
    transport.write(_head(response, len(response.body)))
    await _crawl(transport, response.body, float(options.get("seconds", 1.0)))


async def _crawl(transport: asyncio.Transport, content: bytes, seconds: float) -> None:
    step = len(content) // _CRAWL_STEPS + 1
    for at in range(0, len(content), step):
        if transport.is_closing():
            return  # the client has given up
        transport.write(content[at : at + step])
        await asyncio.sleep(seconds / _CRAWL_STEPS)


_SENDERS: dict[str, Callable[[asyncio.Transport, Response, dict[str, Any]], Awaitable[None]]] = {
    "reset_before": lambda transport, *_: _reset(transport),
    "reset_middle": lambda transport, response, _: _reset_middle(transport, response),
    "truncated": lambda transport, response, _: _truncated(transport, response),
    "bad_gzip": lambda transport, response, _: _bad_gzip(transport, response),
    "gzip_bomb": _gzip_bomb,
    "never": lambda transport, *_: _drip(transport, b"", 0.05),
    "endless_headers": _endless_headers,
    "endless_body": _endless_body,
    "slow_headers": _slow_headers,
    "slow_body": _slow_body,
}
