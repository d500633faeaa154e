"""The state of a stream with thousands of partitions, which Airbyte could not store one by one.

Written (the CDK's form of a cursor for all partitions, and how far the sync has come with the next position):

    {"use_global_cursor": true, "state": {"updated": "2026-11-19T…"}, "lookback_window": 0,
     "read_through": {"partition": {"list_id": "Xy12Zz"}, "cursor": {"updated": "2026-11-20T…"}}}

Partitions are read in the order of their names, so those up to `read_through` have come to its cursor, and all others
to that of `state`. It applies to partitions that appear later, too: no position lies after the moment when the
parents were listed, since a parent that is younger holds nothing older.
"""

from __future__ import annotations

import json
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from source_klaviyo.sync.instants import for_state

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from source_klaviyo.sync.instants import Instant

MAX_LISTED_PARTITIONS = 5_000
"""Partitions whose positions a state lists: Airbyte stores a few megabytes at most."""
READ_THROUGH = "read_through"
"""The key of a state that says how far a sync has come with the partitions, in the order of their names."""


def is_compact(partitions: Sequence[object]) -> bool:
    """Return whether a stream has so many partitions that its state does not list them."""
    return len(partitions) > MAX_LISTED_PARTITIONS


def name_of(partition: Mapping[str, Any]) -> str:
    """Return the text by which a partition is found and sorted."""
    return json.dumps(partition, sort_keys=True)


def compact_state(
    cursor_field: str, positions: Sequence[tuple[Mapping[str, Any], Instant]], milestones: Sequence[Instant]
) -> dict[str, Any]:
    """Return the state which says that each partition has been emitted up to its position.

    Args:
        cursor_field: the field that a state names.
        positions: each partition with its position, in the order of their names.
        milestones: what all partitions come to one after the other: where a sync that was stopped had brought some of
            them (if it was), and when they were listed by this one; those that appear later hold nothing older.
    """
    lowest = min(position for _, position in positions)
    milestone = next((one for one in milestones if one > lowest), milestones[-1])
    reached = [partition for partition, _ in takewhile(lambda one: one[1] >= milestone, positions)]
    state: dict[str, Any] = {
        "use_global_cursor": True,
        "state": {cursor_field: for_state(min(lowest, milestones[-1]))},
        "lookback_window": 0,
    }
    if reached and lowest < milestone:
        state[READ_THROUGH] = {"partition": reached[-1], "cursor": {cursor_field: for_state(milestone)}}
    return state
