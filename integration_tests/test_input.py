"""Files and command lines that make no sense: one sentence that says what to do, and nothing else happens.

And their counterparts: what looks odd but is clear, and has to work.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.connector import ROOT, catalog
from integration_tests.forks import Forks
from klaviyo_simulator import Simulator
from source_klaviyo.airbyte.inputs import read_state
from source_klaviyo.api.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from integration_tests.connector import Output

KEY = "pk_do_not_show_this_anywhere"
MISSING = object()
"""In the place of a file's content: there is no such file."""
FOLDER = object()
"""In the place of a file's content: it is a folder."""
ESCAPE = "a\x1b[31m\n\0b"
HALF = "\ud83d"
"""Half of a character, which no output may hold."""


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
        place.rmdir() if place.is_dir() else place.unlink(missing_ok=True)
        if content is FOLDER:
            place.mkdir()
        elif content is not MISSING:
            place.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return str(place)

    def run(self, command: str, **files: Any) -> Output:
        """Run a command; where nothing else is said the files are good ones, for the stream lists."""
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
    """It can be shown to a user."""
    assert words in message
    assert re.fullmatch(r"[A-Z][ -~…]+\.", message)
    assert len(message) < 300
    assert not re.search(r"Error|Exception|\bNone of|validation", message)


def assert_refused(desk: Desk, output: Output, words: str) -> None:
    """One sentence, the user's turn, and nothing has been read."""
    (error,) = output.errors
    assert_sentence(error["message"], words)
    assert error["failure_type"] == "config_error"
    assert "stack_trace" not in error
    assert output.code == 1
    assert not output.records
    assert not output.states
    assert_quiet(desk)


def assert_quiet(desk: Desk) -> None:
    """No key, no traceback, and no line that is not whole."""
    assert KEY not in desk.forks.printed
    assert "Traceback" not in desk.forks.printed
    assert (desk.folder / "stdout").read_bytes()[-1:] in {b"\n", b""}
    assert (desk.folder / "stderr").read_text("utf-8") == ""


def json_of(content: Any) -> bytes:
    return json.dumps(content).encode()


def broken(good: Any) -> dict[str, tuple[Any, str]]:
    """What may be wrong with any file."""
    text = json_of(good)
    return {
        "missing": (MISSING, "cannot be read (No such file or directory)"),
        "a folder": (FOLDER, "cannot be read (Is a directory)"),
        "empty": (b"", "is not JSON (line 1, column 1"),
        "white space": (b" \n\t", "is not JSON"),
        "binary": (bytes(range(255, 0, -1)), "is not JSON (it is no text)"),
        "Latin-1": (b'{"a": "\xe4"}', "is not JSON (it is no text)"),
        "cut off": (text[:-1], f"is not JSON (line 1, column {len(text)}"),
        "single quotes": (text.replace(b'"', b"'"), "is not JSON"),
        "two documents": (text + b"\n" + text, "is not JSON (line 2, column 1: Extra data)"),
        "a comment": (b"// mine\n" + text, "is not JSON (line 1, column 1"),
        "a control character": (b'{"a": "\x01"}', "is not JSON (line 1, column 8: Invalid control character"),
        "nested without end": (b"[" * 200_000, "is not JSON (it is nested too deeply)"),
        "a number without end": (b'{"a": %s}' % (b"9" * 5000), "is not JSON (a number in it has thousands of digits)"),
        "a text": ("x", "holds"),
        "a number": (5, "holds"),
        "a truth value": (True, "holds"),
    }


