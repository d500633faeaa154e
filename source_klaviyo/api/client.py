"""The HTTP client: requests that are authenticated, spaced, repeated if they fail, and sent to Klaviyo's host only."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import closing, contextmanager, nullcontext
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

from source_klaviyo.api.auth import Auth, KeyAuth
from source_klaviyo.api.body import read_body
from source_klaviyo.api.budget import Budget, shared_budget
from source_klaviyo.api.clock import Clock
from source_klaviyo.api.errors import InvalidKey, KlaviyoError, RateLimited, RejectedToken, UnsafeLink, error_of
from source_klaviyo.api.memory import MemoryBudget
from source_klaviyo.api.oauth import OAuth
from source_klaviyo.api.page import RECORD_BYTES, decode_errors_as_transient
from source_klaviyo.api.redaction import redact_pii
from source_klaviyo.api.request_stats import RequestStats
from source_klaviyo.api.retry import MAX_ATTEMPTS, MAX_ATTEMPTS_TOO_LARGE, RetryPolicy
from source_klaviyo.api.timeouts import Timeouts
from source_klaviyo.api.token_endpoint import OAuthCredentials, TokenEndpoint
from source_klaviyo.api.transport import new_session, send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests

    from source_klaviyo.api.grant import Grant
    from source_klaviyo.api.memory import Hold
    from source_klaviyo.api.page import Page
    from source_klaviyo.api.request import Request

logger = logging.getLogger("airbyte")

HOST = "https://a.klaviyo.com"
REVISION = "2026-07-15"
"""The API revision of requests that name no other."""
OCTOBER_2026 = "2026-10-15"
"""The API revision that brought campaigns of several channels, translations, brands, senders and usage."""
RESPONSE_DEADLINE_SECONDS = 300.0
"""Seconds for a whole body, from its first byte to its last."""
SMALL_BYTES = 1_000_000
"""Bytes of a response to `get` that the memory budget ignores.

