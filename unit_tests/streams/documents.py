"""Klaviyo's documents, and an API that answers each path with one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from unit_tests.fake_api import FakeKlaviyo, Request, error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


DAY = "2024-06-{:02}T10:00:00+00:00"

FORBIDDEN = (403, error(403, "permission_denied", "You do not have permission to perform this action."))

GONE = (404, error(404, "not_found", "No such resource."))


def page(*resources: Mapping[str, Any], following: str | None = None, **more: Any) -> tuple[int, bytes]:
    return 200, json.dumps({"data": resources, "links": {"next": following}, **more}).encode()


def item(resource: Any) -> tuple[int, bytes]:
    return 200, json.dumps({"data": resource, "links": {"next": None}}).encode()


def resource(kind: str, identity: str, related: Mapping[str, list[str]] | None = None, **attributes: Any) -> Any:
    relationships = {
        name: {"data": [{"type": name.rstrip("s"), "id": one} for one in ids]} for name, ids in (related or {}).items()
    }
    return {"type": kind, "id": identity, "attributes": attributes, "relationships": relationships}


def serve(klaviyo: FakeKlaviyo, table: Mapping[str, tuple[int, bytes] | Callable[[Request], Any]]) -> None:
    """Respond to each path as the table says."""

    def before(request: Request) -> tuple[int, bytes]:
        response = table[request.resource]
        return response(request) if callable(response) else response

    klaviyo.before = before


def requested_paths(klaviyo: FakeKlaviyo) -> list[str]:
    return [request.resource for request in klaviyo.requests]


def partitions(state: Mapping[str, Any], name: str, cursor: str) -> dict[str, str]:
    return {one["partition"][name]: one["cursor"][cursor] for one in state["states"]}
