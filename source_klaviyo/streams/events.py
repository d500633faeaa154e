"""Events and metrics: what happened."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
from typing_extensions import override

from source_klaviyo.api.budget import XL
from source_klaviyo.api.page import NULL, Linked, Page, cursors_of, decode_document
from source_klaviyo.api.resource import encode, members
from source_klaviyo.streams.base import KlaviyoStream, Slice
from source_klaviyo.sync.instants import SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping

    from source_klaviyo.sync.state import Partition


class Events(KlaviyoStream):
    """Event. Holds the IDs of profile, metric and attributions.

    The IDs of metric and attributions need the scope of the metrics.
    """

    resource = "events"
    tier = XL
    scope = "events:read"
    cursor_attribute = "datetime"
    future_dated = True
    # events do not move: those of a short read's own time are left to the next sync
    catch_up_after = 60 * SECOND
    # the document says 1000 at the parameter and 200 in the prose
    page_size = 1000
    fallback_page_size = 200
    # relationships hold ids only of what is included; the least of a metric is its name
    params = {"include": "metric,attributions", "fields[metric]": "name"}
    param_to_setting = {"metric_id": "event_metric_ids"}

    @property
    @override
    def lookback(self) -> int:
        """Return the setting lookback_window: events may appear long after their time."""
        return self.config.lookback

    @property
    @override
    def recheck_span(self) -> int:
        """Return the setting late_events_window."""
        return self.config.late_events

    @cached_property
    @override
    def ids_only(self) -> KlaviyoStream:
        """Return the variant of the stream that requests only IDs and dates."""
        return EventTimes(self.config, self.client, self.shared)

    @override
    def list_partitions(self, *, resuming: bool) -> list[tuple[Partition, Slice]]:
        """Return one partition for all events, or one for each metric of the setting event_metric_ids."""
        ids = self.config.event_metric_ids
        return [({"event_metric_id": one}, {"event_metric_id": one}) for one in ids] or [({}, {})]

    @override
    def conditions(self, stream_slice: Mapping[str, Any]) -> list[str]:
        """Return the conditions for the metric and the window."""
        metric = stream_slice.get("event_metric_id")
        return [*([f'equals(metric_id,"{metric}")'] if metric else []), *super().conditions(stream_slice)]


class EventTimes(Events):
    """Events without their properties, to see whether there are more than before."""

    is_selectable = False
    params = {"fields[event]": "datetime"}


class _Included(msgspec.Struct, gc=False):
    type: str
    id: str
    attributes: msgspec.Raw = NULL
    relationships: msgspec.Raw = NULL


class _Document(Linked, kw_only=True):
    data: list[msgspec.Raw]
    included: tuple[_Included, ...] = ()


class _Reference(msgspec.Struct, gc=False):
    type: str
    id: str


_decode_references = msgspec.json.Decoder(list[_Reference] | _Reference | None).decode


class EventsDetailed(Events):
    """Event. The metric's name and the attributions are merged into the relationships."""

    @override
    def decode(self, body: bytes) -> Page:
        """Decode the events, with the included resources in place of their identifiers."""
        document = decode_document(body, _Document)
        included = {(one.type, one.id): self._merged(one) for one in document.included}
        resources = [self._detailed(resource, included) for resource in document.data]
        return Page(resources, cursors_of(resources, self.cursor_attribute), document.next_link)

    @staticmethod
    def _merged(one: _Included) -> msgspec.Raw:
        relationships = {"relationships": one.relationships} if members(one.relationships) else {}
        return encode({"type": one.type, "id": one.id} | members(one.attributes) | relationships)

    @staticmethod
    def _detailed(resource: msgspec.Raw, included: Mapping[tuple[str, str], msgspec.Raw]) -> msgspec.Raw:
        parts = members(resource)
        relationships = members(parts.get("relationships", b"null"))
        for name, relationship in relationships.items():
            related = members(relationship)
            data = _decode_references(related.get("data", b"null"))
            if data is None:
                continue
            merged = [
                included.get((one.type, one.id)) or encode(one) for one in (data if isinstance(data, list) else [data])
            ]
            related["data"] = encode(merged) if isinstance(data, list) else merged[0]
            relationships[name] = encode(related)
        parts["relationships"] = encode(relationships)
        return encode(parts)
