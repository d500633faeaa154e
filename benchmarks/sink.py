"""`python -m benchmarks.sink < messages`: what a sync put out, counted.

It is a process of its own so that it can be stopped as a destination that does not keep up, and because a
process's peak memory is never less than that of the one that started it, which has to stay small.
"""

from __future__ import annotations

import json
import sys
from array import array
from collections import defaultdict
from typing import Any

import numpy as np

RECORD = b'{"type":"RECORD","record":{"stream":"'
ID = b'"id":"'
EMITTED = b',"emitted_at":'


def main() -> None:
    """Read the messages on stdin; print what they are, as JSON."""
    hashes: defaultdict[bytes, array[int]] = defaultdict(lambda: array("q"))  # 64 bits stand for an id well enough
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
            # members of lists are pairs of ids: all of the record stands for them
            key = line[at + len(ID) : line.index(b'"', at + len(ID))] if at > 0 else line[end : line.rindex(EMITTED)]
            hashes[line[len(RECORD) : end]].append(hash(key))
            first = first or json.loads(line)["record"]["emitted_at"]
    report = {
        "records": {stream.decode(): len(ids) for stream, ids in hashes.items()},
        "distinct": {
            stream.decode(): int(np.unique(np.frombuffer(ids, np.int64)).size) for stream, ids in hashes.items()
        },
        "first": (first or 0) / 1000,
        "states": states,
        "errors": errors,
    }
    json.dump(report, sys.stdout)


def _note(line: bytes, states: dict[str, Any], errors: list[str]) -> None:
    """Keep the last state of each stream, and what went wrong."""
    message = json.loads(line)
    if message["type"] == "STATE":
        states[message["state"]["stream"]["stream_descriptor"]["name"]] = message["state"]
    elif message.get("trace", {}).get("type") == "ERROR":
        errors.append(message["trace"]["error"]["message"])


if __name__ == "__main__":
    main()
