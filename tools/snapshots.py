"""A snapshot of what users rely on, for a test to compare: settings, streams, their revision, key, cursor and fields.

``unit_tests/snapshots/connector.yaml`` has it. A change that breaks syncs is rejected unless ``--breaking`` says that
it is intended; it needs a major version, and an entry in metadata.yaml that tells users what to do.
"""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Any

import yaml

from source_klaviyo.source import SourceKlaviyo
from tools.facts.model import PROJECT
from tools.streams import by_name
from tools.tables import SPEC

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from airbyte_cdk.models import AirbyteStream

SNAPSHOT = PROJECT / "unit_tests" / "snapshots" / "connector.yaml"
LIMITS = ("pattern", "minimum", "maximum", "enum", "const", "default")
"""Keywords that limit the values of a setting, apart from their type."""


class Breaking(Exception):  # noqa: N818 - names a kind of change
    """Changes that break users' syncs; the arguments describe them."""


def types(schema: Mapping[str, Any]) -> set[str]:
    """Return the types of a property, a string with its format: string:date-time."""
    found = set()
    for option in schema.get("oneOf", [schema]):
        for name in [option["type"]] if isinstance(option["type"], str) else option["type"]:
            details = [option[key] for key in ("format", "airbyte_type") if key in option]
            found.add(":".join([name, *details]) if name == "string" else name)
    return found


def fields(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Return each property below a schema, each array's items (path[]) and each variant of an object (path[name])."""
    for name, value in schema.get("properties", {}).items():
        here = f"{path}.{name}".lstrip(".")
        yield here, value
        yield from fields(value, here)
        if "items" in value:
            yield f"{here}[]", value["items"]
            yield from fields(value["items"], f"{here}[]")
        for variant in value.get("oneOf", ()):
            if "properties" in variant:
                branch = f"{here}[{_variant(variant)}]"
                yield branch, variant
                yield from fields(variant, branch)


def described(
    form: Mapping[str, Any], streams: Iterable[AirbyteStream], advanced_auth: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return what users rely on, in words.

    Args:
        form: the JSON schema of the settings.
        streams: all of them, as discovered.
        advanced_auth: how Airbyte authenticates with OAuth.
    """
    return {
        "settings": {path: _setting(path, value, form) for path, value in fields(form)},
        **({"oauth": _oauth(advanced_auth)} if advanced_auth else {}),
        "streams": {stream.name: _stream(stream) for stream in sorted(streams, key=lambda stream: stream.name)},
    }


def current() -> dict[str, Any]:
    """Return what users of the current code rely on."""
    source = SourceKlaviyo()
    form = source.spec(logging.getLogger("airbyte")).connectionSpecification
    advanced_auth = json.loads(SPEC.read_text("utf-8"))["advanced_auth"]
    streams = [stream.as_airbyte_stream() for stream in source.streams({"api_key": "none"})]
    found = described(form, streams, advanced_auth)
    for name, stream in by_name().items():
        found["streams"][name] = {"revision": stream.revision, **found["streams"][name]}
    return found


def breaks(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Return the breaking changes: what is gone or different, and new settings that are required.

    A setting that is no longer required breaks nothing.
    """
    for name, before in old.items():
        here = f"{path} {name}".lstrip()
        if name not in new:
            yield f"{here} is gone"
        elif isinstance(before, dict):
            yield from breaks(before, new[name], here)
        elif new[name] not in {before, str(before).removeprefix("required ")}:
            yield f"{here} was {before}, is {new[name]}"
    for name, after in new.items():
        around = name.rpartition(".")[0]
        if name not in old and str(after).startswith("required") and (not around or around in old):
            yield f"{path} {name} is new and required"


def generated(*, breaking: bool = False) -> Iterator[tuple[Path, str]]:
    """Yield the file and its text.

    Raises:
        Breaking: it breaks syncs, and `breaking` does not say that this is intended.
    """
    now = current()
    old = yaml.safe_load(SNAPSHOT.read_text("utf-8")) if SNAPSHOT.exists() else {}
    if (broken := list(breaks(old, now))) and not breaking:
        raise Breaking(*broken)
    yield SNAPSHOT, str(yaml.safe_dump(now, sort_keys=False, width=1000))


def _setting(path: str, value: Mapping[str, Any], form: Mapping[str, Any]) -> str:
    around, _, name = path.rpartition(".")
    owner = dict(fields(form))[around] if around else form
    words = ["required"] if name in owner.get("required", ()) else []
    words += ["secret"] if value.get("airbyte_secret") else []
    words += sorted(types(value))
    return " ".join([*words, *(f"{limit} {json.dumps(value[limit])}" for limit in LIMITS if limit in value)])


def _variant(schema: Mapping[str, Any]) -> str:
    """Return the constant that identifies a variant of an object."""
    constants = (value["const"] for value in schema["properties"].values() if "const" in value)
    return re.sub(r"\W", "_", next(constants, schema.get("title", "")))


def _oauth(advanced_auth: Mapping[str, Any]) -> dict[str, str]:
    """Return the conditions for OAuth in a saved connection, and the settings for tokens and secrets."""
    specification = advanced_auth["oauth_config_specification"]
    predicate = f"{'.'.join(advanced_auth['predicate_key'])} {advanced_auth['predicate_value']}"
    found = {"flow": advanced_auth["auth_flow_type"], "predicate": predicate}
    for name in ("complete_oauth_output_specification", "complete_oauth_server_output_specification"):
        for field, schema in specification[name]["properties"].items():
            found[field] = ".".join(schema["path_in_connector_config"])
    return found


def _stream(stream: AirbyteStream) -> dict[str, Any]:
    return {
        "key": ", ".join(".".join(part) for part in stream.source_defined_primary_key or ()),
        "cursor": ".".join(stream.default_cursor_field or ()),
        "modes": {mode.value: True for mode in stream.supported_sync_modes},
        "fields": {path: " ".join(sorted(types(value) - {"null"})) for path, value in fields(stream.json_schema)},
    }
