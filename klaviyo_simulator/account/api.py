"""The simulated account: answers requests, and holds its data, limits, faults and statistics."""

from __future__ import annotations

import re
import time
from random import Random
from typing import TYPE_CHECKING, Any

from klaviyo_simulator.access import gate
from klaviyo_simulator.access.limits import Limits
from klaviyo_simulator.access.oauth import OAuth
from klaviyo_simulator.account import documents
from klaviyo_simulator.account.edits import Edits
from klaviyo_simulator.account.mutations import Mutations
from klaviyo_simulator.account.statistics import Statistics
from klaviyo_simulator.data.shop import Shop
from klaviyo_simulator.faults.schedule import Faults
from klaviyo_simulator.protocol.cursors import Cursors
from klaviyo_simulator.protocol.errors import ApiError, invalid_body, throttled
from klaviyo_simulator.protocol.messages import MEDIA_TYPE, Response
from klaviyo_simulator.reports.responses import Reports
from klaviyo_simulator.rules import queries
from klaviyo_simulator.rules.endpoints import TYPES_BY_REVISION
from klaviyo_simulator.rules.reports import Operation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klaviyo_simulator.access.gate import Admission
    from klaviyo_simulator.access.oauth import Caller
    from klaviyo_simulator.data.tables import Table
    from klaviyo_simulator.protocol.messages import Request
    from klaviyo_simulator.rules.declarations import Endpoint, Rate
    from klaviyo_simulator.rules.queries import Query
    from klaviyo_simulator.settings import Settings


class Api:
    """An account with its data, limits, faults and statistics. Not thread-safe: the server owns it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.shop = Shop(settings)
        # The clock starts at `now` and runs on, so that future records stay in the future.
        self._clock_offset = self.shop.started - time.time() if settings.now else 0.0
        self.random = Random(f"{settings.seed}:behaviour")
        self.limits = Limits(Random(settings.seed), settings.phase)
        self.statistics = Statistics()
        self.oauth = OAuth(lambda: self.settings, Random(f"{settings.seed}:oauth"), self.now)
        self.faults = Faults(Random(f"{settings.seed}:faults"))
        self.edits = Edits(self.shop, lambda: self.settings, self.now)
        self.mutations = Mutations(self.shop, self.edits)
        self._cursors = Cursors(f"{settings.seed}:{settings.key}")
        self._reports = Reports(self.shop.tables, self.shop.events, self._cursors)

    def now(self) -> float:
        """Return the account's time, in seconds since 1970."""
        return time.time() + self._clock_offset

    def advance(self, seconds: float) -> None:
        """Move the account's clock forward; rate windows follow real time."""
        self._clock_offset += seconds
        self.edits.catch_up()

    def switch(self, switches: Mapping[str, Any]) -> None:
        """Change switches; see `SWITCHES`."""
        self.settings = self.settings.switched(switches)

    def throttle(self, endpoint: Endpoint | Operation, query: str, caller: Caller) -> dict[str, str]:
        """Count a request in its rate windows and return the rate limit headers of the response.

        An app has its own windows.

        Raises:
            ApiError: a 429, if a window is exhausted.
        """
        if not self.settings.limits:
            return {}
        buckets = [(endpoint.path, endpoint.rate), *_costs(endpoint, query)]
        if caller.is_app:
            buckets = [(f"app {name}", rate) for name, rate in buckets]
        usage = self.limits.take(buckets, time.monotonic(), self.settings.other_usage, self.settings.daily_quota)
        if usage.wait is not None:
            raise throttled(usage.wait)
        return usage.headers()

    def respond(self, request: Request, admission: Admission) -> Response:
        """Answer a request that was admitted and is within its rate limits."""
        endpoint, identity, caller = admission
        gate.permit(endpoint, self.settings, caller)
        self.edits.catch_up()
        if isinstance(endpoint, Operation):
            return self._reports.respond(request, endpoint, self.settings, self.now())
        query = queries.parse(endpoint, request.query, self.settings, self.now(), TYPES_BY_REVISION[request.revision])
        tables = self.shop.tables_at(request.revision)
        self._check(query, identity)
        if identity is None:
            return self._collection(request, query, tables[endpoint.type])
        if endpoint.parent is not None:
            children = self.shop.children(request.revision, endpoint.parent, endpoint.relation, identity)
            if children is None:
                raise ApiError(404, f"A {endpoint.parent} with id {identity} does not exist.")
            return self._collection(request, query, children)
        record = tables[endpoint.type].get(identity)
        if record is None:
            raise ApiError(404, f"A {endpoint.type} with id {identity} does not exist.")
        body = documents.item(query, record, tables, query.url(request.origin + request.path, None))
        return Response(200, body, {"Content-Type": MEDIA_TYPE}, 1)

    def _collection(self, request: Request, query: Query, table: Table) -> Response:
        now, base = self.now(), request.origin + request.path
        after = None
        if query.cursor is not None:
            after = self._cursors.read(query.identity(request.path), query.cursor, now, self.settings.cursor_life)
        selection = table.select(query, after, self.settings)
        links: dict[str, str | None] = {"self": query.url(base, query.cursor)}
        if not query.endpoint.bare_links:
            cursor = selection.more and self._cursors.write(query.identity(request.path), selection.more, now)
            links["next"] = query.url(base, cursor) if cursor else None
            text = queries.values(request.query).get("filter")
            # Recorded: for filtered lists, the cursor of this link is the repr of a Python object.
            links["prev"] = query.url(base, f"<Filters: {text}>") if text and base.endswith("/api/lists") else None
        body = documents.collection(query, selection, self.shop.tables_at(request.revision), links)
        return Response(200, body, {"Content-Type": MEDIA_TYPE}, selection.length)

    def _check(self, query: Query, identity: str | None) -> None:
        """Raise a 400 for malformed IDs, and for filters on metrics that do not exist."""
        kind = query.endpoint.parent or query.endpoint.type
        form = query.types[kind].id_form
        if identity is not None and form and not re.fullmatch(form, identity):
            title = kind.replace("-", " ").title()
            raise invalid_body("/data/id", f"Invalid {title} ID: '{identity}'")
        for condition in query.conditions:
            if condition.field == "metric_id":
                ids = condition.value if isinstance(condition.value, tuple) else (condition.value,)
                self._reports.check_metrics([str(each) for each in ids], self.settings)


def _costs(endpoint: Endpoint | Operation, query: str) -> list[tuple[str, Rate]]:
    """Return the extra buckets that a request uses for its optional parameters."""
    if not endpoint.costs:
        return []
    given = queries.values(query)
    costs = {cost for (parameter, name), cost in endpoint.costs.items() if name in given.get(parameter, "").split(",")}
    return [(cost.bucket, cost.rate) for cost in costs]
