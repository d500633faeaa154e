"""Streams whose records belong to another stream's: requested parent by parent, or included with the parents."""

from __future__ import annotations

from abc import ABC
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from typing_extensions import override

from source_klaviyo.api.errors import NotFound
from source_klaviyo.api.page import Linked, Page, cursors_of, decode_document
from source_klaviyo.api.resource import Identifier, encode, identity, with_members
from source_klaviyo.streams.base import KlaviyoStream, Unfiltered
from source_klaviyo.streams.detailed import Detailed
from source_klaviyo.sync.instants import HOUR
from source_klaviyo.sync.selection import instant_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from source_klaviyo.streams.base import Slice
    from source_klaviyo.sync.state import Partition


VISIBILITY_LAG = 6 * HOUR
"""Members of a new segment show nine minutes after their date (measured), flow actions and messages minutes after."""


class Child(KlaviyoStream, ABC):
    """A collection below each resource of another stream; every parent is a partition with a state of its own.

    All parents are read, since Klaviyo does not document that a child's change moves its parent's date.

    Attributes:
        parent: the stream of the parents.
        key: the name of the parent's ID, in the path, in states and at the top level of records.
    """

    parent: ClassVar[type[KlaviyoStream]]
    key: ClassVar[str]

    @override
    def list_partitions(self, *, resuming: bool) -> list[tuple[Partition, Slice]]:
        return [({self.key: parent}, {self.key: parent}) for parent in self.shared.ids(self.parent)]

    @override
    def listed_at(self) -> float | None:
        return self.shared.listed_at(self.parent)

    @override
    def probe_slice(self) -> Slice:
        """Return the slice of a parent that does not exist: a 404 also shows that the key has access."""
        return {self.key: "0"}

    @override
    def parent_fields(self, stream_slice: Mapping[str, Any]) -> Mapping[str, str]:
        return {self.key: stream_slice[self.key]}


_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


class OfChanged(Detailed, ABC):
    """A collection below each resource of another, requested only if that resource has changed.

    The resources of the collection are read as a stream's are, and windows and states go by their dates. In their place
    come their children, each with its own date as its cursor.

    Attributes:
        children: the children of one resource.
    """

    children: ClassVar[type[Child]]

    @cached_property
    def _below(self) -> Child:
        return self.children(self.config, self.client, self.shared)

    @override
    def transform(self, resource: msgspec.Raw, stream_slice: Mapping[str, Any]) -> msgspec.Raw:
        """Return the children of a resource as an array; an empty one if it has been deleted in the meantime."""
        part = {self.children.key: identity(resource)}
        try:
            pages = self._below.pages(lambda: part)
            return encode([with_members(child, part) for page in pages for child in page.resources])
        except NotFound:
            return encode([])

    @override
    def transform_page(
        self, resources: Sequence[msgspec.Raw], cursors: Sequence[bytes], stream_slice: Mapping[str, Any]
    ) -> Iterable[tuple[msgspec.Raw | None, bytes]]:
        """Return the children of some resources, each with its own cursor."""
        arrays = self.transform_all(resources, stream_slice)
        found = [child for array in arrays if array is not None for child in _decode_array(array)]
        return zip(found, cursors_of(found, self.cursor_attribute), strict=True)


class Members(Child, ABC):
    """The profiles of a list or segment, and when they joined.

    Klaviyo reports who joined, never who left: that shows in a full refresh.
    """

    cursor_attribute = "joined_group_at"
    visibility_lag = VISIBILITY_LAG
    page_size = 100
    fallback_page_size = 20
    params = {"fields[profile]": "joined_group_at"}

    @override
    def transform(self, resource: msgspec.Raw, stream_slice: Mapping[str, Any]) -> msgspec.Raw:
        """Return the pair of IDs; all else about a profile is in the stream profiles."""
        return encode({"profile_id": identity(resource)})


class _Related(msgspec.Struct):
    data: list[Identifier] | Identifier | None = None


_decode_identifier = msgspec.json.Decoder(Identifier).decode
_decode_related = msgspec.json.Decoder(_Related | None).decode


class _Parent(msgspec.Struct):
    id: str
    attributes: dict[str, msgspec.Raw] | None = None
    relationships: dict[str, msgspec.Raw] | None = None


class _Document(Linked, kw_only=True):
    data: list[_Parent]
    included: tuple[msgspec.Raw, ...] = ()


class Included(Unfiltered, ABC):
    """Resources without a collection of their own, which are included in their parents' pages, hundreds at a time.

    Each sync reads all parents, since Klaviyo does not document that a child's change moves its parent's date. A
    parent may change partition while we page, and its children's dates do not move. So children of a changed parent
    count as changed.

    Attributes:
        type: the resources' type.
        relationship: the parents' name for them.
        key: the name of the parent's ID at the top level of records.
        parent_date: the attribute that says when a parent changed; None if its name is that of the children's cursor.
    """

    may_return_empty_pages = True
    parent_date: ClassVar[str | None] = None
    type: ClassVar[str]
    relationship: ClassVar[str]
    key: ClassVar[str]

    @override
    def decode(self, body: bytes) -> Page:
        """Decode the included resources, each with its parent's ID."""
        document = decode_document(body, _Document)
        parents = {child: parent for parent in document.data for child in self._children(parent)}
        found = [(resource, _decode_identifier(resource)) for resource in document.included]
        pairs = [(resource, parents.get(child.id)) for resource, child in found if child.type == self.type]
        resources = [with_members(resource, {self.key: parent and parent.id}) for resource, parent in pairs]
        cursors = cursors_of(resources, self.cursor_attribute)
        dates = [self._later(cursor, parent) for cursor, (_, parent) in zip(cursors, pairs, strict=False)]
        return Page(resources, cursors, document.next_link, dates=dates)

    def _later(self, cursor: bytes, parent: _Parent | None) -> bytes:
        """Return a child's date, or its parent's if that is later."""
        name = self.parent_date or self.cursor_attribute or ""
        of_parent = (parent.attributes or {}).get(name) if parent else None
        dates = [cursor, *([bytes(of_parent)] if of_parent else [])]
        return max(dates, key=lambda date: instant_of(date) or 0) if instant_of(cursor) is not None else cursor

    def _children(self, parent: _Parent) -> list[str]:
        raw = (parent.relationships or {}).get(self.relationship)
        related = _decode_related(raw) if raw else None
        data = related.data if related else None
        return [child.id for child in (data if isinstance(data, list) else [data]) if child]
