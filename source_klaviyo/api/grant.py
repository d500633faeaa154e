"""Responses of the token endpoint: a grant, or the reason why there is none."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from source_klaviyo.api.errors import (
    ConfigError,
    DamagedResponse,
    KlaviyoError,
    TransientError,
    error_of,
    redirect_error,
)
from source_klaviyo.api.page import decode_document

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_LIFETIME_SECONDS = 3600.0
"""Lifetime of an access token if the response does not state it; Klaviyo's live for an hour."""
MAX_LIFETIME_SECONDS = 10 * 365 * 86_400.0
MAX_TOKEN_CHARACTERS = 8_000
"""An access token has to fit into a header."""

_EXPIRED = frozenset({"invalid_grant", "invalid_grant_type"})
"""The refresh token is expired or revoked. The second is what Klaviyo's troubleshooting page calls it."""
_WRONG_CLIENT = frozenset({"invalid_client", "unauthorized_client"})
_TRANSIENT = frozenset({"temporarily_unavailable", "server_error", "slow_down"})
_OTHERS = frozenset({"access_denied", "invalid_request", "invalid_scope", "unsupported_grant_type"})


@dataclass(frozen=True, slots=True)
class Grant:
    """An access token and what came with it.

    Attributes:
        access_token: authenticates requests to the API.
        lifetime: seconds from its issue to its expiry.
        refresh_token: the one to use from now on; None if the old one stays.
        scopes: the granted scopes; None if the response does not state them.
        expires_at: when the access token expires; seconds since the epoch, 0 if unknown.
    """

    access_token: str = field(repr=False)
    lifetime: float
    refresh_token: str | None = field(repr=False)
    scopes: frozenset[str] | None
    expires_at: float = 0.0


class _Granted(msgspec.Struct):
    access_token: Annotated[str, msgspec.Meta(pattern=rf"^[!-~]{{1,{MAX_TOKEN_CHARACTERS}}}\Z")]
    expires_in: Any = None
    refresh_token: Any = None
    scope: Any = None
    scopes: Any = None


def decode_grant(body: bytes) -> Grant:
    """Decode the body of a successful response, which must contain an access token.

    Raises:
        DamagedResponse: it does not.
    """
    try:
        granted = decode_document(body, _Granted)
    except DamagedResponse:
        raise DamagedResponse("Klaviyo's response is damaged or incomplete (no access token in it).") from None
    renewed = granted.refresh_token
    return Grant(
        access_token=granted.access_token,
        lifetime=_lifetime(granted.expires_in),
        refresh_token=renewed if isinstance(renewed, str) and renewed.strip() else None,
        scopes=_scopes(granted.scopes if granted.scope is None else granted.scope),
    )


def token_error(status: int, headers: Mapping[str, str], body: bytes) -> KlaviyoError:
    """Return the error for a response other than 2xx.

    RFC 6749 has status 400 or 401 and a code under `error`. Nothing else of the response is repeated, since it may
    contain what was sent.

    Args:
        status: HTTP status code.
        headers: the response headers.
        body: the response body, decompressed.
    """
    code = _error_code(body) if 400 <= status < 500 else None
    if code in _TRANSIENT:
        return TransientError(f"Klaviyo could not issue an access token for now ({status}).")
    if code in _EXPIRED:
        return ConfigError(
            "Klaviyo no longer accepts the refresh token of this connection: it has expired or was revoked, or the app "
            f"was uninstalled ({status}). Authenticate again."
        )
    if code in _WRONG_CLIENT:
        return ConfigError(
            f"Klaviyo does not accept the client ID and client secret of the OAuth app ({status}): check both in the "
            "app's settings in Klaviyo, then authenticate again."
        )
    if status in {400, 401} or (status == 403 and code):
        reason = f", {code}" if code in _OTHERS else ""  # an unknown one may be anything
        return ConfigError(
            f"Klaviyo refuses to issue an access token ({status}{reason}). Authenticate again; if that does not help, "
            "check the client ID and the client secret."
        )
    if 300 <= status < 400:
        return redirect_error(status, "tokens of this connection")
    error = error_of(status, headers, b"")
    return error or DamagedResponse(f"Klaviyo sent a response that is not a token ({status}).")


def _error_code(body: bytes) -> str | None:
    """Find the code of an error, of RFC 6749 or of a JSON:API document."""
    try:
        document = decode_document(body, dict[str, Any])
    except DamagedResponse:
        return None
    errors = document.get("errors")
    places = [document, document.get("error"), *(errors if isinstance(errors, list) else [])]
    found = [place.get(name) for place in places if isinstance(place, dict) for name in ("error", "code")]
    codes = [code.strip().lower() for code in found if isinstance(code, str)]
    known = _EXPIRED | _WRONG_CLIENT | _TRANSIENT | _OTHERS
    return next((code for code in codes if code in known), codes[0] if codes else None)


def _lifetime(value: Any) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        return DEFAULT_LIFETIME_SECONDS
    # zero, negative numbers and NaN are no lifetime
    return min(seconds, MAX_LIFETIME_SECONDS) if seconds > 0 else DEFAULT_LIFETIME_SECONDS


def _scopes(value: object) -> frozenset[str] | None:
    """Read scopes separated by blanks (RFC 6749) or commas, or in a list."""
    words = re.split(r"[\s,]+", value) if isinstance(value, str) else value
    if not isinstance(words, list):
        return None
    return frozenset(word for word in words if isinstance(word, str) and word) or None
