"""The CDK's concurrent engine, extended to move pages instead of records and to log progress while it waits."""

from __future__ import annotations

import logging
import time
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any

from airbyte_cdk.models import (
    AirbyteErrorTraceMessage,
    AirbyteLogMessage,
    AirbyteMessage,
    AirbyteStreamStatus,
    AirbyteTraceMessage,
    FailureType,
    Level,
    StreamDescriptor,
    TraceType,
    Type,
)
from airbyte_cdk.sources.concurrent_source.concurrent_source import ConcurrentSource
from airbyte_cdk.sources.concurrent_source.stream_thread_exception import StreamThreadException
from airbyte_cdk.sources.concurrent_source.thread_pool_manager import ThreadPoolManager
from airbyte_cdk.sources.utils.slice_logger import DebugSliceLogger
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from airbyte_cdk.utils.stream_status_utils import as_airbyte_message as status_message
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_klaviyo.api.redaction import redact_pii
from source_klaviyo.api.worker_pool import WorkerPool
from source_klaviyo.partitions.batch import RecordBatch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from threading import Event

    from airbyte_cdk.sources.concurrent_source.concurrent_read_processor import ConcurrentReadProcessor
    from airbyte_cdk.sources.message import MessageRepository

    from source_klaviyo.progress.tracker import Progress

logger = logging.getLogger("airbyte")

POLL = 0.5
"""Seconds between checks for a due log line or a shutdown while the queue is empty."""
LAST_BATCHES = 8
"""Items written on a shutdown after those in the queue: workers were about to add them."""


class ShutdownRequested(Exception):
    """A shutdown was requested, and everything that was read is written."""


class RedactingSliceLogger(DebugSliceLogger):
    """Redacts secrets and personal data in logged slices, whose values come from Klaviyo or the user."""

    def create_slice_log_message(self, _slice: Mapping[str, Any] | None) -> AirbyteMessage:
        """Return the debug message about a slice."""
        message = super().create_slice_log_message(_slice)
        message.log.message = filter_secrets(redact_pii(message.log.message))  # type: ignore[union-attr]
        return message


