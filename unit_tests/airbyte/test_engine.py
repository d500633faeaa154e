"""The engine: a pool of workers reads streams concurrently and puts their pages on one queue, in order."""

from __future__ import annotations

import threading
import weakref
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from airbyte_cdk.models import AirbyteMessage, FailureType, Type
from airbyte_cdk.utils.airbyte_secrets_utils import update_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from typing_extensions import override

from source_klaviyo.airbyte import engine as module
from source_klaviyo.airbyte.engine import LAST_BATCHES, Engine, ShutdownRequested
from source_klaviyo.api.worker_pool import WorkerPool
from source_klaviyo.partitions.batch import RecordBatch
from source_klaviyo.partitions.partition import StreamPartition
from source_klaviyo.progress.tracker import HEARTBEAT
from unit_tests.progress.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

HANGS = 10.0
"""Seconds after which a thread that still waits counts as waiting for ever."""
LATER = AirbyteTracedException(message="Try again.", failure_type=FailureType.transient_error)
REFUSED = AirbyteTracedException(message="Correct it.", failure_type=FailureType.config_error)


class Part(StreamPartition):
    """A partition that yields these items, calls those that can be called, and fails with those that are errors."""

    def __init__(self, *items: Any, values: Mapping[str, Any] | None = None) -> None:
        self.items = items
        self.values = values or {}

    @override
    def to_slice(self) -> Mapping[str, Any]:
        return self.values

    @override
    def read(self) -> Iterator[Any]:
        for item in self.items:
            if isinstance(item, Exception):
                raise item
            if callable(item):
                item()
            else:
                yield item

    _read = read


def page(stream: str, records: int = 1) -> RecordBatch:
    return RecordBatch(stream, records, [b"{}\n"] * records)


class Generator:
    """Makes the partitions of a stream."""

    def __init__(self, context: Any, generate: Callable[[], Iterable[StreamPartition]]) -> None:
        self.context = context
        self.generate = generate


class Sync:
    """A sync of streams whose partitions tests make up."""

    def __init__(self, **streams: Callable[[], Iterable[StreamPartition]]) -> None:
        self.stage = Stage(*streams)
        self.stop_requested = threading.Event()
        self.engine = Engine(self.stage.progress, self.stop_requested)
        self.generators: list[Any] = []
        for name, generate in streams.items():
            context = self.stage.contexts[name]
            context.ensure_at_least_one_state_emitted = lambda name=name: self.put(f"last state of {name}")
            self.generators.append(Generator(context, generate))

    def put(self, item: Any) -> None:
        self.engine.emit(item)

    def read(self) -> Iterator[Any]:
        return self.engine.read(self.generators)

    def output(self) -> list[str]:
        """Return the messages of the sync in words, with the error at the end."""
        found: list[str] = []
        try:
            found.extend(map(words, self.read()))
        except AirbyteTracedException as error:
            found.append(f"{error.failure_type.value}: {error}")
        return found


def words(item: Any) -> str:
    if isinstance(item, RecordBatch):
        return f"{item.count} of {item.stream}"
    if not isinstance(item, AirbyteMessage):
        return str(item)
    if item.type == Type.LOG:
        assert item.log
        return str(item.log.message).partition(" in ")[0]
    assert item.trace
    if status := item.trace.stream_status:
        return f"{status.stream_descriptor.name} {status.status.value}"
    error = item.trace.error
    assert error
    assert error.stack_trace is None
    assert error.failure_type
    assert error.stream_descriptor
    return f"{error.failure_type.value} of {error.stream_descriptor.name}: {error.message}"


def test_a_stream_is_complete_after_its_last_page_and_its_last_state() -> None:
    sync = Sync(events=lambda: [Part(page("events", 2), "a state", page("events", 3))])

    assert sync.output() == [
        "events STARTED",
        "events RUNNING",
        "2 of events",
        "a state",
        "3 of events",
        "last state of events",
        "events COMPLETE",
        "Stream events: 5 records",
    ]


def test_a_stream_without_partitions_is_complete() -> None:
    assert Sync(lists=list).output() == [
        "lists STARTED",
        "last state of lists",
        "lists COMPLETE",
        "Stream lists: 0 records",
    ]


def test_a_partition_that_a_reader_splits_off_belongs_to_its_stream() -> None:
    sync = Sync(events=lambda: [Part(split, page("events", 1))])

    def split() -> None:
        sync.engine.submit(sync.stage.contexts["events"], Part(page("events", 2), page("events", 3)))

    output = sync.output()

    assert sorted(output[2:-3]) == ["1 of events", "2 of events", "3 of events"]
    assert output[-2:] == ["events COMPLETE", "Stream events: 6 records"]


def test_streams_are_read_concurrently() -> None:
    together = threading.Barrier(4, timeout=HANGS)

    def generate() -> list[StreamPartition]:
        return [Part(together.wait), Part(together.wait)]

    sync = Sync(events=generate, profiles=generate)

    assert {"events COMPLETE", "profiles COMPLETE"} <= {*sync.output()}


# --- failures -------------------------------------------------------------------------------------------


