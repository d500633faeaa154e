"""A small, strict Klaviyo in memory, behind requests-mock: it rejects every request that is not in `fake_endpoints.py`.

Each rejection is recorded, and the fixture that provides the server fails a test that has not expected it.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit

from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStateMessageSerializer,
    ConfiguredAirbyteCatalogSerializer,
    Type,
)
from typing_extensions import override

from source_klaviyo.api.budget import Budget
from source_klaviyo.api.client import KlaviyoClient
from source_klaviyo.api.errors import BadRequest
from source_klaviyo.source import SourceKlaviyo
from source_klaviyo.sync.instants import SECOND, Instant, parse_instant
from unit_tests.fake_endpoints import ENDPOINTS, OPERATORS, SUPPRESSED_AT, Endpoint

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pytest
    import requests_mock

    from source_klaviyo.api.page import Page

HOST = "https://a.klaviyo.com"
NOW = parse_instant("2024-07-01T12:00:00Z")
CONFIG: dict[str, Any] = {"api_key": "pk_made_up", "start_date": "2024-01-01T00:00:00Z"}


class Rejected(Exception):  # noqa: N818 - a name that reads well where it is raised
    """400: Klaviyo rejects the request."""

    def __init__(self, detail: str, parameter: str = "filter") -> None:
        super().__init__(detail)
        self.detail = detail
        self.parameter = parameter


@dataclass(frozen=True)
class Request:
    """A request as it arrived."""

    url: str
    resource: str
    params: dict[str, str]
    body: Any = None
    revision: str = ""

    @property
    def is_first_page(self) -> bool:
        """Return whether it follows no link."""
        return "page[cursor]" not in self.params


class NoLimits(Budget):
    """A rate limiter without limits."""

    @override
    def acquire(self, limits: Sequence[Any]) -> None:
        pass

    @override
    def release(self, limits: Sequence[Any]) -> None:
        pass

    @override
    def pause(self, limits: Sequence[Any], seconds: float) -> None:
        pass


class FakeKlaviyo:
    """The server.

    Attributes:
        now: its clock, an instant; stands still unless a test moves it.
        latency: the latency of each page, in seconds.
        page_limit: the maximum of records in a page, whatever is requested.
        before: gets each request first; it may return the response (a status and a body).
        headers: those of 429 responses.
        suppression_order: chooses one of a profile's suppressions when profiles are sorted by them.
        gate: a barrier at which all clients meet before each request.
        poisoned: the ids of records that make a page a 500.
        on_rejection: called by each client after a rejected request.
        rejections: the reasons of rejected requests.
        may_reject: whether the test expects rejected requests.
    """

    def __init__(self, mocker: requests_mock.Mocker) -> None:
        self.now = NOW
        self.latency = 0.0
        self.page_limit = 10**9
        self.before: Callable[[Request], tuple[int, bytes] | None] = lambda _: None
        self.headers: dict[str, str] = {}
        self.suppression_order: Callable[..., Any] = max
        self.gate: threading.Barrier | None = None
        self.poisoned: set[str] = set()
        self.on_rejection: Callable[[], None] = lambda: None
        self.rows: dict[str, list[dict[str, Any]]] = {resource: [] for resource in ENDPOINTS}
        self.requests: list[Request] = []
        self.rejections: list[str] = []
        self.may_reject = False
        self.naps: list[float] = []
        self._links: dict[str, tuple[Request, tuple[Any, ...]]] = {}
        for method in ("GET", "POST"):
            mocker.register_uri(method, re.compile(f"{HOST}/"), content=self._respond)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the source talk to this server, without waiting for anything, and begin with one window."""
        monkeypatch.setattr(
            "source_klaviyo.source.KlaviyoClient", lambda *args, **options: Client(self, *args, **options)
        )
        monkeypatch.setattr("source_klaviyo.sync.cursor.STATE_INTERVAL", 0.0)
        monkeypatch.setattr("source_klaviyo.sync.splitting.BUSY", 1e9)  # the server runs in this process as well
        self.open_windows(monkeypatch, 1)

    def open_windows(self, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
        """Let first reads begin with this many windows: with one, tests know each request."""
        monkeypatch.setattr("source_klaviyo.sync.splitting.MAX_OPENING_WINDOWS", most)

    def add(self, resource: str, *attributes: Mapping[str, Any], **hidden: Any) -> list[str]:
        """Add records; `hidden` values can be filtered by but are not in responses. Returns their ids."""
        rows = self.rows[resource]
        new: list[dict[str, Any]] = [
            {"type": resource.rstrip("s"), "id": f"{resource}-{number:05}", "attributes": dict(one), "hidden": hidden}
            for number, one in enumerate(attributes, len(rows))
        ]
        rows += new
        return [row["id"] for row in new]

    def expire(self) -> None:
        """Forget all page cursors."""
        self._links.clear()

    def first_pages(self, resource: str | None = None) -> list[dict[str, str]]:
        """Return the parameters of each request for a first page."""
        return [one.params for one in self.requests if one.is_first_page and resource in (None, one.resource)]

    # --- responses

    def _respond(self, raw: Any, context: Any) -> bytes:
        parts = urlsplit(raw.url)
        request = Request(
            raw.url,
            parts.path.removeprefix("/api/"),
            dict(parse_qsl(parts.query, strict_parsing=bool(parts.query))),
            json.loads(raw.body) if raw.body else None,
            raw.headers["revision"],
        )
        self.requests.append(request)
        try:
            instead = self.before(request)
            if instead is not None:
                context.status_code, body = instead
                context.headers.update(self.headers if context.status_code == 429 else {})
                return body
            document = self._collection(request)
            if self.poisoned & {row["id"] for row in document["data"]}:
                context.status_code = 500
                return error(500, "error", "A server error occurred.")
            return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        except Rejected as rejection:
            self.rejections.append(rejection.detail)
            context.status_code = 400
            return error(400, "invalid", rejection.detail, rejection.parameter)

    def _collection(self, request: Request) -> dict[str, Any]:
        original, after = request, None
        if not request.is_first_page:
            if request.url not in self._links:
                raise Rejected("Invalid cursor provided.", "page[cursor]")
            original, after = self._links[request.url]
        endpoint = ENDPOINTS[request.resource]
        size, matches, key = self._understand(endpoint, dict(original.params))
        found = sorted((row for row in self.rows[request.resource] if matches(row)), key=key)
        rest = [row for row in found if after is None or key(row) > after]
        page = rest[: min(size, self.page_limit)]
        links: dict[str, Any] = {"self": request.url, "next": None, "prev": None}
        if len(rest) > len(page):
            links["next"] = self._link(original, key(page[-1]))
        return {"data": [self._visible(row, original.params) for row in page], "links": links}

    def _understand(self, endpoint: Endpoint, params: dict[str, str]) -> tuple[int, Any, Any]:
        filter_text = params.pop("filter", None)
        conditions = list(self._conditions(endpoint, filter_text))
        sort = params.pop("sort", None)
        if sort is not None and sort not in endpoint.sorts:
            raise Rejected(f"Cannot sort by {sort}.", "sort")
        by_suppression = SUPPRESSED_AT in (filter_text or "")
        if by_suppression and sort is not None:
            raise Rejected("You may not filter on subscriptions and sort.", "sort")
        size, largest = endpoint.sizes
        requested_size = params.pop("page[size]", None)
        if requested_size is not None:
            if largest is None or not 1 <= int(requested_size) <= largest:
                raise Rejected(f"Page size must be between 1 and {largest}.", "page[size]")
            size = int(requested_size)
        for name, values in endpoint.options.items():
            if not set(filter(None, params.pop(name, "").split(","))) <= values:
                raise Rejected(f"Unknown value of {name}.", name)
        if params:
            raise Rejected(f"Unknown parameters: {sorted(params)}.", next(iter(params)))

        def key(row: Mapping[str, Any]) -> tuple[Any, ...]:
            order = SUPPRESSED_AT if by_suppression else sort
            values = () if order is None else values_of(row, order)
            pick = self.suppression_order if by_suppression else max
            return (pick(values, default=0), row["id"])

        return size, lambda row: all(condition(row) for condition in conditions), key

    def _conditions(self, endpoint: Endpoint, text: str | None) -> Iterable[Callable[[Mapping[str, Any]], bool]]:
        found = re.findall(r"([a-z-]+)\(([a-z_.]+),([^()]*)\)", text or "")
        if text is not None and ",".join(f"{name}({what},{value})" for name, what, value in found) != text:
            raise Rejected("Invalid filter provided")
        if "messages.channel" in endpoint.filters and not any(what == "messages.channel" for _, what, _ in found):
            raise Rejected("A channel filter is required")
        spans: dict[str, list[Instant]] = {}
        for name, what, value in found:
            short, holds = OPERATORS[name]
            if short not in endpoint.filters.get(what, set()):
                raise Rejected(f"Cannot filter by {name}({what}).")
            bound: Any = json.loads(value.replace("'", '"')) if short == "eq" else self._bound(value)
            if short != "eq":
                spans.setdefault(what, []).append(bound)
            yield partial(_holds, what, holds, bound)
        if SUPPRESSED_AT in spans and sum(map(len, spans.values())) > 1:
            raise Rejected("Only a single date filter is allowed with subscriptions")
        if any(len(span) == 2 and abs(span[1] - span[0]) < SECOND for span in spans.values()):
            raise Rejected("Datetime bounds are empty or invalid")

    def _bound(self, text: str) -> Instant:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", text):
            raise Rejected("Invalid filter provided")
        bound = parse_instant(text)
        if bound > self.now - 3 * SECOND:
            raise Rejected("End date may not be in the future")
        return bound

    def _link(self, request: Request, after: tuple[Any, ...]) -> str:
        token = f"bmV4dDo6{len(self._links):04}=="
        query = "&".join(f"{quote(name)}={quote(value)}" for name, value in request.params.items())
        # an unusual form, which a client that parses and rebuilds the link would not reproduce
        link = f"{HOST}/api/{request.resource}?page%5Bcursor%5D={quote(token)}&{query.replace('%2C', ',')}".rstrip("&")
        self._links[link] = request, after
        return link

    @staticmethod
    def _visible(row: Mapping[str, Any], params: Mapping[str, str]) -> dict[str, Any]:
        attributes = dict(row["attributes"])
        for name in ("subscriptions", "predictive_analytics"):
            if name not in params.get("additional-fields[profile]", ""):
                attributes.pop(name, None)
        links = {"self": f"{HOST}/api/{row['type']}s/{row['id']}/"}
        return {"type": row["type"], "id": row["id"], "attributes": attributes, "links": links}


class Client(KlaviyoClient):
    """The connector's client, by the server's clock."""

    def __init__(self, api: FakeKlaviyo, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options, budget=NoLimits(), sleep=api.naps.append)
        self.api = api

    @override
    def now(self) -> float:
        return self.api.now / SECOND

    certain_now = now

    @override
    def get(self, *args: Any, **options: Any) -> Page:
        requested_at = self.now()
        if self.api.gate:
            self.api.gate.wait(10)
        try:
            page = super().get(*args, **options)
        except BadRequest:
            self.api.on_rejection()
            raise
        return replace(page, requested_at=requested_at, latency=self.api.latency)


def _holds(name: str, holds: Callable[[Any, Any], bool], bound: Any, row: Mapping[str, Any]) -> bool:
    return any(holds(one, bound) for one in values_of(row, name))


def values_of(row: Mapping[str, Any], name: str) -> list[Any]:
    """Return the values of a field that a filter or an order can name; dates as instants."""
    if name in row["hidden"]:
        return [row["hidden"][name]]
    if name == "id":
        return [row["id"]]
    found: list[Any] = [row["attributes"]]
    for part in name.split("."):
        found = [inner for one in found for inner in (one if isinstance(one, list) else [one])]
        found = [one[part] for one in found if isinstance(one, dict) and one.get(part) is not None]
    dated = name == SUPPRESSED_AT or name in {"created", "updated", "created_at", "updated_at", "datetime"}
    return [instant(one) for one in found] if dated else found


instant = cache(parse_instant)


def error(status: int, code: str, detail: str, parameter: str | None = None) -> bytes:
    """Return an error document of Klaviyo's."""
    one = {"id": "e1", "status": status, "code": code, "title": "Error.", "detail": detail}
    return json.dumps({"errors": [{**one, "source": {"parameter": parameter}}]}).encode()


class Output(list[AirbyteMessage]):
    """The messages of a sync, and the exception that it raised in the end."""

    raised: Exception | None = None

    def records(self, stream: str | None = None) -> list[dict[str, Any]]:
        """Return the records of a stream, or of all."""
        found = [message.record for message in self if message.record]
        return [record.data for record in found if stream in (None, record.stream)]

    def ids(self, stream: str | None = None) -> list[str]:
        """Return the ids of a stream's records."""
        return [record["id"] for record in self.records(stream)]

    def states(self, stream: str) -> list[dict[str, Any]]:
        """Return the states of a stream."""
        found = [message.state.stream for message in self if message.state and message.state.stream]
        return [
            json.loads(json.dumps(one.stream_state.__dict__)) for one in found if one.stream_descriptor.name == stream
        ]

    def checkpoints(self, stream: str) -> list[tuple[Output, dict[str, Any]]]:
        """Return each state of the only stream of a sync, with the messages before it."""
        places = [place for place, message in enumerate(self) if message.type == Type.STATE]
        return [(Output(self[:place]), state) for place, state in zip(places, self.states(stream), strict=True)]

    def statuses(self, stream: str) -> list[str]:
        """Return the statuses of a stream."""
        found = [one.trace.stream_status for one in self if one.trace and one.trace.stream_status]
        return [one.status.value for one in found if one.stream_descriptor.name == stream]

    def errors(self, stream: str | None = None) -> list[Any]:
        """Return the errors of a stream, or of all."""
        found = [one.trace.error for one in self if one.trace and one.trace.error]
        return [one for one in found if stream is None or one.stream_descriptor.name == stream]


def sync(
    *streams: str,
    state: Mapping[str, Mapping[str, Any]] | None = None,
    full_refresh: bool = False,
    source: SourceKlaviyo | None = None,
    generation: int | None = None,
    **config: Any,
) -> Output:
    """Read streams through the source, from their states on."""
    mode = "full_refresh" if full_refresh else "incremental"
    catalog = {
        "streams": [
            {
                "stream": {"name": name, "json_schema": {}, "supported_sync_modes": [mode]},
                "sync_mode": mode,
                "destination_sync_mode": "append",
                "generation_id": generation,
            }
            for name in streams
        ]
    }
    states = [
        {"type": "STREAM", "stream": {"stream_descriptor": {"name": name}, "stream_state": blob}}
        for name, blob in (state or {}).items()
    ]
    output = Output()
    try:
        messages = (source or SourceKlaviyo()).read(
            logging.getLogger("airbyte"),
            {**CONFIG, **config},
            ConfiguredAirbyteCatalogSerializer.load(catalog),
            [AirbyteStateMessageSerializer.load(one) for one in states],
        )
        for message in messages:
            output.append(message)
    except Exception as raised:  # noqa: BLE001 - tests check it
        output.raised = raised
    return output
