"""Numbers of whole days, requested with POST (which only reads): what all of Klaviyo's reports have in common."""

from __future__ import annotations

import datetime as dt
import json
from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from typing_extensions import override

from source_klaviyo.api.errors import InvalidCursor
from source_klaviyo.api.page import Page
from source_klaviyo.api.request import Request
from source_klaviyo.streams.base import KlaviyoStream
from source_klaviyo.sync.instants import DAY, SECOND, floor, for_filter, parse_instant, steps

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from source_klaviyo.sync.instants import Instant, Span

ENDED = 3600
"""Seconds for which a day has to be over before it is requested."""

Row = tuple[msgspec.Raw, str]
"""A record and its date."""


class Periods(KlaviyoStream, ABC):
    """Numbers about whole days that are over; one request, and one checkpoint, for each period of some days.

    Attributes:
        longest: the most days that one request may be about.
    """

    cursor_attribute = "date"
    lower_bound_operator = None
    supports_upper_bound = False
    supports_sort = False
    longest: ClassVar[int]

    @property
    @override
    def is_resumable(self) -> bool:
        """Return True: each response is a checkpoint."""
        return True

    @property
    def type(self) -> str:
        """Return the type of the request."""
        return self.resource.removesuffix("s")

    @abstractmethod
    def request_attributes(self, stream_slice: Mapping[str, Any], start: Instant, end: Instant) -> dict[str, Any]:
        """Return the attributes of the request for the days in `[start, end)`."""

    @abstractmethod
    def rows(
        self, body: bytes, stream_slice: Mapping[str, Any], start: Instant, end: Instant
    ) -> tuple[list[Row], str | None]:
        """Return the records of a response, each with its date, and the URL of the next page if there is one."""

    @override
    def read_pages(self, stream_slice: Mapping[str, Any]) -> Iterator[Page]:
        """Yield a page for each period that is over.

        Raises:
            KlaviyoError: the request failed for good.
        """
        # connectors before 3.0 left states at the last second of a day, which is read
        start, end = floor(stream_slice["start"] + SECOND, DAY), self.last_midnight()
        for period in self.periods(stream_slice, start, end):
            yield self._read_period(stream_slice, *period)

    @override
    def resume_from(self, position: Instant) -> Instant:
        """Return where to resume: days that settle are read again once a day, not in every sync."""
        return position if position >= self.last_midnight() else super().resume_from(position)

    def periods(self, stream_slice: Mapping[str, Any], start: Instant, end: Instant) -> Iterator[Span]:
        """Yield the days in `[start, end)`, divided into requests."""
        return chunks(start, end, self.longest * DAY)

    def last_midnight(self) -> Instant:
        """Return the end of the last day that is over in the account's time zone, as if the time zone were UTC."""
        timezone = self.shared.timezone()  # before the clock is read, since the response sets it
        now = dt.datetime.fromtimestamp(self.client.certain_now() - ENDED, dt.UTC)
        days = (now.date(), now.astimezone(timezone).date())
        return parse_instant(min(days).isoformat())

    def with_page_cursor(self, attributes: dict[str, Any], address: str | None) -> dict[str, Any]:
        """Return the attributes of the request for the next page, given its address."""
        return attributes

    def _read_period(self, stream_slice: Mapping[str, Any], start: Instant, end: Instant) -> Page:
        attributes = self.request_attributes(stream_slice, start, end)
        address: str | None = f"/api/{self.path()}"
        rows: list[Row] = []
        pages: list[Page] = []
        seen: set[str | None] = set()
        while address:
            seen.add(address)
            body = {"data": {"type": self.type, "attributes": attributes}}
            decode = partial(self._decode, rows, stream_slice, start, end)
            pages.append(self.client.get(Request(address, None, self.limits, decode, body=body)))
            if pages[-1].next in seen:
                raise InvalidCursor("Klaviyo answers with the same page again and again.")
            address = pages[-1].next
            attributes = self.with_page_cursor(attributes, address)
        return Page(
            [record for record, _ in rows],
            [json.dumps(date).encode() for _, date in rows],
            complete_until=end,
            requested_at=pages[0].requested_at,
            latency=pages[0].latency,
        )

    def _decode(
        self, rows: list[Row], stream_slice: Mapping[str, Any], start: Instant, end: Instant, body: bytes
    ) -> Page:
        found, following = self.rows(body, stream_slice, start, end)
        rows += found
        return Page([], next=following)


def chunks(start: Instant, end: Instant, longest: int) -> Iterator[Span]:
    """Yield the time in periods of at most `longest` microseconds."""
    for begin in steps(start, end, longest):
        yield begin, min(begin + longest, end)


def within(date: str, start: Instant, end: Instant) -> bool:
    """Return whether a date lies in the requested period: Klaviyo adds intervals at its edges, with partial numbers."""
    try:
        return start <= parse_instant(date) < end
    except ValueError:
        return True  # no date that could be outside


def iso(instant: Instant) -> str:
    """Write an instant as Klaviyo writes the dates of reports."""
    return f"{for_filter(instant)[:-1]}+00:00"
