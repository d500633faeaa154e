"""OAuth as Klaviyo has it: consent with PKCE, the token endpoint, revocation, and who a Bearer token stands for.

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
PER_MINUTE = 10
"""Requests for tokens that Klaviyo answers an installed app in a minute."""

_BEARER = "Bearer "
_VERIFIER = re.compile(r"[a-zA-Z0-9\-._~]{43,128}")
_FORM = "application/x-www-form-urlencoded"


class OAuthError(Exception):
    """A request to the token endpoint that is refused, in the form of RFC 6749."""

    def __init__(self, code: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.code = code
        self.status = status

    def response(self) -> Response:
        """The response that tells it."""
        return _respond({"error": self.code, "error_description": str(self)}, self.status)


class Caller(NamedTuple):
    """Who asks: an installed app, or a key."""

    scopes: frozenset[str] | None  # None: all
    is_app: bool = False


@dataclass
class _Consent:
    """What a user has agreed to; it lasts until it is revoked."""

    scopes: frozenset[str] | None


@dataclass
class _Token:
    """An access token (which expires) or a refresh token (which does not)."""

    consent: _Consent
    expires: float = float("inf")
    replaces: str | None = None  # the refresh token that ends when this one is used


class _Code(NamedTuple):
    challenge: str
    redirect_uri: str
    scopes: frozenset[str] | None


class OAuth:
    """The app and its installations. Not safe for threads, like the account."""

    def __init__(self, settings: Callable[[], Settings], random: Random, now: Callable[[], float]) -> None:
        self._settings = settings
        self._random = random
        self._now = now
        self._window = Window(60.0, PER_MINUTE, random.random() * 60.0)
        self._codes: dict[str, _Code] = {}
        self._access: dict[str, _Token] = {}
        first = settings()
        self._refresh: dict[str, _Token] = {first.refresh_token: _Token(_Consent(first.oauth_scopes))}

    # --- what a test can do -----------------------------------------------------------------------------

    def issue(self, life: float | None = None) -> str:
        """Make an access token of the first consent, for so many seconds; the usual time if none are given."""
        return self._new_access(next(iter(self._refresh.values())).consent, life)

    def expire(self) -> int:
        """End all access tokens; how many there were. Refresh tokens stay good."""
        count = len(self._access)
        self._access.clear()
        return count

    def revoke_all(self) -> None:
        """End all tokens, as when the app is uninstalled."""
        self._access.clear()
        self._refresh.clear()

    # --- requests ---------------------------------------------------------------------------------------

    def caller(self, headers: Mapping[str, str]) -> Caller:
        """Whom an access token stands for.

        Raises:
            ApiError: it is unknown, expired or revoked.
        """
        name = headers["Authorization"].removeprefix(_BEARER)
        token = self._access.get(name)
        if token is None or token.expires <= self._now():
            raise unauthenticated("not_authenticated", "Authentication credentials were not provided or have expired.")
        self._used(token)
        return Caller(token.consent.scopes, is_app=True)

    def respond(self, request: Request) -> Response:
        """The response to a request to one of `PATHS`."""
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
        """Redirect as if the user had agreed; what is wrong with the app or its address is said to the user."""
        asked = _unique(parse_qsl(request.query, keep_blank_values=True))
        settings = self._settings()
        if asked.get("client_id") != settings.client_id or not asked.get("redirect_uri"):
            raise OAuthError("invalid_request", "Unknown client_id or redirect_uri.")
        scopes = frozenset(asked.get("scope", "").split())
        error = None
        challenge = asked.get("code_challenge", "")
        if (
            (asked.get("response_type"), asked.get("code_challenge_method")) != ("code", "S256")
            or not asked.get("state")
            or not re.fullmatch(r"[\w-]{43}", challenge, re.ASCII)
        ):
            error = "invalid_request"
        elif not scopes or (settings.oauth_scopes is not None and scopes - settings.oauth_scopes):
            error = "invalid_scope"
        found = {"error": error} if error else {"code": self._code(asked, scopes)}
        query = urlencode({**found, "state": asked.get("state", "")})
        return Response(302, b"", {"Location": f"{asked['redirect_uri']}?{query}"})

    def _code(self, asked: Mapping[str, str], scopes: frozenset[str]) -> str:
        code = self._secret("code")
        self._codes[code] = _Code(asked["code_challenge"], asked["redirect_uri"], scopes)
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
            return self._exchange(form)
        if kind == "refresh_token":
            return self._refreshed(form)
        raise OAuthError("unsupported_grant_type", "grant_type must be authorization_code or refresh_token.")

    def _exchange(self, form: dict[str, str]) -> Response:
        _only(form, "code", "code_verifier", "redirect_uri")
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
        return self._granted(consent, name)

    def _refreshed(self, form: dict[str, str]) -> Response:
        _only(form, "refresh_token")
        name = form["refresh_token"]
        token = self._refresh.get(name)
        if token is None:
            raise OAuthError("invalid_grant", "The refresh token is expired or revoked.")
        self._used(token)
        rotation, old = self._settings().rotation, None
        if rotation != "off":
            old, name = name, self._secret("refresh")
            self._refresh[name] = _Token(token.consent, replaces=old)
            if rotation == "at_once":
                del self._refresh[old]
        return self._granted(token.consent, name, old)

    def _granted(self, consent: _Consent, refresh_token: str, old: str | None = None) -> Response:
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
        """The body of a request whose client is known.

        Raises:
            OAuthError: it is not, or the body is no form.
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

    def _used(self, token: _Token) -> None:
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


def _only(form: Mapping[str, str], *names: str) -> None:
    """Refuse a body that lacks one of these fields, or holds others, which Klaviyo's documentation has not."""
    if set(form) != set(names):
        raise OAuthError("invalid_request", f"The body must hold grant_type and {', '.join(names)}, and nothing else.")


def _respond(document: dict[str, Any], status: int = 200) -> Response:
    return Response(
        status, json.dumps(document).encode(), {"Content-Type": "application/json", "Cache-Control": "no-store"}
    )
