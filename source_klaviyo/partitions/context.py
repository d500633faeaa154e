"""A stream during one sync: what its partitions and their generator share."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStateBlob,
    AirbyteStateMessage,
    AirbyteStateType,
    AirbyteStreamState,
    StreamDescriptor,
    Type,
)

from source_klaviyo.api.errors import ConfigError, DailyQuotaExceeded, TransientError, UnreadableRecord
from source_klaviyo.partitions.failures import as_traced, stream_error
from source_klaviyo.sync.cursor import WindowCursor, consistent_until
from source_klaviyo.sync.instants import from_seconds
from source_klaviyo.sync.splitting import SplitPlanner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airbyte_cdk.utils.traced_exception import AirbyteTracedException

    from source_klaviyo.api.errors import KlaviyoError
    from source_klaviyo.partitions.partition import StreamPartition
    from source_klaviyo.streams.base import KlaviyoStream, Slice
    from source_klaviyo.sync.instants import Instant

logger = logging.getLogger("airbyte")

MAX_CONCURRENT_REQUESTS = 64
"""The maximum concurrency, in requests in flight: what the fastest limit allows if a page takes a second."""
MAX_FAILED_WINDOWS = 3
"""Windows failed with transient errors after which the stream ends: each has been retried for minutes."""
MAX_UNREADABLE_RECORDS = 50
"""Records that Klaviyo cannot return after which the stream ends: finding each takes a minute."""
FUTURE_IS_READ = "future_is_read"
"""The state key which says that all future-dated records have been emitted."""


class StreamContext:
    """A stream during one sync: its cursor, its slots, and whether it has failed.

    Args:
        stream: what to request.
        emit: puts a state after the pages that have been read; only workers may call it.
        submit: lets another worker read a partition of a stream.
        incremental: whether the sync resumes from a state and leaves one.
        generation: in a full refresh, the generation of the destination's table, which lets a later attempt resume
            an interrupted one; None if the platform does not send it.

    Attributes:
        generation: as above; None in an incremental sync.
        slices: the slice of each partition, by partition index.
        began: every request of this sync sees what was written before this instant; None before the first response.
        max_in_flight: how many of the first partitions may be read at the same time.
        slots: for these; each is taken before the partition is made, and released when it has been read.
        counts_hours: whether states hold fingerprints of recent hours.
        failure: the error that ended the stream; None if it has not failed.
    """

    def __init__(
        self,
        stream: KlaviyoStream,
        emit: Callable[[AirbyteMessage], None],
        submit: Callable[[StreamContext, StreamPartition], None],
        *,
        incremental: bool,
        generation: int | None = None,
    ) -> None:
        self.stream = stream
        self.incremental = incremental
        self.generation = None if incremental else generation
        self.slices: list[Slice] = []
        self.began: Instant | None = None
        self.failure: AirbyteTracedException | None = None
        self._emit = emit
        self._submit = submit
        self._ended_early = False
        self._failed_windows = self._unreadable_records = 0
        self._future_read: set[int] = set()
        burst = min(limit.tier.burst for limit in stream.limits)
        steady = min(limit.tier.steady for limit in stream.limits)
        readers = stream.config.num_workers or MAX_CONCURRENT_REQUESTS
        self.max_in_flight = min(readers, burst)
        self.slots = threading.Semaphore(self.max_in_flight)
        self.planner = SplitPlanner(burst, steady, readers)
        self.counts_hours = incremental and self.recent_span > 0
        self.cursor = WindowCursor(
            stream.cursor_attribute,
            self.certain_now,
            self.publish,
            self.recent_span,
            rechecks_hours=stream.recheck_span > 0,
            generation=self.generation,
            resumable=self.generation is None or stream.is_resumable,
        )

    @property
    def recent_span(self) -> int:
        """Return how long after its date a record may appear, in microseconds; 0 if records are never late."""
        return self.stream.recheck_span or self.stream.visibility_lag

    def now(self) -> Instant:
        """Return the present, by Klaviyo's clock."""
        return from_seconds(self.stream.client.now())

    def certain_now(self) -> Instant:
        """Return the present by the slower of the two clocks, the host's and Klaviyo's."""
        return from_seconds(self.stream.client.certain_now())

    def mark_requested(self, requested_at: Instant) -> None:
        """Record when a page was requested."""
        latest = consistent_until(requested_at)
        self.began = latest if self.began is None else min(self.began, latest)

    @property
    def has_ended(self) -> bool:
        """Return whether the stream is over in this sync: it failed, or ended early."""
        return self.failure is not None or self._ended_early

    def has_read_future(self, partition_index: int) -> bool:
        """Return whether a partition's future-dated records have been emitted."""
        return partition_index in self._future_read

    def mark_future_read(self, partition_index: int) -> None:
        """Record that a partition's future-dated records have been emitted; states say so once all partitions' have."""
        self._future_read.add(partition_index)
        if len(self._future_read) == len(self.slices):
            self.cursor.extra_state[FUTURE_IS_READ] = True

    def enqueue(self, partition: StreamPartition, expected_pages: float) -> None:
        """Let another worker read a partition that seems to hold this many pages."""
        self.planner.expect(id(partition), expected_pages)
        self._submit(self, partition)

    def fail(self, error: KlaviyoError) -> AirbyteTracedException:
        """Return the exception to raise, and end the stream if its other partitions would fail as well."""
        is_lasting = isinstance(error, ConfigError | DailyQuotaExceeded)
        error = stream_error(error, self.stream)
        traced = as_traced(error)
        self._failed_windows += isinstance(error, TransientError)
        self._unreadable_records += isinstance(error, UnreadableRecord)
        max_failed = 1 if self.stream.tier.daily else MAX_FAILED_WINDOWS
        if is_lasting or self._failed_windows >= max_failed or self._unreadable_records >= MAX_UNREADABLE_RECORDS:
            self.failure = traced
        return traced

    def end_early(self, error: DailyQuotaExceeded) -> None:
        """End the stream because its daily quota is exhausted; the next sync resumes from the state.

        Raises:
            AirbyteTracedException: a full refresh leaves no state to resume from.
        """
        if not self.incremental:
            raise self.fail(
                DailyQuotaExceeded(f"{error} Sync stream {self.stream.name} incrementally to continue day by day.")
            ) from None
        if not self._ended_early:
            self._ended_early = True
            logger.warning("%s Stream %s will resume from its state in tomorrow's sync.", error, self.stream.name)

    def publish(self, state: Mapping[str, Any]) -> None:
        """Emit a state."""
        message = AirbyteMessage(
            type=Type.STATE,
            state=AirbyteStateMessage(
                type=AirbyteStateType.STREAM,
                stream=AirbyteStreamState(
                    stream_descriptor=StreamDescriptor(name=self.stream.name),
                    stream_state=AirbyteStateBlob(dict(state)),
                ),
            ),
        )
        self._emit(message)
