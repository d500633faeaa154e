"""Run the commands with the CDK's entry point; pages of records go straight to stdout."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NoReturn, cast

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.logger import PRINT_BUFFER, is_platform_debug_log_enabled
from airbyte_cdk.models import AirbyteMessage, FailureType, Type
from airbyte_cdk.sources.connector_state_manager import HashableStreamDescriptor
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from typing_extensions import override

from source_klaviyo.airbyte import inputs
from source_klaviyo.airbyte.allocator import AllocatorTuning
from source_klaviyo.airbyte.engine import ShutdownRequested
from source_klaviyo.airbyte.messages import error_message, own_error
from source_klaviyo.airbyte.stdout import EXCHANGE_SECONDS, STDERR, STDOUT
from source_klaviyo.api.critical import TOKEN_EXCHANGE
from source_klaviyo.partitions.batch import RecordBatch
from source_klaviyo.progress.tracker import Progress
from source_klaviyo.source import SourceKlaviyo, traced

if TYPE_CHECKING:
    import io
    from argparse import Namespace
    from collections.abc import Iterable

    from airbyte_cdk.models import ConnectorSpecification

    from source_klaviyo.airbyte.stdout import Output


class KlaviyoEntrypoint(AirbyteEntrypoint):
    """The CDK's entry point, which writes a page of records at once."""

    source: SourceKlaviyo

    def __init__(self, source: SourceKlaviyo, output: Output) -> None:
        super().__init__(source)
        self._output = output
        self._allocator = AllocatorTuning()

    @staticmethod
    @override
    def validate_connection(source_spec: ConnectorSpecification, config: Any) -> None:
        """Leave the settings to `Config.parse`, which says which of them makes no sense, and what to do."""

    @staticmethod
    @override
    def set_up_secret_filter(config: Any, connection_specification: Any) -> None:
        """Leave it to the source's `configure`, which runs before the first message about the settings."""

    @override
    def run(self, parsed_args: Namespace) -> Iterable[str]:
        """Yield the messages of one command, as lines.

        The CDK's own method first makes a temporary folder, which nothing here uses and a read-only disk cannot have.
        """
        debug = parsed_args.debug or is_platform_debug_log_enabled()
        for logger in (self.logger, logging.getLogger("airbyte")):
            logger.setLevel(logging.DEBUG if debug else logging.INFO)
        self.logger.debug("Debug logs enabled")
        yield from map(self.airbyte_message_to_string, self._messages(parsed_args))

    def _messages(self, parsed: Namespace) -> Iterable[AirbyteMessage]:
        spec = self.source.spec(self.logger)
        if parsed.command == "spec":
            return [AirbyteMessage(type=Type.SPEC, spec=spec)]
        with traced():
            config = self.source.configure(inputs.read_config(parsed.config), temp_dir="")
        if parsed.command == "check":
            return self.check(spec, config)
        if parsed.command == "discover":
            return self.discover(spec, config)
        with traced():
            catalog, state = inputs.read_catalog(parsed.catalog), inputs.read_state(parsed.state)
        return self.read(spec, config, catalog, state)

    @override
    def read(
        self, source_spec: ConnectorSpecification, config: Any, catalog: Any, state: list[Any]
    ) -> Iterable[AirbyteMessage]:
        """Yield the messages of a sync; records go straight to the output, in their place."""
        counts: defaultdict[HashableStreamDescriptor, float] = defaultdict(float)
        progress, stop_requested = Progress(), self._output.stop_requested
        with self._output.reading(ShutdownRequested), _progress_table(progress):
            for item in self.source.read_batches(self.logger, config, catalog, state, progress, stop_requested):
                if isinstance(item, RecordBatch):
                    counts[HashableStreamDescriptor(name=item.stream, namespace=None)] += item.count
                    self._output.write(*item.lines)
                    item.lines.clear()
                    self._allocator.page_done()
                else:
                    yield self.handle_record_counts(item, counts)

    def run_lines(self, arguments: list[str]) -> int:
        """Run one command and write its messages; returns the exit code."""
        try:
            parsed = self.parse_args(arguments or [""])  # no command is answered as an unknown one
            for line in self.run(parsed):
                self._output.write(f"{line}\n".encode())
        except AirbyteTracedException as error:
            status = error.as_connection_status_message() if parsed.command == "check" else None
            if status:
                self._write(status)
                return 0
            self._write(error_message(str(error), error.failure_type))
        except Exception as error:  # noqa: BLE001 - users get one sentence for any error
            self._write(error_message(own_error(error), FailureType.system_error))
        else:
            return 0
        return 1

    def _write(self, message: AirbyteMessage) -> None:
        self._output.write(f"{self.airbyte_message_to_string(message)}\n".encode())


def _progress_table(progress: Progress) -> contextlib.AbstractContextManager[None]:
    """Show the progress to a person at a terminal, unless the messages appear there too."""
    if os.isatty(STDOUT) or not os.isatty(STDERR):
        return contextlib.nullcontext()
    # the table takes a moment to import
    from source_klaviyo.progress.table import live_table  # noqa: PLC0415

    return live_table(progress)


def launch(arguments: list[str], output: Output) -> NoReturn:
    """Run one command (`spec`, `check`, `discover` or `read`, with its options) and exit."""
    # all that is printed or logged; the CDK's buffer would hold log lines back until others come
    sys.stdout = sys.__stdout__ = cast("io.TextIOWrapper", output.text)  # type: ignore[misc]
    PRINT_BUFFER.flush_interval = 0.0
    logging.getLogger("urllib3").propagate = False  # it warns with addresses and headers, and with tracebacks
    try:
        code = KlaviyoEntrypoint(SourceKlaviyo(), output).run_lines(arguments)
    except SystemExit as leaving:  # the CDK's argument parser has said what is wrong
        code = leaving.code if isinstance(leaving.code, int) else 1
    TOKEN_EXCHANGE.acquire(timeout=EXCHANGE_SECONDS)
    output.exit(code)
