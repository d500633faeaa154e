"""Klaviyo's reports: numbers of whole days, asked for with POST (which only reads), at most 225 a day of each kind."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import asdict
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

import msgspec

from source_klaviyo.api.budget import REPORT, S
from source_klaviyo.api.errors import BadRequest, InvalidCursor
from source_klaviyo.api.page import Linked, Page, decode_document
from source_klaviyo.api.resource import encode
from source_klaviyo.streams.base import KlaviyoStream
from source_klaviyo.streams.metrics import Metrics
from source_klaviyo.sync.instants import DAY, SECOND, for_filter, parse_instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from source_klaviyo.config import Aggregate
    from source_klaviyo.streams.base import Slice
    from source_klaviyo.sync.instants import Instant
    from source_klaviyo.sync.state import Partition

ENDED = 3600
"""Seconds for which a day has to be over before it is asked for."""
WEEK = 7 * DAY
NO_VALUES = "does not support querying for values data"
"""What Klaviyo says of a metric that no report can be made of."""

MESSAGE_STATISTICS = (
    *("average_order_value", "bounce_rate", "bounced", "bounced_or_failed", "bounced_or_failed_rate", "click_rate"),
    *("click_to_open_rate", "clicks", "clicks_unique", "conversion_rate", "conversion_uniques", "conversion_value"),
    *("conversions", "delivered", "delivery_rate", "failed", "failed_rate", "message_segment_count_sum", "open_rate"),
    *("opens", "opens_unique", "recipients", "revenue_per_recipient", "spam_complaint_rate", "spam_complaints"),
    *("text_message_credit_usage_amount", "text_message_roi", "text_message_spend", "unsubscribe_rate"),
    *("unsubscribe_uniques", "unsubscribes"),
)
FORM_STATISTICS = (
    *("closed_form", "closed_form_uniques", "qualified_form", "qualified_form_uniques", "submit_rate", "submits"),
    *("submitted_form_step", "submitted_form_step_uniques", "viewed_form", "viewed_form_step"),
    *("viewed_form_step_uniques", "viewed_form_uniques"),
)
SEGMENT_STATISTICS = ("members_added", "members_removed", "net_members_changed", "total_members")

Period = tuple["Instant", "Instant"]
"""The first midnight, and the one that ends the last day."""
Row = tuple[msgspec.Raw, str]
"""A record and its date."""


class _Periods(KlaviyoStream, ABC):
    """Numbers about whole days that are over; one question, and one checkpoint, for each period of some days.

    Attributes:
        longest: the most days that one question may be about.
    """

    cursor_attribute = "date"
    lower = None
    upper = False
    sortable = False
    longest: ClassVar[int]

    @property
    def type(self) -> str:
        """The type of the question."""
        return self.resource.removesuffix("s")

    @abstractmethod
    def question(self, stream_slice: Mapping[str, Any], start: Instant, end: Instant) -> dict[str, Any]:
        """The attributes to ask with for the days in `[start, end)`."""

    @abstractmethod
    def rows(
        self, body: bytes, stream_slice: Mapping[str, Any], start: Instant, end: Instant
    ) -> tuple[list[Row], str | None]:
        """The records of an answer, each with its date, and its links."""

    def read_pages(self, stream_slice: Mapping[str, Any]) -> Iterator[Page]:
        """The answers about each period that is over, one after the other.

        Raises:
            KlaviyoError: what no further try would mend.
        """
        # connectors before 3.0 left states at the last second of a day, which is read
        start, end = _midnight(parse_instant(stream_slice["start"]) + SECOND), self.last_midnight()
        for period in self.periods(stream_slice, start, end):
            yield self._answer(stream_slice, *period)

    def periods(
        self, stream_slice: Mapping[str, Any], start: Instant, end: Instant
    ) -> Iterator[tuple[Instant, Instant]]:
        """The days in `[start, end)`, cut into questions."""
        return _chunks(start, end, self.longest * DAY)

    def last_midnight(self) -> Instant:
        """When the last day ended that is over in the account's time zone (dates are told as if it were UTC)."""
        timezone = self.shared.timezone()  # before the clock is read: the answer sets it
        now = dt.datetime.fromtimestamp(self.client.now() - ENDED, dt.timezone.utc)
        days = (now.date(), now.astimezone(timezone).date())
        return parse_instant(min(days).isoformat())

    def continued(self, attributes: dict[str, Any], address: str | None) -> dict[str, Any]:
        """What to ask the next page with, besides its address."""
        return attributes

    def _answer(self, stream_slice: Mapping[str, Any], start: Instant, end: Instant) -> Page:
        attributes = self.question(stream_slice, start, end)
        address: str | None = f"/api/{self.path()}"
        rows: list[Row] = []
        pages: list[Page] = []
        while address:
            body = {"data": {"type": self.type, "attributes": attributes}}
            decode = partial(self._decode, rows, stream_slice, start, end)
            pages.append(self.client.get(address, None, self.limits, decode, body))
            if address == pages[-1].next:
                raise InvalidCursor("Klaviyo answers with the same page again and again.")
            address = pages[-1].next
            attributes = self.continued(attributes, address)
        return Page(
            [record for record, _ in rows],
            [json.dumps(date).encode() for _, date in rows],
            reached=end,
            asked_at=pages[0].asked_at,
            latency=pages[0].latency,
        )

    def _decode(
        self, rows: list[Row], stream_slice: Mapping[str, Any], start: Instant, end: Instant, body: bytes
    ) -> Page:
        found, following = self.rows(body, stream_slice, start, end)
        rows += found
        return Page([], next=following)


