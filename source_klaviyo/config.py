"""The user's settings, parsed once into a typed object."""

from __future__ import annotations

import json
import os
import re
import socket
import time
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets

from source_klaviyo.api.client import HOST
from source_klaviyo.api.errors import ConfigError
from source_klaviyo.credentials import parse_credentials
from source_klaviyo.sync.instants import DAY, SECOND, Instant, parse_instant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from source_klaviyo.api.token_endpoint import OAuthCredentials

API_URL_VARIABLE = "KLAVIYO_API_URL"
_THIS_MACHINE = frozenset({"localhost", "host.docker.internal", "host.containers.internal"})
"""Names of the machine itself; the last two are what Docker and Podman call it inside a container."""
DEFAULT_START_DATE = "2012-01-01T00:00:00Z"
"""Klaviyo was founded in 2012."""
DEFAULT_LATE_EVENTS_DAYS = 7

_START_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d+)?Z)?")
_ID = r"^[\w.:$-]+\Z"


class Aggregate(msgspec.Struct, frozen=True, kw_only=True):
    """A report on a metric's events, as POST /metric-aggregates takes it.

    IDs of records are hashes of its fields, in this order.

    Attributes:
        name: what the user calls it; the metric's ID if left out.
        metric_id: the metric.
        measurements: what to compute.
        interval: the period of each row.
        by: the properties to group by.
        filter: further conditions, in Klaviyo's grammar.
    """

    name: str = ""
    metric_id: Annotated[str, msgspec.Meta(pattern=_ID)]
    measurements: tuple[Literal["count", "sum_value", "unique"], ...] = ("count",)
    interval: Literal["day", "hour", "week", "month"] = "day"
    by: tuple[str, ...] = ()
    filter: tuple[str, ...] = ()


_AGGREGATE_RULES = {
    "metric_id": "a metric ID",
    "name": "a text",
    "measurements": "a list of count, sum_value or unique",
    "interval": "day, hour, week or month",
    "by": "a list of texts",
    "filter": "a list of texts",
}


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of a connection, as spec.json describes them.

    Attributes:
        api_key: Klaviyo's private key; never shown. Empty with OAuth.
        start: records that changed (events: happened) before this instant are left out.
        predictive_analytics: whether profiles come with their predictive analytics, at a lower rate limit.
        num_workers: maximum requests in flight; None: the connector adapts it.
        lookback: how far before its state an incremental read of events begins, in microseconds.
        late_events: for how long recent hours are rechecked for late events, in microseconds.
        event_metric_ids: the metrics whose events are read; none for all.
        metric_ids: the conversion metrics that reports are about; none for all.
        reporting_lookback: how far before its state an incremental read of daily numbers begins, in microseconds.
        metric_aggregates: the definitions that the stream metric_aggregates requests.
        api_url: scheme, host and port of Klaviyo; only the environment can change it.
        oauth: the credentials of an OAuth connection; None with a key.
    """

    api_key: str = field(repr=False)
    start: Instant
    predictive_analytics: bool
    num_workers: int | None
    lookback: int
    late_events: int
    event_metric_ids: tuple[str, ...]
    metric_ids: tuple[str, ...]
    reporting_lookback: int
    metric_aggregates: tuple[Aggregate, ...]
    api_url: str
    oauth: OAuthCredentials | None = None

    @classmethod
    def parse(cls, settings: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Config:
        """Read the settings of a connection.

        Raises:
            ConfigError: a setting is wrong; the message names it and says what to do.
        """
        credentials = parse_credentials(settings)
        return cls(
            api_key=credentials if isinstance(credentials, str) else "",
            start=_start(settings.get("start_date")),
            predictive_analytics=not _setting(settings, "disable_fetching_predictive_analytics", bool, "true or false"),
            num_workers=_number(settings, "num_workers", 1, 50),
            lookback=DAY * _number(settings, "lookback_window", 0, 36_500, 0),
            late_events=DAY * _number(settings, "late_events_window", 0, 90, DEFAULT_LATE_EVENTS_DAYS),
            event_metric_ids=_ids(settings, "event_metric_ids"),
            metric_ids=_ids(settings, "metric_ids"),
            reporting_lookback=DAY * _number(settings, "reporting_lookback_window", 0, 366, 0),
            metric_aggregates=_aggregates(settings),
            api_url=_api_url(environ.get(API_URL_VARIABLE)),
            oauth=None if isinstance(credentials, str) else credentials,
        )


def _start(value: object) -> Instant:
    text = DEFAULT_START_DATE if value is None or value == "" else value
    if not isinstance(text, str) or not _START_DATE.fullmatch(text.strip()):
        raise ConfigError(
            f"The setting start_date is {preview(value)}: write it as YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ."
        )
    try:
        start = parse_instant(text)
    except ValueError:
        raise ConfigError(
            f"The setting start_date is {preview(value)}, which is no date of the calendar: correct it."
        ) from None
    if start > time.time() * SECOND:
        raise ConfigError(
            f"The setting start_date is {preview(value)}, which lies in the future: choose an earlier date."
        )
    return max(start, Instant(DAY))  # nothing is older, and filters before 1970 are not reliable


def _setting(settings: Mapping[str, Any], name: str, kind: Any, rule: str, otherwise: Any = None) -> Any:
    """Return a setting of a kind that msgspec knows; `otherwise` if it is left out."""
    value = settings.get(name)
    if value is None:
        return otherwise
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # in JSON, 5.0 is a whole number, too
    try:
        json.dumps(value, ensure_ascii=False).encode()
        return msgspec.convert(value, kind)
    except UnicodeEncodeError:  # JSON lets half a character into a text, but it cannot be sent
        raise ConfigError(
            f"The setting {name} is {preview(value)}, which holds half a character: write it again."
        ) from None
    except msgspec.ValidationError:
        raise ConfigError(f"The setting {name} is {preview(value)}: it must be {rule}.") from None


def _number(settings: Mapping[str, Any], name: str, least: int, most: int, otherwise: int | None = None) -> Any:
    kind = Annotated[int, msgspec.Meta(ge=least, le=most)]
    return _setting(settings, name, kind, f"a whole number from {least} to {most}", otherwise)


def _ids(settings: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return IDs separated by commas (or in a list), each once."""
    value = _setting(settings, name, str | list[str], "IDs separated by commas", [])
    parts = value.split(",") if isinstance(value, str) else value
    ids = tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))
    for one in ids:
        if not re.match(_ID, one):
            raise ConfigError(f"The setting {name} holds {preview(one)}, which is no ID of Klaviyo: copy it again.")
    return ids


