"""The endpoints: one declaration each, in the words of Klaviyo's reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_simulator.areas import REVISION, REVISIONS

if TYPE_CHECKING:
    from klaviyo_simulator.declarations import Endpoint

BY_REVISION = {
    revision: {declared.path: declared for area in areas for declared in area.endpoints}
    for revision, areas in REVISIONS.items()
}
"""The endpoints of each revision by their paths."""
ENDPOINTS = BY_REVISION[REVISION]
"""Those of the revision that is meant where none is named."""


def find(path: str, revision: str = REVISION) -> tuple[Endpoint, str | None] | None:
    """The endpoint that answers a path, and the id in the path: the resource's, or that of its parent."""
    known = BY_REVISION[revision]
    if path in known:
        return (known[path], None) if "{" not in path else None
    base, _, rest = path.removeprefix("/api/").partition("/")
    identity, slash, relation = rest.partition("/")
    endpoint = known.get(f"/api/{base}/{{id}}{slash}{relation}")
    return (endpoint, identity) if endpoint and identity else None


def all_scopes() -> frozenset[str]:
    """Every scope that some endpoint needs."""
    return frozenset(
        scope for known in BY_REVISION.values() for endpoint in known.values() for scope in endpoint.scopes
    )