def _midnight(instant: Instant) -> Instant:
    return instant - instant % DAY


def _chunks(start: Instant, end: Instant, longest: int) -> Iterator[Period]:
    for begin in range(start, end, longest):
        yield begin, min(begin + longest, end)


class _Result(msgspec.Struct):
    groupings: dict[str, msgspec.Raw]
    statistics: dict[str, msgspec.Raw]


class _Results(msgspec.Struct):
    results: tuple[_Result, ...] = ()
    date_times: tuple[str, ...] = ()


class _Data(msgspec.Struct):
    attributes: _Results


class _Report(Linked, kw_only=True):
    data: _Data


class Report(_Periods, ABC):
    """A report on messages, forms or segments.

    Attributes:
        statistics: what is asked for.
        by_metric: whether it is about conversions, which makes each conversion metric a partition.
    """

    tier = REPORT
    statistics: ClassVar[tuple[str, ...]]
    by_metric: ClassVar[bool] = True

    def parts(self, *, resuming: bool) -> list[tuple[Partition, Slice]]:
        """One part for each conversion metric: those of the setting metric_ids, or all."""
        if not self.by_metric:
            return [({}, {})]
        ids = self.config.metric_ids or self.shared.ids(Metrics)
        return [({"metric_id": one, "parent_slice": {}}, {"metric_id": one}) for one in ids]

    def read_pages(self, stream_slice: Mapping[str, Any]) -> Iterator[Page]:
        """The answers, of a metric that has values.

        Raises:
            KlaviyoError: what no further try would mend.
        """
        try:
            yield from super().read_pages(stream_slice)
        except BadRequest as refusal:
            if NO_VALUES not in str(refusal):
                raise
            self.logger.info(
                "Stream %s has nothing on metric %s: it has no values.", self.name, stream_slice["metric_id"]
            )
            yield Page([], reached=self.last_midnight())

    def question(self, stream_slice: Mapping[str, Any], start: Instant, end: Instant) -> dict[str, Any]:
        """Statistics and time, and the conversion metric where there is one."""
        asked = {"statistics": self.statistics, "timeframe": {"start": _iso(start), "end": _iso(end - SECOND)}}
        return asked | ({"conversion_metric_id": stream_slice["metric_id"]} if self.by_metric else {})

    def rows(
        self, body: bytes, stream_slice: Mapping[str, Any], start: Instant, end: Instant
    ) -> tuple[list[Row], str | None]:
        """One record for each group (and day)."""
        report = decode_document(body, _Report)
        metric = {"conversion_metric_id": stream_slice["metric_id"]} if self.by_metric else {}
        rows = [
            (encode({"groupings": one.groupings, **record, **one.groupings, **metric}), date)
            for one in report.data.attributes.results
            for record, date in self.records(one.statistics, report.data.attributes.date_times, start, end)
        ]
        return rows, report.following

    @abstractmethod
    def records(
        self, statistics: Mapping[str, msgspec.Raw], dates: Sequence[str], start: Instant, end: Instant
    ) -> Iterable[tuple[dict[str, Any], str]]:
        """What the numbers of a group become, each with its date."""


