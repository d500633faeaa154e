"""Responses of reports and metric aggregates: JSON:API documents, page by page."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode
from uuid import uuid4
from zoneinfo import ZoneInfo

from klaviyo_simulator.protocol.errors import invalid_body, missing_metrics
from klaviyo_simulator.protocol.messages import MEDIA_TYPE, Response
from klaviyo_simulator.reports import aggregates, bodies
from klaviyo_simulator.reports.rows import Rows
from klaviyo_simulator.rules.reports import VALUE_STATISTICS, Report

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from klaviyo_simulator.data.events import EventTable
    from klaviyo_simulator.data.tables import Table
    from klaviyo_simulator.protocol.cursors import Cursors
    from klaviyo_simulator.protocol.messages import Request
    from klaviyo_simulator.rules.reports import Operation
    from klaviyo_simulator.settings import Settings


class _Page(NamedTuple):
    """A page: the number of its first row, its size (0: unlimited), and the text that its cursor is bound to."""

    start: int
    size: int
    identity: str


class Reports:
    """The reports and metric aggregates of an account."""

    def __init__(self, tables: Mapping[str, Table], events: EventTable, cursors: Cursors) -> None:
        self._tables = tables
        self._events = events
        self._cursors = cursors

    def respond(self, request: Request, operation: Operation, settings: Settings, now: float) -> Response:
        """Answer a request to a report or to metric aggregates."""
        parameters = bodies.parameters(request, operation)
        given = bodies.attributes(request, operation)
        cursor = given.pop("page_cursor", None) or parameters.get("page_cursor")
        identity = f"{operation.path} {json.dumps(given, sort_keys=True)}"
        start = self._cursors.read(identity, str(cursor), now, settings.cursor_life)[0] if cursor else 0
        page = _Page(start, settings.report_page, identity)
        base = request.origin + operation.path
        data: dict[str, Any] = {"type": operation.type, "id": str(uuid4())}
        if isinstance(operation, Report):
            rows = self._report(operation, given, data, page, settings, now, base)
        else:
            rows, page = self._aggregate(given, data, page, settings, now)
        data["attributes"] = _sparse(data["attributes"], parameters.get(f"fields[{operation.type}]"))
        links: dict[str, str | None] = {"self": base + (f"?{request.query}" if request.query else "")}
        if not operation.bare_links:
            links |= {"next": None, "prev": None}
        if page.size and page.start + page.size < rows:
            next_cursor = self._cursors.write(identity, (page.start + page.size,), now)
            links["next"] = f"{base}?{urlencode({'page_cursor': next_cursor})}"
        body = json.dumps({"data": data, "links": links}, ensure_ascii=False, separators=(",", ":")).encode()
        shown = min(page.size or rows, max(rows - page.start, 0))
        return Response(200, body, {"Content-Type": MEDIA_TYPE}, shown)

    def _report(
        self,
        report: Report,
        given: dict[str, Any],
        data: dict[str, Any],
        page: _Page,
        settings: Settings,
        now: float,
        base: str,
    ) -> int:
        """Add a report to the data of a document and return its number of rows on all pages."""
        local = datetime.fromtimestamp(now, ZoneInfo(settings.timezone))
        query = bodies.parse_report_query(given, report, local.date())
        if query.metric is not None:
            self._check_conversions(query.metric, query.statistics, settings)
        rows = Rows(report, query, settings, local)
        found = rows.of(self._tables)
        shown = _rows_of(found, page)
        data["attributes"] = {"results": [row.document(query) for row in shown]}
        if report.is_series:
            data["attributes"]["date_times"] = rows.date_times
        if report.relationships and shown:
            data["relationships"] = {
                f"{kind}s": {
                    "data": [{"type": kind, "id": each} for each in _ids([row.groupings for row in shown], kind)],
                    "links": {"self": f"{base}/relationships/{kind}s", "related": f"{base}/{kind}s"},
                }
                for kind in report.relationships
            }
        return len(found)

    def _aggregate(
        self, given: dict[str, Any], data: dict[str, Any], page: _Page, settings: Settings, now: float
    ) -> tuple[int, _Page]:
        """Add aggregates to the data of a document; return their number of rows on all pages, and the page."""
        query = aggregates.parse(given)
        self.check_metrics([query.metric], settings)
        rows = aggregates.rows(query, self._events, now)
        page = page._replace(size=settings.report_page or query.page_size)
        data["attributes"] = {"dates": query.dates(), "data": _rows_of(rows, page)}
        data["links"] = {"self": "https://a.klaviyo.com/api/metric-aggregates/"}
        return len(rows), page

    def check_metrics(self, ids: Sequence[str], settings: Settings) -> list[str]:
        """Check that metrics exist, and not in the list of metrics only.

        Returns:
            The names of the metrics.

        Raises:
            ApiError: a 400 that names the missing ones.
        """
        found = {identity: self._tables["metric"].get(identity) for identity in ids}
        names = {identity: record.attributes["name"] for identity, record in found.items() if record}
        missing = [each for each in ids if names.get(each, "") in {"", *settings.missing_metrics}]
        if missing:
            raise missing_metrics(missing)
        return list(names.values())

    def _check_conversions(self, metric: str, statistics: Collection[str], settings: Settings) -> None:
        """Raise a 400 for a metric without values if a statistic needs them."""
        (name,) = self.check_metrics([metric], settings)
        counting = VALUE_STATISTICS | ({"text_message_roi"} if settings.roi_needs_values else set())
        if name in settings.valueless_metrics and counting.intersection(statistics):
            detail = "Passed in conversion metric does not support querying for values data"
            raise invalid_body(f"{bodies.POINTER}/conversion_metric_id", detail)


def _rows_of(rows: list[Any], page: _Page) -> list[Any]:
    return rows[page.start : page.start + page.size if page.size else None]


def _ids(groupings: list[dict[str, Any]], kind: str) -> list[str]:
    """Return the IDs of a type in the groupings of rows, each once."""
    return list(dict.fromkeys(each[f"{kind.replace('-', '_')}_id"] for each in groupings))


def _sparse(attributes: dict[str, Any], fields: str | None) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if fields is None or name in fields.split(",")}
