"""The simulator's control paths, under `/_simulator/`: statistics, changes, faults and switches."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from klaviyo_simulator.rules.endpoints import TYPES_BY_REVISION

if TYPE_CHECKING:
    from collections.abc import Callable

    from klaviyo_simulator.account.api import Api

_COLLECTIONS = {
    revision: {declared.collection.removeprefix("/api/"): name for name, declared in types.items()}
    for revision, types in TYPES_BY_REVISION.items()
}


class Control:
    """Control paths; request and response bodies are JSON."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._actions: dict[tuple[str, str], Callable[[dict[str, Any]], Any]] = {
            ("GET", "stats"): lambda _: api.statistics.document(),
            ("POST", "stats/reset"): lambda _: api.statistics.reset(),
            ("GET", "requests"): lambda given: api.statistics.requests(_integer(given.get("last"))),
            ("GET", "ids"): lambda given: self.ids(**given),
            ("GET", "mutations"): lambda _: api.mutations.made,
            ("POST", "mutate"): lambda given: self.mutate(**given),
            ("POST", "mutate_continuously"): lambda given: self.mutate_continuously(**given),
            ("POST", "create"): lambda given: api.edits.create(given.pop("type"), **given),
            ("POST", "touch"): lambda given: api.edits.touch(given.pop("type"), given.pop("id"), **given),
            ("POST", "delete"): lambda given: api.edits.delete(given["type"], given["id"]),
            ("POST", "join"): lambda given: api.edits.join(**given),
            ("POST", "leave"): lambda given: api.edits.leave(**given),
            ("POST", "suppress"): lambda given: api.edits.suppress(**given),
            ("POST", "subscribe"): lambda given: api.edits.subscribe(**given),
            ("POST", "unsubscribe"): lambda given: api.edits.unsubscribe(**given),
            ("POST", "oauth/issue"): lambda given: {"access_token": api.oauth.issue(**given)},
            ("POST", "oauth/expire"): lambda _: api.oauth.expire(),
            ("POST", "oauth/revoke"): lambda _: api.oauth.revoke_all(),
            ("POST", "advance"): lambda given: api.advance(**given),
            ("POST", "faults"): lambda given: api.faults.add(given["faults"]),
            ("DELETE", "faults"): lambda _: api.faults.clear(),
            ("POST", "switches"): api.switch,
        }

    def ids(self, resource: str, revision: str | None = None) -> list[str]:
        """Return all IDs of a collection, including those that only a filter shows.

        Args:
            resource: The collection's path below `/api/`.
            revision: The revision of the collection; by default the earliest that has it.

        Raises:
            ValueError: if there is no such collection.
        """
        revisions = [revision] if revision else list(_COLLECTIONS)
        found = next((each for each in revisions if resource in _COLLECTIONS.get(each, {})), None)
        if found is None:
            known = dict.fromkeys(name for each in revisions for name in _COLLECTIONS.get(each, {}))
            raise ValueError(f"no resource is called {resource!r}; use one of {', '.join(known)}")
        self._api.edits.catch_up()
        return self._api.shop.tables_at(found)[_COLLECTIONS[found][resource]].ids()

    def mutate(self, **changes: Any) -> dict[str, list[str]]:
        """Change records; see `Mutations.play`."""
        return self._api.mutations.play(self._api.now(), **changes)

    def mutate_continuously(self, every: int, **changes: Any) -> None:
        """Change records after every `every` requests; 0 stops it."""
        self._api.mutations.repeat(every, changes)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request to a control path."""
        name = request.path.removeprefix("/_simulator/")
        if (request.method, name) not in self._actions:
            return web.json_response({"error": f"no {request.method} {name}"}, status=404)
        body = await request.read()
        given: Any = json.loads(body) if body else dict(request.query)
        if isinstance(given, list):
            given = {name: given}  # `POST faults` also accepts the bare list
        try:
            result = self._actions[request.method, name](given)
        except (KeyError, TypeError, ValueError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response(result)


def _integer(text: str | int | None) -> int | None:
    return None if text is None else int(text)
