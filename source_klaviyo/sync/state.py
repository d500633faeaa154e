"""States: the form that is written, and every form of earlier connectors that is read.

Written (and read by Airbyte's connector, should the user go back):

    {"updated": "2026-11-20T10:00:00+0000"}                                     a stream of one partition
    {"use_global_cursor": false, "state": {"updated": …}, "lookback_window": 0,
     "states": [{"partition": {"archived": "true"}, "cursor": {"updated": …}}, …]}

Those of thousands of partitions are written as `sync/compact.py` describes. `recent_hours` is described in
`sync/recent_hours.py`, `queries` in `sync/queries.py`. `read_ahead` lists spans of time that
were read past the positions by a sync that was stopped; a full refresh adds `generation_id`. Also read: the flat
form for a partitioned stream (serves every partition) with the half of the archived records under `archived`;
`states` of other partitions than ours (the smallest serves, if all of them are known to be there);
`use_global_cursor` (minus its `lookback_window` seconds); the CDK's date ranges; and the keys `timestamp`
and `created` of the connectors before 2.0. (Later ones left these unchanged next to their own cursor,
which then counts.) Otherwise, where two could apply, the smaller wins; a part that is listed without a
cursor has not been read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets

from source_klaviyo.api.errors import ConfigError
from source_klaviyo.sync.compact import READ_THROUGH, name_of
from source_klaviyo.sync.instants import SECOND, Instant, for_state, from_seconds, parse_instant
from source_klaviyo.sync.recent_hours import RecentHours

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from source_klaviyo.sync.instants import Span

T = TypeVar("T")
Partition = dict[str, Any]
"""The key of a partition of a stream, such as {"archived": "true"}; empty for the only one.

Values that are not text are ignored when read, but written, because Airbyte's connector expects them.
"""

_Entry = tuple["Mapping[str, Any]", "Instant | None"]
_LEGACY_KEYS = ("timestamp", "created")
_MAX_LOOKBACK_SECONDS = 366 * 86_400

RECENT_HOURS = "recent_hours"
"""The key of a state under which the fingerprints of recent hours stand."""
QUERIES = "queries"
"""The key of a state with the position of each query, for a stream that several queries make up."""
READ_AHEAD = "read_ahead"
"""The key of a state with the spans of time that were read past its positions, for a sync that resumes."""
NOT_AN_OBJECT = "not an object"
"""The key of a state that is something else than an object; the stream itself reports the error."""
GENERATION = "generation_id"
"""The key of a state of a full refresh: the generation of the destination's table that its records belong to."""
FULL_REFRESH_DONE = "__ab_full_refresh_sync_complete"
"""The CDK's key of a state which says that a full refresh has read everything."""

NO_CURSOR = {"__ab_no_cursor_state_message": True}
"""The state that the CDK writes for a stream without a cursor."""


