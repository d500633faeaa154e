"""States: the one written here, and every form that an earlier connector may have left behind.

Written (and read by Airbyte's connector, should the user go back):

    {"updated": "2026-11-20T10:00:00+0000"}                                     a stream of one partition
    {"use_global_cursor": false, "state": {"updated": …}, "lookback_window": 0,
     "states": [{"partition": {"archived": "true"}, "cursor": {"updated": …}}, …]}

Read besides: the flat form for a partitioned stream (serves every partition) with the half of the
archived records under `archived`; `states` of other partitions than ours (the smallest serves);
`use_global_cursor` (minus its `lookback_window` seconds); the CDK's date ranges; and the keys
`timestamp` and `created` of the connectors before 2.0. Where two could apply, the smaller wins.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from source_klaviyo.api.errors import ConfigError
from source_klaviyo.sync.instants import SECOND, for_state, parse_instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from source_klaviyo.sync.instants import Instant

Partition = dict[str, str]
"""What distinguishes a partition of a stream, such as {"archived": "true"}; empty for the only one."""

_LEGACY_KEYS = ("timestamp", "created")
_LONGEST_LOOKBACK = 366 * 86_400


def read_state(
    state: Mapping[str, Any], stream: str, cursor_field: str, partitions: Sequence[Partition]
) -> list[Instant | None]:
    """Where each partition goes on; None for one that has not been read yet.

    Raises:
        ConfigError: a cursor is no date; the message names the stream and the value.
    """
    return _StateReader(stream, cursor_field).positions(state, partitions)


def write_state(cursor_field: str, partitions: Sequence[Partition], positions: Sequence[Instant]) -> dict[str, Any]:
    """The state which says that each partition has been emitted up to its position."""
    smallest = {cursor_field: for_state(min(positions))}
    if not any(partitions):
        return smallest
    return {
        "use_global_cursor": False,
        "states": [
            {"partition": partition, "cursor": {cursor_field: for_state(position)}}
            for partition, position in zip(partitions, positions, strict=True)
        ],
        "state": smallest,
        "lookback_window": 0,
    }


class _StateReader:
    def __init__(self, stream: str, cursor_field: str) -> None:
        self._stream = stream
        self._cursor_field = cursor_field

    def positions(self, state: Mapping[str, Any], partitions: Sequence[Partition]) -> list[Instant | None]:
        common = self._smallest([self._flat(state), self._date_range(state), self._global(state)])
        listed = list(self._listed(state))
        return [self._of_partition(partition, state, common, listed) for partition in partitions]

    def _of_partition(
        self,
        partition: Partition,
        state: Mapping[str, Any],
        common: Instant | None,
        listed: list[tuple[Mapping[str, Any], Instant]],
    ) -> Instant | None:
        own: list[Instant | None] = [
            position for key, position in listed if not partition or self._same(key, partition)
        ]
        if partition.get("archived") == "true":
            own += [self._flat(self._mapping(state.get("archived") or {}, "archived"))]
        return self._smallest([common, *own])

    @staticmethod
    def _same(key: Mapping[str, Any], partition: Partition) -> bool:
        return all(str(key.get(name)).lower() == value for name, value in partition.items())

    @staticmethod
    def _smallest(positions: Iterable[Instant | None]) -> Instant | None:
        return min((position for position in positions if position is not None), default=None)

    def _flat(self, state: Mapping[str, Any]) -> Instant | None:
        names = (self._cursor_field, *_LEGACY_KEYS)
        return self._smallest([self._instant(state[name]) for name in names if state.get(name) is not None])

    def _date_range(self, state: Mapping[str, Any]) -> Instant | None:
        """The end of the first slice: what lies beyond it may have gaps."""
        slices = [self._mapping(item, "slices") for item in self._list(state, "slices")]
        if not slices:
            return self._flat(self._mapping(state.get("legacy") or {}, "legacy")) if "legacy" in state else None
        first = min(slices, key=lambda item: self._instant(item.get("start", item.get("end"))))
        ends = [first[name] for name in ("most_recent_cursor_value", "end") if first.get(name) is not None]
        return self._smallest([self._instant(end) for end in ends])

    def _global(self, state: Mapping[str, Any]) -> Instant | None:
        """The CDK's cursor of all partitions together, where it stands for each of them."""
        if not state.get("use_global_cursor") and self._list(state, "states"):
            return None
        position = self._flat(self._mapping(state.get("state") or {}, "state"))
        if position is None:
            return None
        lookback = state.get("lookback_window")
        usable = isinstance(lookback, int) and 0 <= lookback <= _LONGEST_LOOKBACK
        return position - (lookback * SECOND if usable else 0)  # type: ignore[operator]

    def _listed(self, state: Mapping[str, Any]) -> Iterable[tuple[Mapping[str, Any], Instant]]:
        if state.get("use_global_cursor"):
            return
        for item in self._list(state, "states"):
            entry = self._mapping(item, "states")
            if self._mapping(entry.get("partition") or {}, "partition").get("event_metric_id"):
                continue  # only events of that metric have been read
            position = self._flat(self._mapping(entry.get("cursor") or {}, "cursor"))
            if position is not None:
                yield self._mapping(entry.get("partition") or {}, "partition"), position

    def _instant(self, value: object) -> Instant:
        """A cursor: text of any ISO form, or seconds since the epoch (the API before JSON:API)."""
        try:
            if isinstance(value, str) and not re.fullmatch(r"\d{9,11}", value):
                return parse_instant(value)
            if isinstance(value, str):
                value = int(value)
            if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e11:
                return int(value * SECOND)
        except ValueError:
            pass
        raise self._unusable(value)

    def _mapping(self, value: object, name: str) -> Mapping[str, Any]:
        if isinstance(value, dict):
            return value
        raise self._unusable({name: value})

    def _list(self, state: Mapping[str, Any], name: str) -> list[Any]:
        value = state.get(name) or []
        if isinstance(value, list):
            return value
        raise self._unusable({name: value})

    def _unusable(self, value: object) -> ConfigError:
        text = repr(value)
        return ConfigError(
            f"The state of stream {self._stream} holds {text[:80]}, which cannot be read: "
            "restore the connection's last good state, or clear the stream to read it anew."
        )
