"""The files Airbyte hands over: configuration, catalog and state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airbyte_cdk.models import (
    AirbyteStateMessage,
    AirbyteStateMessageSerializer,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
)

from source_klaviyo.api.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


def read_config(path: str) -> dict[str, Any]:
    """The settings.

    Raises:
        ConfigError: the file cannot be read or holds no settings.
    """
    config = _read_json(path, "configuration")
    if not isinstance(config, dict):
        raise ConfigError(f"The configuration file holds a {_kind(config)} where an object of settings should be.")
    return config


def read_catalog(path: str) -> ConfiguredAirbyteCatalog:
    """The configured catalog.

    Raises:
        ConfigError: the file cannot be read or holds no configured catalog.
    """
    catalog = _read_json(path, "catalog")
    return _load(
        ConfiguredAirbyteCatalogSerializer.load,
        catalog,
        'The catalog file holds no configured catalog: {"streams": [{"stream": …, "sync_mode": …}]}.',
    )


def read_state(path: str | None) -> list[AirbyteStateMessage]:
    """The state, in any form that Airbyte has had: messages of streams, a global one, or one object of all streams.

    Raises:
        ConfigError: the file cannot be read or holds no state.
    """
    if not path:
        return []
    return [
        _load(AirbyteStateMessageSerializer.load, message, "The state file holds something that is no Airbyte state.")
        for message in _messages(_read_json(path, "state"))
    ]


def _messages(state: Any) -> Iterator[Mapping[str, Any]]:
    if not state:
        return
    if isinstance(state, list):
        for part in state:
            yield from _messages(part)
    elif not isinstance(state, dict):
        raise ConfigError(f"The state file holds a {_kind(state)} where a list of state messages should be.")
    elif state.get("type") == "STATE":
        yield from _messages(state.get("state"))  # a whole message, as a sync prints it
    elif "data" in state and "stream" not in state and "global" not in state:
        yield from _messages(state["data"])  # the connectors before 0.1.9
    elif "stream" in state or "global" in state or "type" in state:
        yield {"type": "STREAM" if "stream" in state else "GLOBAL", **state}
    else:
        for name, blob in state.items():
            yield {"type": "STREAM", "stream": {"stream_descriptor": {"name": name}, "stream_state": blob}}


def _read_json(path: str, what: str) -> Any:
    try:
        return json.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"The {what} file cannot be read: {error.strerror or 'it is no file'}.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ConfigError(f"The {what} file is not JSON ({where}: {error.msg}).") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"The {what} file is not JSON.") from None


def _load(load: Callable[[Any], Any], content: Any, otherwise: str) -> Any:
    try:
        return load(content)
    except Exception as error:
        raise ConfigError(otherwise) from error


def _kind(value: object) -> str:
    names = {dict: "object", list: "list", str: "text", bool: "truth value", type(None): "null"}
    return names.get(type(value), "number")