BAD_CONFIG: dict[str, tuple[Any, str]] = {
    **broken({"api_key": KEY}),
    "null": (None, "holds null where an object of settings should be"),
    "a list": ([{"api_key": KEY}], "holds a list where an object of settings should be"),
    "no key": ({}, "api_key is missing"),
    "key null": ({"api_key": None}, "api_key is missing"),
    "key empty": ({"api_key": ""}, "api_key is missing"),
    "key blank": ({"api_key": " \n"}, "api_key is missing"),
    "key a number": ({"api_key": 5}, "api_key is missing"),
    "key a list": ({"api_key": [KEY]}, "api_key is missing"),
    "key with a space in it": ({"api_key": f"{KEY} {KEY}"}, "api_key holds a space"),
    "key with a line break in it": ({"api_key": f"{KEY}\n{KEY}"}, "api_key holds a space"),
    "key with a NUL in it": ({"api_key": f"{KEY}\0"}, "api_key holds a space"),
    "key with a letter of another alphabet": ({"api_key": f"{KEY}\u0456"}, "api_key holds a space"),
    "key with half a character": ({"api_key": KEY + HALF}, "api_key holds a space"),
} | {
    f"{name} {json.dumps(value)[:30]}": ({"api_key": KEY, name: value}, f"The setting {name} {words}")
    for name, value, words in (
        *(("num_workers", value, "is") for value in (0, 51, -1, "ten", "5", True, 1.5, [], {}, 10**30)),
        *(("num_workers", float(value), f"is {value}") for value in ("nan", "inf")),
        *(("lookback_window", value, "is") for value in (-1, 36_501, 10**300, "7", False)),
        ("late_events_window", 91, "is 91"),
        ("reporting_lookback_window", 367, "is 367"),
        *(
            ("start_date", f"{day}T00:00:00Z", "is")
            for day in ("0000-00-00", "2024-02-30", "2024-13-01", "10000-01-01")
        ),
        ("start_date", "9999-12-31", "is '9999-12-31', which lies in the future"),
        ("start_date", "2999-01-01T00:00:00Z", "is '2999-01-01T00:00:00Z', which lies in the future"),
        *(("start_date", value, "is") for value in ("yesterday", 20240101, 1e300, True, ["2024-01-01"], {})),
        *(("start_date", value, "is") for value in (ESCAPE, HALF, "x" * 100_000, KEY)),
        *(("disable_fetching_predictive_analytics", value, "is") for value in ("yes", "", 1, [])),
        *(("metric_ids", value, "is") for value in (5, {}, False, [5])),
        *(("metric_ids", value, "holds") for value in ("A B", "A/B", "A;B", f"x {KEY}")),
        *(("event_metric_ids", value, "is") for value in (0, {"A": "B"})),
        *(("metric_aggregates", value, "is") for value in ("x", {}, [5], [[]], False)),
        ("metric_aggregates", [{}], "holds a definition without a metric_id"),
        *(
            ("metric_aggregates", [{"metric_id": "A", **wrong}], "holds")
            for wrong in (
                {"metric_id": "A,B"},
                {"metric_id": []},
                {"interval": "year"},
                {"interval": ["day"]},
                {"interval": 0},
                {"measurements": "count"},
                {"measurements": ["mean"]},
                {"measurements": [["count"]]},
                {"by": {}},
                {"by": [5]},
                {"filter": "x"},
                {"name": 5},
                {"name": False},
            )
        ),
    )
}


