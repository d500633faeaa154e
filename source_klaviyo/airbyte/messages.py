"""Messages of a sync other than records: logs, stream statuses and errors, without secrets."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from airbyte_cdk.models import (
    AirbyteErrorTraceMessage,
    AirbyteLogMessage,
    AirbyteMessage,
    AirbyteTraceMessage,
    Level,
    StreamDescriptor,
    TraceType,
    Type,
)
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from airbyte_cdk.utils.stream_status_utils import as_airbyte_message

from source_klaviyo.api.redaction import redact_pii

if TYPE_CHECKING:
    from airbyte_cdk.models import AirbyteStreamStatus, FailureType


def log_message(message: str) -> AirbyteMessage:
    """Return a log message, also for reads from Python."""
    return AirbyteMessage(type=Type.LOG, log=AirbyteLogMessage(level=Level.INFO, message=filter_secrets(message)))


def status_message(stream: str, status: AirbyteStreamStatus) -> AirbyteMessage:
    """Return a message about a stream's status."""
    return as_airbyte_message(StreamDescriptor(name=stream), status)


def error_message(message: str, kind: FailureType, stream: str | None = None) -> AirbyteMessage:
    """Return an error message for users: one sentence, no traceback, no secret."""
    return AirbyteMessage(
        type=Type.TRACE,
        trace=AirbyteTraceMessage(
            type=TraceType.ERROR,
            emitted_at=time.time_ns() // 1_000_000,
            error=AirbyteErrorTraceMessage(
                message=filter_secrets(message),
                internal_message=filter_secrets(message),
                failure_type=kind,
                stream_descriptor=StreamDescriptor(name=stream) if stream else None,
            ),
        ),
    )


def own_error(error: Exception) -> str:
    """Describe an unexpected error."""
    what = f"{type(error).__name__}: {redact_pii(str(error))}"
    return f"The connector met an error of its own ({what}): please report it."
