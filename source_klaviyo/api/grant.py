"""Responses of the token endpoint: a grant, or the reason why there is none."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from source_klaviyo.api.errors import ConfigError, DamagedAnswer, KlaviyoError, TransientError, UnsafeLink, error_of

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_LIFETIME_SECONDS = 3600.0
"""Lifetime of an access token if the response does not state it; Klaviyo's live for an hour."""
MAX_LIFETIME_SECONDS = 10 * 365 * 86_400.0
MAX_TOKEN_CHARACTERS = 8_000
"""A header has to hold an access token."""

_EXPIRED = frozenset({"invalid_grant", "invalid_grant_type"})
"""The refresh token is expired or revoked. The second is what Klaviyo's troubleshooting page calls it."""
_WRONG_CLIENT = frozenset({"invalid_client", "unauthorized_client"})
_PASSING = frozenset({"temporarily_unavailable", "server_error", "slow_down"})
_OTHERS = frozenset({"access_denied", "invalid_request", "invalid_scope", "unsupported_grant_type"})


@dataclass(frozen=True, slots=True)
class Grant:
    """An access token and what came with it.

    Attributes:
        access_token: what requests to the API are made with.
        lifetime: seconds for which it is good.
        refresh_token: the one to use from now on; None if the old one stays.
        scopes: what the user has granted; None if the answer does not say.
        expires_at: when the access token expires; seconds since the epoch, 0 if unknown.
    """

    access_token: str = field(repr=False)
    lifetime: float
    refresh_token: str | None = field(repr=False)
    scopes: frozenset[str] | None
    expires_at: float = 0.0


def decode_grant(body: bytes) -> Grant:
    """Decode the body of a good answer. Only the access token has to be there.

    Raises:
        DamagedAnswer: it is none.
    """
    answer = _object(body)
    token = answer.get("access_token")
    if not isinstance(token, str) or not re.fullmatch(rf"[!-~]{{1,{MAX_TOKEN_CHARACTERS}}}", token):
        raise DamagedAnswer("Klaviyo's answer holds no access token.")
    renewed = answer.get("refresh_token")
    return Grant(
        access_token=token,
        lifetime=_lifetime(answer.get("expires_in")),
        refresh_token=renewed if isinstance(renewed, str) and renewed.strip() else None,
        scopes=_scopes(answer.get("scope", answer.get("scopes"))),
    )


def token_error(status: int, headers: Mapping[str, str], body: bytes) -> KlaviyoError:
    """Return the error that an answer other than 2xx stands for.

    RFC 6749 has status 400 or 401 and a code under `error`. What else the answer says is not repeated: it may hold
    what was sent.

    Args:
        status: HTTP status code.
        headers: the answer's headers.
        body: the answer's body, decompressed.
    """
    code = _error_code(_object(body, missing=True)) if 400 <= status < 500 else None
    if code in _PASSING:
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
        return redirected()
    error = error_of(status, headers, b"")
    return error or DamagedAnswer(f"Klaviyo gave an answer that is no token ({status}).")


def redirected() -> UnsafeLink:
    """Return the error for a redirect, which is never followed with a token."""
    return UnsafeLink(
        "Klaviyo's address answered with a redirect, which is not followed so that the tokens of this "
        "connection stay safe: check the proxy between here and Klaviyo."
    )


def _object(body: bytes, *, missing: bool = False) -> dict[str, Any]:
    """Decode a JSON object; with `missing`, return an empty one for what is none."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict):
        return answer
    if missing:
        return {}
    raise DamagedAnswer("Klaviyo's answer is damaged or incomplete, where an access token was expected.")


def _error_code(answer: Mapping[str, Any]) -> str | None:
    """Find the code of an error, of RFC 6749 or of a JSON:API document."""
    errors = answer.get("errors")
    places = [answer, answer.get("error"), *(errors if isinstance(errors, list) else [])]
    found = [place.get(name) for place in places if isinstance(place, dict) for name in ("error", "code")]
    codes = [code.strip().lower() for code in found if isinstance(code, str)]
    known = _EXPIRED | _WRONG_CLIENT | _PASSING | _OTHERS
    return next((code for code in codes if code in known), codes[0] if codes else None)


def _lifetime(value: Any) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        return DEFAULT_LIFETIME_SECONDS
    # zero, negative numbers and NaN say nothing
    return min(seconds, MAX_LIFETIME_SECONDS) if seconds > 0 else DEFAULT_LIFETIME_SECONDS


def _scopes(value: object) -> frozenset[str] | None:
    """Read scopes separated by blanks (RFC 6749) or commas, or in a list."""
    words = re.split(r"[\s,]+", value) if isinstance(value, str) else value
    if not isinstance(words, list):
        return None
    return frozenset(word for word in words if isinstance(word, str) and word) or None