class PagedSource(ConcurrentSource):
    """A ConcurrentSource whose queue carries whole pages.

    It differs from the CDK's engine in four ways: a `RecordBatch` counts as its records; a failed stream
    is reported in one trace without a traceback; progress is logged; and it ends on a shutdown.
    """

    def __init__(self, progress: Progress, stop_requested: Event, **options: Any) -> None:
        super().__init__(**options)
        self._progress = progress
        self._stop_requested = stop_requested
        self._ended: set[str] = set()

    @classmethod
    def start(
        cls,
        workers: int,
        generators: int,
        queue: Queue[Any],
        repository: MessageRepository,
        progress: Progress,
        stop_requested: Event,
    ) -> PagedSource:
        """Build the engine.

        Args:
            workers: threads that read.
            generators: how many streams may begin at the same time.
            queue: between the workers and the consumer of `read`.
            repository: the messages of the main thread itself, which come before the status at a stream's end.
            progress: follows the streams.
            stop_requested: set on a shutdown: reading raises `ShutdownRequested` once the queue is empty.

        Raises:
            AirbyteTracedException: the system does not let it start enough threads.
        """
        pool = WorkerPool(workers, thread_name_prefix="workerpool")
        # a stream that begins may wait for its windows to be read, which takes one more thread
        threads = pool.start_threads(min(workers, generators + 1))
        if threads < min(workers, 2):
            raise AirbyteTracedException(
                message="The system does not let the connector start the two threads that reading takes: raise the "
                "limit of processes (ulimit -u, or the container's pids limit) and run the sync again.",
                failure_type=FailureType.transient_error,
            )
        if threads <= min(workers - 1, generators):
            logger.warning(
                "The system lets the connector start only %d threads, so fewer streams are read at the same time: "
                "raise the limit of processes (ulimit -u, or the container's pids limit).",
                threads,
            )
        return cls(
            progress,
            stop_requested,
            threadpool=ThreadPoolManager(pool, logger),
            logger=logger,
            slice_logger=RedactingSliceLogger(),
            message_repository=repository,
            queue=queue,
            initial_number_partitions_to_generate=max(1, min(generators, threads - 1)),
        )

    def _consume_from_queue(
        self, queue: Queue[Any], concurrent_stream_processor: ConcurrentReadProcessor
    ) -> Iterable[AirbyteMessage]:
        waiting: int | None = None
        while True:
            try:
                item = queue.get(timeout=POLL)
            except Empty:
                item = None
            if item is not None:
                yield from self._handle_item(item, concurrent_stream_processor)
            if queue.empty() and _all_ended(concurrent_stream_processor):
                return
            if self._stop_requested.is_set():
                waiting = len(queue.queue) + LAST_BATCHES if waiting is None else waiting - 1
                if queue.empty() or waiting <= 0:
                    raise ShutdownRequested
            line = self._progress.next_log_line()
            if line:
                yield _log(line)

    def _handle_item(
        self, queue_item: Any, concurrent_stream_processor: ConcurrentReadProcessor
    ) -> Iterable[AirbyteMessage]:
        if isinstance(queue_item, RecordBatch):
            yield from self._handle_batch(queue_item, concurrent_stream_processor)
        elif isinstance(queue_item, StreamThreadException):
            yield from self._handle_failure(queue_item, concurrent_stream_processor)
        else:
            yield from super()._handle_item(queue_item, concurrent_stream_processor)
            yield from self._sum_up(concurrent_stream_processor)

    def _sum_up(self, processor: ConcurrentReadProcessor) -> Iterable[AirbyteMessage]:
        """Log a summary of each stream that has just ended."""
        for name in processor._streams_done - self._ended:
            self._ended.add(name)
            failed = name in processor._exceptions_per_stream_name
            yield _log(self._progress.streams[name].end(failed=failed))

    def _handle_batch(self, batch: RecordBatch, processor: ConcurrentReadProcessor) -> Iterable[Any]:
        counts: dict[str, int] = processor._record_counter
        if counts[batch.stream] == 0:
            logger.info("Marking stream %s as RUNNING", batch.stream)
            yield status_message(StreamDescriptor(name=batch.stream), AirbyteStreamStatus.RUNNING)
        counts[batch.stream] += batch.count
        self._progress.streams[batch.stream].on_page(batch.count)
        yield batch

    @staticmethod
    def _handle_failure(failed: StreamThreadException, processor: ConcurrentReadProcessor) -> Iterable[AirbyteMessage]:
        stream, error = failed.stream_name, failed.exception
        repeated = stream in processor._exceptions_per_stream_name
        processor._flag_exception(stream, error)
        if isinstance(error, AirbyteTracedException):
            message, kind = str(error), error.failure_type
        else:
            logger.debug("Unexpected error in stream %s", stream, exc_info=error)
            message, kind = own_error(error), FailureType.system_error
        # the processor keeps the error, and the frames of its traceback would keep the page that they were about
        error.__cause__ = error.__context__ = error.__traceback__ = None
        if repeated:
            yield _log(f"Stream {stream}: {message}")
        else:
            yield error_message(message, kind, stream)


def _all_ended(processor: ConcurrentReadProcessor) -> bool:
    """Whether every stream has ended, as the processor's `is_done`, with a clearer error if some failed.

    Raises:
        AirbyteTracedException: some failed; transient failures come first, so that platforms retry.
    """
    if len(processor._streams_done) < len(processor._stream_name_to_instance):
        return False
    failed: dict[str, list[Exception]] = processor._exceptions_per_stream_name
    if failed:
        kinds = {
            getattr(error, "failure_type", FailureType.system_error) for errors in failed.values() for error in errors
        }
        hopeful = (FailureType.transient_error, FailureType.system_error, FailureType.config_error)
        raise AirbyteTracedException(
            message=f"Not read to the end: {', '.join(sorted(failed))}. The errors of these streams say why.",
            failure_type=next(kind for kind in hopeful if kind in kinds),
        )
    return True


def _log(message: str) -> AirbyteMessage:
    return AirbyteMessage(type=Type.LOG, log=AirbyteLogMessage(level=Level.INFO, message=filter_secrets(message)))


def own_error(error: Exception) -> str:
    """Describe an unexpected error."""
    what = f"{type(error).__name__}: {redact_pii(str(error))}"
    return f"The connector met an error of its own ({what}): please report it."


def error_message(message: str, kind: FailureType, stream: str | None = None) -> AirbyteMessage:
    """Return an error message for users: one sentence, no traceback, no secret."""
    return AirbyteMessage(
        type=Type.TRACE,
        trace=AirbyteTraceMessage(
            type=TraceType.ERROR,
            emitted_at=time.time_ns() // 1_000_000,
            error=AirbyteErrorTraceMessage(
                message=filter_secrets(message),
                internal_message=filter_secrets(message),
                failure_type=kind,
                stream_descriptor=StreamDescriptor(name=stream) if stream else None,
            ),
        ),
    )
