"""The user's settings, parsed once into a typed object."""

from __future__ import annotations

import os
import re
import socket
import time
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets

from source_klaviyo.api.client import HOST
from source_klaviyo.api.errors import ConfigError
from source_klaviyo.credentials import parse_credentials
from source_klaviyo.sync.instants import DAY, SECOND, parse_instant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from source_klaviyo.api.token_endpoint import OAuthCredentials
    from source_klaviyo.sync.instants import Instant

API_URL_VARIABLE = "KLAVIYO_API_URL"
_THIS_MACHINE = frozenset({"localhost", "host.docker.internal", "host.containers.internal"})
"""Names of the machine itself; the last two are what Docker and Podman call it inside a container."""
DEFAULT_START_DATE = "2012-01-01T00:00:00Z"
"""Klaviyo was founded in 2012."""

LATE_EVENTS_WINDOW = 7
"""Days."""

_START_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d+)?Z)?")


MEASUREMENTS = ("count", "sum_value", "unique")
INTERVALS = ("day", "hour", "week", "month")


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A report on a metric's events, as POST /metric-aggregates takes it.

    Attributes:
        name: what the user calls it.
        metric_id: the metric.
        measurements: some of MEASUREMENTS.
        interval: one of INTERVALS.
        by: the properties to group by.
        filter: further conditions, in Klaviyo's grammar.
    """

    name: str
    metric_id: str
    measurements: tuple[str, ...]
    interval: str
    by: tuple[str, ...]
    filter: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of a connection, as spec.json describes them.

    Attributes:
        api_key: Klaviyo's private key; never shown. Empty with OAuth.
        start: records that changed (events: happened) before this instant are not read.
        predictive_analytics: whether profiles come with their predictive analytics, at a lower rate limit.
        num_workers: the most requests under way at once; None: the connector finds it by itself.
        lookback: how far before its state an incremental read of events begins, in microseconds.
        late_events: how long hours that have been read are looked at again for late events, in microseconds.
        event_metric_ids: the metrics whose events are read; none for all.
        metric_ids: the conversion metrics that reports are about; none for all.
        reporting_lookback: how far before its state an incremental read of daily numbers begins, in microseconds.
        metric_aggregates: what the stream metric_aggregates asks for.
        api_url: scheme, host and port of Klaviyo; changed by the operator's environment only.
        oauth: what an OAuth connection is made of; None with a key.
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
            ConfigError: a setting has no sense; the message names it and says what to do.
        """
        credentials = parse_credentials(settings)
        return cls(
            api_key=credentials if isinstance(credentials, str) else "",
            start=_start(settings.get("start_date")),
            predictive_analytics=not _flag(settings, "disable_fetching_predictive_analytics"),
            num_workers=_whole_number(settings, "num_workers", 1, 50),
            lookback=_days(settings, "lookback_window", 36_500),
            late_events=_days(settings, "late_events_window", 90, LATE_EVENTS_WINDOW),
            event_metric_ids=_ids(settings, "event_metric_ids"),
            metric_ids=_ids(settings, "metric_ids"),
            reporting_lookback=_days(settings, "reporting_lookback_window", 366),
            metric_aggregates=_aggregates(settings.get("metric_aggregates")),
            api_url=_api_url(environ.get(API_URL_VARIABLE)),
            oauth=None if isinstance(credentials, str) else credentials,
        )


def _start(value: object) -> Instant:
    text = _given(value, DEFAULT_START_DATE)
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
    return max(start, DAY)  # nothing is older, and filters before 1970 are not to be relied on


def _given(value: object, otherwise: object) -> Any:
    """A setting, or what stands for one that is left out or left empty."""
    return otherwise if value is None or value == "" else value


def _flag(settings: Mapping[str, Any], name: str) -> bool:
    value = settings.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise ConfigError(f"The setting {name} is {preview(value)}: it must be true or false.")


def _whole_number(settings: Mapping[str, Any], name: str, least: int, most: int) -> int | None:
    value = settings.get(name)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON knows no difference
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ConfigError(f"The setting {name} is {preview(value)}: it must be a whole number from {least} to {most}.")
    return value


def _days(settings: Mapping[str, Any], name: str, most: int, otherwise: int = 0) -> int:
    """A number of days, in microseconds."""
    value = _whole_number(settings, name, 0, most)
    return (otherwise if value is None else value) * DAY


def _ids(settings: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Ids separated by commas (or in a list), each once."""
    value = _given(settings.get(name), "")
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise ConfigError(f"The setting {name} is {preview(value)}: it must be ids separated by commas.")
    ids = tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))
    for one in ids:
        if not re.fullmatch(r"[\w.:$-]+", one):
            raise ConfigError(f"The setting {name} holds {preview(one)}, which is no id of Klaviyo: copy it again.")
    return ids


def _aggregates(value: object) -> tuple[Aggregate, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ConfigError(f"The setting metric_aggregates is {preview(value)}: it must be a list of definitions.")
    return tuple(dict.fromkeys(map(_aggregate, value)))


def _aggregate(definition: Mapping[str, Any]) -> Aggregate:
    def texts(name: str) -> tuple[str, ...]:
        found = _given(definition.get(name), [])
        if not isinstance(found, list) or not all(map(_is_text, found)):
            raise ConfigError(
                f"The setting metric_aggregates holds {preview(found)} as {name}: it must be a list of texts."
            )
        return tuple(dict.fromkeys(found))

    given = definition.get("metric_id")
    if given is not None and not isinstance(given, str):
        raise ConfigError(f"The setting metric_aggregates holds {preview(given)} as metric_id: it must be a metric ID.")
    metric_ids = _ids(definition, "metric_id")
    if len(metric_ids) != 1:
        raise ConfigError(
            "The setting metric_aggregates holds a definition without a metric_id: give the id of one metric."
        )
    interval = _given(definition.get("interval"), "day")
    measurements = texts("measurements") or ("count",)
    for one, known in ((interval, INTERVALS), *((measurement, MEASUREMENTS) for measurement in measurements)):
        if one not in known:
            raise ConfigError(f"The setting metric_aggregates holds {preview(one)}: choose of {', '.join(known)}.")
    name = _given(definition.get("name"), metric_ids[0])
    if not _is_text(name):
        raise ConfigError(f"The setting metric_aggregates holds the name {preview(name)}: it must be a text.")
    return Aggregate(name, metric_ids[0], measurements, interval, texts("by"), texts("filter"))


def _is_text(value: object) -> bool:
    """Whether it is a text that can be sent: JSON lets half a character into one."""
    return isinstance(value, str) and value.encode(errors="replace").decode() == value


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
    """A value as messages show it: on one line, and of bearable length."""
    text = filter_secrets(repr(value))
    return text if len(text) <= 40 else f"{text[:40]}…"