def _aggregates(settings: Mapping[str, Any]) -> tuple[Aggregate, ...]:
    definitions = _setting(settings, "metric_aggregates", list[dict[str, Any]], "a list of definitions", ())
    return tuple(dict.fromkeys(map(_aggregate, definitions)))


def _aggregate(definition: Mapping[str, Any]) -> Aggregate:
    given = {name: value for name, value in definition.items() if value not in (None, "")}
    if isinstance(given.get("metric_id"), str):
        given["metric_id"] = given["metric_id"].replace(",", " ").strip()
    try:
        found = msgspec.convert(given, Aggregate)
    except msgspec.ValidationError as error:
        field = re.search(r"\$\.(\w+)", str(error))
        what = (
            f"{preview(definition[field[1]])} as {field[1]}: it must be {_AGGREGATE_RULES[field[1]]}."
            if field
            else "a definition without a metric_id: give the ID of one metric."
        )
        raise ConfigError(f"The setting metric_aggregates holds {what}") from None
    return Aggregate(
        metric_id=found.metric_id,
        name=found.name or found.metric_id,
        measurements=tuple(dict.fromkeys(found.measurements)) or ("count",),
        interval=found.interval,
        by=tuple(dict.fromkeys(found.by)),
        filter=tuple(dict.fromkeys(found.filter)),
    )


def _api_url(value: str | None) -> str:
    if not value:
        return HOST
    try:
        parts = urlsplit(value.strip())
        sound = bool(
            parts.scheme in {"http", "https"}
            and parts.hostname
            and re.fullmatch(r"[!-~]+", parts.netloc)
            and parts.username is None
            and (parts.port or 1) > 0
            and not (parts.path.strip("/") or parts.query or parts.fragment)
        )
    except ValueError:
        sound = False
    if not sound:
        raise ConfigError(
            f"The environment variable {API_URL_VARIABLE} must hold scheme, host and port only, "
            "such as http://127.0.0.1:8080."
        )
    if parts.scheme == "http" and not _is_this_machine(parts.hostname or ""):
        raise ConfigError(
            f"The environment variable {API_URL_VARIABLE} would send the API key unencrypted: use https; http is only "
            f"for this machine (127.0.0.1, ::1, {', '.join(sorted(_THIS_MACHINE))})."
        )
    return f"{parts.scheme}://{parts.netloc}"


def _is_this_machine(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return host in _THIS_MACHINE
    if address.is_loopback:
        return True
    with socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6) as own:
        try:
            own.bind((host, 0))  # which the system allows for the machine's own addresses only
        except OSError:
            return False
    return not address.is_unspecified and not address.is_multicast


def preview(value: object) -> str:
    """Return the beginning of a value for a message: one line of at most 41 characters, without secrets."""
    text = filter_secrets(repr(value))
    return text if len(text) <= 40 else f"{text[:40]}…"
