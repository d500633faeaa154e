"""States: the form that is written, and every form of earlier connectors that is read.

Written (and read by Airbyte's connector, should the user go back):

    {"updated": "2026-11-20T10:00:00+0000"}                                     a stream of one partition
    {"use_global_cursor": false, "state": {"updated": …}, "lookback_window": 0,
     "states": [{"partition": {"archived": "true"}, "cursor": {"updated": …}}, …]}

Those of thousands of partitions are written as `sync/compact.py` describes. `recent_hours` is described in
`sync/recent_hours.py`, `queries` in `sync/queries.py`. `read_ahead` lists spans of time that
were read behind the positions by a sync that was stopped; a full refresh adds `generation_id`. Also read: the flat
form for a partitioned stream (serves every partition) with the half of the archived records under `archived`;
`states` of other partitions than ours (the smallest serves, if all of them are known to be there);
`use_global_cursor` (minus its `lookback_window` seconds); the CDK's date ranges; and the keys `timestamp`
and `created` of the connectors before 2.0. (Later ones left these as they were beside their own cursor,
which then counts.) Otherwise, where two could apply, the smaller wins; a part that is listed without a
cursor has not been read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets

from source_klaviyo.api.errors import ConfigError
from source_klaviyo.sync.compact import READ_THROUGH, name_of
from source_klaviyo.sync.instants import SECOND, for_state, parse_instant
from source_klaviyo.sync.recent_hours import RecentHours

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from source_klaviyo.sync.instants import Instant
    from source_klaviyo.sync.recent_hours import Span

Partition = dict[str, Any]
"""The key of a partition of a stream, such as {"archived": "true"}; empty for the only one.

Values that are not text are ignored when read, but written, because Airbyte's connector expects them.
"""

_Entry = tuple["Mapping[str, Any]", "Instant | None"]
_LEGACY_KEYS = ("timestamp", "created")
_LONGEST_LOOKBACK = 366 * 86_400


RECENT_HOURS = "recent_hours"
"""The key of a state under which the fingerprints of recent hours stand."""
QUERIES = "queries"
"""The key of a state with the position of each query, for a stream that several queries make up."""
READ_AHEAD = "read_ahead"
"""The key of a state with the spans of time that were read behind its positions, for a sync that resumes."""
NOT_AN_OBJECT = "not an object"
"""The key under which a state stands that is something else than an object, for the stream itself to complain of."""
GENERATION = "generation_id"
"""The key of a state of a full refresh: the generation of the destination's table that its records belong to."""
FULL_REFRESH_DONE = "__ab_full_refresh_sync_complete"
"""The CDK's key of a state which says that a full refresh has read everything."""

NO_CURSOR = {"__ab_no_cursor_state_message": True}
"""The state that the CDK writes for a stream without a cursor."""


def write_state(
    cursor_field: str | None, partitions: Sequence[Partition], positions: Sequence[Instant]
) -> dict[str, Any]:
    """The state which says that each partition has been emitted up to its position."""
    if cursor_field is None:
        return dict(NO_CURSOR)
    smallest = {cursor_field: for_state(min(positions))} if positions else {}
    if partitions and not any(partitions):
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


