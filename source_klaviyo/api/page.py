"""JSON:API documents: decoded once into what the sync needs, the rest kept as the bytes Klaviyo sent."""

from __future__ import annotations

import codecs
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from source_klaviyo.api.errors import DamagedAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from source_klaviyo.sync.instants import Instant

T = TypeVar("T")


class Links(msgspec.Struct):
    """The links of a document, of which only the way on is followed."""

    next: str | None = None


class Linked(msgspec.Struct):
    """A document that may have a next page."""

    links: Links | None = None

    @property
    def next_link(self) -> str | None:
        """The address of the next page, None on the last: Klaviyo has been seen to send null, nothing and text."""
        return (self.links.next or None) if self.links else None


class _Document(Linked, kw_only=True):
    data: list[msgspec.Raw]


class _Item(msgspec.Struct):
    data: msgspec.Raw


_PIECE = 1 << 13  # bytes
NULL = msgspec.Raw(b"null")
_preparing = threading.Lock()

RECORD_BYTES = 600
"""Bytes of memory that a record takes in addition to its own: the objects that point to it and its cursor."""

# a whole string, or what JavaScript and Python write for numbers that JSON has no words for
# (a string that does not end goes to the end: to look for its end from each of its quotes would take hours)
_STRING_OR_NO_NUMBER = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|-?Infinity|NaN', re.DOTALL)
# within a string, any escape: a whole surrogate pair, (half of one), or another one; or (a character to be escaped)
_HALF_OR_CONTROL = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)|([\x00-\x1f])",
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


def _repaired(body: bytes) -> bytes:
    """Replace what is not JSON, but what servers are known to send all the same.

    Half of a surrogate pair becomes U+FFFD: JavaScript lets one into a string, no destination takes it. NaN and
    Infinity become null, and control characters within strings are escaped.
    """
    return _STRING_OR_NO_NUMBER.sub(_repaired_token, body)


def _repaired_token(token: re.Match[bytes]) -> bytes:
    return _HALF_OR_CONTROL.sub(_repaired_character, token[0]) if token[0].startswith(b'"') else b"null"


def _repaired_character(found: re.Match[bytes]) -> bytes:
    if found[2]:
        return rb"\u%04x" % ord(found[2])
    return rb"\ufffd" if found[1] else found[0]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a collection.

    Attributes:
        resources: each resource as JSON, as Klaviyo sent it, on one line.
        cursors: each resource's value of the cursor attribute, as JSON; `null` where it is missing.
        next: the URL of the next page, None on the last one.
        reached: until when the slice is complete with this page, if the cursors do not tell.
        dates: as `cursors`, the dates by which resources count as changed, if not by the cursor alone.
        spans: for resources that several instants place, all of them; see `sync/selection.py`, `select_spans`.
        asked_at: when it was requested, in seconds since the epoch, by Klaviyo's clock.
        latency: seconds from the request to the first byte of the response.
        size: approximate bytes that the page takes in memory.
    """

    resources: list[msgspec.Raw]
    cursors: list[bytes] = field(default_factory=list)
    next: str | None = None
    reached: Instant | None = None
    dates: list[bytes] = field(default_factory=list)
    spans: list[list[Instant] | None] = field(default_factory=list)
    asked_at: float = 0.0
    latency: float = 0.0
    size: int = 0

    @property
    def fingerprint(self) -> list[int]:
        """Return a fingerprint that no other page of a slice has: its next link, and its first and last resource."""
        ends = [hash((bytes(self.resources[0]), bytes(self.resources[-1])))] if self.resources else []
        return [*([hash(self.next)] if self.next else []), *ends]


def decode_document(body: bytes, kind: type[T]) -> T:
    """Decode a document, with line breaks and half characters out of the way.

    Args:
        body: the answer's body, decompressed.
        kind: a struct of the parts that are wanted; parts that are `Raw` are safe to be printed on one line.

    Raises:
        DamagedAnswer: it is not such a document, or not complete.
    """
    return _decode(body, kind)[0]


def decode_page(body: bytes, cursor_attribute: str | None) -> Page:
    """Decode the body of a collection.

    Args:
        body: the answer's body, decompressed.
        cursor_attribute: the attribute whose values `cursors` is to hold; None for no cursors.

    Raises:
        DamagedAnswer: it is not the JSON:API document of a collection, or not complete.
    """
    document, body = _decode(body, _Document)
    with decode_errors_as_transient():
        # all resources at once, which takes less time than one by one
        resources = _decoder(_resources(cursor_attribute))(body)
    cursors: list[bytes] = []
    if cursor_attribute is not None:
        cursors = [bytes(getattr(one.attributes, cursor_attribute, NULL)) for one in resources.data]
    return Page(document.data, cursors, document.next_link)


def decode_item(body: bytes) -> Page:
    """Decode the body of a single resource, as a page of one.

    Raises:
        DamagedAnswer: it is not the JSON:API document of a resource, or not complete.
    """
    resource = decode_document(body, _Item).data
    cursors_of([resource], None)
    return Page([resource])


def cursors_of(resources: list[msgspec.Raw], attribute: str | None) -> list[bytes]:
    """Each resource's value of an attribute, as JSON; `null` where it is missing, nothing for no attribute.

    Raises:
        DamagedAnswer: something is no JSON:API resource.
    """
    decode = _decoder(_resource(attribute))
    with decode_errors_as_transient():
        found = [decode(resource) for resource in resources]
    return [bytes(getattr(one.attributes, attribute, NULL)) for one in found] if attribute is not None else []


def _decode(body: bytes, kind: type[T]) -> tuple[T, bytes]:
    """Return the document, and the body that it was decoded from: on one line, with whole characters.

    Raises:
        DamagedAnswer: it is not such a document.
    """
    decode: Callable[[bytes], T] = _decoder(kind)  # type: ignore[arg-type]
    with decode_errors_as_transient():
        _check_text(body)
        try:
            document = decode(body)
        except msgspec.DecodeError:
            body = _repaired(body)
            document = decode(body)
        if b"\n" in body or b"\r" in body:
            # a line of output must not hold a line break; what could be decoded has none within a string
            body = body.replace(b"\n", b" ").replace(b"\r", b" ")
            document = decode(body)
        return document, body


@cache
def _decoder(kind: Hashable) -> Callable[[bytes], Any]:
    # msgspec prepares a struct when it meets it first; another thread that meets it then too ends the process (SIGSEGV)
    with _preparing:
        return msgspec.json.Decoder(kind).decode


@cache
def _resource(attribute: str | None) -> Any:
    """A resource, of which nothing is looked at but an attribute; it has to have an id to be one."""
    wanted = [(attribute, msgspec.Raw, NULL)] if attribute is not None else []
    attributes = msgspec.defstruct("Attributes", wanted, gc=False)
    return msgspec.defstruct("Resource", [("id", msgspec.Raw), ("attributes", attributes | None, None)], gc=False)


@cache
def _resources(attribute: str | None) -> Any:
    return msgspec.defstruct("Document", [("data", list[_resource(attribute)])], gc=False)  # type: ignore[misc]


@contextmanager
def decode_errors_as_transient() -> Iterator[None]:
    """Take what cannot be decoded for damage on the way.

    Raises:
        DamagedAnswer: an answer, or a part of one, is not what it should be.
    """
    try:
        yield
    except (UnicodeError, RecursionError, msgspec.MsgspecError) as error:
        raise DamagedAnswer("Klaviyo's answer is damaged or incomplete (no JSON:API document in it).") from error
