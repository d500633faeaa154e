"""A simulator in its own process."""

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
    """A running simulator.

    Attributes:
        url: scheme, host and port.
        folder: a temporary folder for the files of the connectors that read from it.
    """

    url: str
    folder: Path

    def stats(self) -> dict[str, Any]:
        """Return all counts."""
        counts: dict[str, Any] = self._call("stats")
        return counts

    def refused(self) -> int:
        """Return the number of responses with status 429 or 400."""
        counts = self.stats()
        return int(counts["throttled"] + counts["bad_requests"])

    def requests(self) -> list[dict[str, Any]]:
        """Return the last 10,000 requests: at (seconds since 1970), path, query, status, records."""
        last: list[dict[str, Any]] = self._call("requests")
        return last

    def by_stream(self) -> Counter[str]:
        """Count the requests of each stream, among the last 10,000."""
        return Counter(stream_of(request["path"], request["query"]) for request in self.requests())

    def settle(self) -> None:
        """Advance the account's clock by a minute, since records of the last seconds would be read twice."""
        self._call("advance", {"seconds": 60})

    def change(self, **changes: int) -> None:
        """Change or add this many records of each kind; the simulator's `Mutations.play` lists the kinds."""
        self._call("mutate", changes)

    def reset(self) -> None:
        """Reset the counts."""
        self._call("stats/reset", {})

    def _call(self, name: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"{self.url}/_simulator/{name}", data, timeout=60) as response:  # noqa: S310 - ours
            return json.load(response)


@contextmanager
def simulator(**options: Any) -> Iterator[Simulator]:
    """Start a simulator, and end it afterwards; options are those of its command line, with True for flags."""
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
