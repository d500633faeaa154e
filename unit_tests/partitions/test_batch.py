"""The queue between the workers and the output: full when its batches take a number of bytes."""

from __future__ import annotations

import threading
from queue import Empty, Full
from typing import Any

import pytest

from source_klaviyo.partitions.batch import BATCH_BYTES, OTHER_ITEMS, BatchQueue, RecordBatch

HANGS = 10.0
"""Seconds after which a thread that still waits counts as waiting for ever."""
SIZE = 10 * BATCH_BYTES


def batch(size: int) -> RecordBatch:
    return RecordBatch("events", 1, [b"{}\n"], size)


def fill(queue: BatchQueue, item: Any) -> int:
    """Put an item again and again until the queue is full; return how many it took."""
    taken = 0
    while True:
        try:
            queue.put(item, block=False)
        except Full:
            return taken
        taken += 1


def test_large_batches_fill_the_queue_sooner_than_small_ones() -> None:
    assert fill(BatchQueue(SIZE), batch(0)) == 10
    assert fill(BatchQueue(SIZE), batch(4 * BATCH_BYTES)) == 2
    assert fill(BatchQueue(SIZE), batch(100 * SIZE)) == 1


def test_the_queue_holds_ten_items_that_are_no_batches() -> None:
    assert fill(BatchQueue(SIZE), "a state") == OTHER_ITEMS


def test_a_worker_that_waits_for_a_full_queue_continues_when_there_is_room() -> None:
    queue = BatchQueue(SIZE)
    queue.put(batch(SIZE))
    writer = threading.Thread(target=queue.put, args=(batch(1),), daemon=True)
    writer.start()
    assert queue.get(timeout=HANGS).size == SIZE
    writer.join(HANGS)
    assert not writer.is_alive()
    assert queue.get(block=False).size == 1


def test_the_queue_is_first_in_first_out() -> None:
    queue = BatchQueue(SIZE)
    items = [batch(1), "a state", batch(0)]
    for item in items:
        queue.put(item)
    assert not queue.empty()
    assert [queue.get(block=False) for _ in items] == items
    assert queue.empty()
    with pytest.raises(Empty):
        queue.get(block=False)


def test_clearing_the_lines_of_a_queued_batch_does_not_change_its_weight() -> None:
    queue = BatchQueue(SIZE)
    held = batch(SIZE)
    queue.put(held)
    held.lines.clear()
    queue.get()
    assert queue.empty()


def test_a_batch_weighs_as_much_as_its_page_or_its_lines() -> None:
    records = [(b'{"id":"1"}', b'"x"'), (b'{"id":"2"}', b'"y"')]
    assert RecordBatch.build("s", "updated", records, size=5_000).size == 5_000
    built = RecordBatch.build("s", "updated", records)
    assert built.size == sum(map(len, built.lines)) > 100