def cases(table: dict[str, tuple[Any, str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("content", "words"), table.values(), ids=map(ascii, table))


@cases(BAD_CONFIG)
def test_a_bad_configuration_is_a_failed_check(desk: Desk, content: Any, words: str) -> None:
    output = desk.run("check", config=content)

    (message,) = output.others
    assert message["type"] == "CONNECTION_STATUS"
    assert message["connectionStatus"]["status"] == "FAILED"
    assert_sentence(message["connectionStatus"]["message"], words)
    assert not output.errors
    assert output.code == 0  # Airbyte's own way: the question has been answered
    assert_quiet(desk)


@pytest.mark.parametrize("command", ["discover", "read"])
@cases(BAD_CONFIG)
def test_a_bad_configuration_ends_all_else(desk: Desk, command: str, content: Any, words: str) -> None:
    output = desk.run(command, config=content)

    assert_refused(desk, output, words)
    assert not output.others


def entry(**changes: Any) -> dict[str, Any]:
    """A catalog of one entry that differs from a good one; in `stream`, what is said of the stream itself."""
    good = catalog("lists")["streams"][0]
    return {"streams": [{**good, **changes, "stream": {**good["stream"], **changes.get("stream", {})}}]}


def without(name: str) -> dict[str, Any]:
    (only,) = entry()["streams"]
    return {"streams": [{field: value for field, value in only.items() if field != name}]}


NO_CATALOG = "holds no configured catalog"
NO_NAME = "Stream number 1 of the catalog has no name"

BAD_CATALOG: dict[str, tuple[Any, str]] = {
    **broken(entry()),
    "null": (None, NO_CATALOG),
    "a list": ([], NO_CATALOG),
    "no streams in it": ({}, NO_CATALOG),
    "streams null": ({"streams": None}, NO_CATALOG),
    "streams a text": ({"streams": "lists"}, NO_CATALOG),
    "streams an object": ({"streams": {"lists": {}}}, NO_CATALOG),
    "the message of discover": ({"type": "CATALOG", "catalog": entry()}, NO_CATALOG),
    "the catalog of discover": ({"streams": [entry()["streams"][0]["stream"]]}, NO_NAME),
    "an entry that is a number": ({"streams": [5]}, NO_NAME),
    "no stream": (without("stream"), NO_NAME),
    "a stream that is a text": ({"streams": [{"stream": "lists", "sync_mode": "incremental"}]}, NO_NAME),
    "no name": (entry(stream={"name": None}), NO_NAME),
    "an empty name": (entry(stream={"name": ""}), NO_NAME),
    "a name that is a number": (entry(stream={"name": 5}), NO_NAME),
    "the second without a name": ({"streams": [*entry()["streams"], {}]}, "Stream number 2 of the catalog"),
    "no mode": (without("sync_mode"), "the sync mode of stream 'lists'"),
    "an unknown mode": (entry(sync_mode="sideways"), "'sideways' as the sync mode of stream 'lists'"),
    "a mode that is a list": (entry(sync_mode=["incremental"]), "the sync mode of stream 'lists'"),
    "a mode in capitals": (entry(sync_mode="INCREMENTAL"), "'INCREMENTAL' as the sync mode"),
    "a stream twice": (catalog("lists", "tags", "lists"), "has stream 'lists' 2 times"),
    "a stream in both modes": (
        {"streams": [*entry()["streams"], *entry(sync_mode="full_refresh")["streams"]]},
        "has stream 'lists' 2 times",
    ),
}


@cases(BAD_CATALOG)
def test_a_bad_catalog_ends_a_read(desk: Desk, content: Any, words: str) -> None:
    assert_refused(desk, desk.run("read", catalog=content), words)


@pytest.mark.parametrize(
    "name", ["nonsense", "Lists", " lists ", "x" * 100_000, ESCAPE, HALF, "список", KEY], ids=ascii
)
def test_a_stream_that_does_not_exist_costs_no_other(desk: Desk, name: str) -> None:
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
NO_LIST = "where a list of state messages should be"
UNREADABLE = "The state of stream lists holds"

BAD_STATE: dict[str, tuple[Any, str]] = {
    **broken(stated(SINCE)),
    "zero": (0, f"a number {NO_LIST}"),
    "false": (False, f"a truth value {NO_LIST}"),
    "an empty text": ("", f"a text {NO_LIST}"),
    "a list of numbers": ([5], f"a number {NO_LIST}"),
    "a message without a state": ([{"type": "STREAM"}], "a message without a state of a stream"),
    "a message of another kind": ([{"type": "LOG", "log": {}}], "a message without a state of a stream"),
    "no descriptor": ([{"type": "STREAM", "stream": {"stream_state": SINCE}}], "the descriptor of a stream"),
    "a descriptor that is a text": (
        [{"type": "STREAM", "stream": {"stream_descriptor": "lists", "stream_state": SINCE}}],
        "a text where the descriptor of a stream should be",
    ),
    "no name": (stated(SINCE, stream=None), "null where the name of a stream should be"),  # type: ignore[arg-type]
    "a stream that is a text": ([{"type": "STREAM", "stream": "lists"}], "a text where the state of a stream"),
    "a global state that is a number": ([{"type": "GLOBAL", "global": 5}], "a number where a global state"),
    "global states that are a text": (
        [{"type": "GLOBAL", "global": {"stream_states": "x"}}],
        "the state of a stream",
    ),
    "the oldest form with a number": ({"data": 5}, f"a number {NO_LIST}"),
}
BAD_STATE_OF_A_STREAM: dict[str, tuple[Any, str]] = {
    "a state that is a text": (stated("2023-01-01"), f"{UNREADABLE} '2023-01-01'"),
    "a state that is a number": (stated(1_700_000_000), f"{UNREADABLE} 1700000000"),
    "a state that is a list": (stated([]), f"{UNREADABLE} []"),
    "a state that is false": (stated(False), f"{UNREADABLE} False"),
    "the old form with a text": ({"lists": "2023-01-01"}, f"{UNREADABLE} '2023-01-01'"),
} | {
    f"a cursor {json.dumps(value)[:30]}": (stated({"updated": value}), f"{UNREADABLE} {shown}")
    for value, shown in (
        ("yesterday", "'yesterday'"),
        ("", "''"),
        ("0000-00-00T00:00:00Z", "'0000-00-00T00:00:00Z'"),
        ("2024-02-30T00:00:00Z", "'2024-02-30T00:00:00Z'"),
        ("10000-01-01T00:00:00Z", "'10000-01-01T00:00:00Z'"),
        ("9999-12-31T23:59:59-05:00", "'9999-12-31T23:59:59-05:00'"),
        ("2024-01-01T00:00:00+99:99", "'2024-01-01T00:00:00+99:99'"),
        (10**30, "1000000000000000000000000000000"),
        (1e300, "1e+300"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (-1, "-1"),
        (True, "True"),
        ([], "[]"),
        ({}, "{}"),
        (ESCAPE, r"'a\x1b[31m\n\x00b'"),
        (HALF, r"'\ud83d'"),
        ("x" * 100_000, "'xxx"),
        (KEY, "'****'"),
    )
}


@cases(BAD_STATE)
def test_a_state_file_that_makes_no_sense_ends_a_read(desk: Desk, content: Any, words: str) -> None:
    assert_refused(desk, desk.run("read", state=content), words)


@cases(BAD_STATE_OF_A_STREAM)
def test_a_bad_state_of_a_stream_ends_that_stream_and_no_other(desk: Desk, content: Any, words: str) -> None:
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


def test_a_state_that_is_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    whole = json_of([*stated(SINCE), *stated(SINCE, "профили"), {"type": "GLOBAL", "global": {"stream_states": []}}])
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(ConfigError, match=r"^The state file is not JSON \("):
            read_state(str(file))
    file.write_bytes(whole)
    assert len(read_state(str(file))) == 2


# --- odd, but clear -------------------------------------------------------------------------------------

GOOD = {"config": {"api_key": KEY}, "catalog": entry(), "state": stated(SINCE)}
UNICODE = {"a byte order mark": "utf-8-sig", "UTF-16, as Windows saves it": "utf-16", "UTF-32": "utf-32"}

FINE: dict[str, dict[str, Any]] = {
    **{
        f"{name} with {what}": {name: json.dumps(content).encode(encoding)}
        for name, content in GOOD.items()
        for what, encoding in UNICODE.items()
    },
    "white space around the key": {"config": {"api_key": f"\ufeff\u00a0\t{KEY}\r\n"[1:]}},
    "keys of other versions": {"config": {"api_key": KEY, "verify": False, "x y": [1], "\n": {}, "ключ": None}},
    "settings that are null": {"config": {"api_key": KEY, "start_date": None, "num_workers": None, "metric_ids": None}},
    "settings that are empty": {"config": {"api_key": KEY, "start_date": "", "metric_ids": "", "event_metric_ids": []}},
    "a whole number with a point": {"config": {"api_key": KEY, "num_workers": 5.0}},
    "nested settings nobody knows": {
        "config": json_of({"api_key": KEY})[:-1] + b', "x": ' + b"[" * 500 + b"]" * 500 + b"}"
    },
    "white space around the date": {"config": {"api_key": KEY, "start_date": " 2020-01-01\n"}},
    "a destination mode nobody knows": {"catalog": entry(destination_sync_mode="update")},
    "no destination mode": {"catalog": without("destination_sync_mode")},
    "a schema nobody needs": {"catalog": entry(stream={"json_schema": "x", "supported_sync_modes": ["sideways"]})},
    "a namespace": {"catalog": entry(stream={"namespace": "shop"})},
    "further keys in the catalog": {"catalog": entry(generation_id=10**30, minimum_generation_id=float("nan"), x=[1])},
}


@pytest.mark.parametrize("files", FINE.values(), ids=FINE)
def test_what_looks_odd_but_is_clear_is_read(desk: Desk, files: dict[str, Any]) -> None:
    output = desk.run("read", **files)

    assert output.code == 0
    assert output.statuses["lists"][-1] == "COMPLETE"
    assert output.records["lists"]
    assert not output.errors
    assert_quiet(desk)


def test_nothing_is_read_where_no_stream_is_asked_for(desk: Desk) -> None:
    output = desk.run("read", catalog={"streams": []})

    assert (output.code, output.errors, dict(output.records)) == (0, [], {})


NOTHING = {
    "null": None,
    "an empty list": [],
    "an empty object": {},
    "a list of null": [None],
    "a state that is null": stated(None),
    "a stream without a state": [{"type": "STREAM", "stream": {"stream_descriptor": {"name": "lists"}}}],
    "the old form with null": {"lists": None},
    "a stream that is not read": stated({"updated": "nonsense"}, "profiles"),
    "a stream that does not exist": stated({"what": ["ever"]}, "nonsense"),
}


@pytest.mark.parametrize("state", NOTHING.values(), ids=NOTHING)
def test_a_state_that_says_nothing_of_a_stream_lets_it_begin(desk: Desk, state: Any) -> None:
    output = desk.run("read", state=state)

    assert (output.code, output.errors) == (0, [])
    assert len(output.ids("lists")) == 3


@pytest.mark.parametrize("name", ["Lists", "list", "lists "])
def test_a_state_of_a_stream_that_does_not_exist_is_not_passed_over_in_silence(desk: Desk, name: str) -> None:
    output = desk.run("read", state=stated(SINCE, name))

    assert (output.code, output.errors) == (0, [])
    assert any(f"The state holds {name!r}, which is no stream" in line for line in output.logs)


def descriptor(**descriptor: Any) -> dict[str, Any]:
    return {"stream_descriptor": {"name": "lists", **descriptor}, "stream_state": AHEAD}


AHEAD = {"updated": "2999-01-01T00:00:00+0000"}
"""Hides every record (and is set back for the next sync): what is read in spite of it was not understood."""

UNDERSTOOD = {
    "messages of streams": stated(AHEAD),
    "a message alone": stated(AHEAD)[0],
    "a message as a sync prints it": {"type": "STATE", "state": stated(AHEAD)[0]},
    "messages as a sync prints them, the last one counts": [
        {"type": "STATE", "state": message} for message in stated(SINCE) + stated(AHEAD)
    ],
    "a stream with a namespace": [{"type": "STREAM", "stream": descriptor(namespace="shop")}],
    "a stream with an empty namespace": [{"type": "STREAM", "stream": descriptor(namespace="")}],
    "a stream with no namespace": [{"type": "STREAM", "stream": descriptor(namespace=None)}],
    "as Airbyte shows it": {"streamDescriptor": {"name": "lists"}, "streamState": AHEAD},
    "a list as Airbyte shows it": [{"streamDescriptor": {"name": "lists"}, "streamState": AHEAD}],
    "a stream's alone": {"stream_descriptor": {"name": "lists"}, "stream_state": AHEAD},
    "a global state as Airbyte shows it": {
        "global": {"streamStates": [{"streamDescriptor": {"name": "lists"}, "streamState": AHEAD}]}
    },
    "a global state": [{"type": "GLOBAL", "global": {"stream_states": [descriptor()]}}],
    "a global state with a shared one": [
        {"type": "GLOBAL", "global": {"shared_state": {"lsn": 1}, "stream_states": [descriptor()]}}
    ],
    "a global state beside others": [
        *stated({"updated": "2020-01-01"}, "profiles"),
        {"type": "GLOBAL", "global": {"stream_states": [descriptor()]}},
    ],
    "the old form": {"lists": AHEAD},
    "the old form beside what was not asked for": {"lists": AHEAD, "nonsense": {"at": "some time"}},
    "the oldest form": {"type": "LEGACY", "data": {"lists": AHEAD}},
    "the form of a migration": {**stated(AHEAD)[0], "data": {"lists": SINCE}},
    "no type": [{"stream": descriptor()}],
    "counts that make no sense": [{**stated(AHEAD)[0], "sourceStats": "many", "x": 1}],
    "further keys": stated({**AHEAD, "self": 1, "\n": [None], "ключ": {"a": 1}}),
}


@pytest.mark.parametrize("state", UNDERSTOOD.values(), ids=UNDERSTOOD)
def test_a_state_is_understood_in_each_form_that_airbyte_has_had(desk: Desk, state: Any) -> None:
    output = desk.run("read", state=state)

    assert (output.code, output.errors, dict(output.records)) == (0, [], {})
    assert output.last("lists")["updated"] < AHEAD["updated"]


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
def test_a_catalog_that_expects_another_cursor_is_told_so(
    desk: Desk, stream: str, changes: dict[str, Any], warning: str | None
) -> None:
    output = desk.run("read", catalog=entry(**changes, stream={"name": stream}))

    assert (output.code, output.statuses[stream][-1]) == (0, "COMPLETE")
    warnings = [log for log in output.logs if log.startswith("WARN")]
    assert len(warnings) == (warning is not None)
    assert not warnings or warning in warnings[0]


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
def test_a_command_line_that_makes_no_sense_is_answered_with_the_usage(
    desk: Desk, arguments: list[str], words: str
) -> None:
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
def test_a_path_that_leads_nowhere_is_a_sentence_without_the_path(desk: Desk, option: str, path: str) -> None:
    good = {"config": desk.put("config", {"api_key": KEY}), "catalog": desk.put("catalog", entry())}
    arguments = [part for name, value in {**good, option: path}.items() for part in (f"--{name}", value)]
    assert_refused(desk, desk.forks.run("read", *arguments), "file")


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
def test_a_process_of_its_own_says_the_same(desk: Desk, command: str, files: dict[str, Any], code: int) -> None:
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
