"""Read streams side by side: workers put pages onto one queue, and the main thread turns them into messages."""

from __future__ import annotations

import json
import logging
from collections import Counter, deque
from dataclasses import dataclass
from enum import Enum, auto
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any

from airbyte_cdk.models import AirbyteStreamStatus, FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_klaviyo.airbyte.messages import error_message, log_message, own_error, status_message
from source_klaviyo.api.redaction import redact_pii
from source_klaviyo.api.worker_pool import WorkerPool
from source_klaviyo.partitions.batch import RecordBatch
from source_klaviyo.partitions.context import MAX_CONCURRENT_REQUESTS
from source_klaviyo.partitions.partition import StreamPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from threading import Event

    from airbyte_cdk.models import AirbyteMessage

    from source_klaviyo.partitions.generator import StreamPartitionGenerator
    from source_klaviyo.progress.tracker import Progress

logger = logging.getLogger("airbyte")

POLL = 0.5
"""Seconds between checks for a due log line or a shutdown while the queue is empty."""
LAST_BATCHES = 8
"""Items written on a shutdown after those in the queue: workers were about to add them."""
_HOPEFUL_FIRST = (FailureType.transient_error, FailureType.system_error, FailureType.config_error)


class ShutdownRequested(Exception):
    """A shutdown was requested, and everything that was read is written."""


class _Task(Enum):
    """The work of a stream: one task generates its partitions, one reads each, one emits its last checkpoint."""

    GENERATE = auto()
    READ = auto()
    CLOSE = auto()


@dataclass(frozen=True, slots=True)
class _TaskEnd:
    """The last item that a task puts onto the queue."""

    stream: str
    task: _Task
    failure: tuple[str, FailureType] | None


