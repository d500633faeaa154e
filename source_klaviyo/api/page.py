"""Decode JSON:API documents once into what the sync needs, and keep the rest as the bytes that Klaviyo sent."""

from __future__ import annotations

import codecs
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from source_klaviyo.api.errors import DamagedResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from source_klaviyo.sync.instants import Instant

T = TypeVar("T")


class Links(msgspec.Struct):
    """The links of a document, of which only the one to the next page is followed."""

    next: str | None = None


class Linked(msgspec.Struct):
    """A document that may have a next page."""

    links: Links | None = None

    @property
    def next_link(self) -> str | None:
        """Return the address of the next page, None on the last: Klaviyo has sent null, nothing and text."""
        return (self.links.next or None) if self.links else None


class _Document(Linked, kw_only=True):
    data: list[msgspec.Raw]


class _Item(msgspec.Struct):
    data: msgspec.Raw


_CHUNK_BYTES = 1 << 13
NULL = msgspec.Raw(b"null")
_prepare_lock = threading.Lock()

RECORD_BYTES = 600
"""Bytes of memory that a record takes in addition to its own: the objects that point to it and its cursor."""

# a whole string, or what JavaScript and Python write for numbers that JSON cannot express
# (an unterminated string goes to the end: searching for its end from each of its quotes would take hours)
_STRING_OR_INVALID_NUMBER = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|-?Infinity|NaN', re.DOTALL)
# within a string, any escape: a whole surrogate pair, (half of one), or another one; or (a character to escape)
_HALF_OR_CONTROL = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)|([\x00-\x1f])",
    re.DOTALL,
)


def _check_text(body: bytes) -> None:
    """Check the characters, since strings within raw parts are not checked anywhere else.

    A chunk at a time: decoding a page as a whole takes many times longer than checking it.

    Raises:
        UnicodeDecodeError: it is no UTF-8.
    """
    if body.isascii():
        return
    decode = codecs.getincrementaldecoder("utf-8")().decode
    for start in range(0, len(body), _CHUNK_BYTES):
        decode(body[start : start + _CHUNK_BYTES])
    decode(b"", final=True)


def _repaired(body: bytes) -> bytes:
    """Replace what is not valid JSON, but is known to be sent by servers.

    Half of a surrogate pair becomes U+FFFD: JavaScript allows one in a string, no destination accepts it. NaN and
    Infinity become null, and control characters within strings are escaped.
    """
    return _STRING_OR_INVALID_NUMBER.sub(_repaired_token, body)


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
        complete_until: until when the slice is complete with this page, if the cursors do not show it.
        dates: as `cursors`, the dates by which resources count as changed, if not by the cursor alone.
        spans: for resources that several instants place, all of them; see `sync/selection.py`, `select_spans`.
        requested_at: when it was requested, in seconds since the epoch, by Klaviyo's clock.
        latency: seconds from the request to the first byte of the response.
        size: approximate bytes that the page takes in memory.
    """

    resources: list[msgspec.Raw]
    cursors: list[bytes] = field(default_factory=list)
    next: str | None = None
    complete_until: Instant | None = None
    dates: list[bytes] = field(default_factory=list)
    spans: list[list[Instant] | None] = field(default_factory=list)
    requested_at: float = 0.0
    latency: float = 0.0
    size: int = 0

    @property
    def fingerprint(self) -> list[int]:
        """Return a fingerprint that no other page of a slice has: its next link, and its first and last resource."""
        ends = [hash((bytes(self.resources[0]), bytes(self.resources[-1])))] if self.resources else []
        return [*([hash(self.next)] if self.next else []), *ends]


def decode_document(body: bytes, kind: type[T]) -> T:
    """Decode a document, without line breaks and half characters.

    Args:
        body: the body of the response, decompressed.
        kind: a type of the wanted parts; `Raw` ones can be printed on one line.

    Raises:
        DamagedResponse: it is not such a document, or not complete.
    """
    return _decode(body, kind)[0]


def decode_page(body: bytes, cursor_attribute: str | None) -> Page:
    """Decode the body of a collection.

    Args:
        body: the body of the response, decompressed.
        cursor_attribute: the attribute whose values become `cursors`; None for no cursors.

    Raises:
        DamagedResponse: it is not the JSON:API document of a collection, or not complete.
    """
    document, body = _decode(body, _Document)
    with decode_errors_as_transient():
        # all resources at once, which is faster than one by one
        resources = _decoder(_resources(cursor_attribute))(body)
    cursors: list[bytes] = []
    if cursor_attribute is not None:
        cursors = [bytes(getattr(one.attributes, cursor_attribute, NULL)) for one in resources.data]
    return Page(document.data, cursors, document.next_link)


def decode_item(body: bytes) -> Page:
    """Decode the body of a single resource, as a page of one.

    Raises:
        DamagedResponse: it is not the JSON:API document of a resource, or not complete.
    """
    resource = decode_document(body, _Item).data
    cursors_of([resource], None)
    return Page([resource])


def cursors_of(resources: list[msgspec.Raw], attribute: str | None) -> list[bytes]:
    """Return each resource's value of an attribute, as JSON; `null` if it is missing, nothing for no attribute.

    Raises:
        DamagedResponse: something is no JSON:API resource.
    """
    decode = _decoder(_resource(attribute))
    with decode_errors_as_transient():
        found = [decode(resource) for resource in resources]
    return [bytes(getattr(one.attributes, attribute, NULL)) for one in found] if attribute is not None else []


def _decode(body: bytes, kind: type[T]) -> tuple[T, bytes]:
    """Return the document, and the body that it was decoded from: on one line, with whole characters.

    Raises:
        DamagedResponse: it is not such a document.
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
            # a line of output must not contain a line break; what could be decoded has none within a string
            body = body.replace(b"\n", b" ").replace(b"\r", b" ")
            document = decode(body)
        return document, body


@cache
def _decoder(kind: Hashable) -> Callable[[bytes], Any]:
    # msgspec prepares a struct at its first use; if two threads do so at once, the process crashes (SIGSEGV)
    with _prepare_lock:
        return msgspec.json.Decoder(kind).decode


@cache
def _resource(attribute: str | None) -> Any:
    """Return the type of a resource, of which only the ID and one attribute are decoded."""
    wanted = [(attribute, msgspec.Raw, NULL)] if attribute is not None else []
    attributes = msgspec.defstruct("Attributes", wanted, gc=False)
    return msgspec.defstruct("Resource", [("id", msgspec.Raw), ("attributes", attributes | None, None)], gc=False)


@cache
def _resources(attribute: str | None) -> Any:
    return msgspec.defstruct("Document", [("data", list[_resource(attribute)])], gc=False)  # type: ignore[misc]


@contextmanager
def decode_errors_as_transient() -> Iterator[None]:
    """Treat a response that cannot be decoded as damaged in transit, and so as a transient error.

    Raises:
        DamagedResponse: a response, or a part of one, cannot be decoded.
    """
    try:
        yield
    except (UnicodeError, RecursionError, msgspec.MsgspecError) as error:
        raise DamagedResponse("Klaviyo's response is damaged or incomplete (no JSON:API document in it).") from error
