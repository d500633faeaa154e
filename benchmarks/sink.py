"""Count the messages of a sync: `python -m benchmarks.sink < messages`.

It is a separate process, so that it can be stopped like a slow destination, and because the peak memory of a process
is never below that of the one that started it, which must stay small.
"""

from __future__ import annotations

import json
import re
import sys
from array import array
from collections import Counter, defaultdict
from typing import Any

import numpy as np

RECORD = b'{"type":"RECORD","record":{"stream":"'
ID = b'"id":"'
EMITTED = b',"emitted_at":'
TAIL = 140
"""Bytes at the end of a line that contain the copy of the cursor."""
SECOND = re.compile(rb'"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)')


def main() -> None:
    """Read messages from stdin; print the counts as JSON."""
    hashes: defaultdict[bytes, array[int]] = defaultdict(lambda: array("q"))  # 64 bits are enough to tell IDs apart
    cursors: defaultdict[bytes, Counter[bytes]] = defaultdict(Counter)
    states: dict[str, Any] = {}
    errors: list[str] = []
    first: int | None = None
    with open(0, "rb", buffering=1 << 20) as lines:
        for line in lines:
            if not line.startswith(RECORD):
                _note(line, states, errors)
                continue
            end = line.index(b'"', len(RECORD))
            at = line.find(ID, end)
            # members of lists have no id, so the whole record is the key
            key = line[at + len(ID) : line.index(b'"', at + len(ID))] if at > 0 else line[end : line.rindex(EMITTED)]
            stream = line[len(RECORD) : end]
            hashes[stream].append(hash(key))
            seconds = SECOND.findall(line[-TAIL:])
            if seconds:
                cursors[stream][b"".join(seconds[-1])] += 1
            first = first or json.loads(line)["record"]["emitted_at"]
    report = {
        "records": {stream.decode(): len(ids) for stream, ids in hashes.items()},
        "distinct": {
            stream.decode(): int(np.unique(np.frombuffer(ids, np.int64)).size) for stream, ids in hashes.items()
        },
        "fullest": {stream.decode(): max(seconds.values()) for stream, seconds in cursors.items()},
        "first": (first or 0) / 1000,
        "states": states,
        "errors": errors,
    }
    json.dump(report, sys.stdout)


def _note(line: bytes, states: dict[str, Any], errors: list[str]) -> None:
    """Keep the last state of each stream, and errors."""
    message = json.loads(line)
    if message["type"] == "STATE":
        states[message["state"]["stream"]["stream_descriptor"]["name"]] = message["state"]
    elif message.get("trace", {}).get("type") == "ERROR":
        errors.append(message["trace"]["error"]["message"])


if __name__ == "__main__":
    main()