class Engine:
    """Reads the streams of a sync, with workers enough for each: a slow limit never keeps another stream waiting.

    A task puts all that it yields onto the queue, and its end behind it. Partitions among these become further tasks.
    So a stream has been read when none of its tasks is left, and its last state stands behind its last page.

    Args:
        generators: make the partitions of each stream.
        queue: between the workers and the consumer of `read`; readers put states and further partitions onto it, too.
        progress: follows the streams.
        stop_requested: set on a shutdown.

    Raises:
        AirbyteTracedException: the system does not let it start enough threads.
    """

    def __init__(
        self,
        generators: Sequence[StreamPartitionGenerator],
        queue: Queue[Any],
        progress: Progress,
        stop_requested: Event,
    ) -> None:
        self._waiting = deque(generators)
        self._cursors = {one.context.stream.name: one.context.cursor for one in generators}
        self._queue = queue
        self._progress = progress
        self._stop_requested = stop_requested
        self._last_items: int | None = None
        self._tasks: Counter[str] = Counter()
        self._failures: dict[str, set[FailureType]] = {}
        # how many requests are in flight at once is the client's business
        workers = MAX_CONCURRENT_REQUESTS + sum(one.context.max_in_flight + 1 for one in generators)
        self._pool = WorkerPool(workers, thread_name_prefix="workerpool")
        self._max_generators = _start_threads(self._pool, len(generators))

    def read(self) -> Iterator[AirbyteMessage | RecordBatch]:
        """Yield the messages of all streams, with a page's records as one item.

        Raises:
            ShutdownRequested: a shutdown was requested, and the queue is empty.
            AirbyteTracedException: streams have failed; transient failures come first, so that platforms retry.
        """
        logger.info("Starting syncing")
        try:
            for _ in range(self._max_generators):
                yield from self._start_next_stream()
            while self._tasks:
                self._end_on_shutdown()
                try:
                    item = self._queue.get(timeout=POLL)
                except Empty:
                    item = None
                if item is not None:
                    yield from self._handle(item)
                line = self._progress.next_log_line()
                if line:
                    yield log_message(line)
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)
        if self._failures:
            kinds = set().union(*self._failures.values())
            raise AirbyteTracedException(
                message=f"Not read to the end: {', '.join(sorted(self._failures))}. "
                "The errors of these streams say why.",
                failure_type=next(kind for kind in _HOPEFUL_FIRST if kind in kinds),
            )
        logger.info("Finished syncing")

    def _end_on_shutdown(self) -> None:
        if self._stop_requested.is_set():
            left = self._last_items
            self._last_items = len(self._queue.queue) + LAST_BATCHES if left is None else left - 1
            if self._queue.empty() or self._last_items <= 0:
                raise ShutdownRequested

    def _handle(self, item: Any) -> Iterator[AirbyteMessage | RecordBatch]:
        if isinstance(item, RecordBatch):
            stream = self._progress.streams[item.stream]
            if not stream.records:
                yield status_message(item.stream, AirbyteStreamStatus.RUNNING)
            stream.on_page(item.count)
            yield item
        elif isinstance(item, StreamPartition):
            if logger.isEnabledFor(logging.DEBUG):
                yield log_message(redact_pii(f"slice:{json.dumps(item.to_slice(), default=str)}"))
            self._submit(item.stream_name, _Task.READ, item.read)
        elif isinstance(item, _TaskEnd):
            yield from self._handle_end(item)
        else:
            yield item

    def _handle_end(self, end: _TaskEnd) -> Iterator[AirbyteMessage]:
        stream = end.stream
        self._tasks[stream] -= 1
        if end.failure:
            message, kind = end.failure
            if stream in self._failures:
                yield log_message(f"Stream {stream}: {message}")
            else:
                yield error_message(message, kind, stream)
            self._failures.setdefault(stream, set()).add(kind)
        if end.task is _Task.CLOSE:
            del self._tasks[stream]
            failed = stream in self._failures
            yield status_message(stream, AirbyteStreamStatus.INCOMPLETE if failed else AirbyteStreamStatus.COMPLETE)
            yield log_message(self._progress.streams[stream].end(failed=failed))
        elif not self._tasks[stream]:
            self._submit(stream, _Task.CLOSE, self._cursors[stream].ensure_at_least_one_state_emitted)
        if end.task is _Task.GENERATE:
            yield from self._start_next_stream()

    def _start_next_stream(self) -> Iterator[AirbyteMessage]:
        if self._waiting:
            generator = self._waiting.popleft()
            stream = generator.context.stream.name
            yield status_message(stream, AirbyteStreamStatus.STARTED)
            self._submit(stream, _Task.GENERATE, generator.generate)

    def _submit(self, stream: str, task: _Task, work: Callable[[], Iterable[Any] | None]) -> None:
        self._tasks[stream] += 1
        self._pool.submit(self._run, stream, task, work)

    def _run(self, stream: str, task: _Task, work: Callable[[], Iterable[Any] | None]) -> None:
        """Do a task, in a worker."""
        failure = None
        try:
            for item in work() or ():
                self._queue.put(item)
                del item  # free a page before the next one is read
        except Exception as error:  # noqa: BLE001 - it ends the stream, and no other
            failure = _describe(stream, error)
        self._queue.put(_TaskEnd(stream, task, failure))


def _start_threads(pool: WorkerPool, streams: int) -> int:
    """Start threads ahead of their work; return how many streams may begin at the same time."""
    # a stream that begins may wait for its windows to be read, which takes one more thread
    threads = pool.start_threads(streams + 1)
    if threads < 2:
        raise AirbyteTracedException(
            message="The system does not let the connector start the two threads that reading takes: raise the "
            "limit of processes (ulimit -u, or the container's pids limit) and run the sync again.",
            failure_type=FailureType.transient_error,
        )
    if threads <= streams:
        logger.warning(
            "The system lets the connector start only %d threads, so fewer streams are read at the same time: "
            "raise the limit of processes (ulimit -u, or the container's pids limit).",
            threads,
        )
    return threads - 1


def _describe(stream: str, error: Exception) -> tuple[str, FailureType]:
    """Return a failure as users see it; the error keeps no page in memory from then on."""
    if isinstance(error, AirbyteTracedException):
        failure = str(error), error.failure_type
    else:
        logger.debug("Unexpected error in stream %s", stream, exc_info=error)
        failure = own_error(error), FailureType.system_error
    # the stream keeps its error, and the frames of the traceback would keep the page that it is about
    error.__cause__ = error.__context__ = error.__traceback__ = None
    return failure
