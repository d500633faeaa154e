"""Klaviyo's OAuth: consent with PKCE, the token endpoint, revocation, and the caller behind a Bearer token.

Sources: developers.klaviyo.com, set_up_oauth and troubleshoot_oauth_errors; recorded refreshes, which do not rotate.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

from klaviyo_simulator.access.limits import Window
from klaviyo_simulator.protocol.errors import ApiError, throttled, unauthenticated
from klaviyo_simulator.protocol.messages import Response
from klaviyo_simulator.rules.endpoints import all_scopes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from klaviyo_simulator.protocol.messages import Request
    from klaviyo_simulator.settings import Settings

PATHS = frozenset({"/oauth/authorize", "/oauth/token", "/oauth/revoke"})
TOKEN_REQUESTS_PER_MINUTE = 10
"""Klaviyo's rate limit for the token requests of an installed app."""

_BEARER = "Bearer "
_VERIFIER = re.compile(r"[a-zA-Z0-9\-._~]{43,128}")
_FORM = "application/x-www-form-urlencoded"


class OAuthError(Exception):
    """An error response of the token endpoint, in the form of RFC 6749."""

    def __init__(self, code: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.code = code
        self.status = status

    def response(self) -> Response:
        """Return the HTTP response for the error."""
        return _respond({"error": self.code, "error_description": str(self)}, self.status)


class Caller(NamedTuple):
    """The sender of a request: an installed app, or a key."""

    scopes: frozenset[str] | None  # None: all
    is_app: bool = False


@dataclass
class _Consent:
    """A user's consent to an app, valid until it is revoked."""

    scopes: frozenset[str] | None


@dataclass
class _Token:
    """An access token (which expires) or a refresh token (which does not)."""

    consent: _Consent
    expires: float = float("inf")
    replaces: str | None = None  # refresh token that ends when this one is used


class _Code(NamedTuple):
    challenge: str
    redirect_uri: str
    scopes: frozenset[str] | None


class OAuth:
    """An OAuth app and its installations. Not thread-safe."""

    def __init__(self, settings: Callable[[], Settings], random: Random, now: Callable[[], float]) -> None:
        self._settings = settings
        self._random = random
        self._now = now
        self._window = Window(60.0, TOKEN_REQUESTS_PER_MINUTE, random.random() * 60.0)
        self._codes: dict[str, _Code] = {}
        self._access: dict[str, _Token] = {}
        first = settings()
        self._refresh: dict[str, _Token] = {first.refresh_token: _Token(_Consent(first.oauth_scopes))}

    # --- test controls ----------------------------------------------------------------------------------

    def issue(self, life: float | None = None) -> str:
        """Return a new access token of the first consent, valid for `life` seconds (default: `token_life`)."""
        return self._new_access(next(iter(self._refresh.values())).consent, life)

    def expire(self) -> int:
        """End all access tokens and return their count. Refresh tokens stay valid."""
        count = len(self._access)
        self._access.clear()
        return count

    def revoke_all(self) -> None:
        """End all tokens, as when the app is uninstalled."""
        self._access.clear()
        self._refresh.clear()

    # --- requests ---------------------------------------------------------------------------------------

    def caller(self, headers: Mapping[str, str]) -> Caller:
        """Return the caller behind an access token.

        Raises:
            ApiError: if the token is unknown, expired or revoked.
        """
        name = headers["Authorization"].removeprefix(_BEARER)
        token = self._access.get(name)
        if token is None or token.expires <= self._now():
            raise unauthenticated("not_authenticated", "Authentication credentials were not provided or have expired.")
        self._end_replaced(token)
        return Caller(token.consent.scopes, is_app=True)

    def respond(self, request: Request) -> Response:
        """Answer a request to one of `PATHS`."""
        method, respond = {
            "/oauth/authorize": ("GET", self._authorize),
            "/oauth/token": ("POST", self._token),
            "/oauth/revoke": ("POST", self._revoke),
        }[request.path]
        if request.method != method:
            raise ApiError(405, f"Method '{request.method}' not allowed.", headers={"Allow": method})
        try:
            return respond(request)
        except OAuthError as error:
            return error.response()

    def _authorize(self, request: Request) -> Response:
        """Redirect as if the user had agreed.

        An unknown app or address is an error page, since there is no address to redirect to.
        """
        parameters = _unique(parse_qsl(request.query, keep_blank_values=True))
        settings = self._settings()
        if parameters.get("client_id") != settings.client_id or not parameters.get("redirect_uri"):
            raise OAuthError("invalid_request", "Unknown client_id or redirect_uri.")
        scopes = frozenset(parameters.get("scope", "").split())
        error = None
        challenge = parameters.get("code_challenge", "")
        if (
            (parameters.get("response_type"), parameters.get("code_challenge_method")) != ("code", "S256")
            or not parameters.get("state")
            or not re.fullmatch(r"[\w-]{43}", challenge, re.ASCII)
        ):
            error = "invalid_request"
        elif not scopes or (settings.oauth_scopes is not None and scopes - settings.oauth_scopes):
            error = "invalid_scope"
        result = {"error": error} if error else {"code": self._new_code(parameters, scopes)}
        query = urlencode({**result, "state": parameters.get("state", "")})
        return Response(302, b"", {"Location": f"{parameters['redirect_uri']}?{query}"})

    def _new_code(self, parameters: Mapping[str, str], scopes: frozenset[str]) -> str:
        code = self._secret("code")
        self._codes[code] = _Code(parameters["code_challenge"], parameters["redirect_uri"], scopes)
        return code

    def _token(self, request: Request) -> Response:
        if self._settings().limits:
            now = time.monotonic()
            if self._window.remaining(now, 0.0) <= 0:
                raise throttled(math.ceil(self._window.ends_in(now)))
            self._window.use()
        form = self._form(request)
        kind = form.pop("grant_type", "")
        if kind == "authorization_code":
            return self._exchange_code(form)
        if kind == "refresh_token":
            return self._refresh_tokens(form)
        raise OAuthError("unsupported_grant_type", "grant_type must be authorization_code or refresh_token.")

    def _exchange_code(self, form: dict[str, str]) -> Response:
        _check_fields(form, "code", "code_verifier", "redirect_uri")
        code = self._codes.pop(form["code"], None)
        if code is None:
            raise OAuthError("invalid_grant", "The code is unknown or was used.")
        if not _VERIFIER.fullmatch(form["code_verifier"]):
            raise OAuthError("invalid_request", 'Invalid "code_verifier"')
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != code.challenge:
            raise OAuthError("invalid_grant", "Code challenge failed.")
        if form["redirect_uri"] != code.redirect_uri:
            raise OAuthError("invalid_grant", "The redirect_uri differs from that of the consent.")
        consent = _Consent(code.scopes)
        name = self._secret("refresh")
        self._refresh[name] = _Token(consent)
        return self._grant(consent, name)

    def _refresh_tokens(self, form: dict[str, str]) -> Response:
        _check_fields(form, "refresh_token")
        name = form["refresh_token"]
        token = self._refresh.get(name)
        if token is None:
            raise OAuthError("invalid_grant", "The refresh token is expired or revoked.")
        self._end_replaced(token)
        rotation, old = self._settings().rotation, None
        if rotation != "off":
            old, name = name, self._secret("refresh")
            self._refresh[name] = _Token(token.consent, replaces=old)
            if rotation == "at_once":
                del self._refresh[old]
        return self._grant(token.consent, name, old)

    def _grant(self, consent: _Consent, refresh_token: str, old: str | None = None) -> Response:
        settings = self._settings()
        access_token = self._new_access(consent)
        self._access[access_token].replaces = old
        scopes = all_scopes() if consent.scopes is None else consent.scopes
        return _respond(
            {
                "access_token": access_token,
                "token_type": "Bearer",
                "expires_in": settings.token_life if settings.token_life % 1 else int(settings.token_life),
                "refresh_token": refresh_token,
                "scope": " ".join(sorted(scopes)),
            }
        )

    def _revoke(self, request: Request) -> Response:
        form = self._form(request)
        token = self._refresh.get(form.get("token", ""))
        if token is not None:
            for tokens in (self._refresh, self._access):
                for name in [name for name, other in tokens.items() if other.consent is token.consent]:
                    del tokens[name]
        return Response(200, b"")

    def _form(self, request: Request) -> dict[str, str]:
        """Authenticate the client of a request and return its form.

        Raises:
            OAuthError: if the client is unknown or the body is not a form.
        """
        settings = self._settings()
        scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
        try:
            given = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            given = ""
        if scheme != "Basic" or given != f"{settings.client_id}:{settings.client_secret}":
            raise OAuthError("invalid_client", "Unknown client, or no client authentication.", 401)
        if request.headers.get("Content-Type", "").split(";")[0].strip() != _FORM:
            raise OAuthError("invalid_request", f"The content type must be {_FORM}.")
        return _unique(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True))

    def _new_access(self, consent: _Consent, life: float | None = None) -> str:
        name = self._secret("access")
        self._access[name] = _Token(consent, self._now() + (self._settings().token_life if life is None else life))
        return name

    def _end_replaced(self, token: _Token) -> None:
        if token.replaces is not None:
            self._refresh.pop(token.replaces, None)
            token.replaces = None

    def _secret(self, kind: str) -> str:
        return f"{kind}-{self._random.getrandbits(160):040x}"


def _unique(pairs: list[tuple[str, str]]) -> dict[str, str]:
    form = dict(pairs)
    if len(form) != len(pairs):
        raise OAuthError("invalid_request", "A parameter is given more than once.")
    return form


def _check_fields(form: Mapping[str, str], *names: str) -> None:
    """Raise an error if a form lacks one of these fields, or has one that Klaviyo does not document."""
    if set(form) != set(names):
        raise OAuthError("invalid_request", f"The body must hold grant_type and {', '.join(names)}, and nothing else.")


def _respond(document: dict[str, Any], status: int = 200) -> Response:
    return Response(
        status, json.dumps(document).encode(), {"Content-Type": "application/json", "Cache-Control": "no-store"}
    )
