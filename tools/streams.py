"""Read the declarations of the streams, for schemas, documentation and tests."""

from __future__ import annotations

import inspect
import re
import sys
from functools import cache

from source_klaviyo.api.client import KlaviyoClient
from source_klaviyo.config import Config
from source_klaviyo.streams import STREAMS, KlaviyoStream
from source_klaviyo.streams.children import Included, OfChanged
from source_klaviyo.streams.detailed import ReadById
from tools.facts.columns import columns
from tools.facts.model import Facts, facts


class _NoParents:
    """A sync in which no parent is read."""

    @staticmethod
    def ids(_: type[KlaviyoStream]) -> list[str]:
        return []


def streams(**settings: object) -> list[KlaviyoStream]:
    """Return all streams, sorted by name; none of them sends a request unless it is read."""
    config, client = Config.parse({"api_key": "none", **settings}, {}), KlaviyoClient("none")
    made: list[KlaviyoStream] = [stream(config, client, _NoParents()) for stream in STREAMS]  # type: ignore[arg-type]
    return sorted(made, key=lambda stream: stream.name)


@cache
def by_name() -> dict[str, KlaviyoStream]:
    """Return each stream, with the default settings, by its name."""
    return {stream.name: stream for stream in streams()}


def collection(stream: KlaviyoStream) -> type[KlaviyoStream] | KlaviyoStream:
    """Return the stream that lists a stream's records: itself, unless they are children of what it lists."""
    return stream.children if isinstance(stream, OfChanged) else stream


def path_of(stream: type[KlaviyoStream] | KlaviyoStream) -> str:
    """Return the path that a stream requests, as the facts write it: ``/api/lists/{id}/profiles``."""
    return f"/api/{re.sub(r'{[^}]+}', '{id}', stream.resource)}"


def facts_of(stream: type[KlaviyoStream] | KlaviyoStream) -> Facts:
    """Return the facts of the revision that a stream was written for."""
    return facts(stream.revision)


def is_built(stream: KlaviyoStream) -> bool:
    """Return whether the connector builds the records, instead of emitting resources of the API."""
    return stream.name in columns("built")


def answering(stream: KlaviyoStream) -> str:
    """Return the path of the operation that returns a stream's records."""
    if isinstance(stream, Included):
        return facts_of(stream).path_of(stream.type)
    path = path_of(collection(stream))
    return f"{path}/{{id}}" if isinstance(stream, ReadById) else path


def requested_fields(stream: KlaviyoStream) -> set[str]:
    """Return the attributes hidden by default that a stream requests."""
    params = {**stream.params, **(stream.detail_params if isinstance(stream, ReadById) else {})}
    return {name for key, value in params.items() if key.startswith("additional-fields") for name in value.split(",")}


def parent_key(stream: KlaviyoStream) -> str | None:
    """Return the top-level field that names the parent of a record; None if records have none."""
    listed = stream.children if isinstance(stream, OfChanged) else stream
    return getattr(listed, "key", None)


def described(stream: KlaviyoStream) -> tuple[str, str]:
    """Return the description of a stream's records, and notes for users: the first line of its docstring."""
    line = (type(stream).__doc__ or "").partition("\n")[0]
    name, _, note = line.partition(". ")
    return name.removesuffix("."), note


def area(stream: KlaviyoStream) -> str:
    """Return the area of Klaviyo that a stream belongs to: the beginning of its module's docstring."""
    return (inspect.getdoc(sys.modules[type(stream).__module__]) or "").partition(":")[0]