class StoredState:
    """An incoming state, in whatever form.

    Args:
        state: the state; empty for none.
        stream: the name of the stream.
        cursor_field: the field that holds its cursor.

    Attributes:
        read_through: of a state of thousands of partitions, where a sync that was stopped had brought the first ones.

    Raises:
        ConfigError: a cursor is no date; the message names the stream and the value.
    """

    def __init__(self, state: Mapping[str, Any], stream: str, cursor_field: str) -> None:
        self._stream = stream
        self._cursor_field = cursor_field
        if NOT_AN_OBJECT in state:
            raise self._unusable(state[NOT_AN_OBJECT])
        self._common = self._smallest([self._cursor(state), self._global(state)])
        self._memories = dict(self._remembered(entry) for entry in self._list(state, RECENT_HOURS))
        self._queries = {name: self._instant(value) for name, value in self._part(state, QUERIES).items()}
        self._read_ahead = dict(self._spans(entry) for entry in self._list(state, READ_AHEAD))
        through = self._part(state, READ_THROUGH)
        self._through = name_of(self._part(through, "partition")) if through else None
        self.read_through = self._cursor(self._part(through, "cursor"))
        self._listed = list(self._entries(state))
        # a sync that was stopped has not got to all parents, and says nothing of all of them together
        unsaid = self._common is None and "state" not in state
        self._may_lack = unsaid and any("id" in key for key, _ in self._listed)
        self._index: dict[tuple[str, str], list[_Entry]] = {}
        for entry in self._listed:
            for name, value in entry[0].items():
                self._index.setdefault((name, str(value).lower()), []).append(entry)
        self._archived = self._cursor(self._part(state, "archived"))

    def memory(self, partition: Partition) -> RecentHours | None:
        """Return the fingerprints of a partition's recent hours; None if there are none."""
        return self._memories.get(name_of(partition))

    def read_ahead(self, partition: Partition, query: str | None = None) -> list[Span]:
        """Return the spans of time behind the position of a partition (or query) that have been read."""
        return self._read_ahead.get(name_of({"partition": partition, "query": query}), [])

    def query(self, name: str) -> Instant | None:
        """Return the position of one of the queries that make up the stream; None if the state does not name it."""
        return self._queries.get(name)

    @property
    def names_queries(self) -> bool:
        """Whether the state was written by a version that knew of queries."""
        return bool(self._queries)

    def position(self, partition: Partition) -> Instant | None:
        """Return where a partition resumes; None if it has not been read yet."""
        own = [position for key, position in self._candidates(partition) if self._same(key, partition)]
        if None in own or (self._may_lack and not partition):
            return None
        if partition.get("archived") == "true":
            own += [self._archived]
        if self._through is not None and name_of(partition) <= self._through:
            return self.read_through
        return self._smallest([self._common, *own])

    def is_inherited(self, partition: Partition) -> bool:
        """Whether a partition goes on from what was said of the whole stream, which may never have held its records.

        Earlier connectors read archived records in a second pass, and not all channels of campaigns.
        """
        own = any(self._same(key, partition) for key, _ in self._candidates(partition))
        archived = partition.get("archived") == "true" and self._archived is not None
        return "archived" in partition and self._common is not None and not own and not archived

    def _candidates(self, partition: Partition) -> list[_Entry]:
        """The entries that could be about a partition, without looking at those of thousands of others."""
        for name, value in partition.items():
            return [*self._index.get((name, str(value).lower()), ()), *self._index.get((name, ""), ())]
        # what has been read in other parts counts for the whole, unless these were events of some metrics only
        return [entry for entry in self._listed if not entry[0].get("event_metric_id")]

    @staticmethod
    def _same(key: Mapping[str, Any], partition: Partition) -> bool:
        """Whether an entry is about a partition: truth values have been written in several ways, "" stands for all."""
        return all(
            key.get(name) in (value, "") or (value in {"true", "false"} and str(key.get(name)).lower() == value)
            for name, value in partition.items()
            if isinstance(value, str)
        )

    @staticmethod
    def _smallest(positions: Iterable[Instant | None]) -> Instant | None:
        return min((position for position in positions if position is not None), default=None)

    def _cursor(self, state: Mapping[str, Any]) -> Instant | None:
        return self._smallest([self._flat(state), self._date_range(state)])

    def _flat(self, state: Mapping[str, Any]) -> Instant | None:
        names = (self._cursor_field,) if state.get(self._cursor_field) is not None else _LEGACY_KEYS
        return self._smallest([self._instant(state[name]) for name in names if state.get(name) is not None])

    def _date_range(self, state: Mapping[str, Any]) -> Instant | None:
        """The end of the first slice: what lies beyond it may have gaps."""
        slices = [self._mapping(item, "slices") for item in self._list(state, "slices")]
        if not slices:
            return self._flat(self._part(state, "legacy"))
        first = min(slices, key=lambda item: self._instant(item.get("start", item.get("end"))))
        ends = [first[name] for name in ("most_recent_cursor_value", "end") if first.get(name) is not None]
        return self._smallest([self._instant(end) for end in ends])

    def _global(self, state: Mapping[str, Any]) -> Instant | None:
        """The CDK's cursor of all partitions together, where it stands for each of them."""
        if not self._is_global(state) and self._list(state, "states"):
            return None
        position = self._cursor(self._part(state, "state"))
        if position is None:
            return None
        lookback = state.get("lookback_window")
        usable = isinstance(lookback, int) and 0 <= lookback <= _LONGEST_LOOKBACK
        return position - (lookback * SECOND if usable else 0)  # type: ignore[operator]

    def _entries(self, state: Mapping[str, Any]) -> Iterable[_Entry]:
        if self._is_global(state):
            return
        for item in self._list(state, "states"):
            entry = self._mapping(item, "states")
            yield self._part(entry, "partition"), self._cursor(self._part(entry, "cursor"))

    def _is_global(self, state: Mapping[str, Any]) -> bool:
        """Whether one cursor speaks for all partitions; a text such as "false" would speak for what it must not."""
        flag = state.get("use_global_cursor")
        if flag is None or isinstance(flag, bool):
            return bool(flag)
        raise self._unusable({"use_global_cursor": flag})

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

    def _remembered(self, entry: object) -> tuple[str, RecentHours]:
        found = self._mapping(entry, RECENT_HOURS)
        try:
            return name_of(self._mapping(found.get("partition"), "partition")), RecentHours.read(found)
        except ValueError:
            raise self._unusable({RECENT_HOURS: entry}) from None

    def _spans(self, entry: object) -> tuple[str, list[Span]]:
        found = self._mapping(entry, READ_AHEAD)
        key = name_of({"partition": self._part(found, "partition"), "query": found.get("query")})
        try:
            return key, [(self._instant(start), self._instant(end)) for start, end in self._list(found, "spans")]
        except (TypeError, ValueError):
            raise self._unusable({READ_AHEAD: entry}) from None

    def _mapping(self, value: object, name: str) -> Mapping[str, Any]:
        if isinstance(value, dict):
            return value
        raise self._unusable({name: value})

    def _part(self, state: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        """Return the object under a name; empty if it is null."""
        value = state.get(name)
        return {} if value is None else self._mapping(value, name)

    def _list(self, state: Mapping[str, Any], name: str) -> list[Any]:
        value = state.get(name)
        if value is None or isinstance(value, list):
            return value or []
        raise self._unusable({name: value})

    def _unusable(self, value: object) -> ConfigError:
        text = filter_secrets(repr(value))
        return ConfigError(
            f"The state of stream {self._stream} holds {text[:80]}, which cannot be read: "
            "restore the connection's last good state, or clear the stream to read it from the start."
        )
