"""The access token of a connection: one for all threads, refreshed before it expires or when Klaviyo refuses it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from source_klaviyo.api.auth import Auth
from source_klaviyo.api.errors import (
    AccessDenied,
    ConfigError,
    InvalidKey,
    KlaviyoError,
    MissingScope,
    RejectedToken,
    UnsafeLink,
)
from source_klaviyo.api.grant import Grant, redirected
from source_klaviyo.api.redaction import redact_secrets

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from source_klaviyo.api.token_endpoint import OAuthCredentials, TokenEndpoint

MAX_MARGIN_SECONDS = 60.0
"""Time before its expiry at which an access token is replaced."""
MARGIN_SHARE = 0.05
"""The same as a share of its lifetime, for tokens that live for minutes or less."""
MAX_REJECTED = 2
"""Access tokens in a row that Klaviyo has issued and accepted for no request; then it would go on like that."""


class OAuth(Auth):
    """Authenticates requests with an access token, from any number of threads.

    A failed refresh is final: every thread gets its error, since Klaviyo answers few refreshes a minute.

    Args:
        credentials: those of the connection.
        endpoint: what is asked for access tokens.
        report: takes each grant before it is used, and whether its refresh token replaces the one that was sent.
    """

    subject = "OAuth connection"
    secret = "access token"  # noqa: S105 - a word

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
        # texts side by side in one: as items of a container they would show in its repr
        self._secrets = "\n".join(credentials.secrets)

    def __repr__(self) -> str:
        return "<the access token>"

    @property
    def scopes(self) -> frozenset[str] | None:
        """The scopes that the user has granted; None if no answer has said so."""
        return self._grant.scopes if self._grant else None

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the present access token into a request."""
        request.headers["Authorization"] = self._header()
        return request

    def prepare(self) -> None:
        """Refresh the access token if it is about to expire; to be called before each request.

        Raises:
            KlaviyoError: no access token can be had.
        """
        if not self._is_due():
            return
        with self._lock:
            if self._is_due():
                self._refresh()

    def renew(self, sent: str) -> None:
        """Refresh the access token after Klaviyo has refused it, unless another thread has done so meanwhile.

        Args:
            sent: the header that was refused.

        Raises:
            KlaviyoError: no access token can be had, or Klaviyo refuses each one that it issues.
        """
        with self._lock:
            if self._header() == sent:
                if self._rejected >= MAX_REJECTED:
                    self._failure = self._failure or _refused()
                self._rejected += 1
                self._refresh()

    def accepted(self) -> None:
        """Note that Klaviyo has accepted an access token."""
        self._rejected = 0

    def redact(self, text: str) -> str:
        """Mask the connection's secrets in what an answer says, should it repeat them."""
        return redact_secrets(text, self._secrets.split("\n"), "a secret of this connection")

    def explain(self, error: KlaviyoError, sent: str) -> KlaviyoError:
        """Say an error of the API in the words of a connection that has no key.

        Args:
            error: as it is for a key.
            sent: the header that the request was made with.
        """
        if isinstance(error, InvalidKey):
            return RejectedToken(str(_refused()), sent)
        if isinstance(error, UnsafeLink):
            return redirected()
        if isinstance(error, MissingScope):
            what = "lacks a scope" if error.certain else "lacks a scope, or the account has no access"
            message = f"The OAuth connection {what} (403): add the scope to the app in Klaviyo and authenticate again."
            return MissingScope(f"{message}{error.said}", error.said, certain=error.certain)
        if isinstance(error, AccessDenied):
            return AccessDenied(
                f"This account or app has no access (403): ask Klaviyo about it.{error.said}", error.said
            )
        return error

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
                self._failure = error.with_traceback(None)
        if self._failure is not None:
            # each thread gets an error of its own: a traceback would grow in a common one
            raise type(self._failure)(str(self._failure))

    def _accept(self, grant: Grant) -> None:
        """Take a grant into use, once the platform has it: what is lost before that has never been used."""
        rotated = grant.refresh_token not in {None, self._refresh_token}
        self._secrets += f"\n{grant.access_token}"
        if rotated:
            self._refresh_token = grant.refresh_token or ""
            self._secrets += f"\n{grant.refresh_token}"
        if self._report is not None:
            self._report(grant, rotated)
        self._grant = grant


def _refused() -> ConfigError:
    return ConfigError(
        "Klaviyo does not accept the access tokens of this connection (401), though it issues them: check the app in "
        "Klaviyo, then authenticate again."
    )
