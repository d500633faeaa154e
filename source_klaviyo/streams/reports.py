"""Reports: on messages, forms and segments, at most 225 requests a day of each kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from typing_extensions import override

from source_klaviyo.api.budget import REPORT
from source_klaviyo.api.errors import BadRequest, UnknownMetric
from source_klaviyo.api.page import NULL, Linked, Page, decode_document
from source_klaviyo.api.resource import encode
from source_klaviyo.streams.metrics import Metrics
from source_klaviyo.streams.periods import Periods, Row, iso, within
from source_klaviyo.sync.instants import SECOND, parse_instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from source_klaviyo.streams.base import Slice
    from source_klaviyo.sync.instants import Instant
    from source_klaviyo.sync.state import Partition

NO_VALUES = "does not support querying for values data"
"""Klaviyo's error for a metric without a value if value statistics are requested."""
VALUE_STATISTICS = (
    frozenset({"average_order_value", "conversion_value", "revenue_per_recipient"}),
    frozenset({"text_message_roi"}),
)
"""Statistics left out for such a metric, and further ones if Klaviyo still rejects it (seen in production)."""

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


class _Result(msgspec.Struct):
    groupings: dict[str, msgspec.Raw]
    statistics: dict[str, msgspec.Raw]


class _Results(msgspec.Struct):
    results: tuple[_Result, ...] | None = None
    date_times: tuple[str, ...] | None = None


class _Data(msgspec.Struct):
    attributes: _Results


class _Report(Linked, kw_only=True):
    data: _Data


class Report(Periods, ABC):
    """A report on messages, forms or segments.

    Attributes:
        statistics: the statistics to request.
        by_metric: whether it is about conversions, which makes each conversion metric a partition.
    """

    tier = REPORT
    statistics: ClassVar[tuple[str, ...]]
    by_metric: ClassVar[bool] = True
    param_to_setting = {"conversion_metric_id": "metric_ids"}

    @override
    def list_partitions(self, *, resuming: bool) -> list[tuple[Partition, Slice]]:
        """Return a partition for each conversion metric: those of the setting metric_ids, or all."""
        if not self.by_metric:
            return [({}, {})]
        ids = self.config.metric_ids or self.shared.ids(Metrics)
        return [({"metric_id": one, "parent_slice": {}}, {"metric_id": one}) for one in ids]

    @override
    def read_pages(self, stream_slice: Mapping[str, Any]) -> Iterator[Page]:
        """Yield a page for each period that is over; none for a metric that Klaviyo has no report on.

        Raises:
            KlaviyoError: the request failed for good.
        """
        try:
            yield from super().read_pages(stream_slice)
        except BadRequest as error:
            is_ours = not self.config.metric_ids  # the account's own list of metrics, not a setting
            if NO_VALUES not in str(error) and not (isinstance(error, UnknownMetric) and is_ours):
                raise
            self.logger.warning(
                "Stream %s has no rows for metric %s, of which Klaviyo makes no report.%s",
                self.name,
                stream_slice.get("metric_id"),
                error.quote,
            )
            yield Page([], complete_until=self.last_midnight())

    @override
    def _read_period(self, stream_slice: Mapping[str, Any], start: Instant, end: Instant) -> Page:
        """Read one period; if the metric has no values, repeat the request without the statistics of values."""
        metric = stream_slice.get("metric_id")
        while True:
            left_out = self.shared.left_out.get(metric, 0)
            try:
                return super()._read_period(stream_slice, start, end)
            except BadRequest as error:
                if NO_VALUES not in str(error) or left_out == len(VALUE_STATISTICS):
                    raise
                # all reports of the metric learn from it: each kind has 225 requests a day
                self.shared.left_out[metric] = max(left_out + 1, self.shared.left_out.get(metric, 0))

    @override
    def request_attributes(self, stream_slice: Mapping[str, Any], start: Instant, end: Instant) -> dict[str, Any]:
        """Return statistics and time, and the conversion metric if the report has one."""
        left_out = self._left_out(stream_slice)
        statistics = [name for name in self.statistics if name not in left_out]
        attributes = {"statistics": statistics, "timeframe": {"start": iso(start), "end": iso(end - SECOND)}}
        return attributes | ({"conversion_metric_id": stream_slice["metric_id"]} if self.by_metric else {})

    def _left_out(self, stream_slice: Mapping[str, Any]) -> frozenset[str]:
        """Return the statistics that requests about the metric of a slice leave out."""
        groups = self.shared.left_out.get(stream_slice.get("metric_id"), 0)
        return frozenset[str]().union(*VALUE_STATISTICS[:groups])

    @override
    def rows(
        self, body: bytes, stream_slice: Mapping[str, Any], start: Instant, end: Instant
    ) -> tuple[list[Row], str | None]:
        """Return a record for each group (and day)."""
        report = decode_document(body, _Report)
        metric = {"conversion_metric_id": stream_slice["metric_id"]} if self.by_metric else {}
        null = dict.fromkeys(sorted(self._left_out(stream_slice)), NULL)
        rows = [
            (encode({"groupings": one.groupings, **record, **one.groupings, **metric}), date)
            for one in report.data.attributes.results or ()
            for record, date in self.records(null | one.statistics, report.data.attributes.date_times or (), start, end)
        ]
        return rows, report.next_link

    @abstractmethod
    def records(
        self, statistics: Mapping[str, msgspec.Raw], dates: Sequence[str], start: Instant, end: Instant
    ) -> Iterable[tuple[dict[str, Any], str]]:
        """Return the records of a group, each with its date."""


