"""Read the body of an answer, decompressed, within a budget of memory and up to a limit."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import urllib3

from source_klaviyo.api.errors import AnswerTooLarge, DamagedAnswer
from source_klaviyo.api.transport import receiving

if TYPE_CHECKING:
    from source_klaviyo.api.memory import Hold

MAX_ANSWER_BYTES = 64_000_000
"""The largest answer that is taken in, compressed or not."""
MAX_PAGE_BYTES = 32_000_000
"""The largest answer if it can be asked for again in smaller pages."""
PIECE_BYTES = 1 << 18
"""Bytes to read at once of a body of unknown size."""
COPIES = 2
"""A body and its pieces are in memory at the same time while they are joined."""


def read_body(
    raw: urllib3.BaseHTTPResponse, hold: Hold, expected: int, most: int, seconds: float, idle: float
) -> bytes:
    """Read a body.

    Args:
        raw: the answer, of which only the head has been read.
        hold: grows with what is read.
        expected: bytes that the body is likely to have; read at once, which saves a copy.
        most: bytes.
        seconds: for all of it, apart from the waits for memory.
        idle: seconds without a byte.

    Raises:
        DamagedAnswer: it broke off, took too long, or cannot be decompressed.
        AnswerTooLarge: it has more bytes than `most`.
    """
    pieces: list[bytes] = []
    size, wanted = 0, max(expected, PIECE_BYTES)
    # to decode what is not compressed would only copy it
    compressed = "content-encoding" in raw.headers
    while True:
        hold.resize(COPIES * (size + wanted))
        began = monotonic()
        try:
            with receiving(seconds, idle, most):
                piece: bytes = raw.read(wanted, decode_content=compressed)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise DamagedAnswer(f"Klaviyo's answer broke off while it was read ({type(error).__name__}).") from None
        if not piece:
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        seconds -= monotonic() - began
        size += len(piece)
        if size > most:
            raise AnswerTooLarge.than(most)
        pieces.append(piece)
        wanted = PIECE_BYTES
