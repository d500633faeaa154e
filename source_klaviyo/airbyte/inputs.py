"""The files Airbyte hands over: configuration, catalog and state."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airbyte_cdk.models import (
    AirbyteStateBlob,
    AirbyteStateMessage,
    AirbyteStateType,
    AirbyteStream,
    AirbyteStreamState,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    DestinationSyncMode,
    StreamDescriptor,
    SyncMode,
)

from source_klaviyo.api.errors import ConfigError
from source_klaviyo.config import preview
from source_klaviyo.sync.state import NOT_AN_OBJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

_CATALOG = '{"streams": [{"stream": {"name": "profiles", …}, "sync_mode": "incremental", …}]}'
_MODES = [SyncMode.full_refresh.value, SyncMode.incremental.value]
_DESCRIPTORS = {"stream_descriptor", "streamDescriptor"}
_STATE = "restore the connection's last good state, or clear the connection to read everything from the start"


def read_config(path: str) -> dict[str, Any]:
    """Read the settings.

    Raises:
        ConfigError: the file cannot be read or holds no settings.
    """
    config = _read_json(path, "configuration", "config")
    if not isinstance(config, dict):
        raise ConfigError(
            f"The configuration file holds {_kind(config)} where an object of settings should be: write it as "
            '{"api_key": "pk_…"}.'
        )
    return config


def read_catalog(path: str) -> ConfiguredAirbyteCatalog:
    """Read the configured catalog: the name and sync mode of each stream.

    All else in it is for the destination, and may be anything.

    Raises:
        ConfigError: the file cannot be read or holds no configured catalog.
    """
    catalog = _read_json(path, "catalog", "catalog")
    entries = catalog.get("streams") if isinstance(catalog, dict) else None
    if not isinstance(entries, list):
        raise ConfigError(
            f"The catalog file holds no configured catalog, so nothing is read: it looks like {_CATALOG}."
        )
    streams = [_configured(number, entry) for number, entry in enumerate(entries, start=1)]
    for name, times in Counter(configured.stream.name for configured in streams).items():
        if times > 1:
            raise ConfigError(
                f"The catalog has stream {preview(name)} {times} times, and it can be read only once in a sync: take "
                "the others out."
            )
    return ConfiguredAirbyteCatalog(streams)


def read_state(path: str | None) -> list[AirbyteStateMessage]:
    """Read the state, in any form that Airbyte has had: messages of streams, a global one, or one object for all.

    Raises:
        ConfigError: the file cannot be read or holds no state.
    """
    if not path:
        return []
    return [
        AirbyteStateMessage(
            type=AirbyteStateType.STREAM,
            stream=AirbyteStreamState(StreamDescriptor(name), AirbyteStateBlob(blob)),
        )
        for name, blob in _states(_read_json(path, "state", "state"))
    ]


def _configured(number: int, entry: Any) -> ConfiguredAirbyteStream:
    stream = entry.get("stream") if isinstance(entry, dict) else None
    name = stream.get("name") if isinstance(stream, dict) else None
    if not isinstance(name, str) or not name:
        raise ConfigError(
            f"Stream number {number} of the catalog has no name, so nothing is read: a configured catalog looks like "
            f"{_CATALOG}."
        )
    mode, cursor = entry.get("sync_mode"), entry.get("cursor_field")
    if mode not in _MODES:
        raise ConfigError(
            f"The catalog has {preview(mode)} as the sync mode of stream {preview(name)}, so nothing is read: it must "
            "be full_refresh or incremental."
        )
    return ConfiguredAirbyteStream(
        stream=AirbyteStream(name=name, json_schema={}, supported_sync_modes=[]),
        sync_mode=SyncMode(mode),
        destination_sync_mode=DestinationSyncMode.append,
        cursor_field=cursor if isinstance(cursor, list) else None,
        generation_id=_whole_number(entry.get("generation_id")),
        minimum_generation_id=_whole_number(entry.get("minimum_generation_id")),
        sync_id=_whole_number(entry.get("sync_id")),
    )


def _whole_number(value: Any) -> int | None:
    """Return a value if it is a whole number; otherwise None, since older platforms send other values."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _states(state: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the state of each stream; null stands for none."""
    if state is None:
        return
    if isinstance(state, list):
        for part in state:
            yield from _states(part)
        return
    state = _object(state, "a list of state messages")
    if state.get("type") == "STATE":
        yield from _states(state.get("state"))  # a whole message, as a sync prints it
    elif "stream" in state:
        yield from _stream_state(state["stream"])
    elif _DESCRIPTORS & state.keys():
        yield from _stream_state(state)  # as Airbyte shows it to people
    elif "global" in state:
        content = _object(state["global"], "a global state")
        streams = content.get("stream_states") or content.get("streamStates") or []
        for stream in streams if isinstance(streams, list) else [streams]:
            yield from _stream_state(stream)
    elif "data" in state:
        yield from _states(state["data"])  # the connectors before 0.1.9
    elif "type" in state:
        raise ConfigError(f"The state file holds a message without a state of a stream in it: {_STATE}.")
    else:
        for name, blob in state.items():
            yield from _stream_state({"stream_descriptor": {"name": name}, "stream_state": blob})


def _stream_state(stream: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    # no stream here has a namespace, so the name alone identifies the state, whatever the platform adds
    stream = _object(stream, "the state of a stream")
    descriptor = stream.get("stream_descriptor", stream.get("streamDescriptor"))
    name = _object(descriptor, "the descriptor of a stream").get("name")
    if not isinstance(name, str):
        raise ConfigError(f"The state file holds {_kind(name)} where the name of a stream should be: {_STATE}.")
    blob = stream.get("stream_state", stream.get("streamState"))
    if blob is not None:
        yield name, blob if isinstance(blob, dict) else {NOT_AN_OBJECT: blob}


def _object(value: Any, what: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise ConfigError(f"The state file holds {_kind(value)} where {what} should be: {_STATE}.")


def _read_json(path: str, what: str, option: str) -> Any:
    try:
        content = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no file is called so"
        raise ConfigError(f"The {what} file cannot be read ({reason}): give the path of one with --{option}.") from None
    try:
        return json.loads(content)  # it detects the Unicode encoding of bytes
    except json.JSONDecodeError as error:
        reason = f"line {error.lineno}, column {error.colno}: {error.msg}"
    except UnicodeDecodeError:
        reason = "it is no text"
    except RecursionError:
        reason = "it is nested too deeply"
    except ValueError:
        reason = "a number in it has thousands of digits"
    raise ConfigError(f"The {what} file is not JSON ({reason}), so nothing is read: correct it, or save it again.")


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")
