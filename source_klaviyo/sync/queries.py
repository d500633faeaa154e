"""Streams that several queries make up: each query has a position of its own in the state.

Profiles, for example, are those that changed (found by `updated`) and those that were suppressed without a change of
`updated` (found by the time of the suppression). The state says

    {"updated": "2026-11-20T10:00:00+0000",
     "queries": {"changed": "2026-11-20T10:00:00+0000", "suppressed": "2026-11-20T09:40:00+0000"}}

where `updated` means what it means without queries: all records with an earlier cursor have been emitted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from source_klaviyo.sync.instants import for_state
from source_klaviyo.sync.state import QUERIES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from source_klaviyo.sync.instants import Instant
    from source_klaviyo.sync.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Query:
    """One of the queries that make up a stream.

    Attributes:
        name: what states call it.
        follows_cursor: whether it finds records by the stream's cursor, and not by another date.
    """

    name: str
    follows_cursor: bool = True


class Queries:
    """The positions of a stream's queries in one sync.

    Args:
        read: the queries that are read, in the order of their timelines.
        unread: the others; the first sync reads them as part of the rest, up to its beginning.
        floor: the cursor of the incoming state, below which that of a later state never falls; None for none.
        began: returns when the first request of this sync was made, or None before.
    """

    def __init__(
        self,
        read: Sequence[Query],
        unread: Sequence[Query],
        floor: Instant | None,
        began: Callable[[], Instant | None],
    ) -> None:
        self._read = read
        self._unread = unread
        self._floor = floor
        self._began = began

    @property
    def names(self) -> list[str]:
        """The names of the queries that are read, in the order of their timelines."""
        return [query.name for query in self._read]

    def state(self, cursor_field: str, positions: Sequence[Instant], timelines: Sequence[Timeline]) -> dict[str, Any]:
        """Return the state when the queries that are read have come to their positions."""
        began = self._began()
        unread = {} if began is None else {query.name: began for query in self._unread}
        reached = {query.name: position for query, position in zip(self._read, positions, strict=True)} | unread
        return {
            cursor_field: for_state(self._cursor(positions, timelines, began)),
            QUERIES: {name: for_state(position) for name, position in sorted(reached.items())},
        }

    def _cursor(self, positions: Sequence[Instant], timelines: Sequence[Timeline], began: Instant | None) -> Instant:
        """Return how far the stream has come in terms of its cursor.

        What another date finds may carry any cursor, so it counts as unread until it is all there.
        """
        found = [
            position if query.follows_cursor else line.start
            for query, position, line in zip(self._read, positions, timelines, strict=True)
            if query.follows_cursor or line.open_windows
        ]
        if began is not None:
            found += [began for query in self._unread if query.follows_cursor]
        smallest = min(found, default=max(positions))
        return smallest if self._floor is None else max(smallest, self._floor)
