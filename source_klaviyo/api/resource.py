"""JSON:API resources as bytes: read parts of them, and change one part while every other byte stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

Members = dict[str, msgspec.Raw]
"""The members of a JSON object in their order, each still as JSON."""

_decode_members = msgspec.json.Decoder(Members | None).decode


class Identifier(msgspec.Struct, frozen=True, gc=False):
    """A JSON:API resource identifier."""

    id: str
    type: str = ""


class _Identified(msgspec.Struct, gc=False):
    id: str


_decode_identified = msgspec.json.Decoder(_Identified).decode


def members(value: msgspec.Raw | bytes) -> Members:
    """Return the members of an object; none if the value is null.

    Raises:
        msgspec.ValidationError: the value is no object.
    """
    return _decode_members(value) or {}


def identity(resource: msgspec.Raw | bytes) -> str:
    """Return the ID of a resource.

    Raises:
        msgspec.ValidationError: it has none.
    """
    return _decode_identified(resource).id


def encode(value: object) -> msgspec.Raw:
    """Return a value as JSON."""
    return msgspec.Raw(msgspec.json.encode(value))


def with_members(resource: msgspec.Raw | bytes, more: Mapping[str, Any]) -> msgspec.Raw:
    """Return a resource with further members at its end."""
    if not more:
        return msgspec.Raw(resource)
    return msgspec.Raw(bytes(resource)[:-1] + b"," + msgspec.json.encode(dict(more))[1:])
