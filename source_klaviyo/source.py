"""The source: settings, check, streams and reading, wired into the CDK."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING, Any

from airbyte_cdk.models import (
    AirbyteConnectionStatus,
    AirbyteMessage,
    AirbyteStreamStatus,
    FailureType,
    Status,
    SyncMode,
)
from airbyte_cdk.sources import AbstractSource
from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets, update_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from typing_extensions import override

from source_klaviyo.airbyte.engine import Engine
from source_klaviyo.airbyte.messages import error_message, status_message
from source_klaviyo.airbyte.tokens import reporter
from source_klaviyo.api.client import KlaviyoClient
from source_klaviyo.api.errors import ConfigError, KlaviyoError
from source_klaviyo.check import check
from source_klaviyo.config import Config, preview
from source_klaviyo.credentials import secrets_of
from source_klaviyo.partitions.batch import RecordBatch
from source_klaviyo.partitions.context import MAX_CONCURRENT_REQUESTS, StreamContext
from source_klaviyo.partitions.failures import as_traced
from source_klaviyo.partitions.generator import StreamPartitionGenerator
from source_klaviyo.progress.tracker import Progress
from source_klaviyo.streams import STREAMS, KlaviyoStream
from source_klaviyo.streams.shared import SyncContext

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from airbyte_cdk.models import AirbyteStateMessage, ConfiguredAirbyteCatalog, ConfiguredAirbyteStream
    from airbyte_cdk.sources.streams import Stream

logger = logging.getLogger("airbyte")

CHECK_TRIES = 3
"""Few attempts, since a person waits for the result of a check."""


class SourceKlaviyo(AbstractSource):
    """Reads a Klaviyo account."""

    @override
    def configure(self, config: Mapping[str, Any], temp_dir: str) -> Mapping[str, Any]:
        """Return the settings; their secrets are redacted in all messages from here on."""
        update_secrets(secrets_of(config))
        return config

    @override
    def check_connection(self, logger: logging.Logger, config: Mapping[str, Any]) -> tuple[bool, Any]:
        """Return whether some stream can be read, and if not, why."""
        try:
            parsed = Config.parse(config)
            client = _client(parsed, config, tries=CHECK_TRIES)
            check(client, _streams(parsed, client))
        except KlaviyoError as error:
            return False, str(error)
        return True, None

    @override
    def check(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteConnectionStatus:
        """Return the connection's status; the CDK's own has a failure's `repr` as its message."""
        succeeded, message = self.check_connection(logger, config)
        if succeeded:
            return AirbyteConnectionStatus(status=Status.SUCCEEDED)
        return AirbyteConnectionStatus(status=Status.FAILED, message=filter_secrets(message))

    @override
    def streams(self, config: Mapping[str, Any]) -> list[Stream]:
        """Return all streams.

        Raises:
            AirbyteTracedException: a setting is wrong.
        """
        with traced():
            parsed = Config.parse(config)
        return list(_streams(parsed, _client(parsed, config)))

    @override
    def read(
        self,
        logger: logging.Logger,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        state: list[AirbyteStateMessage] | None = None,
    ) -> Iterator[AirbyteMessage]:
        """Yield the messages of a sync, one by one."""
        for item in self.read_batches(logger, config, catalog, state):
            if isinstance(item, RecordBatch):
                yield from item.messages()
            else:
                yield item

    def read_batches(
        self,
        logger: logging.Logger,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        state: list[AirbyteStateMessage] | None = None,
        progress: Progress | None = None,
        stop_requested: Event | None = None,
    ) -> Iterator[AirbyteMessage | RecordBatch]:
        """Yield the messages of a sync, with a page's records as one item.

        Args:
            logger: the CDK's.
            config: the settings.
            catalog: what to read.
            state: the states to resume from.
            progress: follows the streams.
            stop_requested: set on a shutdown.

        Raises:
            ShutdownRequested: a shutdown was requested.
            AirbyteTracedException: a setting is wrong, or, at the end, streams have failed.
        """
        known: dict[str, Stream] = {stream.name: stream for stream in self.streams(config)}
        _warn_of_states(state or [], known)
        states = ConnectorStateManager(state)
        engine = Engine(progress or Progress(), stop_requested or Event())
        generators: list[StreamPartitionGenerator] = []
        refused: list[str] = []
        for configured in catalog.streams:
            try:
                generators.append(_generator(configured, known, states, engine))
            except AirbyteTracedException as error:  # costs this stream only
                name = filter_secrets(configured.stream.name)
                refused.append(name if name in known else preview(name))
                yield status_message(name, AirbyteStreamStatus.STARTED)
                yield error_message(str(error), FailureType.config_error, name)
                yield status_message(name, AirbyteStreamStatus.INCOMPLETE)
        if generators:
            yield from engine.read(generators)
        if refused:
            raise AirbyteTracedException(
                message=f"Not read: {', '.join(refused)}. The errors of these streams say why.",
                failure_type=FailureType.config_error,
            )