class Values(Report, ABC):
    """Totals of a period: up to 30 days at first, then of the days since the last sync.

    As in Airbyte's connector `date` is the midnight that closes the period; `period_start` is our addition.
    """

    longest = 30

    def records(
        self, statistics: Mapping[str, msgspec.Raw], dates: Sequence[str], start: Instant, end: Instant
    ) -> Iterable[tuple[dict[str, Any], str]]:
        """One record."""
        yield {"statistics": statistics, "period_start": _iso(start)}, _iso(end)


class Series(Report, ABC):
    """Numbers of each day. They settle for days, so the last ones are read again: reporting_lookback_window."""

    longest = 60

    @property
    def lookback(self) -> int:
        """The setting reporting_lookback_window."""
        return self.config.reporting_lookback

    def question(self, stream_slice: Mapping[str, Any], start: Instant, end: Instant) -> dict[str, Any]:
        """Day by day."""
        return super().question(stream_slice, start, end) | {"interval": "daily"}

    def records(
        self, statistics: Mapping[str, msgspec.Raw], dates: Sequence[str], start: Instant, end: Instant
    ) -> Iterable[tuple[dict[str, Any], str]]:
        """One record for each day; null where Klaviyo has no number for it."""
        series = {
            name: msgspec.json.decode(values, type=list[msgspec.Raw] | None) for name, values in statistics.items()
        }
        for place, date in enumerate(dates):
            of_day = {
                name: values[place] if values and place < len(values) else None for name, values in series.items()
            }
            yield {"statistics": of_day}, date


def _key(*groupings: str, by_metric: bool = True) -> list[str]:
    return ["date", *groupings, *(["conversion_metric_id"] if by_metric else [])]


class CampaignValuesReports(Values):
    """POST /campaign-values-reports."""

    resource = "campaign-values-reports"
    scope = "campaigns:read metrics:read"
    statistics = MESSAGE_STATISTICS
    primary_key = _key("campaign_id", "campaign_message_id", "send_channel")


class FlowValuesReports(Values):
    """POST /flow-values-reports."""

    resource = "flow-values-reports"
    scope = "flows:read metrics:read"
    statistics = MESSAGE_STATISTICS
    primary_key = _key("flow_id", "flow_message_id", "send_channel")


class FlowSeriesReports(Series):
    """POST /flow-series-reports."""

    resource = "flow-series-reports"
    scope = "flows:read metrics:read"
    statistics = MESSAGE_STATISTICS
    primary_key = _key("flow_id", "flow_message_id", "send_channel")


class FormValuesReports(Values):
    """POST /form-values-reports."""

    resource = "form-values-reports"
    scope = "forms:read"
    statistics = FORM_STATISTICS
    by_metric = False
    primary_key = _key("form_id", by_metric=False)


class FormSeriesReports(Series):
    """POST /form-series-reports."""

    resource = "form-series-reports"
    scope = "forms:read"
    statistics = FORM_STATISTICS
    by_metric = False
    primary_key = _key("form_id", by_metric=False)