The caller may hold a page already, and must not wait for memory that others hold while they wait, too.
"""
DAILY_QUOTA_RETRY_AFTER_SECONDS = 900.0
"""On endpoints with a daily quota, a longer Retry-After means that it is exhausted."""
MAX_REJECTIONS = 2
"""Access tokens rejected in a row before a request is given up."""


class KlaviyoClient:
    """Requests pages from Klaviyo, in any number of threads.

    Args:
        key: the private API key, or the credentials of an OAuth connection.
        base_url: scheme, host and port; no request goes to another host.
        connections: how many requests may be in flight.
        tries: attempts of a request that fails with transient errors.
        sleep: waits between attempts, in seconds.
        report: takes each OAuth grant before it is used, and whether it rotates the refresh token.

    Attributes:
        auth: authenticates the requests.
        stats: counts requests, retries and waits.
        revision: the API revision that requests name in their header.
    """

    def __init__(
        self,
        key: str | OAuthCredentials,
        base_url: str = HOST,
        *,
        connections: int = 10,
        tries: int = MAX_ATTEMPTS,
        budget: Budget | None = None,
        sleep: Callable[[float], None] = time.sleep,
        report: Callable[[Grant, bool], None] | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._tries = tries
        self._sleep = sleep
        self._connections = threading.BoundedSemaphore(connections)
        self._memory = MemoryBudget()
        self._timeouts = Timeouts()
        self._clock = Clock()
        self.stats = RequestStats()
        self.revision = REVISION
        self.auth: Auth
        if isinstance(key, str):
            self._budget = budget or Budget()
            self.auth = KeyAuth(key)
        else:
            self._budget = budget or shared_budget(self._base_url, key.client_id, key.refresh_token)
            self.auth = OAuth(key, TokenEndpoint(key, self._base_url, self._budget, tries, sleep), report)
        self._session = new_session(self.auth, connections)
        self._session.headers["Accept"] = "application/vnd.api+json"
        # a retired revision must be an error, not records of another shape
        self._session.headers["X-Klaviyo-Revision-Fall-Forward-Opt-Out"] = "1"

    def with_own_stats(self) -> KlaviyoClient:
        """Return the same client with request stats of its own."""
        client = copy(self)
        client.stats = RequestStats()
        return client

    def with_revision(self, revision: str) -> KlaviyoClient:
        """Return the same client, with the same stats, for another API revision."""
        client = copy(self)
        client.revision = revision
        return client

    def usage(self) -> tuple[int, int]:
        """Return the use of the most used limit of `stats`: requests of the last minute, and the quota.

        The requests of all clients that share the budget count. The quota is 0 before the first response.
        """
        return self._budget.usage(tuple(self.stats.limits.values()))

    def now(self) -> float:
        """Return the time by Klaviyo's clock, as far as it is known, in seconds since the epoch."""
        return self._clock.now()

    def certain_now(self) -> float:
        """Return the time by the slower clock, the host's or Klaviyo's, in seconds since the epoch."""
        return self._clock.certain_now()

    def get(self, request: Request, hold: Hold | None = None) -> Page:
        """Request one page, with retries.

        Args:
            request: what to request.
            hold: counts the memory of the page; without it, only a large response is counted, while it is read.

        Raises:
            DamagedResponse: the response of the last attempt is incomplete or cannot be decoded.
            ResponseTooLarge: the response has more bytes than the request allows.
            KlaviyoError: the response is a permanent error, or too many attempts failed.
        """
        url = self.resolve_link(request.address)
        with nullcontext(hold) if hold else self._memory.hold(free=SMALL_BYTES) as held:
            return self._get_with_retries(request, url, held)

    @contextmanager
    def page(self, request: Request) -> Iterator[Page]:
        """Request one page as `get` does, and count it in the memory budget while it is used.

        Responses wait in the system's buffers until there is memory, which does not grow with the requests in flight.

        Raises:
            KlaviyoError: as `get`.
        """
        with self._memory.hold() as hold:
            yield self.get(request, hold)

    def redact(self, text: str) -> str:
        """Redact a text of Klaviyo for a log: mask secrets and personal data."""
        return redact_pii(self.auth.redact(text))

    def resolve_link(self, address: str) -> str:
        """Return an address as a URL of our own host, with path and query unchanged.

        Raises:
            UnsafeLink: it is an address of another host.
        """
        own = {urlsplit(url).netloc.lower() for url in (self._base_url, HOST)}
        try:
            parts = urlsplit(urljoin(self._base_url, address))
        except ValueError:
            parts = urlsplit("//nowhere")
        default_port = {"https": ":443", "http": ":80"}.get(parts.scheme, "")
        # compared as a whole: an address with a user or a password is one of another host
        if parts.netloc.lower().removesuffix(default_port) not in own:
            plain = unquote(address)
            host = parts.hostname if parts.hostname and self.redact(plain) == plain else "another host"
            raise UnsafeLink(
                f"Klaviyo's response names {host} as the place of the next page, but the connector never sends the "
                f"{self.auth.secrets} to another host. If you use a proxy, let it pass Klaviyo's responses unchanged."
            )
        return f"{self._base_url}{parts.path}{'?' if parts.query else ''}{parts.query}"

    def _get_with_retries(self, request: Request, url: str, hold: Hold) -> Page:
        """Make a request until it succeeds.

        Raises:
            KlaviyoError: as `get`.
        """
        max_too_large = 1 if request.can_be_smaller else MAX_ATTEMPTS_TOO_LARGE
        policy = RetryPolicy(request.tries or self._tries, max_too_large)
        rejections = 0
        while True:
            result = self._try(request, url, hold, policy.failures)
            if not isinstance(result, KlaviyoError):
                return result
            if isinstance(result, RejectedToken) and rejections < MAX_REJECTIONS:
                rejections += 1
                self.auth.renew(result.sent)
                self.stats.record_retry(limited=False)
                continue
            rejections = 0
            limited = isinstance(result, RateLimited)
            if self._exhausts_daily_quota(request, result):
                continue
            wait = policy.backoff(result, paused=hold.wait_seconds)
            if limited:
                self._budget.pause(request.limits, wait)
            self.stats.record_retry(limited=limited)
            logger.info("%s Retrying in %.0f s.", result, wait)
            with self.stats.waiting() if limited else nullcontext():
                self._sleep(wait)

    def _exhausts_daily_quota(self, request: Request, error: KlaviyoError) -> bool:
        is_long = isinstance(error, RateLimited) and (error.retry_after or 0.0) > DAILY_QUOTA_RETRY_AFTER_SECONDS
        return is_long and self._budget.exhaust_daily_quota(request.limits)

    def _try(self, request: Request, url: str, hold: Hold, failures: int) -> Page | KlaviyoError:
        """Make a request once; return an error without the frames that would keep the response in memory."""
        try:
            return self._get_once(request, url, hold, failures)
        except KlaviyoError as error:
            hold.resize(0)
            return error.without_frames()

    def _get_once(self, request: Request, url: str, hold: Hold, failures: int) -> Page:
        limits = request.limits
        hold.wait_while_stalled()
        with self.stats.waiting():
            self._budget.acquire(limits)
        self.stats.record_request(limits)
        patience = self._timeouts.seconds(limits, failures)
        with self._connections:
            try:
                self.auth.prepare()
                sent_at = time.monotonic()
                response = send(self._session, url, patience, request.most, **request.options(self.revision))
            finally:
                self._budget.release(limits)
            latency = time.monotonic() - sent_at
            with closing(response):
                self._budget.learn(limits, response.headers)
                self._clock.learn(response.headers.get("Date"))
                requested_at = self.certain_now() - latency
                deadline = RESPONSE_DEADLINE_SECONDS
                body = read_body(response.raw, hold, request.expected, request.most, deadline, patience)
                self._raise_for_error(response, body)
                with decode_errors_as_transient():
                    page = request.decode(body)
                self._timeouts.learn(limits, latency)
                size = len(body) + RECORD_BYTES * len(page.resources)
                hold.resize(size)
                return replace(page, requested_at=requested_at, latency=latency, size=size)

    def _raise_for_error(self, response: requests.Response, body: bytes) -> None:
        error = error_of(response.status_code, response.headers, body, self.auth, self.revision)
        if isinstance(error, InvalidKey):
            raise self.auth.rejected(error, response.request.headers["Authorization"])
        self.auth.accepted()
        if error is not None:
            raise error