def _generator(
    configured: ConfiguredAirbyteStream,
    known: Mapping[str, Stream],
    states: ConnectorStateManager,
    engine: Engine,
) -> StreamPartitionGenerator:
    """Return what makes the partitions of a configured stream.

    Raises:
        AirbyteTracedException: there is no such stream, or its state is invalid.
    """
    name = filter_secrets(configured.stream.name)
    stream = known.get(name)
    if not isinstance(stream, KlaviyoStream):
        raise as_traced(
            ConfigError(
                f"Stream {preview(name)} does not exist: refresh the connection's schema, or take the stream out of it."
            )
        )
    _warn_of_cursors(stream, configured)
    incremental = configured.sync_mode == SyncMode.incremental
    try:
        state = states.get_stream_state(stream.name, stream.namespace)
    except RecursionError:
        if incremental:
            raise as_traced(
                ConfigError(
                    f"The state of stream {stream.name} is nested too deeply: restore the connection's last "
                    "good state, or clear the stream to read it from the start."
                )
            ) from None
        state = {}
    generation = configured.generation_id
    context = StreamContext(stream, engine.emit, engine.submit, incremental=incremental, generation=generation)
    return StreamPartitionGenerator(context, state or {})


def _streams(config: Config, client: KlaviyoClient) -> list[KlaviyoStream]:
    shared = SyncContext(config, client)
    streams = [stream(config, client.with_own_stats(), shared) for stream in STREAMS]
    return sorted(streams, key=lambda stream: stream.name)


def _warn_of_cursors(stream: KlaviyoStream, configured: ConfiguredAirbyteStream) -> None:
    """Warn if a catalog expects another cursor than the stream has, since the sync then differs from what it says."""
    own = stream.cursor_attribute
    if configured.sync_mode != SyncMode.incremental:
        return
    if own is None:
        logger.warning("Stream %s has no cursor: it is read in full in each sync, not incrementally.", stream.name)
    elif configured.cursor_field and configured.cursor_field != [own]:
        logger.warning(
            "Stream %s always goes by its own cursor, %s; the catalog's cursor field %s is not used.",
            stream.name,
            own,
            preview(".".join(map(str, configured.cursor_field))),
        )


def _warn_of_states(state: list[AirbyteStateMessage], known: Container[str]) -> None:
    """Warn about states of unknown streams: otherwise the streams they were meant for get a silent full read."""
    for message in state:
        name = message.stream.stream_descriptor.name if message.stream else None
        if name is not None and name not in known:
            logger.warning("The state holds %s, which is no stream of this connector: it is not used.", preview(name))


@contextmanager
def traced() -> Iterator[None]:
    """Raise the connector's errors as Airbyte's."""
    try:
        yield
    except KlaviyoError as error:
        raise as_traced(error) from None


def _client(config: Config, settings: Mapping[str, Any] | None = None, **options: Any) -> KlaviyoClient:
    """Return a client for a connection; `settings` is what the platform saves again if a refresh token rotates."""
    if config.oauth is not None:
        options["report"] = reporter(settings or {})
    credentials = config.oauth or config.api_key
    return KlaviyoClient(
        credentials, config.api_url, connections=config.num_workers or MAX_CONCURRENT_REQUESTS, **options
    )
