"""Read streams side by side: workers put pages onto one queue, and the main thread passes them on."""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter, deque
from dataclasses import dataclass
from queue import Empty
from typing import TYPE_CHECKING

from airbyte_cdk.models import AirbyteMessage, AirbyteStreamStatus, FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_klaviyo.airbyte.messages import error_message, log_message, own_error, status_message
from source_klaviyo.api.redaction import redact_pii
from source_klaviyo.api.worker_pool import WorkerPool
from source_klaviyo.partitions.batch import BatchQueue, RecordBatch
from source_klaviyo.partitions.context import MAX_CONCURRENT_REQUESTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from threading import Event

    from source_klaviyo.partitions.context import StreamContext
    from source_klaviyo.partitions.generator import StreamPartitionGenerator
    from source_klaviyo.partitions.partition import StreamPartition
    from source_klaviyo.progress.tracker import Progress

logger = logging.getLogger("airbyte")

POLL = 0.5
"""Seconds between checks for a due log line or a shutdown while the queue is empty."""
LAST_BATCHES = 8
"""Items written on a shutdown after those in the queue: workers were about to add them."""
_HOPEFUL_FIRST = (FailureType.transient_error, FailureType.system_error, FailureType.config_error)


class ShutdownRequested(Exception):
    """A shutdown was requested, and everything that was read is written."""


@dataclass(frozen=True, slots=True)
class _StreamEnd:
    """The last item of a stream: everything else of it stands before."""

    stream: str


