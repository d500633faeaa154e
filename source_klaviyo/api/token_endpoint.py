"""Klaviyo's token endpoint: exchange a refresh token for an access token.

Source: https://developers.klaviyo.com/en/docs/set_up_oauth. The client authenticates with Basic, and the body holds
`grant_type` and `refresh_token` and nothing else.
"""

from __future__ import annotations

import base64
import logging
import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from requests.auth import AuthBase

from source_klaviyo.api.backoff import backoff_seconds
from source_klaviyo.api.body import read_body
from source_klaviyo.api.budget import Limit, Tier
from source_klaviyo.api.critical import TOKEN_EXCHANGE
from source_klaviyo.api.deadline import receiving
from source_klaviyo.api.errors import KlaviyoError, TokenUnavailable, TransientError
from source_klaviyo.api.grant import decode_grant, token_error
from source_klaviyo.api.memory import MemoryBudget
from source_klaviyo.api.network import network_error

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from source_klaviyo.api.budget import Budget
    from source_klaviyo.api.grant import Grant

logger = logging.getLogger("airbyte")

TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path
TOKEN_LIMIT = Limit("oauth/token", Tier(burst=1, steady=10))
"""Klaviyo's quota of an installed app: ten refreshes a minute."""
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 30.0
"""The most to wait for an answer as a whole."""
MAX_ANSWER_BYTES = 100_000
_COMMON_HEADERS = frozenset({"accept-encoding", "user-agent", "connection"})
"""The headers of the session that are not for the API only."""
MAX_OUTAGE_SECONDS = 600.0
"""After failures for so long a refresh is given up, however few its tries."""


@dataclass(frozen=True, slots=True)
class OAuthCredentials:
    """The credentials of a connection through an OAuth app of Klaviyo.

    Attributes:
        client_id: the app.
        client_secret: the app's password.
        refresh_token: stands for the user's consent.
        access_token: one that was issued before; None for none.
        expires_at: when that one expires; seconds since the epoch, 0 if unknown.
    """

    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)
    access_token: str | None = field(default=None, repr=False)
    expires_at: float = 0.0

    @property
    def basic(self) -> str:
        """User and password of Basic authentication, encoded."""
        return base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()

    @property
    def secrets(self) -> tuple[str, ...]:
        """All texts that nothing may show."""
        secrets = (self.client_id, self.client_secret, self.refresh_token, self.access_token or "", self.basic)
        return tuple(filter(None, secrets))


class _ClientAuth(AuthBase):
    """Authenticates the app. That a request has an auth of its own also keeps `.netrc` out."""

    def __init__(self, credentials: OAuthCredentials) -> None:
        self._credentials = credentials

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Basic {self._credentials.basic}"
        return request


class TokenEndpoint:
    """Asks for access tokens, on the session of the requests to the API.

    Args:
        credentials: those of the app; the refresh token in them is not used.
        session: its connections, without redirects, cookies and `.netrc`.
        base_url: scheme, host and port of Klaviyo.
        budget: keeps within Klaviyo's limit of refreshes.
        tries: how often a request that fails for a passing reason is made before giving up.
        sleep: waits between tries, in seconds.
    """

    def __init__(
        self,
        credentials: OAuthCredentials,
        session: requests.Session,
        base_url: str,
        budget: Budget,
        tries: int,
        sleep: Callable[[float], None],
    ) -> None:
        self._auth = _ClientAuth(credentials)
        self._session = session
        self._url = f"{base_url}{TOKEN_PATH}"
        self._budget = budget
        self._tries = tries
        self._sleep = sleep
        self._memory = MemoryBudget()

    def refresh(self, refresh_token: str, accept: Callable[[Grant], None]) -> None:
        """Exchange a refresh token, with further tries if that fails for a passing reason.

        Args:
            refresh_token: the one to send.
            accept: takes the grant; a shutdown waits until it has returned.

        Raises:
            ConfigError: the refresh token or the app's credentials are not accepted.
            TokenUnavailable: too many tries have failed for passing reasons.
            KlaviyoError: the answer is another error.
        """
        failed, since = 0, time.monotonic()
        while True:
            error = self._try(refresh_token, accept)
            if error is None:
                return
            if not isinstance(error, TransientError):
                raise error
            failed += 1
            if failed >= self._tries or time.monotonic() - since > MAX_OUTAGE_SECONDS:
                raise TokenUnavailable(
                    f"No access token could be had from Klaviyo in {failed} tries. {error} Run the sync again later."
                )
            wait = backoff_seconds(failed, error)
            logger.info("No access token yet: %s Asking again in %.0f s.", error, wait)
            self._sleep(wait)

    def _try(self, refresh_token: str, accept: Callable[[Grant], None]) -> KlaviyoError | None:
        """Make the request once; return the error, without the frames that hold what was sent."""
        self._budget.acquire((TOKEN_LIMIT,))
        with TOKEN_EXCHANGE:
            try:
                accept(self._send(refresh_token))
            except KlaviyoError as error:
                error.__cause__ = error.__context__ = None
                return error.with_traceback(None)
        return None

    def _send(self, refresh_token: str) -> Grant:
        asked = time.time()
        others = (name for name in self._session.headers if name.lower() not in _COMMON_HEADERS)
        try:
            with receiving(ANSWER_SECONDS, ANSWER_SECONDS, MAX_ANSWER_BYTES):
                response = self._session.post(
                    self._url,
                    data={"grant_type": "refresh_token", "refresh_token": refresh_token},
                    headers={**dict.fromkeys(others), "Accept": "application/json"},
                    auth=self._auth,
                    stream=True,
                    allow_redirects=False,
                    timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
                )
        except KlaviyoError:
            raise
        except Exception as error:  # noqa: BLE001 - a wrong proxy variable raises nearly anything
            raise network_error(error, self._url, ANSWER_SECONDS) from None
        finally:
            self._budget.release((TOKEN_LIMIT,))
        with closing(response), self._memory.hold(free=MAX_ANSWER_BYTES) as hold:
            body = read_body(response.raw, hold, 0, MAX_ANSWER_BYTES, ANSWER_SECONDS, ANSWER_SECONDS)
        if not 200 <= response.status_code < 300:
            raise token_error(response.status_code, response.headers, body)
        grant = decode_grant(body)
        # counted from the question, so that it never seems to live longer than it does
        return replace(grant, expires_at=asked + grant.lifetime)