def test_a_failed_stream_has_one_error_and_affects_no_other_stream_or_partition() -> None:
    def flows() -> Iterator[StreamPartition]:
        yield Part(REFUSED)
        yield Part(page("flows", 2))
        yield Part(LATER)

    output = Sync(flows=flows, lists=lambda: [Part(page("lists"))]).output()

    errors = [line for line in output if line.startswith(("config_error of", "transient_error of"))]
    assert len(errors) == 1
    assert {"Stream flows: Try again.", "Stream flows: Correct it."} & {*output}
    assert {"2 of flows", "last state of flows", "flows INCOMPLETE", "lists COMPLETE"} < {*output}
    assert output[-1] == (
        "transient_error: Not read to the end: flows. The errors of these streams say why."  # so platforms retry
    )


def test_a_stream_whose_partitions_cannot_be_listed_is_incomplete() -> None:
    def generate() -> Iterator[StreamPartition]:
        yield Part(page("lists"))
        raise REFUSED

    output = Sync(lists=generate).output()

    assert {"config_error of lists: Correct it.", "1 of lists", "lists INCOMPLETE"} < {*output}
    assert output[-1].startswith("config_error: Not read to the end: lists.")


def test_an_unexpected_error_is_one_sentence(log: pytest.LogCaptureFixture) -> None:
    output = Sync(lists=lambda: [Part(ValueError("No me@example.com here"))]).output()

    sentence = "The connector met an error of its own (ValueError: No **** here): please report it."
    assert f"system_error of lists: {sentence}" in output
    assert "Traceback" in log.text  # with --debug


def test_a_state_that_cannot_be_built_fails_only_its_stream() -> None:
    sync = Sync(flows=list, lists=list)
    sync.stage.contexts["flows"].ensure_at_least_one_state_emitted = lambda: divmod(1, 0)

    assert {"flows INCOMPLETE", "lists COMPLETE"} < {*sync.output()}


def test_the_error_of_a_failed_stream_keeps_no_page_in_memory() -> None:
    class Page:
        """Something that a frame holds."""

    pages: list[weakref.ref[Page]] = []
    kept = RuntimeError("no")

    def fail() -> None:
        page = Page()
        pages.append(weakref.ref(page))
        try:
            raise ValueError
        except ValueError as error:
            raise kept from error

    Sync(events=lambda: [Part(fail)]).output()

    assert pages[0]() is None
    assert str(kept) == "no"


# --- threads --------------------------------------------------------------------------------------------


def test_with_few_threads_streams_start_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(WorkerPool, "start_threads", lambda *_: 2)
    generating = threading.Lock()

    def generate(name: str) -> Iterator[StreamPartition]:
        assert generating.acquire(blocking=False)
        is_read = threading.Event()
        yield Part(page(name), is_read.set)
        assert is_read.wait(HANGS)
        generating.release()

    names = ["events", "flows", "lists"]
    output = Sync(**{name: lambda name=name: generate(name) for name in names}).output()

    assert [line for line in output if line.endswith("STARTED")] == [f"{name} STARTED" for name in names]
    assert {f"{name} COMPLETE" for name in names} < {*output}
    assert "only 2 threads" in log.text


def test_without_two_threads_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WorkerPool, "start_threads", lambda *_: 1)

    (line,) = Sync(lists=list).output()

    assert line.startswith("transient_error: The system does not let the connector start the two threads")


# --- waiting and shutdown -------------------------------------------------------------------------------


@contextmanager
def waiting(*before: Any) -> Iterator[Sync]:
    """A sync of a stream that yields some items and then nothing more, until the test is over."""
    over = threading.Event()
    sync = Sync(events=lambda: [Part(*before, lambda: over.wait(HANGS))])
    yield sync
    over.set()


def test_progress_is_logged_while_no_page_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL", 0.01)
    with waiting() as sync:
        monkeypatch.setattr(sync.stage.progress, "_clock", count(0.0, HEARTBEAT).__next__)
        messages = sync.read()
        assert [words(next(messages))[:7] for _ in range(3)] == ["events ", "Waiting", "Waiting"]


@pytest.mark.parametrize("more_arrive", [False, True])
def test_a_shutdown_ends_the_read_after_the_queued_pages(more_arrive: bool) -> None:
    are_queued = threading.Event()
    with waiting(*[page("events")] * 20, are_queued.set) as sync:
        messages = sync.read()
        assert [words(next(messages)) for _ in range(2)] == ["events STARTED", "events RUNNING"]
        assert are_queued.wait(HANGS)
        sync.stop_requested.set()
        progress = sync.stage.progress.streams["events"]

        def read_on() -> None:
            for _ in messages:
                if more_arrive and progress.records < 100:
                    sync.put(page("events"))

        with pytest.raises(ShutdownRequested):
            read_on()

    assert 20 <= progress.records <= (20 + 2 * LAST_BATCHES if more_arrive else 20)


def test_slices_in_the_log_show_neither_the_key_nor_personal_data(log: pytest.LogCaptureFixture) -> None:
    update_secrets(["pk_0123456789abcdef"])
    values = {"aggregate": "pk_0123456789abcdef", "by": "me@example.com"}

    output = Sync(metric_aggregates=lambda: [Part(values=values)]).output()

    assert 'slice:{"aggregate": "****", "by": "****"}' in output