class Engine:
    """Reads the streams of a sync, with workers enough for each: a slow limit never keeps another stream waiting.

    The tasks of a stream are to generate its partitions and to read each of them. Whoever ends the last task emits the
    last checkpoint of the stream. On the queue it comes after all pages, and the end of the stream after it.

    Args:
        progress: follows the streams.
        stop_requested: set on a shutdown.
    """

    def __init__(self, progress: Progress, stop_requested: Event) -> None:
        self._progress = progress
        self._stop_requested = stop_requested
        self._last_items: int | None = None
        self._queue = BatchQueue()
        self._waiting: deque[StreamPartitionGenerator] = deque()
        self._tasks: Counter[str] = Counter()
        self._failures: dict[str, set[FailureType]] = {}
        self._lock = threading.Lock()

    def emit(self, message: AirbyteMessage) -> None:
        """Put a message after the pages that are on the queue; for workers, since it waits for space."""
        self._queue.put(message)

    def submit(self, context: StreamContext, partition: StreamPartition) -> None:
        """Let a worker read a partition; for workers of the same stream."""
        if logger.isEnabledFor(logging.DEBUG):
            self.emit(log_message(redact_pii(f"slice:{json.dumps(partition.to_slice(), default=str)}")))
        self._start_task(context, lambda: self._read(partition))

    def read(self, generators: Sequence[StreamPartitionGenerator]) -> Iterator[AirbyteMessage | RecordBatch]:
        """Yield the messages of all streams, with a page's records as one item.

        Raises:
            ShutdownRequested: a shutdown was requested, and what had been read by then has been yielded.
            AirbyteTracedException: streams have failed, or the system does not let enough threads start.
        """
        # how many requests are in flight at once is the client's business
        workers = MAX_CONCURRENT_REQUESTS + sum(one.context.max_in_flight + 1 for one in generators)
        self._pool = WorkerPool(workers, thread_name_prefix="workerpool")
        self._waiting.extend(generators)
        self._progress.follow([one.context for one in generators])
        logger.info("Starting syncing")
        try:
            for _ in range(_start_threads(self._pool, len(generators))):
                yield from self._start_next_stream()
            yield from self._consume(len(generators))
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)
        if self._failures:
            kinds = set().union(*self._failures.values())
            raise AirbyteTracedException(
                message=f"Not read to the end: {', '.join(sorted(self._failures))}. "
                "The errors of these streams say why.",
                failure_type=next(kind for kind in _HOPEFUL_FIRST if kind in kinds),  # so that platforms retry
            )
        logger.info("Finished syncing")

    def _consume(self, streams: int) -> Iterator[AirbyteMessage | RecordBatch]:
        """Pass on the items of the queue until this many streams have ended."""
        while streams:
            self._end_on_shutdown()
            try:
                item = self._queue.get(timeout=POLL)
            except Empty:
                item = None
            if isinstance(item, RecordBatch):
                stream = self._progress.streams[item.stream]
                if not stream.records:
                    yield _mark(item.stream, AirbyteStreamStatus.RUNNING)
                stream.on_page(item.count)
                yield item
            elif isinstance(item, _StreamEnd):
                streams -= 1
                failed = item.stream in self._failures
                status = AirbyteStreamStatus.INCOMPLETE if failed else AirbyteStreamStatus.COMPLETE
                yield _mark(item.stream, status)
                yield log_message(self._progress.streams[item.stream].end(failed=failed))
            elif item is not None:
                yield item
            line = self._progress.next_log_line()
            if line:
                yield log_message(line)

    def _end_on_shutdown(self) -> None:
        if self._stop_requested.is_set():
            left = self._last_items
            self._last_items = len(self._queue.queue) + LAST_BATCHES if left is None else left - 1
            if self._queue.empty() or self._last_items <= 0:
                raise ShutdownRequested

    def _start_next_stream(self) -> Iterator[AirbyteMessage]:
        """Start the next stream, if there is one, once its status message has been taken."""
        with self._lock:
            generator = self._waiting.popleft() if self._waiting else None
        if generator:
            yield _mark(generator.context.stream.name, AirbyteStreamStatus.STARTED)
            self._start_task(generator.context, lambda: self._generate(generator))

    def _start_task(self, context: StreamContext, task: Callable[[], None]) -> None:
        with self._lock:
            self._tasks[context.stream.name] += 1
        self._pool.submit(self._run, context, task)

    def _run(self, context: StreamContext, task: Callable[[], None]) -> None:
        """Do a task, in a worker."""
        stream = context.stream.name
        self._guard(stream, task)
        with self._lock:
            self._tasks[stream] -= 1
            is_last = not self._tasks[stream]
        if is_last:
            self._guard(stream, context.cursor.ensure_at_least_one_state_emitted)
            self._queue.put(_StreamEnd(stream))

    def _generate(self, generator: StreamPartitionGenerator) -> None:
        try:
            for partition in generator.generate():
                self.submit(generator.context, partition)
        finally:
            for message in self._start_next_stream():
                self.emit(message)

    def _read(self, partition: StreamPartition) -> None:
        for item in partition.read():
            self._queue.put(item)
            del item  # free a page before the next one is read

    def _guard(self, stream: str, work: Callable[[], None]) -> None:
        """Do some work of a stream; an exception ends this stream only, in one error."""
        try:
            work()
        except Exception as error:  # users get one sentence for any error
            if isinstance(error, AirbyteTracedException):
                message, kind = str(error), error.failure_type
            else:
                logger.debug("Unexpected error in stream %s", stream, exc_info=error)
                message, kind = own_error(error), FailureType.system_error
            with self._lock:
                is_first = stream not in self._failures
                self._failures.setdefault(stream, set()).add(kind)
            self.emit(error_message(message, kind, stream) if is_first else log_message(f"Stream {stream}: {message}"))
            # the stream keeps its error, and the frames of the traceback would keep the page that it is about
            error.__cause__ = error.__context__ = error.__traceback__ = None


def _mark(stream: str, status: AirbyteStreamStatus) -> AirbyteMessage:
    logger.info("Marking stream %s as %s", stream, status.value)
    return status_message(stream, status)


def _start_threads(pool: WorkerPool, streams: int) -> int:
    """Start threads ahead of their work; return how many streams may begin at the same time.

    Raises:
        AirbyteTracedException: the system lets too few threads start.
    """
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
