"""JSON:API pages: decoded once into what the sync needs, the rest kept as the bytes Klaviyo sent."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from source_klaviyo.api.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Callable


class _Links(msgspec.Struct):
    next: str | None = None


class _Document(msgspec.Struct):
    data: list[msgspec.Raw]
    links: _Links | None = None


_PIECE = 1 << 13  # bytes
_NULL = msgspec.Raw(b"null")
_decode_document = msgspec.json.Decoder(_Document).decode

# any escape in a JSON string: a whole surrogate pair, (half of one), or another one
_HALF_CHARACTER = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def _check_text(body: bytes) -> None:
    """Look at the characters, since strings within raw parts are not looked at anywhere else.

    A piece at a time: as a whole, the text of a page is many times slower to make than to check.

    Raises:
        UnicodeDecodeError: it is no UTF-8.
    """
    if body.isascii():
        return
    decode = codecs.getincrementaldecoder("utf-8")().decode
    for start in range(0, len(body), _PIECE):
        decode(body[start : start + _PIECE])
    decode(b"", final=True)


def _whole_character(escape: re.Match[bytes]) -> bytes:
    """U+FFFD for half of a surrogate pair: JavaScript lets one into a string, no destination takes it."""
    return rb"\ufffd" if escape.group(1) else escape.group(0)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a collection.

    Attributes:
        resources: each resource as JSON, as Klaviyo sent it, on one line.
        cursors: each resource's value of the cursor attribute, as JSON; `null` where it is missing.
        next: the address of the next page, None on the last.
        asked_at: when it was asked for, by Klaviyo's clock; seconds since the epoch.
        latency: seconds from the question to the answer's first byte.
    """

    resources: list[msgspec.Raw]
    cursors: list[bytes]
    next: str | None
    asked_at: float = 0.0
    latency: float = 0.0


@cache
def _cursor_decoder(attribute: str) -> Callable[[msgspec.Raw], Any]:
    attributes = msgspec.defstruct("Attributes", [(attribute, msgspec.Raw, _NULL)], gc=False)
    return msgspec.json.Decoder(
        msgspec.defstruct("Resource", [("attributes", attributes | None, None)], gc=False)
    ).decode


def decode_page(body: bytes, cursor_attribute: str) -> Page:
    """Decode the body of a collection.

    Args:
        body: the answer's body, decompressed.
        cursor_attribute: the attribute whose values `cursors` is to hold.

    Raises:
        TransientError: it is not the JSON:API document of a collection, or not complete.
    """
    try:
        _check_text(body)
        # a line of output must not hold a line break; within JSON strings they are always escaped
        body = body.replace(b"\n", b" ").replace(b"\r", b" ")
        try:
            document = _decode_document(body)
        except msgspec.DecodeError:
            body = _HALF_CHARACTER.sub(_whole_character, body)
            document = _decode_document(body)
        decode_cursor = _cursor_decoder(cursor_attribute)
        cursors = [
            bytes(getattr(decode_cursor(resource).attributes, cursor_attribute, _NULL)) for resource in document.data
        ]
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise TransientError("Klaviyo's answer is damaged or incomplete (no JSON:API document in it).") from error
    return Page(
        resources=document.data,
        cursors=cursors,
        next=(document.links.next or None) if document.links else None,
    )
