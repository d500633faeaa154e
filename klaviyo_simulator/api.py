"""The simulated account: it answers requests, and can be changed, watched and disturbed."""

from __future__ import annotations

import time
from random import Random
from typing import TYPE_CHECKING, Any

from klaviyo_simulator import documents, queries
from klaviyo_simulator.answers import MEDIA_TYPE, Answer
from klaviyo_simulator.cursors import Cursors
from klaviyo_simulator.data.shop import Shop
from klaviyo_simulator.errors import ApiError, throttled
from klaviyo_simulator.faults import Faults
from klaviyo_simulator.limits import Limits
from klaviyo_simulator.mutations import Mutations
from klaviyo_simulator.statistics import Statistics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klaviyo_simulator.answers import Call
    from klaviyo_simulator.declarations import Endpoint, Tier
    from klaviyo_simulator.queries import Query
    from klaviyo_simulator.settings import Settings


class Api:
    """One account with its data, limits, faults and statistics. Not safe for threads: the server owns it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.shop = Shop(settings)
        # The clock starts at `now` and runs on, so that what is future stays ahead of the reader.
        self._ahead = self.shop.started - time.time() if settings.now else 0.0
        self.random = Random(f"{settings.seed}:behaviour")
        self.limits = Limits(Random(settings.seed), settings.phase)
        self.statistics = Statistics()
        self.faults = Faults(Random(f"{settings.seed}:faults"))
        self.mutations = Mutations(self.shop)
        self._cursors = Cursors(f"{settings.seed}:{settings.key}")

    def now(self) -> float:
        """What time it is in the account."""
        return time.time() + self._ahead

    def switch(self, switches: Mapping[str, Any]) -> None:
        """Change switches."""
        self.settings = self.settings.switched(switches)

    def throttle(self, endpoint: Endpoint, query: str) -> dict[str, str]:
        """Count a request in its rate windows; the rate headers of its answer."""
        if not self.settings.limits:
            return {}
        buckets = [(endpoint.path, endpoint.tier), *_costs(endpoint, query)]
        usage = self.limits.take(buckets, time.monotonic(), self.settings.other_usage)
        if usage.wait is not None:
            raise throttled(usage.wait)
        return usage.headers()

    def answer(self, call: Call, endpoint: Endpoint, identity: str | None) -> Answer:
        """The answer to a request that has come in and is within its limits."""
        query = queries.parse(endpoint, call.query, self.settings, self.now())
        if identity is None:
            return self._collection(call, query)
        record = self.shop.tables[endpoint.type].get(identity)
        if record is None:
            raise ApiError(404, f"A {endpoint.type} with id {identity} does not exist.")
        body = documents.item(query, record, self.shop.tables, query.url(call.origin + call.path, None))
        return Answer(200, body, {"Content-Type": MEDIA_TYPE}, 1)

    def _collection(self, call: Call, query: Query) -> Answer:
        now, base = self.now(), call.origin + call.path
        after = None
        if query.cursor is not None:
            after = self._cursors.read(query.identity, query.cursor, now, self.settings.cursor_life)
        selection = self.shop.tables[query.endpoint.type].select(query, after, self.settings)
        links: dict[str, str | None] = {"self": query.url(base, query.cursor)}
        if selection.more:
            links["next"] = query.url(base, self._cursors.write(query.identity, selection.more, now))
        elif self.settings.next_style == "null":
            links["next"] = None
        if self.settings.next_style == "null":
            links["prev"] = None
        body = documents.collection(query, selection, self.shop.tables, links)
        return Answer(200, body, {"Content-Type": MEDIA_TYPE}, selection.length)


def _costs(endpoint: Endpoint, query: str) -> list[tuple[str, Tier]]:
    """The further buckets that a request draws on for what it asks besides."""
    if not endpoint.costs:
        return []
    given = queries.values(query)
    costs = {cost for (parameter, name), cost in endpoint.costs.items() if name in given.get(parameter, "").split(",")}
    return [(cost.bucket, cost.tier) for cost in costs]
