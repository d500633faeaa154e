"""`make demo`: the connector as a user meets it, from the specification to the second sync.

A made-up shop is served by the simulator; the connector's commands run as Airbyte runs them; their
output is loaded into a DuckDB file. Progress goes to stderr, the summary to stdout.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
OUTPUT = ROOT / "demo-output"
KEY = "pk_demo"
SIZES = {"events": 30_000, "profiles": 4_000, "campaigns": 150, "flows": 6, "lists": 20, "templates": 60}
SLOW = ("metric_properties", "lists_detailed", "segments_detailed", "_reports")
"""Streams with at most 15 requests a minute: two syncs within a minute would wait for them."""
CHANGES = {"profiles": 12, "events": 250, "campaigns": 3, "flows": 1, "lists": 1, "suppress_profiles": 4}


def main() -> None:
    """Run the demo; the exit code is that of the first command that fails."""
    OUTPUT.mkdir(exist_ok=True)
    warehouse = OUTPUT / "klaviyo.duckdb"
    warehouse.unlink(missing_ok=True)
    say("Starting the simulator: a made-up shop behind a strict copy of Klaviyo's API.")
    with simulator() as url, duckdb.connect(str(warehouse)) as database:
        demo = Demo(url, database)
        demo.command("spec", keep="SPEC")
        status = demo.command("check", keep="CONNECTION_STATUS")[0]["connectionStatus"]
        say(f"  check: {status['status']}")
        catalog = demo.command("discover", keep="CATALOG")[0]["catalog"]
        names = [stream["name"] for stream in catalog["streams"]]
        say(f"  discover: {len(names)} streams: {', '.join(names)}")
        demo.configure(catalog)

        full = demo.sync("full")
        changed = call(f"{url}/_simulator/mutate", CHANGES)
        summary = ", ".join(f"{len(ids)} {what}" for what, ids in changed.items() if ids)
        say(f"Meanwhile, at the shop: {summary}.")
        increment = demo.sync("incremental")
        summarise(database, full, increment, warehouse)


class Demo:
    """The commands, run as Airbyte runs them, and the database that their records go to."""

    def __init__(self, url: str, database: duckdb.DuckDBPyConnection) -> None:
        self._url = url
        self._database = database
        self._states: dict[str, Any] = {}
        write("config.json", {"api_key": KEY, "start_date": "2012-01-01"})
        database.execute("CREATE TABLE records (stream TEXT, id TEXT, data JSON, sync TEXT, PRIMARY KEY (stream, id))")

    def command(self, name: str, *files: str, keep: str = "") -> list[dict[str, Any]]:
        """Run `main.py NAME` and return its messages of one type; its output is kept in a file."""
        target = OUTPUT / f"{name}.jsonl"
        config = () if name == "spec" else ("--config", str(OUTPUT / "config.json"))
        arguments = [sys.executable, str(ROOT / "main.py"), name, *config, *files]
        say(f"$ python main.py {name} {' '.join(Path(part).name for part in (*config, *files))}")
        with target.open("wb") as output:
            done = subprocess.run(
                arguments, stdout=output, env={**os.environ, "KLAVIYO_API_URL": self._url}, check=False
            )
        if done.returncode:
            say("\n".join(line for line in target.read_text("utf-8").splitlines() if '"RECORD"' not in line))
            sys.exit(done.returncode)
        with target.open("rb") as lines:
            messages = (json.loads(line) for line in lines if f'"type":"{keep}"'.encode() in line[:40])
            return list(messages)

    def configure(self, catalog: dict[str, Any]) -> None:
        """Select all streams that are read quickly, incrementally if they support that."""
        choices = [
            {"stream": stream, "sync_mode": stream["supported_sync_modes"][-1], "destination_sync_mode": "append_dedup"}
            for stream in catalog["streams"]
            if not stream["name"].endswith(SLOW)
        ]
        say(f"  chosen: {len(choices)} of them, all but those that Klaviyo answers 15 times a minute or less")
        write("catalog.json", {"streams": choices})

    def sync(self, label: str) -> dict[str, Any]:
        """Read all streams from where the last sync ended, load the records, and return the figures."""
        call(f"{self._url}/_simulator/stats/reset", {})
        write("state.json", list(self._states.values()))
        began = time.monotonic()
        paths = ("--catalog", str(OUTPUT / "catalog.json"), "--state", str(OUTPUT / "state.json"))
        for message in self.command("read", *paths, keep="STATE"):
            self._states[message["state"]["stream"]["stream_descriptor"]["name"]] = message["state"]
        seconds = time.monotonic() - began
        output = (OUTPUT / "read.jsonl").rename(OUTPUT / f"{label}.jsonl")
        self._database.execute(
            """
            INSERT OR REPLACE INTO records
            SELECT json->>'$.record.stream',
                   coalesce(
                       json->>'$.record.data.id',
                       concat_ws('/', json->>'$.record.data.list_id', json->>'$.record.data.segment_id',
                                 json->>'$.record.data.profile_id')
                   ),
                   last(json->'$.record.data'), ?
            FROM read_ndjson_objects(?, maximum_object_size = 33554432) WHERE json->>'$.type' = 'RECORD'
            GROUP BY 1, 2
            """,
            [label, str(output)],
        )
        counts = self._database.execute("SELECT stream, count(*) FROM records WHERE sync = ? GROUP BY 1", [label])
        return {
            "seconds": seconds,
            "records": dict(counts.fetchall()),
            "requests": call(f"{self._url}/_simulator/stats")["requests"],
        }


def summarise(database: duckdb.DuckDBPyConnection, full: Any, increment: Any, warehouse: Path) -> None:
    """Print what has arrived, and what a marketer would want to know."""
    rows = database.execute("SELECT stream, count(*) FROM records GROUP BY 1 ORDER BY 1").fetchall()
    print(f"\n{'stream':<28}{'rows':>10}{'first sync':>14}{'second sync':>14}")
    for stream, count in rows:
        first, second = full["records"].get(stream, 0), increment["records"].get(stream, 0)
        print(f"{stream:<28}{count:>10,}{first:>14,}{second:>14,}")
    for label, sync in (("first", full), ("second", increment)):
        print(f"{label} sync: {sync['seconds']:.1f} s, {sync['requests']} requests")
    for question, query in QUESTIONS.items():
        print(f"\n{question}")
        print(database.sql(query))
    print(f"All of it is in {warehouse.relative_to(ROOT)}: table records (stream, id, data, sync).")


QUESTIONS = {
    "Which lists grew in the last 90 days?": """
        SELECT l.data->>'$.attributes.name' AS list, count(*) AS joined
        FROM records m JOIN records l ON l.stream = 'lists' AND l.id = m.data->>'$.list_id'
        WHERE m.stream = 'list_profiles' AND (m.data->>'$.joined_group_at')::TIMESTAMPTZ > now() - INTERVAL 90 DAY
        GROUP BY 1 ORDER BY 2 DESC LIMIT 5
    """,
    "What happened most in the last 30 days?": """
        SELECT m.data->>'$.attributes.name' AS metric, count(*) AS events,
               count(DISTINCT e.data->>'$.relationships.profile.data.id') AS people
        FROM records e
        JOIN records m ON m.stream = 'metrics' AND m.id = e.data->>'$.relationships.metric.data.id'
        WHERE e.stream = 'events' AND (e.data->>'$.datetime')::TIMESTAMPTZ BETWEEN now() - INTERVAL 30 DAY AND now()
        GROUP BY 1 ORDER BY 2 DESC LIMIT 5
    """,
    "Who must not be written to, and why?": """
        SELECT data->>'$.attributes.subscriptions.email.marketing.suppressions[0].reason' AS reason, count(*) AS people
        FROM records WHERE stream = 'global_exclusions' GROUP BY 1 ORDER BY 2 DESC
    """,
}


@contextmanager
def simulator() -> Iterator[str]:
    """A simulator in a process of its own; yields its address."""
    sizes = [part for name, size in SIZES.items() for part in (f"--{name}", str(size))]
    options = ["--port", "0", "--key", KEY, "--latency", "0.05", "--advanced-kdp", *sizes]  # the add-on for webhooks
    command = [sys.executable, "-m", "klaviyo_simulator", *options]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stderr or ():
                found = re.search(r"http://\S+?(?=[\s/]|$)", line)
                if found:
                    yield found.group(0)
                    return
            sys.exit("The simulator did not start.")
        finally:
            process.terminate()


def call(url: str, body: Any = None) -> Any:
    """Send a request to the simulator itself, not to the API that it simulates."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310 - our own
    with urllib.request.urlopen(request) as response:  # noqa: S310 - our own
        return json.load(response)


def write(name: str, content: Any) -> None:
    """Write a JSON file for the connector."""
    (OUTPUT / name).write_text(json.dumps(content), "utf-8")


def say(line: str) -> None:
    """Print the progress."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
