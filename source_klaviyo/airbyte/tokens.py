"""Report new tokens to Airbyte: the texts to mask, and the settings to save."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airbyte_cdk.config_observation import emit_configuration_as_airbyte_control_message
from airbyte_cdk.utils.airbyte_secrets_utils import add_to_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from source_klaviyo.api.grant import Grant


def reporter(settings: Mapping[str, Any]) -> Callable[[Grant, bool], None]:
    """Return a function that takes each new grant of a connection, before it is used.

    A rotated refresh token is printed at once in a CONTROL message with all settings, which the platform saves.

    Args:
        settings: as the platform gave them.
    """

    def report(grant: Grant, rotated: bool) -> None:
        for secret in (grant.access_token, grant.refresh_token):
            if secret:
                add_to_secrets(secret)
        if rotated:
            expiry = datetime.fromtimestamp(grant.expires_at, UTC)
            tokens = {
                "refresh_token": grant.refresh_token,
                "access_token": grant.access_token,
                "token_expiry_date": expiry.isoformat(timespec="seconds").replace("+00:00", "Z"),
            }
            emit_configuration_as_airbyte_control_message(
                {**settings, "credentials": {**settings["credentials"], **tokens}}
            )

    return report
