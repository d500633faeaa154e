"""Faults of the connection: answers that break off, crawl, never end or come, or lie about their encoding."""

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
    from klaviyo_simulator.protocol.messages import Answer

_PIECES = 10
_CHUNK = 1024
_MEMBER = 2**24  # bytes in each part of a gzip bomb


class SpoiledResponse(web.StreamResponse):
    """An answer that goes to the socket by hand, as a fault has it, and ends the connection."""

    def __init__(self, fault: Fault, answer: Answer) -> None:
        super().__init__(status=answer.status)
        self._fault = fault
        self._answer = answer
        self.force_close()

    @override
    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send what is to be sent."""
        transport = request.transport
        if transport is not None:
            await _PLAYS[self._fault.kind](transport, self._answer, self._fault.options)
        return None

    @override
    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to send."""


def _head(answer: Answer, length: int, **more: str) -> bytes:
    headers = {**answer.headers, **more, "Content-Length": str(length), "Connection": "close"}
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _reset(transport: asyncio.Transport) -> None:
    """End a connection so that the other side sees a reset, not an end."""
    peer = transport.get_extra_info("socket")
    if peer is not None and not transport.is_closing():  # the other side may have gone meanwhile
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _reset_middle(transport: asyncio.Transport, answer: Answer) -> None:
    transport.write(_head(answer, len(answer.body)) + answer.body[: len(answer.body) // 2])
    await asyncio.sleep(0.05)  # a reset at once would overtake what was written
    await _reset(transport)


async def _truncated(transport: asyncio.Transport, answer: Answer) -> None:
    transport.write(_head(answer, len(answer.body)) + answer.body[: len(answer.body) // 2])


async def _bad_gzip(transport: asyncio.Transport, answer: Answer) -> None:
    packed = bytearray(gzip.compress(answer.body, 1))
    middle = len(packed) // 2
    packed[middle : middle + 8] = b"\xff" * 8
    packed[-8:] = b"\x00" * 8  # the checksum cannot fit any more, wherever the damage went
    transport.write(_head(answer, len(packed), Content_Encoding="gzip") + packed)


async def _gzip_bomb(transport: asyncio.Transport, answer: Answer, options: dict[str, Any]) -> None:
    """The answer behind some gigabytes of blanks, which JSON allows, packed a thousand times smaller."""
    count = int(float(options.get("gigabytes", 2.0)) * 2**30) // _MEMBER
    packed = gzip.compress(b" " * _MEMBER) * count + gzip.compress(answer.body)
    transport.write(_head(answer, len(packed), Content_Encoding="gzip") + packed)


async def _endless_headers(transport: asyncio.Transport, answer: Answer, options: dict[str, Any]) -> None:
    transport.write(_head(answer, len(answer.body))[:-2] + b"X-Endless: ")
    await _drip(transport, b"a", float(options.get("seconds", 0.05)))


async def _endless_body(transport: asyncio.Transport, answer: Answer, options: dict[str, Any]) -> None:
    transport.write(_head(answer, 0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked"))
    await _drip(transport, b"%x\r\n%s\r\n" % (_CHUNK, b" " * _CHUNK), float(options.get("seconds", 0.05)))


async def _drip(transport: asyncio.Transport, content: bytes, seconds: float) -> None:
    """Send the same every so many seconds until the other side ends the connection."""
    while not transport.is_closing():
        transport.write(content)
        await asyncio.sleep(seconds)


async def _slow_headers(transport: asyncio.Transport, answer: Answer, options: dict[str, Any]) -> None:
    await _crawl(transport, _head(answer, len(answer.body)), float(options.get("seconds", 1.0)))
    transport.write(answer.body)


async def _slow_body(transport: asyncio.Transport, answer: Answer, options: dict[str, Any]) -> None:
    transport.write(_head(answer, len(answer.body)))
    await _crawl(transport, answer.body, float(options.get("seconds", 1.0)))


async def _crawl(transport: asyncio.Transport, content: bytes, seconds: float) -> None:
    step = len(content) // _PIECES + 1
    for at in range(0, len(content), step):
        if transport.is_closing():
            return  # the other side has lost its patience
        transport.write(content[at : at + step])
        await asyncio.sleep(seconds / _PIECES)


_PLAYS: dict[str, Callable[[asyncio.Transport, Answer, dict[str, Any]], Awaitable[None]]] = {
    "reset_before": lambda transport, *_: _reset(transport),
    "reset_middle": lambda transport, answer, _: _reset_middle(transport, answer),
    "truncated": lambda transport, answer, _: _truncated(transport, answer),
    "bad_gzip": lambda transport, answer, _: _bad_gzip(transport, answer),
    "gzip_bomb": _gzip_bomb,
    "never": lambda transport, *_: _drip(transport, b"", 0.05),
    "endless_headers": _endless_headers,
    "endless_body": _endless_body,
    "slow_headers": _slow_headers,
    "slow_body": _slow_body,
}
