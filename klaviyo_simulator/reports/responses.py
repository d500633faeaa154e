"""Answers to what is asked with POST: reports and aggregates as JSON:API documents, page by page."""

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
    """Where a page begins, how long it may be (0: no end), and what the cursor behind it is bound to."""

    start: int
    size: int
    identity: str


class Reports:
    """Answers questions about the data of one account."""

    def __init__(self, tables: Mapping[str, Table], events: EventTable, cursors: Cursors) -> None:
        self._tables = tables
        self._events = events
        self._cursors = cursors

    def respond(self, request: Request, operation: Operation, settings: Settings, now: float) -> Response:
        """The response to a request."""
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
            following = self._cursors.write(identity, (page.start + page.size,), now)
            links["next"] = f"{base}?{urlencode({'page_cursor': following})}"
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
        """Put the response of a report into the data; how many rows it has on all pages."""
        local = datetime.fromtimestamp(now, ZoneInfo(settings.timezone))
        question = bodies.question(given, report, local.date())
        if question.metric is not None:
            self._check_conversions(question.metric, question.statistics, settings)
        rows = Rows(report, question, settings, local)
        found = rows.of(self._tables)
        shown = _cut(found, page)
        data["attributes"] = {"results": [row.document(question) for row in shown]}
        if report.series:
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
        """Put aggregates into the data; how many rows they have on all pages, and the page."""
        query = aggregates.query(given)
        self.check_metrics([query.metric], settings)
        rows = aggregates.rows(query, self._events, now)
        page = page._replace(size=settings.report_page or query.page_size)
        data["attributes"] = {"dates": query.dates(), "data": _cut(rows, page)}
        data["links"] = {"self": "https://a.klaviyo.com/api/metric-aggregates/"}
        return len(rows), page

    def check_metrics(self, ids: Sequence[str], settings: Settings) -> list[str]:
        """Refuse metrics that do not exist, and those that only the list of metrics knows.

        Returns:
            The names of the metrics.

        Raises:
            ApiError: a 400 that names the ones that are missing.
        """
        found = {identity: self._tables["metric"].get(identity) for identity in ids}
        names = {identity: record.attributes["name"] for identity, record in found.items() if record}
        missing = [each for each in ids if names.get(each, "") in {"", *settings.missing_metrics}]
        if missing:
            raise missing_metrics(missing)
        return list(names.values())

    def _check_conversions(self, metric: str, statistics: Collection[str], settings: Settings) -> None:
        """Refuse a metric without values if a statistic needs them; the others are answered."""
        (name,) = self.check_metrics([metric], settings)
        counting = VALUE_STATISTICS | ({"text_message_roi"} if settings.roi_needs_values else set())
        if name in settings.valueless_metrics and counting.intersection(statistics):
            detail = "Passed in conversion metric does not support querying for values data"
            raise invalid_body(f"{bodies.POINTER}/conversion_metric_id", detail)


def _cut(rows: list[Any], page: _Page) -> list[Any]:
    return rows[page.start : page.start + page.size if page.size else None]


def _ids(groupings: list[dict[str, Any]], kind: str) -> list[str]:
    """The ids of one type that rows are grouped by, each once."""
    return list(dict.fromkeys(each[f"{kind.replace('-', '_')}_id"] for each in groupings))


def _sparse(attributes: dict[str, Any], fields: str | None) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if fields is None or name in fields.split(",")}
