"""The endpoints: one declaration each, in the words of Klaviyo's reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_simulator.areas import AREAS

if TYPE_CHECKING:
    from klaviyo_simulator.declarations import Endpoint

ENDPOINTS = {declared.path: declared for area in AREAS for declared in area.endpoints}
"""Every endpoint by its path."""


def find(path: str) -> tuple[Endpoint, str | None] | None:
    """The endpoint that answers a path, and the id in the path: the resource's, or that of its parent."""
    if path in ENDPOINTS:
        return (ENDPOINTS[path], None) if "{" not in path else None
    base, _, rest = path.removeprefix("/api/").partition("/")
    identity, slash, relation = rest.partition("/")
    endpoint = ENDPOINTS.get(f"/api/{base}/{{id}}{slash}{relation}")
    return (endpoint, identity) if endpoint and identity else None


def all_scopes() -> frozenset[str]:
    """Every scope that some endpoint needs."""
    return frozenset(scope for endpoint in ENDPOINTS.values() for scope in endpoint.scopes)
