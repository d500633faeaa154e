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
    from source_klaviyo.sync.position import PartitionPosition


@dataclass(frozen=True, slots=True)
class Query:
    """One of the queries that make up a stream.

    Attributes:
        name: what states call it.
        follows_cursor: whether it finds records by the stream's cursor, and not by another date.
    """

    name: str
    follows_cursor: bool = True


@dataclass(frozen=True, slots=True)
class Queries:
    """The queries of a stream in one sync, apart from the positions of those that it reads.

    Attributes:
        unread: the other queries; the first sync reads their records as part of the rest, up to its beginning.
        floor: the cursor of the incoming state, below which that of a later state never falls; None for none.
        began: returns when the first request of this sync was made, or None before.
    """

    unread: Sequence[Query]
    floor: Instant | None
    began: Callable[[], Instant | None]

    def state(self, cursor_field: str, positions: Sequence[PartitionPosition]) -> dict[str, Any]:
        """Return the state when the queries that are read have come to their positions."""
        began = self.began()
        reached = {one.query.name: one.checkpointed for one in positions if one.query}
        # what another date finds may carry any cursor, so it counts as unread until it is all there
        covered = [
            one.checkpointed if one.query.follows_cursor else one.start
            for one in positions
            if one.query and (one.query.follows_cursor or one.timeline.open_windows)
        ]
        if began is not None:
            reached |= {query.name: began for query in self.unread}
            covered += [began for query in self.unread if query.follows_cursor]
        cursor = min(covered, default=max(one.checkpointed for one in positions))
        return {
            cursor_field: for_state(cursor if self.floor is None else max(cursor, self.floor)),
            QUERIES: {name: for_state(position) for name, position in sorted(reached.items())},
        }
