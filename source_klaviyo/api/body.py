"""Read the body of a response, decompressed, within a budget of memory and up to a limit."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import urllib3

from source_klaviyo.api.errors import DamagedResponse, ResponseTooLarge
from source_klaviyo.api.transport import receiving

if TYPE_CHECKING:
    from source_klaviyo.api.memory import Hold

MAX_RESPONSE_BYTES = 64_000_000
"""The largest response that is read, compressed or not."""
MAX_PAGE_BYTES = 32_000_000
"""The largest response if smaller pages can be requested instead."""
CHUNK_BYTES = 1 << 18
"""Bytes to read at once of a body of unknown size."""
COPIES = 2
"""A body and its chunks are in memory at the same time while they are joined."""


def read_body(
    raw: urllib3.BaseHTTPResponse, hold: Hold, expected: int, most: int, seconds: float, idle: float
) -> bytes:
    """Read a body.

    Args:
        raw: the response, of which only the head has been read.
        hold: grows with what is read.
        expected: the likely size of the body in bytes; read at once, which saves a copy.
        most: bytes.
        seconds: until the deadline, apart from the waits for memory.
        idle: seconds without a byte.

    Raises:
        DamagedResponse: it broke off, took too long, or cannot be decompressed.
        ResponseTooLarge: it has more bytes than `most`.
    """
    chunks: list[bytes] = []
    size, wanted = 0, max(expected, CHUNK_BYTES)
    # decoding what is not compressed would only copy it
    compressed = "content-encoding" in raw.headers
    while True:
        hold.resize(COPIES * (size + wanted))
        began = monotonic()
        try:
            with receiving(seconds, idle, most):
                chunk: bytes = raw.read(wanted, decode_content=compressed)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise DamagedResponse(f"Klaviyo's response broke off while it was read ({type(error).__name__}).") from None
        if not chunk:
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)
        seconds -= monotonic() - began
        size += len(chunk)
        if size > most:
            raise ResponseTooLarge.than(most)
        chunks.append(chunk)
        wanted = CHUNK_BYTES
