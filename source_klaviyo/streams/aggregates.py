"""Events and metrics: counts and sums of events, as the user defines them."""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
from msgspec.structs import asdict
from typing_extensions import override

from source_klaviyo.api.budget import S
from source_klaviyo.api.page import Linked, decode_document
from source_klaviyo.api.resource import encode
from source_klaviyo.streams.periods import ENDED, Periods, Row, chunks, iso, within
from source_klaviyo.sync.instants import DAY, floor, for_filter, from_seconds, parse_instant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from source_klaviyo.config import Aggregate
    from source_klaviyo.streams.base import Slice
    from source_klaviyo.sync.instants import Instant, Span
    from source_klaviyo.sync.state import Partition

WEEK = 7 * DAY


class _Row(msgspec.Struct):
    dimensions: list[msgspec.Raw]
    measurements: dict[str, list[msgspec.Raw]]


class _Rows(msgspec.Struct):
    dates: list[str]
    data: list[_Row]


class _Aggregated(msgspec.Struct):
    attributes: _Rows


class _Aggregates(Linked, kw_only=True):
    data: _Aggregated


class MetricAggregates(Periods):
    """Metric aggregate. What the setting `metric_aggregates` defines; nothing without it.

    By the time of the events and in UTC, unlike reports, which go by the time of sending.
    """

    resource = "metric-aggregates"
    tier = S
    scope = "metrics:read"

    longest = 30
    param_to_setting = dict.fromkeys(
        ("metric_id", "measurements", "interval", "attributes/by", "filter"), "metric_aggregates"
    )

    @property
    @override
    def lookback(self) -> int:
        """Return the setting reporting_lookback_window."""
        return self.config.reporting_lookback

    @override
    def list_partitions(self, *, resuming: bool) -> list[tuple[Partition, Slice]]:
        """Return a partition for each definition; a changed definition is another partition, read from the start."""
        return [
            ({"aggregate": json.dumps(asdict(one), sort_keys=True)}, {"aggregate": one})
            for one in self.config.metric_aggregates
        ]

    @override
    def periods(self, stream_slice: Mapping[str, Any], start: Instant, end: Instant) -> Iterator[Span]:
        """Yield whole hours, days, weeks (from Monday) or months only."""
        interval = stream_slice["aggregate"].interval
        if interval == "month":
            return pairwise(_months(start, end))
        if interval == "week":
            return chunks(_monday(start), _monday(end), 26 * WEEK)
        return super().periods(stream_slice, start, end)

    @override
    def last_midnight(self) -> Instant:
        """Return the end of the last day, in UTC."""
        self.shared.learn_clock()
        return floor(from_seconds(self.client.certain_now() - ENDED), DAY)

    @override
    def request_attributes(self, stream_slice: Mapping[str, Any], start: Instant, end: Instant) -> dict[str, Any]:
        """Return the attributes of the request for a definition and a period."""
        one: Aggregate = stream_slice["aggregate"]
        bounds = [f"greater-or-equal(datetime,{iso(start)[:19]})", f"less-than(datetime,{iso(end)[:19]})"]
        attributes = {"metric_id": one.metric_id, "measurements": one.measurements, "interval": one.interval}
        return attributes | {"filter": [*bounds, *one.filter], "timezone": "UTC"} | ({"by": one.by} if one.by else {})

    @override
    def with_page_cursor(self, attributes: dict[str, Any], address: str | None) -> dict[str, Any]:
        """Put the page cursor of the next address into the attributes, where this endpoint expects it."""
        query = dict(parse_qsl(urlsplit(address or "").query))
        return attributes | ({"page_cursor": query["page_cursor"]} if "page_cursor" in query else {})

    @override
    def rows(
        self, body: bytes, stream_slice: Mapping[str, Any], start: Instant, end: Instant
    ) -> tuple[list[Row], str | None]:
        """Return a record for each group and interval."""
        one: Aggregate = stream_slice["aggregate"]
        document = decode_document(body, _Aggregates)
        return [
            (encode(self._record(one, date, place, row)), date)
            for row in document.data.attributes.data
            for place, date in enumerate(document.data.attributes.dates)
            if within(date, start, end)
        ], document.next_link

    @staticmethod
    def _record(one: Aggregate, date: str, place: int, row: _Row) -> dict[str, Any]:
        dimensions = dict(zip(one.by, row.dimensions, strict=False))
        identity = encode([asdict(one), date, row.dimensions])
        return {
            "id": hashlib.sha256(identity).hexdigest()[:32],
            "name": one.name,
            "metric_id": one.metric_id,
            "interval": one.interval,
            "dimensions": dimensions,
            "measurements": {
                name: values[place] if place < len(values) else None for name, values in row.measurements.items()
            },
        }


def _monday(instant: Instant) -> Instant:
    """Return the beginning of the week; the epoch was a Thursday."""
    return instant - (instant + 3 * DAY) % WEEK


def _month(instant: Instant) -> Instant:
    return parse_instant(f"{for_filter(instant)[:7]}-01")


def _months(start: Instant, end: Instant) -> Iterator[Instant]:
    """Return the first days of the months from that of `start` to that of `end`."""
    first = _month(start)
    while first <= end:
        yield first
        first = _month(first + 32 * DAY)
