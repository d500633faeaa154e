"""Wrong files and command lines: each command fails with one sentence that says what to do, and reads nothing.

The contents of files are tested with the modules that read them; here a few of each kind go through the commands.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.connector import ROOT, catalog
from integration_tests.forks import Forks
from klaviyo_simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from integration_tests.connector import Output

KEY = "pk_do_not_show_this_anywhere"
MISSING = object()
"""Stands for the content of a file that does not exist."""
ESCAPE = "a\x1b[31m\n\0b"
HALF = "\ud83d"
"""Half a character, which no output may hold."""


class Desk:
    """Puts files where commands find them, and runs the commands against a small shop."""

    def __init__(self, folder: Path, url: str) -> None:
        (folder / "input").mkdir()
        self.folder = folder
        self.forks = Forks(folder)
        self._url = url

    def put(self, name: str, content: Any) -> str:
        """Write a file: bytes as they are, all else as JSON."""
        place = self.folder / "input" / name
        place.unlink(missing_ok=True)
        if content is not MISSING:
            place.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return str(place)

    def run(self, command: str, **files: Any) -> Output:
        """Run a command with these files; the others are good ones, for the stream lists."""
        good = {"config": {"api_key": KEY}} | ({"catalog": catalog("lists")} if command == "read" else {})
        options = [
            part for name, content in {**good, **files}.items() for part in (f"--{name}", self.put(name, content))
        ]
        return self.forks.run(command, *options, KLAVIYO_API_URL=self._url)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with Simulator(key=KEY, limits=False, events=10, profiles=10, campaigns=2, flows=2, lists=3) as shop:
        desk = Desk(tmp_path_factory.mktemp("desk"), shop.url)
        yield desk
        desk.forks.close()


def assert_sentence(message: str, words: str) -> None:
    """Assert that a message can be shown to a user."""
    assert words in message
    assert re.fullmatch(r"[A-Z][ -~…]+\.", message)
    assert len(message) < 300
    assert not re.search(r"Error|Exception|\bNone of|validation", message)


def assert_rejected(desk: Desk, output: Output, words: str) -> None:
    """Assert that there is one configuration error of one sentence, and that nothing has been read."""
    (error,) = output.errors
    assert_sentence(error["message"], words)
    assert error["failure_type"] == "config_error"
    assert "stack_trace" not in error
    assert output.code == 1
    assert not output.records
    assert not output.states
    assert_quiet(desk)


def assert_quiet(desk: Desk) -> None:
    """Assert that the output has no key, no traceback and only whole lines."""
    assert KEY not in desk.forks.printed
    assert "Traceback" not in desk.forks.printed
    assert (desk.folder / "stdout").read_bytes()[-1:] in {b"\n", b""}
    assert (desk.folder / "stderr").read_text("utf-8") == ""


BROKEN: dict[str, tuple[Any, str]] = {
    "missing": (MISSING, "cannot be read (No such file or directory)"),
    "cut off": (b'{"a": [', "is not JSON (line 1, column 8"),
    "a number": (5, "holds"),
}

BAD_CONFIG: dict[str, tuple[Any, str]] = {
    **BROKEN,
    "no key": ({}, "api_key is missing"),
    "key with a line break in it": ({"api_key": f"{KEY}\n{KEY}"}, "api_key holds a space"),
    "key with half a character": ({"api_key": KEY + HALF}, "api_key holds a space"),
    "no number": ({"api_key": KEY, "num_workers": float("nan")}, "The setting num_workers is nan"),
    "start in the future": ({"api_key": KEY, "start_date": "9999-12-31"}, "is '9999-12-31', which lies in the future"),
    "no IDs": ({"api_key": KEY, "metric_ids": f"x {KEY}"}, "The setting metric_ids holds"),
    "no metric": ({"api_key": KEY, "metric_aggregates": [{}]}, "holds a definition without a metric_id"),
} | {
    f"start {what}": ({"api_key": KEY, "start_date": value}, "The setting start_date is")
    for what, value in {"with escapes": ESCAPE, "half": HALF, "long": "x" * 100_000, "secret": KEY}.items()
}


def cases(table: dict[str, tuple[Any, str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("content", "words"), table.values(), ids=table)


@cases(BAD_CONFIG)
def test_a_wrong_configuration_is_a_failed_check(desk: Desk, content: Any, words: str) -> None:
    output = desk.run("check", config=content)

    (message,) = output.others
    assert message["type"] == "CONNECTION_STATUS"
    assert message["connectionStatus"]["status"] == "FAILED"
    assert_sentence(message["connectionStatus"]["message"], words)
    assert not output.errors
    assert output.code == 0  # by Airbyte's protocol, a check with a result succeeds
    assert_quiet(desk)


@pytest.mark.parametrize("command", ["discover", "read"])
@cases(BAD_CONFIG)
def test_a_wrong_configuration_ends_other_commands(desk: Desk, command: str, content: Any, words: str) -> None:
    output = desk.run(command, config=content)

    assert_rejected(desk, output, words)
    assert not output.others


def entry(**changes: Any) -> dict[str, Any]:
    """A catalog of one entry that differs from a good one; `stream` changes the stream itself."""
    good = catalog("lists")["streams"][0]
    return {"streams": [{**good, **changes, "stream": {**good["stream"], **changes.get("stream", {})}}]}


@cases({**BROKEN, "without a name": (entry(stream={"name": None}), "Stream number 1 of the catalog has no name")})
def test_a_wrong_catalog_ends_a_read(desk: Desk, content: Any, words: str) -> None:
    assert_rejected(desk, desk.run("read", catalog=content), words)


@pytest.mark.parametrize(
    "name", ["nonsense", "Lists", " lists ", "x" * 100_000, ESCAPE, HALF, "список", KEY], ids=ascii
)
def test_an_unknown_stream_fails_alone(desk: Desk, name: str) -> None:
    output = desk.run("read", catalog=catalog(name, "lists"))

    assert output.code == 1
    assert output.statuses.pop("lists") == ["STARTED", "RUNNING", "COMPLETE"]
    assert list(output.statuses.values()) == [["STARTED", "INCOMPLETE"]]
    assert len(output.ids("lists")) == 3
    of_the_stream, of_the_sync = output.errors
    assert of_the_stream["stream_descriptor"]["name"] in output.statuses
    assert "does not exist: refresh the connection's schema" in of_the_stream["message"]
    assert len(of_the_stream["message"]) < 300
    assert not re.search("[\x00-\x1f\ud800-\udfff]", of_the_stream["message"] + of_the_sync["message"])
    assert {error["failure_type"] for error in output.errors} == {"config_error"}
    assert_quiet(desk)


def stated(blob: Any, stream: str = "lists") -> list[dict[str, Any]]:
    return [{"type": "STREAM", "stream": {"stream_descriptor": {"name": stream}, "stream_state": blob}}]


SINCE = {"updated": "2023-01-01T00:00:00+0000"}
UNREADABLE = "The state of stream lists holds"

BAD_STATE_OF_A_STREAM: dict[str, tuple[Any, str]] = {
    "a state that is a text": (stated("2023-01-01"), f"{UNREADABLE} '2023-01-01'"),
    "a state that is false": (stated(False), f"{UNREADABLE} False"),
    "the old form with a text": ({"lists": "2023-01-01"}, f"{UNREADABLE} '2023-01-01'"),
} | {
    f"a cursor {json.dumps(value)[:30]}": (stated({"updated": value}), f"{UNREADABLE} {shown}")
    for value, shown in (
        ("", "''"),
        ("10000-01-01T00:00:00Z", "'10000-01-01T00:00:00Z'"),
        (10**30, "1000000000000000000000000000000"),
        (float("nan"), "nan"),
        ({}, "{}"),
        (ESCAPE, r"'a\x1b[31m\n\x00b'"),
        (HALF, r"'\ud83d'"),
        ("x" * 100_000, "'xxx"),
        (KEY, "'****'"),
    )
}


@cases({**BROKEN, "without a descriptor": ([{"type": "STREAM", "stream": {}}], "the descriptor of a stream")})
def test_a_wrong_state_file_ends_a_read(desk: Desk, content: Any, words: str) -> None:
    assert_rejected(desk, desk.run("read", state=content), words)


@cases(BAD_STATE_OF_A_STREAM)
def test_a_wrong_state_of_a_stream_fails_only_that_stream(desk: Desk, content: Any, words: str) -> None:
    output = desk.run("read", catalog=catalog("lists", "metrics"), state=content)

    of_the_stream, of_the_sync = output.errors
    assert_sentence(of_the_stream["message"], words)
    assert of_the_stream["stream_descriptor"]["name"] == "lists"
    assert of_the_sync["message"].startswith("Not read: lists.")
    assert {error["failure_type"] for error in output.errors} == {"config_error"}
    assert output.statuses["lists"] == ["STARTED", "INCOMPLETE"]
    assert not output.records["lists"]
    assert not output.states["lists"]
    assert output.statuses["metrics"][-1] == "COMPLETE"
    assert output.records["metrics"]
    assert output.code == 1
    assert_quiet(desk)


# --- odd, but clear -------------------------------------------------------------------------------------

FINE: dict[str, dict[str, Any]] = {
    "UTF-16, as Windows saves it": {"state": json.dumps(stated(SINCE)).encode("utf-16")},
    "keys of other versions": {"config": {"api_key": f" {KEY}\n", "verify": False, "\n": {}, "ключ": None}},
    "settings that are null": {"config": {"api_key": KEY, "start_date": None, "num_workers": None, "metric_ids": None}},
    "nested settings nobody knows": {
        "config": b'{"api_key": "%s", "x": %s%s}' % (KEY.encode(), b"[" * 500, b"]" * 500)
    },
    "further keys in the catalog": {"catalog": entry(generation_id=10**30, minimum_generation_id=float("nan"), x=[1])},
}


@pytest.mark.parametrize("files", FINE.values(), ids=FINE)
def test_unusual_but_valid_files_are_read(desk: Desk, files: dict[str, Any]) -> None:
    output = desk.run("read", **files)

    assert output.code == 0
    assert output.statuses["lists"][-1] == "COMPLETE"
    assert output.records["lists"]
    assert not output.errors
    assert_quiet(desk)


def test_a_catalog_without_streams_reads_nothing(desk: Desk) -> None:
    output = desk.run("read", catalog={"streams": []})

    assert (output.code, output.errors, dict(output.records)) == (0, [], {})


NOTHING: dict[str, Any] = {
    "null": None,
    "a state that is null": stated(None),
    "a stream that is not read": stated({"updated": "nonsense"}, "profiles"),
    "a stream that does not exist": stated({"what": ["ever"]}, "nonsense"),
}


@pytest.mark.parametrize("state", NOTHING.values(), ids=NOTHING)
def test_a_stream_without_a_state_is_read_from_its_start(desk: Desk, state: Any) -> None:
    output = desk.run("read", state=state)

    assert (output.code, output.errors) == (0, [])
    assert len(output.ids("lists")) == 3


@pytest.mark.parametrize("name", ["Lists", "list", "lists "])
def test_a_state_of_an_unknown_stream_is_a_warning(desk: Desk, name: str) -> None:
    output = desk.run("read", state=stated(SINCE, name))

    assert (output.code, output.errors) == (0, [])
    assert any(f"The state holds {name!r}, which is no stream" in line for line in output.logs)


PRESENT = {"updated": time.strftime("%Y-%m-%dT%H:%M:%S+0000", time.gmtime())}
"""Is later than every record: a read of any record ignored it."""

UNDERSTOOD: dict[str, Any] = {
    "messages as a sync prints them, the last one counts": [
        {"type": "STATE", "state": message} for message in stated(SINCE) + stated(PRESENT)
    ],
    "a global state as Airbyte shows it": {
        "global": {"streamStates": [{"streamDescriptor": {"name": "lists"}, "streamState": PRESENT}]}
    },
    "the oldest form": {"type": "LEGACY", "data": {"lists": PRESENT}},
    "further keys": stated({**PRESENT, "self": 1, "\n": [None], "ключ": {"a": 1}}),
}


@pytest.mark.parametrize("state", UNDERSTOOD.values(), ids=UNDERSTOOD)
def test_states_of_all_forms_are_used(desk: Desk, state: Any) -> None:
    output = desk.run("read", state=state)

    assert (output.code, output.errors, dict(output.records)) == (0, [], {})


@pytest.mark.parametrize(
    ("stream", "changes", "warning"),
    [
        ("tags", {"sync_mode": "incremental"}, "Stream tags has no cursor: it is read in full in each sync"),
        ("lists", {"cursor_field": ["nonsense"]}, "Stream lists always goes by its own cursor, updated; the catalog's"),
        ("lists", {"cursor_field": ["attributes", "updated"]}, "cursor field 'attributes.updated' is not used"),
        ("lists", {"cursor_field": ["updated"]}, None),
        ("lists", {"cursor_field": "updated"}, None),
        ("lists", {"cursor_field": []}, None),
        ("lists", {"cursor_field": ["nonsense"], "sync_mode": "full_refresh"}, None),
        ("tags", {"cursor_field": ["nonsense"], "sync_mode": "full_refresh"}, None),
    ],
)
def test_a_catalog_that_expects_another_cursor_is_a_warning(
    desk: Desk, stream: str, changes: dict[str, Any], warning: str | None
) -> None:
    output = desk.run("read", catalog=entry(**changes, stream={"name": stream}))

    assert (output.code, output.statuses[stream][-1]) == (0, "COMPLETE")
    warnings = [log for log in output.logs if log.startswith("WARN")]
    assert len(warnings) == (warning is not None)
    assert not warning or warning in warnings[0]


# --- the command line -----------------------------------------------------------------------------------

MISUSE = {
    "no command": ([], "choose from"),
    "an unknown command": (["bogus"], "choose from"),
    "a command in capitals": (["CHECK"], "choose from"),
    "check without settings": (["check"], "--config"),
    "discover without settings": (["discover"], "--config"),
    "read without a catalog": (["read", "--config", "config.json"], "--catalog"),
    "an option without a value": (["check", "--config"], "expected one argument"),
    "an unknown option": (["check", "--config", "config.json", "--bogus"], "unrecognized arguments"),
    "something more": (["check", "--config", "config.json", "more"], "unrecognized arguments"),
    "spec with an option": (["spec", "--config", "config.json"], "unrecognized arguments"),
}


@pytest.mark.parametrize(("arguments", "words"), MISUSE.values(), ids=MISUSE)
def test_a_wrong_command_line_prints_the_usage(desk: Desk, arguments: list[str], words: str) -> None:
    output = desk.forks.run(*arguments)

    assert output.code == 2
    assert output.stderr.startswith("usage:")
    assert words in output.stderr
    assert "Traceback" not in desk.forks.printed
    assert not output.errors + output.others


NOWHERE = ["", "/dev/null", "x" * 5000, "a\0b", f"{KEY}/{KEY}"]


@pytest.mark.parametrize(
    ("option", "path"),
    # no path at all is Airbyte's way to say that there is no state
    [
        (option, path)
        for option in ("config", "catalog", "state")
        for path in NOWHERE
        if (option, path) != ("state", "")
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_a_wrong_path_is_an_error_that_does_not_repeat_it(desk: Desk, option: str, path: str) -> None:
    good = {"config": desk.put("config", {"api_key": KEY}), "catalog": desk.put("catalog", entry())}
    arguments = [part for name, value in {**good, option: path}.items() for part in (f"--{name}", value)]
    assert_rejected(desk, desk.forks.run("read", *arguments), "file")


@pytest.mark.parametrize(
    ("command", "files", "code"),
    [
        ("check", {"config": b"{"}, 0),
        ("discover", {"config": b"{"}, 1),
        ("read", {"catalog": b"{"}, 1),
        ("read", {"state": b"{"}, 1),
        ("read", {"catalog": catalog("nonsense")}, 1),
    ],
)
def test_a_separate_process_prints_the_same(desk: Desk, command: str, files: dict[str, Any], code: int) -> None:
    desk.run(command, **files)
    forked = (desk.folder / "stdout").read_text("utf-8")
    options = [part for name in ("config", *files) for part in (f"--{name}", str(desk.folder / "input" / name))]
    options += (
        ["--catalog", str(desk.folder / "input" / "catalog")] if command == "read" and "catalog" not in files else []
    )
    done = subprocess.run(
        [sys.executable, ROOT / "main.py", command, *options], capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == code
    assert done.stderr == ""
    assert timeless(done.stdout) == timeless(forked)


def timeless(text: str) -> str:
    return re.sub(r'"emitted_at":[\d.]+', "", text)
