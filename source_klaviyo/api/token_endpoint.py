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

from requests.auth import HTTPBasicAuth

from source_klaviyo.api.body import read_body
from source_klaviyo.api.budget import Limit, Tier
from source_klaviyo.api.critical import TOKEN_EXCHANGE
from source_klaviyo.api.errors import KlaviyoError, TokenUnavailable, TransientError
from source_klaviyo.api.grant import decode_grant, token_error
from source_klaviyo.api.memory import MemoryBudget
from source_klaviyo.api.retry import RetryPolicy
from source_klaviyo.api.transport import new_session, send

if TYPE_CHECKING:
    from collections.abc import Callable

    from source_klaviyo.api.budget import Budget
    from source_klaviyo.api.grant import Grant

logger = logging.getLogger("airbyte")

TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path
TOKEN_LIMIT = Limit("oauth/token", Tier(burst=1, steady=10))
"""Klaviyo's quota of an installed app: ten refreshes a minute."""
RESPONSE_SECONDS = 30.0
"""The longest wait for the head of a response, and again for its body."""
MAX_RESPONSE_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class OAuthCredentials:
    """The credentials of a connection through an OAuth app of Klaviyo.

    Attributes:
        client_id: the app.
        client_secret: the app's password.
        refresh_token: represents the user's consent.
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
        """Return user and password of Basic authentication, encoded."""
        return base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return all texts that must not be disclosed."""
        secrets = (self.client_id, self.client_secret, self.refresh_token, self.access_token or "", self.basic)
        return tuple(filter(None, secrets))


class TokenEndpoint:
    """Requests access tokens.

    Args:
        credentials: those of the app; the refresh token in them is not used.
        base_url: scheme, host and port of Klaviyo.
        budget: keeps within Klaviyo's limit of refreshes.
        tries: attempts of a request that fails with transient errors.
        sleep: waits between attempts, in seconds.
    """

    def __init__(
        self,
        credentials: OAuthCredentials,
        base_url: str,
        budget: Budget,
        tries: int,
        sleep: Callable[[float], None],
    ) -> None:
        user, password = credentials.client_id.encode(), credentials.client_secret.encode()
        self._session = new_session(HTTPBasicAuth(user, password))
        self._session.headers["Accept"] = "application/json"
        self._url = f"{base_url}{TOKEN_PATH}"
        self._budget = budget
        self._tries = tries
        self._sleep = sleep
        self._memory = MemoryBudget()

    def refresh(self, refresh_token: str, accept: Callable[[Grant], None]) -> None:
        """Exchange a refresh token, with retries.

        Args:
            refresh_token: the one to send.
            accept: takes the grant; the process does not end before it has returned.

        Raises:
            ConfigError: the refresh token or the app's credentials are rejected.
            TokenUnavailable: too many attempts failed with transient errors.
            KlaviyoError: the response is another error.
        """
        policy = RetryPolicy(self._tries, rate_limits_per_attempt=1)
        while (error := self._try(refresh_token, accept)) is not None:
            try:
                wait = policy.backoff(error)
            except TransientError as last:
                raise TokenUnavailable(f"No access token could be obtained from Klaviyo: {last}") from None
            logger.info("No access token yet: %s Retrying in %.0f s.", error, wait)
            self._sleep(wait)

    def _try(self, refresh_token: str, accept: Callable[[Grant], None]) -> KlaviyoError | None:
        """Make the request once; return the error, without the frames that hold what was sent."""
        self._budget.acquire((TOKEN_LIMIT,))
        with TOKEN_EXCHANGE:
            try:
                accept(self._send(refresh_token))
            except KlaviyoError as error:
                return error.without_frames()
        return None

    def _send(self, refresh_token: str) -> Grant:
        sent_at = time.time()
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        try:
            response = send(self._session, self._url, RESPONSE_SECONDS, MAX_RESPONSE_BYTES, method="POST", data=form)
        finally:
            self._budget.release((TOKEN_LIMIT,))
        with closing(response), self._memory.hold(free=MAX_RESPONSE_BYTES) as hold:
            body = read_body(response.raw, hold, 0, MAX_RESPONSE_BYTES, RESPONSE_SECONDS, RESPONSE_SECONDS)
        if not 200 <= response.status_code < 300:
            raise token_error(response.status_code, response.headers, body)
        grant = decode_grant(body)
        # counted from the request, so that it never seems to live longer than it does
        return replace(grant, expires_at=sent_at + grant.lifetime)