class Values(Report, ABC):
    """Totals of a period: up to 30 days at first, then of the days since the last sync.

    As in Airbyte's connector `date` is the midnight that closes the period; `period_start` is our addition.
    """

    longest = 30

    @override
    def records(
        self, statistics: Mapping[str, msgspec.Raw], dates: Sequence[str], start: Instant, end: Instant
    ) -> Iterable[tuple[dict[str, Any], str]]:
        """Return one record."""
        yield {"statistics": statistics, "period_start": iso(start)}, iso(end)


class Series(Report, ABC):
    """Numbers of each day. They settle for days, so the last ones are read again: reporting_lookback_window."""

    longest = 60

    @property
    @override
    def lookback(self) -> int:
        """Return the setting reporting_lookback_window."""
        return self.config.reporting_lookback

    @override
    def request_attributes(self, stream_slice: Mapping[str, Any], start: Instant, end: Instant) -> dict[str, Any]:
        """Return the attributes of the request, with numbers for each day."""
        return super().request_attributes(stream_slice, start, end) | {"interval": "daily"}

    @override
    def records(
        self, statistics: Mapping[str, msgspec.Raw], dates: Sequence[str], start: Instant, end: Instant
    ) -> Iterable[tuple[dict[str, Any], str]]:
        """Return a record for each day; null where Klaviyo has no number for it."""
        series = {
            name: msgspec.json.decode(values, type=list[msgspec.Raw] | None) for name, values in statistics.items()
        }
        for place, date in enumerate(dates):
            if not within(date, start, end):
                continue
            of_day = {
                name: values[place] if values and place < len(values) else None for name, values in series.items()
            }
            yield {"statistics": of_day}, date


def _key(*groupings: str, by_metric: bool = True) -> list[str]:
    return ["date", *groupings, *(["conversion_metric_id"] if by_metric else [])]


class CampaignValuesReports(Values):
    """Campaign report. Totals of up to 30 days, later of the days since the last sync."""

    resource = "campaign-values-reports"
    scope = "campaigns:read metrics:read"
    statistics = MESSAGE_STATISTICS
    primary_key = _key("campaign_id", "campaign_message_id", "send_channel")


class FlowValuesReports(Values):
    """Flow report. Totals of up to 30 days, later of the days since the last sync."""

    resource = "flow-values-reports"
    scope = "flows:read metrics:read"
    statistics = MESSAGE_STATISTICS
    primary_key = _key("flow_id", "flow_message_id", "send_channel")


class FlowSeriesReports(Series):
    """Flow report. A record for each day; see `reporting_lookback_window`."""

    resource = "flow-series-reports"
    scope = "flows:read metrics:read"
    statistics = MESSAGE_STATISTICS
    primary_key = _key("flow_id", "flow_message_id", "send_channel")


class FormValuesReports(Values):
    """Form report. Totals of up to 30 days, later of the days since the last sync."""

    resource = "form-values-reports"
    scope = "forms:read"
    statistics = FORM_STATISTICS
    by_metric = False
    primary_key = _key("form_id", by_metric=False)


class FormSeriesReports(Series):
    """Form report. A record for each day; see `reporting_lookback_window`."""

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

    @override
    def first_start(self) -> Instant:
        """Return June 2023 at the earliest: Klaviyo has no older numbers of segments."""
        return max(super().first_start(), parse_instant("2023-06-01"))


class SegmentValuesReports(_SegmentReport, Values):
    """Segment report. Totals of up to 30 days, later of the days since the last sync."""

    resource = "segment-values-reports"


class SegmentSeriesReports(_SegmentReport, Series):
    """Segment report. A record for each day since June 2023."""

    resource = "segment-series-reports"
