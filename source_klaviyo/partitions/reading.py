"""Reading a stream: its windows as partitions of the CDK's concurrent engine."""

from __future__ import annotations

import logging
import threading
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStateBlob,
    AirbyteStateMessage,
    AirbyteStateType,
    AirbyteStreamState,
    FailureType,
    StreamDescriptor,
    Type,
)
from airbyte_cdk.sources.streams.concurrent.partitions.partition_generator import PartitionGenerator
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_klaviyo.api.errors import (
    AccessDenied,
    BadRequest,
    ConfigError,
    KlaviyoError,
    MissingScope,
    QuotaUsed,
    RevisionRefused,
    ServerError,
    TransientError,
    UnknownMetric,
    UnreadableRecord,
)
from source_klaviyo.partitions.late_records import HeldRecords
from source_klaviyo.partitions.recheck import LookPart
from source_klaviyo.partitions.window import WindowPart
from source_klaviyo.sync.compact import name_of
from source_klaviyo.sync.cursor import SETTLING, WindowCursor
from source_klaviyo.sync.instants import DAY, SECOND, for_state, whole_second
from source_klaviyo.sync.late import HOUR, Memory, hour_of
from source_klaviyo.sync.queries import Queries, Query
from source_klaviyo.sync.splitting import SplitPlanner, opening_bounds
from source_klaviyo.sync.state import FULL_REFRESH_DONE, GENERATION, NO_CURSOR, StoredState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from queue import Queue

    from airbyte_cdk.sources.message import MessageRepository
    from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition

    from source_klaviyo.streams.base import KlaviyoStream, Slice
    from source_klaviyo.sync.instants import Instant
    from source_klaviyo.sync.late import Span
    from source_klaviyo.sync.timeline import Window

logger = logging.getLogger("airbyte")

READERS = 64
"""Requests under way at once, of a stream and of all: what the fastest limit takes at a second a page."""


FUTURE_IS_READ = "future_is_read"
"""The key of a state which says that records dated ahead of it have been emitted."""
SAFE_SPAN = 30 * DAY
"""How far to go back if a state does not tell what has been read: longer than syncs are usually apart."""
GIVEN_UP = 3
"""Windows given up for passing reasons after which a stream ends: each has been tried for minutes."""


LEFT_OUT = 50
"""Records that Klaviyo fails on after which a stream ends: each costs a minute."""


