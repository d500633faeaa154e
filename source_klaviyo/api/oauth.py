"""The access token of an OAuth connection: one for all threads, refreshed before it expires or when rejected."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from typing_extensions import override

from source_klaviyo.api.auth import Auth
from source_klaviyo.api.errors import ConfigError, InvalidKey, KlaviyoError, RejectedToken
from source_klaviyo.api.grant import Grant
from source_klaviyo.api.redaction import redact_secrets

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from source_klaviyo.api.token_endpoint import OAuthCredentials, TokenEndpoint

MAX_MARGIN_SECONDS = 60.0
"""Seconds before its expiry at which an access token is refreshed."""
MARGIN_SHARE = 0.05
"""The same as a share of its lifetime, for tokens that live for minutes or less."""
MAX_REJECTED = 2
"""Access tokens rejected in a row, each newly issued, after which no more are requested."""


class OAuth(Auth):
    """Authenticates requests with an access token, from any number of threads.

    A failed refresh is final: every thread gets its error, since Klaviyo allows few refreshes a minute.

    Args:
        credentials: those of the connection.
        endpoint: issues access tokens.
        report: takes each grant before it is used, and whether it rotates the refresh token.
    """

    is_oauth = True
    subject = "OAuth connection"
    secrets = "tokens of this connection"
    add_scope = check_scopes = "add the scope to the app in Klaviyo and authenticate again"

    def __init__(
        self,
        credentials: OAuthCredentials,
        endpoint: TokenEndpoint,
        report: Callable[[Grant, bool], None] | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._report = report
        self._refresh_token = credentials.refresh_token
        self._grant: Grant | None = None
        if credentials.access_token and credentials.expires_at:
            self._grant = Grant(credentials.access_token, float("inf"), None, None, credentials.expires_at)
        self._rejected = 0
        self._failure: KlaviyoError | None = None
        self._lock = threading.Lock()
        # one text: as items of a container they would appear in its repr
        self._secrets = "\n".join(credentials.secrets)

    @override
    def __repr__(self) -> str:
        return "<the access token>"

    @property
    @override
    def scopes(self) -> frozenset[str] | None:
        return self._grant.scopes if self._grant else None

    @override
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header()
        return request

    @override
    def prepare(self) -> None:
        if self._is_due():
            with self._lock:
                if self._is_due():
                    self._refresh()

    @override
    def renew(self, sent: str) -> None:
        with self._lock:
            if self._header() == sent:  # no other thread has refreshed it meanwhile
                if self._rejected >= MAX_REJECTED:
                    self._failure = self._failure or _rejection()
                self._rejected += 1
                self._refresh()

    @override
    def accepted(self) -> None:
        self._rejected = 0

    @override
    def rejected(self, error: InvalidKey, sent: str) -> KlaviyoError:
        return RejectedToken(str(_rejection()), sent)

    @override
    def redact(self, text: str) -> str:
        return redact_secrets(text, self._secrets.split("\n"), "a secret of this connection")

    def _header(self) -> str:
        return f"Bearer {self._grant.access_token}" if self._grant else ""

    def _is_due(self) -> bool:
        grant = self._grant
        if grant is None:
            return True
        return time.time() >= grant.expires_at - min(MAX_MARGIN_SECONDS, MARGIN_SHARE * grant.lifetime)

    def _refresh(self) -> None:
        if self._failure is None:
            try:
                self._endpoint.refresh(self._refresh_token, self._accept)
            except KlaviyoError as error:
                self._failure = error.without_frames()
        if self._failure is not None:
            # a new error for each thread: the traceback of a shared one would grow
            raise type(self._failure)(str(self._failure))

    def _accept(self, grant: Grant) -> None:
        """Use a grant after the platform has saved it: a token that is lost before that has never been used."""
        rotated = grant.refresh_token not in {None, self._refresh_token}
        self._secrets += f"\n{grant.access_token}"
        if rotated:
            self._refresh_token = grant.refresh_token or ""
            self._secrets += f"\n{grant.refresh_token}"
        if self._report is not None:
            self._report(grant, rotated)
        self._grant = grant


def _rejection() -> ConfigError:
    return ConfigError(
        "Klaviyo does not accept the access tokens of this connection (401), though it issues them: check the app in "
        "Klaviyo, then authenticate again."
    )