def write_state(cursor_field: str | None, positions: Sequence[tuple[Partition, Instant]]) -> dict[str, Any]:
    """Return the state which says that each partition has been emitted up to its position."""
    if cursor_field is None:
        return dict(NO_CURSOR)
    smallest = {cursor_field: for_state(min(position for _, position in positions))} if positions else {}
    if positions and not any(partition for partition, _ in positions):
        return smallest
    return {
        "use_global_cursor": False,
        "states": [
            {"partition": partition, "cursor": {cursor_field: for_state(position)}} for partition, position in positions
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
        queries: the position of each query that makes up the stream, as far as the state names them.
        read_through: of a state of thousands of partitions, where a sync that was stopped had brought the first ones.

    Raises:
        ConfigError: a cursor is no date; the message names the stream and the value.
    """

    def __init__(self, state: Mapping[str, Any], stream: str, cursor_field: str) -> None:
        self._stream = stream
        self._cursor_field = cursor_field
        if NOT_AN_OBJECT in state:
            raise self._unusable(state[NOT_AN_OBJECT])
        self._common = _smallest(self._cursor(state), self._global(state))
        self._recent_hours = dict(self._hours(entry) for entry in self._objects(state, RECENT_HOURS))
        self.queries = {name: self._instant(value) for name, value in self._get(state, QUERIES, dict).items()}
        self._read_ahead = dict(self._spans(entry) for entry in self._objects(state, READ_AHEAD))
        through = self._get(state, READ_THROUGH, dict)
        self._through = name_of(self._get(through, "partition", dict)) if through else None
        self.read_through = self._cursor(self._get(through, "cursor", dict))
        self._listed = list(self._entries(state))
        # a sync that was stopped has not got to all parents, and says nothing of all of them together
        is_partial = self._common is None and "state" not in state
        self._may_lack = is_partial and any("id" in key for key, _ in self._listed)
        self._index: dict[tuple[str, str], list[_Entry]] = {}
        for entry in self._listed:
            for name, value in entry[0].items():
                self._index.setdefault((name, str(value).lower()), []).append(entry)
        self._archived = self._cursor(self._get(state, "archived", dict))

    def recent_hours(self, partition: Partition) -> RecentHours | None:
        """Return the fingerprints of a partition's recent hours; None if there are none."""
        return self._recent_hours.get(name_of(partition))

    def read_ahead(self, partition: Partition, query: str | None = None) -> list[Span]:
        """Return the spans of time past the position of a partition (or query) that have been read."""
        return self._read_ahead.get(name_of({"partition": partition, "query": query}), [])

    def position(self, partition: Partition) -> Instant | None:
        """Return where a partition resumes; None if it has not been read yet."""
        own = self._own_positions(partition)
        if None in own or (self._may_lack and not partition):
            return None
        if partition.get("archived") == "true":
            own.append(self._archived)
        if self._through is not None and name_of(partition) <= self._through:
            return self.read_through
        return _smallest(self._common, *own)

    def is_inherited(self, partition: Partition) -> bool:
        """Return whether a partition resumes from the position of the whole stream, which may not cover its records.

        Earlier connectors read archived records in a second pass, and not all channels of campaigns.
        """
        is_listed = bool(self._own_positions(partition))
        is_archived = partition.get("archived") == "true" and self._archived is not None
        return "archived" in partition and self._common is not None and not is_listed and not is_archived

    def _own_positions(self, partition: Partition) -> list[Instant | None]:
        """Return the positions of the entries about a partition; only candidates are compared, not thousands."""
        if partition:
            name, value = next(iter(partition.items()))
            candidates = [*self._index.get((name, str(value).lower()), ()), *self._index.get((name, ""), ())]
        else:
            # what has been read in other parts counts for the whole, unless these were events of some metrics only
            candidates = [entry for entry in self._listed if not entry[0].get("event_metric_id")]
        return [position for key, position in candidates if self._same(key, partition)]

    @staticmethod
    def _same(key: Mapping[str, Any], partition: Partition) -> bool:
        """Return whether an entry is about a partition; "" stands for all; truth values have several spellings."""
        return all(
            key.get(name) in (value, "") or (value in {"true", "false"} and str(key.get(name)).lower() == value)
            for name, value in partition.items()
            if isinstance(value, str)
        )

    def _cursor(self, state: Mapping[str, Any]) -> Instant | None:
        return _smallest(self._flat(state), self._date_range(state))

    def _flat(self, state: Mapping[str, Any]) -> Instant | None:
        names = (self._cursor_field,) if state.get(self._cursor_field) is not None else _LEGACY_KEYS
        return _smallest(*(self._instant(state[name]) for name in names if state.get(name) is not None))

    def _date_range(self, state: Mapping[str, Any]) -> Instant | None:
        """Return the end of the first slice: there may be gaps after it."""
        slices = self._objects(state, "slices")
        if not slices:
            return self._flat(self._get(state, "legacy", dict))
        first = min(slices, key=lambda item: self._instant(item.get("start", item.get("end"))))
        ends = [first[name] for name in ("most_recent_cursor_value", "end") if first.get(name) is not None]
        return _smallest(*map(self._instant, ends))

    def _global(self, state: Mapping[str, Any]) -> Instant | None:
        """Return the CDK's cursor of all partitions together, if it stands for each of them."""
        if not self._is_global(state) and self._get(state, "states", list):
            return None
        position = self._cursor(self._get(state, "state", dict))
        lookback = state.get("lookback_window")
        if position is None or not isinstance(lookback, int) or not 0 <= lookback <= _MAX_LOOKBACK_SECONDS:
            return position
        return position - lookback * SECOND

    def _entries(self, state: Mapping[str, Any]) -> Iterable[_Entry]:
        if self._is_global(state):
            return
        for entry in self._objects(state, "states"):
            yield self._get(entry, "partition", dict), self._cursor(self._get(entry, "cursor", dict))

    def _is_global(self, state: Mapping[str, Any]) -> bool:
        """Return whether one cursor speaks for all partitions; a text such as "false" is an error."""
        flag = state.get("use_global_cursor")
        if flag is None or isinstance(flag, bool):
            return bool(flag)
        raise self._unusable({"use_global_cursor": flag})

    def _instant(self, value: object) -> Instant:
        """Read a cursor: text of any ISO form, or seconds since the epoch (the API before JSON:API)."""
        try:
            if isinstance(value, str) and not re.fullmatch(r"\d{9,11}", value):
                return parse_instant(value)
            if isinstance(value, str):
                value = int(value)
            if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e11:
                return from_seconds(value)
        except ValueError:
            pass
        raise self._unusable(value)

    def _hours(self, entry: Mapping[str, Any]) -> tuple[str, RecentHours]:
        if not isinstance(entry.get("partition"), dict):
            raise self._unusable({"partition": entry.get("partition")})
        try:
            return name_of(entry["partition"]), RecentHours.read(entry)
        except ValueError:
            raise self._unusable({RECENT_HOURS: entry}) from None

    def _spans(self, entry: Mapping[str, Any]) -> tuple[str, list[Span]]:
        key = name_of({"partition": self._get(entry, "partition", dict), "query": entry.get("query")})
        try:
            return key, [(self._instant(start), self._instant(end)) for start, end in self._get(entry, "spans", list)]
        except (TypeError, ValueError):
            raise self._unusable({READ_AHEAD: entry}) from None

    def _get(self, state: Mapping[str, Any], name: str, kind: type[T]) -> T:
        """Return the object or list under a name; an empty one if it is null or missing."""
        value = state.get(name)
        if value is None:
            return kind()
        if isinstance(value, kind):
            return value
        raise self._unusable({name: value})

    def _objects(self, state: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
        """Return the list of objects under a name."""
        found: list[Mapping[str, Any]] = self._get(state, name, list)
        for value in found:
            if not isinstance(value, dict):
                raise self._unusable({name: value})
        return found

    def _unusable(self, value: object) -> ConfigError:
        text = filter_secrets(repr(value))
        return ConfigError(
            f"The state of stream {self._stream} holds {text[:80]}, which cannot be read: "
            "restore the connection's last good state, or clear the stream to read it from the start."
        )


def _smallest(*positions: Instant | None) -> Instant | None:
    return min((position for position in positions if position is not None), default=None)
