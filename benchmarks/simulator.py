"""A simulator in a process of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.klaviyo import stream_of
from benchmarks.table import UnmeasurableError

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Simulator:
    """A simulator that runs.

    Attributes:
        url: scheme, host and port.
        folder: a temporary folder for the files of the connectors that read from it.
    """

    url: str
    folder: Path

    def stats(self) -> dict[str, Any]:
        """All counts."""
        counts: dict[str, Any] = self._call("stats")
        return counts

    def refused(self) -> int:
        """Return how many requests were answered with 429 or 400."""
        counts = self.stats()
        return int(counts["throttled"] + counts["bad_requests"])

    def requests(self) -> list[dict[str, Any]]:
        """The last 10,000 requests: at (seconds since 1970), path, query, status, records."""
        last: list[dict[str, Any]] = self._call("requests")
        return last

    def by_stream(self) -> Counter[str]:
        """How many requests each stream has made; no more than 10,000 in all are known."""
        return Counter(stream_of(request["path"], request["query"]) for request in self.requests())

    def settle(self) -> None:
        """Let a minute pass in the account: what is dated within the last seconds is read twice, to be sure."""
        self._call("advance", {"seconds": 60})

    def change(self, **changes: int) -> None:
        """Change or add so many records of each kind; the simulator's `Mutations.play` lists the kinds."""
        self._call("mutate", changes)

    def reset(self) -> None:
        """Begin to count from zero."""
        self._call("stats/reset", {})

    def _call(self, name: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"{self.url}/_simulator/{name}", data, timeout=60) as response:  # noqa: S310 - ours
            return json.load(response)


@contextmanager
def simulator(**options: Any) -> Iterator[Simulator]:
    """Start one, and end it afterwards; options are those of its command line, flags are True."""
    command = [sys.executable, "-m", "klaviyo_simulator", "--port", "0"]
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    with (
        TemporaryDirectory() as folder,
        subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process,
    ):
        try:
            found = re.search(r"http://\S+", process.stderr.readline() if process.stderr else "")
            if not found:
                raise UnmeasurableError("the simulator did not start")
            yield Simulator(found.group(0), Path(folder))
        finally:
            process.terminate()
