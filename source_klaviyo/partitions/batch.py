"""A page's records as finished lines of Airbyte output: one queue item, one write."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from queue import Queue
from typing import TYPE_CHECKING, Any

import msgspec
from airbyte_cdk.models import AirbyteMessage, AirbyteRecordMessage, Type
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


QUEUE_BYTES = 16_000_000
"""Bytes of finished lines between the workers and the output."""
BATCH_BYTES = 10_000
"""Bytes that a batch takes in addition to its lines."""
OTHER_ITEMS = 10
"""States and other messages that fill the queue: a state of many partitions takes megabytes."""


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Records of one stream.

    Attributes:
        stream: the stream's name.
        count: how many records.
        lines: `count` RECORD messages, one a line, as the CDK would print them; in pieces, most of which are
            the response's own bytes, not copied. Whoever writes them clears them afterwards: the main
            thread's loops keep the batch until they have the next item.
        size: bytes that the lines take in memory, about.
    """

    stream: str
    count: int
    lines: list[bytes | memoryview]
    size: int = 0

    @classmethod
    def build(
        cls,
        stream: str,
        cursor_field: str | None,
        records: Iterable[tuple[bytes | msgspec.Raw | None, bytes]],
        root: Mapping[str, Any] | None = None,
        size: int = 0,
    ) -> RecordBatch:
        """Wrap each resource, with its cursor copied to the top level.

        The bytes of a resource are passed on as Klaviyo sent them: integers of any size, floats, key
        order and characters stay exact, and nothing is decoded or encoded again.

        Args:
            stream: the stream's name.
            cursor_field: the name of the copy; None for no copy.
            records: pairs of a resource (a JSON object, not empty, on one line; None is left out) and its
                cursor as JSON.
            root: further top-level fields of each record.
            size: bytes that the page of the records takes in memory; 0 if unknown.
        """
        head = b'{"type":"RECORD","record":{"stream":"%s","data":' % stream.encode()
        middle = b',"%s":' % cursor_field.encode() if cursor_field else b""
        more = b"," + msgspec.json.encode(root)[1:-1] if root else b""
        tail = more + b'},"emitted_at":%d}}\n' % (time.time_ns() // 1_000_000)
        between = tail + head
        # the closing brace of each resource gives way to the copy
        lines = [
            part
            for resource, cursor in records
            if resource is not None
            for part in (memoryview(resource)[:-1], middle + cursor + between)
        ]
        if lines:
            lines[0:1] = [head, lines[0]]
            lines[-1] = lines[-1][: -len(head)]
        return cls(stream, len(lines) // 2, lines, max(size, sum(map(len, lines))))

    def messages(self) -> Iterator[AirbyteMessage]:
        """Yield the records as messages, for readers that iterate over the source in Python."""
        for line in b"".join(self.lines).splitlines():
            record = json.loads(line)["record"]
            yield AirbyteMessage(type=Type.RECORD, record=AirbyteRecordMessage(**record))


class BatchQueue(Queue[Any]):
    """A queue that is full when its batches take this many bytes, or when it holds ten other items.

    An item is taken as long as the queue is not full, however large the item is.

    Args:
        size: bytes.
    """

    def __init__(self, size: int = QUEUE_BYTES) -> None:
        super().__init__(size)

    # the hooks of the standard library's queue for other ways to count; it calls them under its lock

    @override
    def _init(self, maxsize: int) -> None:
        super()._init(maxsize)
        self._bytes = 0

    @override
    def _qsize(self) -> int:
        return self._bytes

    @override
    def _put(self, item: Any) -> None:
        super()._put(item)
        self._bytes += self._weight(item)

    @override
    def _get(self) -> Any:
        item = super()._get()
        self._bytes -= self._weight(item)
        return item

    def _weight(self, item: Any) -> int:
        return item.size + BATCH_BYTES if isinstance(item, RecordBatch) else self.maxsize // OTHER_ITEMS
