"""Turn an error of the API into the error of a stream: what its user can do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_klaviyo.api.errors import (
    AccessDenied,
    BadRequest,
    ConfigError,
    KlaviyoError,
    MissingScope,
    RevisionRefused,
    ServerError,
    UnknownMetric,
)

if TYPE_CHECKING:
    from source_klaviyo.streams.base import KlaviyoStream

_FAILURE_TYPES = {
    "config": FailureType.config_error,
    "transient": FailureType.transient_error,
    "system": FailureType.system_error,
}


def as_traced(error: KlaviyoError) -> AirbyteTracedException:
    """Convert an error to Airbyte's exception."""
    return AirbyteTracedException(
        message=str(error), internal_message=str(error), failure_type=_FAILURE_TYPES[error.failure]
    )


def stream_error(error: KlaviyoError, stream: KlaviyoStream) -> KlaviyoError:
    """Return the error with what it means for a stream; the same error if there is nothing to add."""
    if isinstance(error, BadRequest):
        error = _attribute_to_setting(error, stream)
    if isinstance(error, AccessDenied):
        return _access_error(error, stream)
    if isinstance(error, RevisionRefused):
        return RevisionRefused(f"Stream {stream.name} cannot be read: {error}")
    if isinstance(error, ServerError):
        return ServerError(f"{error}{stream.failure_hint}")
    return error


def _attribute_to_setting(error: BadRequest, stream: KlaviyoStream) -> KlaviyoError:
    """Return a configuration error if Klaviyo rejects the value of a setting; other partitions may be readable."""
    settings = (
        setting
        for what, setting in stream.param_to_setting.items()
        if what in error.parameter or (isinstance(error, UnknownMetric) and "metric_id" in what)
    )
    setting = next(settings, None)
    if setting is None or not getattr(stream.config, setting):
        return error
    return ConfigError(f"Klaviyo refuses what the setting {setting} holds (400): correct it.{error.quote}")


def _access_error(error: AccessDenied, stream: KlaviyoStream) -> ConfigError:
    """Say which access the key or the account lacks: a missing scope, or the feature itself."""
    name = stream.name
    if not isinstance(error, MissingScope):
        return ConfigError(
            f"Stream {name} cannot be read: this account or key has no access to it (403). {stream.access_hint}"
            f"Deselect the stream.{error.quote}"
        )
    scope, *more = stream.scope.split()
    scopes, it = (f"the scopes {' and '.join([scope, *more])}", "them") if more else (f"the scope {scope}", "it")
    if stream.config.oauth:
        return ConfigError(f"Stream {name} needs {scopes}, or the account has no access to it. {error}")
    if error.certain:
        return ConfigError(f"Stream {name} needs {scopes}: add {it} in Klaviyo, or deselect the stream. {error}")
    return ConfigError(
        f"Stream {name} cannot be read (403): if the key has custom access, it needs {scopes}; if it has {it}, "
        f"this account has no access. Create a key with access in Klaviyo, or deselect the stream.{error.quote}"
    )
