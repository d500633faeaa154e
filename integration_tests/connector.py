"""The connector as Airbyte runs it: a process, files, and messages on stdout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonschema import Draft7Validator

from source_klaviyo.streams.account import OfAccount
from tools.streams import parent_key, streams

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parent.parent
KEY = "pk_demo"
MODES = ("full_refresh", "incremental")

DECLARED = {stream.name: stream for stream in streams()}
ALL = tuple(DECLARED)
CORE = ("campaigns", "email_templates", "events", "flows", "global_exclusions", "lists", "metrics", "profiles")
"""The streams that Airbyte's connector has had from the beginning; the fixture `shop` is sized for them."""
ASKED_BY_POST = tuple(name for name in ALL if name.endswith("_reports") or name == "metric_aggregates")
COLLECTIONS = tuple(name for name in ALL if name not in ASKED_BY_POST)

PARENTS = {
    name: key for name, stream in DECLARED.items() if (key := parent_key(stream)) and not isinstance(stream, OfAccount)
}
"""The streams whose records belong to others, and the field that says to which."""


@dataclass
class Output:
    """The messages that a run printed, by kind."""

    code: int = 0
    lines: int = 0
    records: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    states: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    statuses: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    errors: list[dict[str, Any]] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    others: list[dict[str, Any]] = field(default_factory=list)
    stderr: str = ""

    def ids(self, stream: str) -> list[Any]:
        """The ids of a stream's records, in the order they came; with that of the parent if there is one."""
        keys = DECLARED[stream].primary_key if stream in DECLARED else "id"
        name = keys if isinstance(keys, str) else next(key for key in reversed(keys) if key.endswith("id"))
        parent = PARENTS.get(stream)
        return [(record[parent], record[name]) if parent else record[name] for record in self.records[stream]]

    def state(self) -> list[dict[str, Any]]:
        """Return the state that Airbyte passes to the next sync."""
        return [messages[-1] for messages in self.states.values()]

    def assert_valid(self, stream: str) -> None:
        """Assert that each record of a stream is valid by its schema and has no columns that are not in it."""
        schema = json.loads((ROOT / "source_klaviyo" / "schemas" / f"{stream}.json").read_text("utf-8"))
        validator = Draft7Validator(schema)
        for record in self.records[stream]:
            validator.validate(record)
            assert record.keys() <= schema["properties"].keys(), stream

    def last(self, stream: str) -> dict[str, Any]:
        """Return the last state of a stream."""
        blob: dict[str, Any] = self.states[stream][-1]["stream"]["stream_state"]
        return blob

    @classmethod
    def parse(cls, text: bytes, code: int = 0, stderr: str = "") -> Output:
        """Parse the lines of a run; each must be a message."""
        output = cls(code=code, stderr=stderr)
        for line in text.splitlines():
            output.add(json.loads(line))
        return output

    def add(self, message: dict[str, Any]) -> None:
        """Add one message."""
        self.lines += 1
        kind, trace = message["type"], message.get("trace", {})
        if kind == "RECORD":
            self.records[message["record"]["stream"]].append(message["record"]["data"])
        elif kind == "STATE":
            self.states[message["state"]["stream"]["stream_descriptor"]["name"]].append(message["state"])
        elif kind == "LOG":
            self.logs.append(f"{message['log']['level']} {message['log']['message']}")
        elif trace.get("type") == "STREAM_STATUS":
            status = trace["stream_status"]
            self.statuses[status["stream_descriptor"]["name"]].append(status["status"])
        elif trace.get("type") == "ERROR":
            self.errors.append(trace["error"])
        else:
            self.others.append(message)


def catalog(*streams: str, mode: str = "incremental") -> dict[str, Any]:
    """Return a configured catalog of streams (default: CORE); those without a cursor are read in full."""
    return {
        "streams": [
            {
                "stream": {"name": name, "json_schema": {}, "supported_sync_modes": MODES[: 1 + is_incremental(name)]},
                "sync_mode": mode if is_incremental(name) else "full_refresh",
                "destination_sync_mode": "append_dedup",
            }
            for name in streams or CORE
        ]
    }


def is_incremental(stream: str) -> bool:
    """Return whether a stream has a cursor, or does not exist."""
    return stream not in DECLARED or DECLARED[stream].cursor_attribute is not None


@dataclass
class Connector:
    """Runs commands against one simulator.

    Attributes:
        url: the simulator.
        folder: where the files go.
        settings: those in addition to the key.
        program: the command line before the command.
    """

    url: str
    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    program: Sequence[str] = (sys.executable, str(ROOT / "main.py"))

    def command(self, name: str, **files: Any) -> list[str]:
        """Write the files and return the command line."""
        arguments = [*self.program, name]
        if name != "spec":
            files = {"config": {"api_key": KEY, **self.settings}, **files}
        for option, content in files.items():
            path = self.folder / f"{option}.json"
            path.write_text(json.dumps(content), "utf-8")
            arguments += [f"--{option}", str(path)]
        return arguments

    @property
    def environment(self) -> dict[str, str]:
        """The environment, with the simulator instead of Klaviyo."""
        return {**os.environ, "KLAVIYO_API_URL": self.url}

    def run(self, name: str, **files: Any) -> Output:
        """Run a command to its end."""
        done = subprocess.run(
            self.command(name, **files), env=self.environment, capture_output=True, check=False, timeout=300
        )
        return Output.parse(done.stdout, done.returncode, done.stderr.decode())

    def read(self, *streams: str, state: Any = None, mode: str = "incremental") -> Output:
        """Read streams (default: CORE)."""
        files = {"catalog": catalog(*streams, mode=mode)} | ({"state": state} if state is not None else {})
        return self.run("read", **files)