class StreamReading(PartitionGenerator):
    """One stream in one sync: its cursor, its windows, and whether it has failed.

    Attributes:
        began: what was written before this instant, every request of this sync sees; None before the first answer.

    Args:
        stream: what to ask.
        incremental: whether the sync goes on from a state and leaves one.
        generation: the generation of the destination's table in a full refresh, by which a later attempt goes on where
            an earlier one was stopped; None if the platform names none.
        state: the incoming state; None or empty for a read from the beginning.
        queue: takes batches, states and new windows.
        repository: takes the states that the queue's own consumer publishes, who must not wait for room in it.

    Raises:
        AirbyteTracedException: the state makes no sense.
    """

    def __init__(
        self,
        stream: KlaviyoStream,
        state: Mapping[str, Any] | None,
        queue: Queue[Any],
        repository: MessageRepository,
        *,
        incremental: bool,
        generation: int | None = None,
    ) -> None:
        self.stream = stream
        self.incremental = incremental
        self.queue = queue
        self._repository = repository
        self._consumer = threading.get_ident()
        self.failure: AirbyteTracedException | None = None
        self._ended_early = False
        self._given_up = self._left_out_records = 0
        self.slices: list[Slice] = []
        readers = stream.config.num_workers or READERS
        self.at_once = min([readers, *(limit.tier.burst for limit in stream.limits)])
        self._room = threading.Semaphore(self.at_once)
        self.planner = SplitPlanner(
            min(limit.tier.burst for limit in stream.limits), min(limit.tier.steady for limit in stream.limits), readers
        )
        generation = None if incremental else generation
        self._state = self._resumed_from(state or {}, generation)
        try:
            self._stored = StoredState(self._state, stream.name, stream.cursor_attribute or "")
        except ConfigError as error:
            raise as_traced(error) from None
        self.began: Instant | None = None
        self._warned_of_future = False
        self._future_read: set[int] = set()
        horizon = stream.late_events or stream.visibility_lag
        self._remembers = incremental and horizon > 0
        self.cursor = WindowCursor(
            stream.cursor_attribute,
            self.certain_now,
            self._publish,
            horizon,
            looks_again=stream.late_events > 0,
            generation=generation,
            resumable=generation is None or stream.is_resumable,
        )

    def _resumed_from(self, state: Mapping[str, Any], generation: int | None) -> Mapping[str, Any]:
        """Return the part of the state to go on from; nothing of a state of another full refresh, or of none."""
        if self.incremental:
            return state
        if generation is None or state.get(GENERATION) != generation:
            return {}
        return state if self.stream.is_resumable or state.get(FULL_REFRESH_DONE) else {}

    def now(self) -> Instant:
        """Return the present, by Klaviyo's clock."""
        return int(self.stream.client.now() * SECOND)

    def certain_now(self) -> Instant:
        """Return the present by the clock that is behind, the host's or Klaviyo's."""
        return int(self.stream.client.certain_now() * SECOND)

    def generate(self) -> Iterable[Partition]:
        """The parts to begin with: a window for each partition, from its start to the present, and looks back.

        No more at a time than the limit takes: others would keep the workers of other streams.

        Raises:
            AirbyteTracedException: what there is to read cannot be told.
        """
        if not self.incremental and self._state.get(FULL_REFRESH_DONE):
            logger.info("Stream %s has been read by an earlier attempt of this full refresh.", self.stream.name)
            self._publish(self._state)
            return
        try:
            parts = self.stream.parts(resuming=bool(self._state))
            partitions = [partition for partition, _ in parts]
            positions = [self._repaired(self._position(*part), self._stored.memory(part[0])) for part in parts]
            self._warn_of_a_new_beginning(positions)
            self._warn_of_trust(partitions)
            memories = [self._stored.memory(partition) for partition in partitions] if self._remembers else []
            starts = [
                self._start(self.stream.query(part[1]), position, memory)
                for part, position, memory in zip_longest(parts, positions, memories)
            ]
        except KlaviyoError as error:
            raise self.fail(error) from None
        self.slices = [stream_slice for _, stream_slice in parts]
        streams = [self.stream.query(stream_slice) for stream_slice in self.slices]
        self.stream.query_starts = {
            part["query"]: start for part, start in zip(self.slices, starts, strict=True) if "query" in part
        }
        self.cursor.begin(
            partitions,
            starts=starts,
            positions=[
                stream.earliest() if position is None else position
                for stream, position in zip(streams, positions, strict=True)
            ],
            queries=self._queries(),
            catch_up_after=[stream.catch_up_after if stream.follows_cursor else None for stream in streams],
            read_ahead=[self._left_out(*part) for part in parts],
            milestones=self._milestones(),
            memories=[
                # what a stream with a lag reads again is counted again
                (memory if self.stream.late_events else None) or Memory(start, start, self.certain_now())
                for memory, start in zip(memories, starts, strict=False)
            ],
        )
        held = {
            number: HeldRecords(position, memory.hours if memory else {})
            for number, (start, position, memory) in enumerate(zip(starts, positions, memories, strict=False))
            if self.incremental and self.stream.visibility_lag and position is not None and start < position
        }
        if self._state.get(FUTURE_IS_READ):
            for number, position in enumerate(positions):
                if position is not None:
                    self.future_read(number)
        looks = self.cursor.looks_due() if self.stream.late_events else []
        opened = self._open_windows(positions)
        # what is furthest behind comes first: where a quota ends the reading, every part gets its turn
        names = [name_of(partition) for partition in partitions]
        for number, window in sorted(self.cursor.open_windows, key=lambda one: (one[1].start, names[one[0]])):
            self._room.acquire()
            part = WindowPart(self, number, window, is_first=True, held=held.get(number))
            if opened:
                self.planner.opened(id(part))
            yield part
        for number, span in looks:
            self._room.acquire()
            yield LookPart(self, number, span)

    def _position(self, partition: dict[str, Any], stream_slice: Slice) -> Instant | None:
        """Return where a part goes on; None for one that has not been read yet."""
        name = stream_slice.get("query")
        own = self._stored.query(name) if name else None
        if own is not None:
            return own
        return None if name in self.stream.new_queries else self._stored.position(partition)

    def _milestones(self) -> list[Instant]:
        """Return what the partitions come to one after the other, if there are thousands of them."""
        listed_at = self.stream.listed_at()
        listed = self.certain_now() if listed_at is None else int(listed_at * SECOND)
        stopped = [] if self._stored.read_through is None else [self._stored.read_through]
        return [*stopped, whole_second(listed - SETTLING)]

    def _left_out(self, partition: dict[str, Any], stream_slice: Slice) -> list[Span]:
        """Return the spans that have been read; recent hours are counted as they are read, so they come again."""
        spans = self._stored.read_ahead(partition, stream_slice.get("query"))
        if not self._remembers:
            return spans
        counted = hour_of(self.certain_now() - (self.stream.late_events or self.stream.visibility_lag)) - HOUR
        return [(start, min(end, counted)) for start, end in spans]

    def _queries(self) -> Queries | None:
        """Return the positions of the stream's queries, if several make it up."""
        if not self.stream.queries:
            return None
        queries = [Query(name, self.stream.query({"query": name}).follows_cursor) for name in self.stream.queries]
        read = [next(query for query in queries if query.name == part["query"]) for part in self.slices]
        unread = [query for query in queries if query not in read]
        return Queries(read, unread, self._repaired(self._stored.position({})), lambda: self.began)

    def asked(self, instant: Instant) -> None:
        """Take note of when a page was asked for."""
        latest = whole_second(instant - SETTLING)
        self.began = latest if self.began is None else min(self.began, latest)

    @property
    def has_ended(self) -> bool:
        """Whether there is no point in reading any further."""
        return self.failure is not None or self._ended_early

    def part_done(self) -> None:
        """One of the parts to begin with has been read: there is room for another."""
        self._room.release()

    def knows_future(self, number: int) -> bool:
        """Whether what is dated ahead in a partition has been emitted."""
        return number in self._future_read

    def future_read(self, number: int) -> None:
        """What is dated ahead in a partition has been emitted; states say so when that is so in all of them."""
        self._future_read.add(number)
        if len(self._future_read) == len(self.slices):
            self.cursor.notes[FUTURE_IS_READ] = True

    def _open_windows(self, positions: Sequence[Instant | None]) -> bool:
        """Begin a first read with several windows of each partition; returns whether there are.

        Their first pages tell where the records lie.
        """
        if any(position is not None for position in positions):
            return False
        for number, window in self.cursor.open_windows:
            stream = self.stream.query(self.slices[number])
            if stream.lower:
                now = whole_second(self.certain_now() - SETTLING)
                windows = self.planner.opening_windows(len(self.slices), ends=stream.upper)
                self.cursor.divide(number, window, opening_bounds(window.start, now, windows))
        return self.cursor.open_count > len(self.slices)

    def hand_over(self, number: int, window: Window | None, expected: float = 0.0) -> None:
        """Let another worker read a window.

        Args:
            number: the window's partition.
            window: the window; None for none.
            expected: how many pages it seems to hold.
        """
        if window is not None:
            part = WindowPart(self, number, window)
            self.planner.expect(id(part), expected)
            self.queue.put(part)

    def fail(self, error: KlaviyoError) -> AirbyteTracedException:
        """What to raise; after an error that every other window would meet as well, they are left alone."""
        lasting = isinstance(error, ConfigError | QuotaUsed)
        if isinstance(error, BadRequest):
            error = self._blamed(error)
        if isinstance(error, AccessDenied):
            error = self._without_access(error)
        if isinstance(error, RevisionRefused):
            error = RevisionRefused(f"Stream {self.stream.name} cannot be read: {error}")
        if isinstance(error, ServerError):
            error = ServerError(f"{error}{self.stream.advice}")
        traced = as_traced(error)
        self._given_up += isinstance(error, TransientError)
        self._left_out_records += isinstance(error, UnreadableRecord)
        most = 1 if self.stream.tier.daily else GIVEN_UP
        if lasting or self._given_up >= most or self._left_out_records >= LEFT_OUT:
            self.failure = traced
        return traced

    def _without_access(self, error: AccessDenied) -> ConfigError:
        """Say what a stream needs that Klaviyo refuses this key."""
        name = self.stream.name
        if not isinstance(error, MissingScope):
            hint = self.stream.access_hint
            return ConfigError(
                f"Stream {name} cannot be read: this account or key has no access to it (403). {hint}"
                f"Deselect the stream.{error.said}"
            )
        scope, *more = self.stream.scope.split()
        scopes, it = (f"the scopes {' and '.join([scope, *more])}", "them") if more else (f"the scope {scope}", "it")
        if self.stream.config.oauth:
            return ConfigError(f"Stream {name} needs {scopes}, or the account has no access to it. {error}")
        if error.certain:
            return ConfigError(f"Stream {name} needs {scopes}: add {it} in Klaviyo, or deselect the stream. {error}")
        return ConfigError(
            f"Stream {name} cannot be read (403): if the key has custom access, it needs {scopes}; if it has {it}, "
            f"this account has no access. Create a key with access in Klaviyo, or deselect the stream.{error.said}"
        )

    def _blamed(self, error: BadRequest) -> KlaviyoError:
        """The user's error, where Klaviyo objects to what a setting holds; other parts of the stream may be good."""
        settings = (
            setting
            for what, setting in self.stream.settings.items()
            if what in error.parameter or (isinstance(error, UnknownMetric) and "metric_id" in what)
        )
        setting = next(settings, None)
        if setting is None or not getattr(self.stream.config, setting):
            return error
        return ConfigError(f"Klaviyo refuses what the setting {setting} holds (400): correct it.{error.said}")

    def end_early(self, error: QuotaUsed) -> None:
        """The requests of the day are used up: the next sync goes on from the state.

        Raises:
            AirbyteTracedException: there is no state to go on from, in a full refresh.
        """
        if not self.incremental:
            raise self.fail(
                QuotaUsed(f"{error} Sync stream {self.stream.name} incrementally: it then goes on day by day.")
            ) from None
        if not self._ended_early:
            self._ended_early = True
            logger.warning("%s Stream %s goes on from here with a sync of tomorrow.", error, self.stream.name)

    def _repaired(self, position: Instant | None, memory: Memory | None = None) -> Instant | None:
        """Return a position that does not lie in the future, where it would hide what changes until then.

        Such a position says nothing of when the last sync was. So the stream goes back to what is known to have been
        read or, if nothing is, by a safe span: records that come twice are deduplicated, lost ones are lost.
        """
        if position is not None and position > self.now() - SETTLING:
            self.stream.shared.timezone()  # until an answer tells Klaviyo's clock, it may only be ours that is behind
        if position is None or position <= self.now():
            return position if position is None else min(position, whole_second(self.now() - SETTLING))
        known = [one for one in ((memory.until, memory.looked) if memory else ()) if one <= self.now() - SETTLING]
        safe = max(known, default=whole_second(self.now()) - SAFE_SPAN)
        said, self._warned_of_future = self._warned_of_future, True
        logger.log(
            logging.DEBUG if said else logging.WARNING,
            "The state of stream %s lies in the future (%s), so it does not tell what has been read. The stream goes "
            "on from %s, %s: records since then may come again.",
            self.stream.name,
            for_state(position),
            for_state(safe),
            "up to which it is known to have been read" if known else "30 days ago",
        )
        return safe

    def _warn_of_a_new_beginning(self, positions: Sequence[Instant | None]) -> None:
        """A state that says something, but nothing of what is to be read, is no reason to read in silence anew."""
        says_something = any(value for name, value in self._state.items() if name not in NO_CURSOR)
        if says_something and self.stream.cursor_attribute and all(position is None for position in positions):
            logger.warning(
                "The state of stream %s holds no position that is of use, so the stream is read from its start date "
                "on. If you did not expect this, restore the connection's last good state.",
                self.stream.name,
            )

    def _warn_of_trust(self, partitions: Sequence[dict[str, Any]]) -> None:
        """What an earlier connector may never have read is not passed over in silence."""
        trusted = [partition for partition in partitions if self._stored.is_taken_on_trust(partition)]
        if trusted:
            logger.warning(
                "The state of stream %s comes from a connector that may not have read all of it: %s. These go on from "
                "the state's date like the others; clear the stream if older ones are missing.",
                self.stream.name,
                "; ".join(", ".join(f"{name} {value}" for name, value in partition.items()) for partition in trusted),
            )

    def _start(self, stream: KlaviyoStream, position: Instant | None, memory: Memory | None) -> Instant:
        earliest = stream.earliest()
        if position is None:
            return earliest
        if not self.incremental:
            return max(earliest, position)
        if stream.visibility_lag:
            return max(earliest, hour_of(position - stream.visibility_lag))
        start = stream.resumed(position)
        return max(earliest, memory.resumed(start) if memory else start)

    def _publish(self, blob: Mapping[str, Any]) -> None:
        message = AirbyteMessage(
            type=Type.STATE,
            state=AirbyteStateMessage(
                type=AirbyteStateType.STREAM,
                stream=AirbyteStreamState(
                    stream_descriptor=StreamDescriptor(name=self.stream.name),
                    stream_state=AirbyteStateBlob(dict(blob)),
                ),
            ),
        )
        if threading.get_ident() == self._consumer:
            self._repository.emit_message(message)
        else:
            self.queue.put(message)


def as_traced(error: KlaviyoError) -> AirbyteTracedException:
    """The error as Airbyte knows it."""
    kinds = {
        "config": FailureType.config_error,
        "transient": FailureType.transient_error,
        "system": FailureType.system_error,
    }
    return AirbyteTracedException(message=str(error), internal_message=str(error), failure_type=kinds[error.failure])
