"""The files that Airbyte hands over: invalid ones are rejected in one sentence, valid ones are read."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from source_klaviyo.airbyte.inputs import read_catalog, read_config, read_state
from source_klaviyo.api.errors import ConfigError
from source_klaviyo.sync.state import NOT_AN_OBJECT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

READERS: dict[str, Callable[[str], Any]] = {
    "configuration": read_config,
    "catalog": read_catalog,
    "state": read_state,
}
SINCE = {"updated": "2023-01-01T00:00:00+0000"}


def entry(**changes: Any) -> dict[str, Any]:
    """A catalog of one entry that differs from a good one; `stream` changes the stream itself."""
    stream = {"name": "lists", "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]}
    good = {"sync_mode": "incremental", "destination_sync_mode": "append_dedup"}
    return {"streams": [{**good, **changes, "stream": {**stream, **changes.get("stream", {})}}]}


def without(name: str) -> dict[str, Any]:
    (only,) = entry()["streams"]
    return {"streams": [{field: value for field, value in only.items() if field != name}]}


def stated(blob: Any, stream: Any = "lists") -> list[dict[str, Any]]:
    return [{"type": "STREAM", "stream": {"stream_descriptor": {"name": stream}, "stream_state": blob}}]


GOOD: dict[str, Any] = {"configuration": {"api_key": "pk_made_up"}, "catalog": entry(), "state": stated(SINCE)}


@pytest.fixture
def put(tmp_path: Path) -> Callable[[Any], str]:
    """Write a file (bytes as they are, all else as JSON) and return its path."""

    def put(content: Any) -> str:
        path = tmp_path / "file"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return str(path)

    return put


def refusal(kind: str, path: str) -> str:
    """Return the sentence that rejects a file."""
    with pytest.raises(ConfigError) as raised:
        READERS[kind](path)
    message = str(raised.value)
    assert re.fullmatch(r"[A-Z][ -~…]+\.", message)
    assert len(message) < 300
    assert not re.search(r"Error|Exception|\bNone of|validation", message)
    return message


# --- files that cannot be read --------------------------------------------------------------------------

BROKEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "is not JSON (line 1, column 1"),
    "white space": (lambda _: b" \n\t", "is not JSON"),
    "binary": (lambda _: bytes(range(255, 0, -1)), "is not JSON (it is no text)"),
    "Latin-1": (lambda _: b'{"a": "\xe4"}', "is not JSON (it is no text)"),
    "single quotes": (lambda text: text.replace(b'"', b"'"), "is not JSON"),
    "two documents": (lambda text: text + b"\n" + text, "is not JSON (line 2, column 1: Extra data)"),
    "a comment": (lambda text: b"// mine\n" + text, "is not JSON (line 1, column 1"),
    "a control character": (lambda _: b'{"a": "\x01"}', "is not JSON (line 1, column 8: Invalid control character"),
    "nested without end": (lambda _: b"[" * 200_000, "is not JSON (it is nested too deeply)"),
    "a number without end": (lambda _: b'{"a": %s}' % (b"9" * 5000), "(a number in it has thousands of digits)"),
    "a text": (lambda _: b'"x"', "holds"),
    "a number": (lambda _: b"5", "holds"),
    "a truth value": (lambda _: b"true", "holds"),
}


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(("broken", "words"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_rejected(
    put: Callable[[Any], str], kind: str, broken: Callable[[bytes], bytes], words: str
) -> None:
    assert words in refusal(kind, put(broken(json.dumps(GOOD[kind]).encode())))


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(
    ("place", "reason"), [("nowhere", "No such file or directory"), (".", "Is a directory"), ("a\0b", "no file is")]
)
def test_a_path_without_a_file_is_rejected(tmp_path: Path, kind: str, place: str, reason: str) -> None:
    assert refusal(kind, f"{tmp_path}/{place}").startswith(f"The {kind} file cannot be read ({reason}")


@pytest.mark.parametrize("kind", READERS)
def test_a_file_that_is_cut_off_anywhere_is_rejected(put: Callable[[Any], str], kind: str) -> None:
    whole = json.dumps(GOOD[kind], ensure_ascii=False).encode()
    for length in range(len(whole)):
        assert f"The {kind} file is not JSON (" in refusal(kind, put(whole[:length]))


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_file_may_have_any_unicode_encoding(put: Callable[[Any], str], kind: str, encoding: str) -> None:
    read = READERS[kind]
    assert read(put(json.dumps(GOOD[kind]).encode(encoding))) == read(put(GOOD[kind]))


# --- what a file may not hold ---------------------------------------------------------------------------

NO_CATALOG = "holds no configured catalog"
NO_NAME = "Stream number 1 of the catalog has no name"
NO_LIST = "where a list of state messages should be"

REFUSED: dict[str, list[tuple[Any, str]]] = {
    "configuration": [
        (None, "holds null where an object of settings should be"),
        ([{"api_key": "pk_made_up"}], "holds a list where an object of settings should be"),
    ],
    "catalog": [
        (None, NO_CATALOG),
        ([], NO_CATALOG),
        ({}, NO_CATALOG),
        ({"streams": None}, NO_CATALOG),
        ({"streams": "lists"}, NO_CATALOG),
        ({"streams": {"lists": {}}}, NO_CATALOG),
        ({"type": "CATALOG", "catalog": entry()}, NO_CATALOG),
        ({"streams": [entry()["streams"][0]["stream"]]}, NO_NAME),
        ({"streams": [5]}, NO_NAME),
        (without("stream"), NO_NAME),
        ({"streams": [{"stream": "lists", "sync_mode": "incremental"}]}, NO_NAME),
        *((entry(stream={"name": name}), NO_NAME) for name in (None, "", 5)),
        ({"streams": [*entry()["streams"], {}]}, "Stream number 2 of the catalog"),
        (without("sync_mode"), "the sync mode of stream 'lists'"),
        (entry(sync_mode="sideways"), "'sideways' as the sync mode of stream 'lists'"),
        (entry(sync_mode=["incremental"]), "the sync mode of stream 'lists'"),
        (entry(sync_mode="INCREMENTAL"), "'INCREMENTAL' as the sync mode"),
        ({"streams": [*entry()["streams"], *entry(sync_mode="full_refresh")["streams"]]}, "has stream 'lists' 2 times"),
    ],
    "state": [
        (0, f"a number {NO_LIST}"),
        (False, f"a truth value {NO_LIST}"),
        ("", f"a text {NO_LIST}"),
        ([5], f"a number {NO_LIST}"),
        ([{"type": "STREAM"}], "a message without a state of a stream"),
        ([{"type": "LOG", "log": {}}], "a message without a state of a stream"),
        ([{"type": "STREAM", "stream": {"stream_state": SINCE}}], "the descriptor of a stream"),
        (
            [{"type": "STREAM", "stream": {"stream_descriptor": "lists", "stream_state": SINCE}}],
            "a text where the descriptor of a stream should be",
        ),
        (stated(SINCE, stream=None), "null where the name of a stream should be"),
        ([{"type": "STREAM", "stream": "lists"}], "a text where the state of a stream"),
        ([{"type": "GLOBAL", "global": 5}], "a number where a global state"),
        ([{"type": "GLOBAL", "global": {"stream_states": "x"}}], "the state of a stream"),
        ({"data": 5}, f"a number {NO_LIST}"),
    ],
}


@pytest.mark.parametrize(
    ("kind", "content", "words"), [(kind, *case) for kind, table in REFUSED.items() for case in table]
)
def test_a_file_with_other_contents_is_rejected(put: Callable[[Any], str], kind: str, content: Any, words: str) -> None:
    assert words in refusal(kind, put(content))


# --- what a file may hold -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "catalog",
    [
        entry(destination_sync_mode="update"),
        without("destination_sync_mode"),
        entry(stream={"json_schema": "x", "supported_sync_modes": ["sideways"]}),
        entry(stream={"namespace": "shop"}),
        entry(cursor_field="updated"),
        entry(generation_id="x", minimum_generation_id=float("nan"), x=[1]),
    ],
)
def test_only_names_and_sync_modes_of_a_catalog_count(put: Callable[[Any], str], catalog: Any) -> None:
    assert read_catalog(put(catalog)) == read_catalog(put(entry()))


def test_no_path_means_no_state() -> None:
    assert read_state(None) == read_state("") == []


def descriptor(**descriptor: Any) -> dict[str, Any]:
    return {"stream_descriptor": {"name": "lists", **descriptor}, "stream_state": SINCE}


CAMEL = {"streamDescriptor": {"name": "lists"}, "streamState": SINCE}
OTHER = {"updated": "2020-01-01"}

FORMS: dict[str, Any] = {
    "messages of streams": stated(SINCE),
    "a message alone": stated(SINCE)[0],
    "a message as a sync prints it": {"type": "STATE", "state": stated(SINCE)[0]},
    "a stream with a namespace": [{"type": "STREAM", "stream": descriptor(namespace="shop")}],
    "a stream with no namespace": [{"type": "STREAM", "stream": descriptor(namespace=None)}],
    "as Airbyte shows it": CAMEL,
    "a list as Airbyte shows it": [CAMEL],
    "a stream's alone": descriptor(),
    "a global state as Airbyte shows it": {"global": {"streamStates": [CAMEL]}},
    "a global state": [{"type": "GLOBAL", "global": {"shared_state": {"lsn": 1}, "stream_states": [descriptor()]}}],
    "a global state beside others": [
        *stated(None, "tags"),
        {"type": "GLOBAL", "global": {"stream_states": descriptor()}},
    ],
    "the old form": {"lists": SINCE, "tags": None},
    "the oldest form": {"type": "LEGACY", "data": {"lists": SINCE}},
    "the form of a migration": {**stated(SINCE)[0], "data": {"lists": OTHER}},
    "no type": [{"stream": descriptor()}],
    "counts that make no sense": [{**stated(SINCE)[0], "sourceStats": "many", "x": 1}],
}


def states(path: str) -> list[tuple[str, Any]]:
    """The streams of a state file, with the state of each."""
    return [
        (one.stream.stream_descriptor.name, vars(one.stream.stream_state)) for one in read_state(path) if one.stream
    ]


@pytest.mark.parametrize("state", FORMS.values(), ids=FORMS)
def test_a_state_is_read_in_each_form_that_airbyte_has_had(put: Callable[[Any], str], state: Any) -> None:
    assert states(put(state)) == [("lists", SINCE)]


@pytest.mark.parametrize(
    "state",
    [
        None,
        [],
        {},
        [None],
        stated(None),
        [{"type": "STREAM", "stream": {"stream_descriptor": {"name": "lists"}}}],
        {"lists": None},
        {"global": {"stream_states": None}},
    ],
    ids=json.dumps,
)
def test_a_state_may_be_empty(put: Callable[[Any], str], state: Any) -> None:
    assert states(put(state)) == []


@pytest.mark.parametrize("blob", ["2023-01-01", 1_700_000_000, [], False])
def test_a_state_of_a_stream_that_is_no_object_is_passed_on_to_its_stream(put: Callable[[Any], str], blob: Any) -> None:
    assert states(put(stated(blob))) == states(put({"lists": blob})) == [("lists", {NOT_AN_OBJECT: blob})]


def test_the_last_state_of_a_stream_comes_last(put: Callable[[Any], str]) -> None:
    messages = [{"type": "STATE", "state": message} for message in stated(OTHER) + stated(SINCE)]
    assert states(put(messages)) == [("lists", OTHER), ("lists", SINCE)]