class _SegmentReport(Report, ABC):
    scope = "segments:read"
    statistics = SEGMENT_STATISTICS
    by_metric = False
    primary_key = _key("segment_id", by_metric=False)

    def earliest(self) -> Instant:
        """Klaviyo has no numbers of segments before June 2023."""
        return max(super().earliest(), parse_instant("2023-06-01"))


class SegmentValuesReports(_SegmentReport, Values):
    """POST /segment-values-reports."""

    resource = "segment-values-reports"


class SegmentSeriesReports(_SegmentReport, Series):
    """POST /segment-series-reports."""

    resource = "segment-series-reports"


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


class MetricAggregates(_Periods):
    """POST /metric-aggregates: counts and sums of events, as the setting metric_aggregates defines them.

    By the time of the events and in UTC, other than reports, which go by the time of sending.
    """

    resource = "metric-aggregates"
    tier = S
    scope = "metrics:read"

    longest = 30

    @property
    def lookback(self) -> int:
        """The setting reporting_lookback_window."""
        return self.config.reporting_lookback

    def parts(self, *, resuming: bool) -> list[tuple[Partition, Slice]]:
        """One part for each definition; one that is changed is another part, and begins anew."""
        return [
            ({"aggregate": json.dumps(asdict(one), sort_keys=True)}, {"aggregate": one})
            for one in self.config.metric_aggregates
        ]

    def periods(
        self, stream_slice: Mapping[str, Any], start: Instant, end: Instant
    ) -> Iterator[tuple[Instant, Instant]]:
        """Whole hours, days, weeks (from Monday) or months only."""
        interval = stream_slice["aggregate"].interval
        if interval == "month":
            return pairwise(_months(start, end))
        if interval == "week":
            return _chunks(_monday(start), _monday(end), 26 * WEEK)
        return super().periods(stream_slice, start, end)

    def last_midnight(self) -> Instant:
        """When the last day ended, in UTC."""
        self.shared.timezone()  # it is Klaviyo's clock that counts, which an answer tells
        return _midnight(int((self.client.now() - ENDED) * SECOND))

    def question(self, stream_slice: Mapping[str, Any], start: Instant, end: Instant) -> dict[str, Any]:
        """What the definition says, and the time."""
        one: Aggregate = stream_slice["aggregate"]
        bounds = [f"greater-or-equal(datetime,{_iso(start)[:19]})", f"less-than(datetime,{_iso(end)[:19]})"]
        asked = {"metric_id": one.metric_id, "measurements": one.measurements, "interval": one.interval}
        return asked | {"filter": [*bounds, *one.filter], "timezone": "UTC"} | ({"by": one.by} if one.by else {})

    def continued(self, attributes: dict[str, Any], address: str | None) -> dict[str, Any]:
        """The page cursor belongs into the body here, and comes with the address."""
        query = dict(parse_qsl(urlsplit(address or "").query))
        return attributes | ({"page_cursor": query["page_cursor"]} if "page_cursor" in query else {})

    def rows(
        self, body: bytes, stream_slice: Mapping[str, Any], start: Instant, end: Instant
    ) -> tuple[list[Row], str | None]:
        """One record for each group and interval."""
        one: Aggregate = stream_slice["aggregate"]
        answer = decode_document(body, _Aggregates)
        return [
            (encode(self._record(one, date, place, row)), date)
            for row in answer.data.attributes.data
            for place, date in enumerate(answer.data.attributes.dates)
        ], answer.following

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
    """The beginning of the week; the first day of all was a Thursday."""
    return instant - (instant + 3 * DAY) % WEEK


def _month(instant: Instant) -> Instant:
    return parse_instant(f"{for_filter(instant)[:7]}-01")


def _months(start: Instant, end: Instant) -> Iterator[Instant]:
    """The first days of the months from that of `start` to that of `end`."""
    first = _month(start)
    while first <= end:
        yield first
        first = _month(first + 32 * DAY)


def _iso(instant: Instant) -> str:
    """As Klaviyo writes the dates of reports."""
    return f"{for_filter(instant)[:-1]}+00:00"
