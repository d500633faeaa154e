"""The HTTP client: authentication, API revision, rate limits, retry policy, clock and safe links in one place."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import closing, contextmanager, nullcontext
from copy import copy
from dataclasses import replace
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

import requests

from source_klaviyo.api.auth import Auth
from source_klaviyo.api.backoff import backoff_seconds
from source_klaviyo.api.body import MAX_ANSWER_BYTES, read_body
from source_klaviyo.api.budget import Budget, shared_budget
from source_klaviyo.api.clock import Clock
from source_klaviyo.api.deadline import LimitedAdapter, receiving
from source_klaviyo.api.errors import (
    AnswerTooLarge,
    DailyQuotaExceeded,
    KlaviyoError,
    RateLimited,
    RejectedToken,
    TokenUnavailable,
    TransientError,
    UnsafeLink,
    error_of,
)
from source_klaviyo.api.memory import MemoryBudget
from source_klaviyo.api.network import network_error
from source_klaviyo.api.oauth import OAuth
from source_klaviyo.api.page import RECORD_BYTES, decode_errors_as_transient
from source_klaviyo.api.redaction import redact_pii, redact_secrets
from source_klaviyo.api.request import Request
from source_klaviyo.api.request_stats import RequestStats
from source_klaviyo.api.timeouts import Timeouts
from source_klaviyo.api.token_endpoint import OAuthCredentials, TokenEndpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from source_klaviyo.api.budget import Limit
    from source_klaviyo.api.grant import Grant
    from source_klaviyo.api.memory import Hold
    from source_klaviyo.api.page import Page

logger = logging.getLogger("airbyte")

HOST = "https://a.klaviyo.com"
REVISION = "2026-07-15"
"""The API revision of requests that name no other."""
OCTOBER_2026 = "2026-10-15"
"""The API revision that brought campaigns of several channels, translations, brands, senders and usage."""
TIMEOUT = (10, 120)
"""Seconds to connect, and at most for the response's headers and for each chunk of its body."""
RESPONSE_DEADLINE_SECONDS = 300.0
"""Seconds for a whole body, from its first byte to its last."""

SMALL_BYTES = 1_000_000
"""Bytes of a response to `get` that the memory budget ignores.

The caller may hold a page already, and must not wait for memory that others hold while they wait, too.
"""
MAX_ATTEMPTS = 11
"""Attempts of a request that fails with transient errors; with the backoff, about four minutes."""
MAX_ATTEMPTS_TOO_LARGE = 3
"""Attempts if the response is too large and cannot be requested in smaller pages."""
MAX_RETRY_SECONDS = 600.0
"""Seconds after which a failing request is given up, however few its attempts: each may have timed out."""
RATE_LIMITS_PER_ATTEMPT = 3
"""429 responses that count as one failed attempt: another client may be using the account."""
DAILY_QUOTA_RETRY_AFTER_SECONDS = 900.0
"""On endpoints with a daily quota, a longer Retry-After means that it is exhausted."""
MAX_REJECTIONS = 2
"""Access tokens rejected in a row before a request is given up."""


class _KeyAuth(Auth):
    """Holds the API key, which nothing else does."""

    def __init__(self, key: str) -> None:
        self._header = f"Klaviyo-API-Key {key}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header
        return request

    def __repr__(self) -> str:
        return "<the API key>"

    def redact(self, text: str) -> str:
        """Mask the key in the text of a response."""
        return redact_secrets(text, [self._header.split()[1]], "the API key")


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
        self._session = requests.Session()
        self._auth: Auth
        if isinstance(key, str):
            self._budget = budget or Budget()
            self._auth = _KeyAuth(key)
        else:
            self._budget = budget or shared_budget(self._base_url, key.client_id, key.refresh_token)
            endpoint = TokenEndpoint(key, self._session, self._base_url, self._budget, tries, sleep)
            self._auth = OAuth(key, endpoint, report)
        self._session.auth = self._auth
        # keep no cookies, whoever sets them, so that no request depends on an earlier one
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        self._session.headers.update(
            {
                "Accept": "application/vnd.api+json",
                "Accept-Encoding": "gzip, deflate",
                "User-Agent": "airbyte-source-klaviyo",
                # a retired revision must be an error, not records of another shape
                "X-Klaviyo-Revision-Fall-Forward-Opt-Out": "1",
            }
        )
        adapter = LimitedAdapter(pool_maxsize=connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

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

    @property
    def subject(self) -> str:
        """Return what messages call the credential: an API key or an OAuth connection."""
        return self._auth.subject

    @property
    def uses_oauth(self) -> bool:
        """Whether requests are authenticated by OAuth, not by a key."""
        return isinstance(self._auth, OAuth)

    @property
    def scopes(self) -> frozenset[str] | None:
        """Return the granted scopes; None if they are not known."""
        return self._auth.scopes

    def usage(self) -> tuple[int, int]:
        """Return the use of the most used rate limit of `stats`: requests of the last minute, and the limit.

        The requests of all clients that share the rate limiter count. The limit is 0 before the first response.
        """
        return self._budget.usage(tuple(self.stats.limits.values()))

    def now(self) -> float:
        """Return the time by Klaviyo's clock, as far as it is known, in seconds since the epoch."""
        return self._clock.now()

    def certain_now(self) -> float:
        """Return the time by the slower clock, the host's or Klaviyo's, in seconds since the epoch."""
        return self._clock.certain_now()

    def get(
        self,
        address: str,
        params: Mapping[str, str] | None,
        limits: Sequence[Limit],
        decode: Callable[[bytes], Page],
        body: object = None,
        *,
        expected: int = 0,
        most: int = MAX_ANSWER_BYTES,
        tries: int | None = None,
        hold: Hold | None = None,
    ) -> Page:
        """Request one page, with retries.

        Args:
            address: a path (`/api/events`) or the `links.next` of the previous page.
            params: the query; None if the address includes it.
            limits: the rate limits that the request counts against.
            decode: decodes a body; if it raises a TransientError, the request is repeated.
            body: the JSON body of a report request (a POST that only reads).
            expected: the likely size of the response in bytes; 0 if unknown.
            most: bytes; if less than MAX_ANSWER_BYTES, a larger response is an error at once, since the caller can
                request smaller pages.
            tries: attempts if the request fails with transient errors; None for the client's own number.
            hold: counts the memory of the page; without it, only a large response is counted, while it is read.

        Raises:
            DamagedAnswer: the response of the last attempt is incomplete or cannot be decoded.
            AnswerTooLarge: the response has more bytes than `most`.
            KlaviyoError: the response is a permanent error, or too many attempts failed.
        """
        url = self.resolve_link(address)
        request = Request(url, params, limits, decode, body, expected, most, tries, self.revision)
        with nullcontext(hold) if hold else self._memory.hold(free=SMALL_BYTES) as held:
            return self._ask(request, held)

    @contextmanager
    def page(
        self,
        address: str,
        params: Mapping[str, str] | None,
        limits: Sequence[Limit],
        decode: Callable[[bytes], Page],
        **options: Any,
    ) -> Iterator[Page]:
        """Request one page as `get` does, and count it in the memory budget while it is used.

        Responses wait in the system's buffers until there is memory, which does not grow with the requests in flight.

        Raises:
            KlaviyoError: as `get`.
        """
        with self._memory.hold() as hold:
            yield self.get(address, params, limits, decode, hold=hold, **options)

    def _ask(self, request: Request, hold: Hold) -> Page:
        """Make a request until it succeeds.

        Raises:
            KlaviyoError: as `get`.
        """
        failed = refused = rejected = 0
        since: float | None = None
        while True:
            answer = self._try(request, hold, failed)
            if not isinstance(answer, KlaviyoError):
                return answer
            if isinstance(answer, RejectedToken) and rejected < MAX_REJECTIONS:
                rejected += 1
                self._auth.renew(answer.sent)
                self.stats.record_retry(limited=False)
                continue
            if not isinstance(answer, TransientError) or isinstance(answer, DailyQuotaExceeded | TokenUnavailable):
                raise answer
            rejected = 0
            limited = isinstance(answer, RateLimited)
            is_long = limited and (answer.retry_after or 0.0) > DAILY_QUOTA_RETRY_AFTER_SECONDS
            if is_long and self._budget.exhaust_daily_quota(request.limits):
                continue
            refused, failed = refused + limited, failed + (not limited)
            # time spent waiting for memory does not count as an outage
            now = time.monotonic() - hold.waited
            since = now if since is None else since
            attempts = failed + refused // RATE_LIMITS_PER_ATTEMPT
            if now - since > MAX_RETRY_SECONDS or attempts >= self._max_attempts(request, answer):
                tries = failed + refused
                if tries == 1 or isinstance(answer, AnswerTooLarge):
                    raise answer
                raise type(answer)(f"{answer} Given up after {tries} tries: run the sync again later.")
            wait = backoff_seconds(failed + refused, answer)
            if limited:
                self._budget.pause(request.limits, wait)
            self.stats.record_retry(limited=limited)
            logger.info("%s Asking again in %.0f s.", answer, wait)
            with self.stats.waiting() if limited else nullcontext():
                self._sleep(wait)

    def redact(self, text: str) -> str:
        """Redact a text of Klaviyo for a log: mask secrets and personal data."""
        return redact_pii(self._auth.redact(text))

    def resolve_link(self, address: str) -> str:
        """Return an address as a URL of our own host, with path and query unchanged.

        Raises:
            UnsafeLink: it is an address of another host.
        """
        try:
            parts = urlsplit(urljoin(self._base_url, address))
            place = _origin(parts)
        except ValueError:
            parts, place = urlsplit("//nowhere"), ("nowhere", None)
        if place not in {_origin(urlsplit(self._base_url)), _origin(urlsplit(HOST))}:
            plain = unquote(address)
            host = parts.hostname if parts.hostname and self.redact(plain) == plain else "another host"
            raise UnsafeLink(
                f"Klaviyo's answer names {host} as the place of the next page; the {self._auth.secret} is never sent "
                "to another host. If you use a proxy, let it pass Klaviyo's answers unchanged."
            )
        return f"{self._base_url}{parts.path}{'?' if parts.query else ''}{parts.query}"

    def _max_attempts(self, request: Request, error: TransientError) -> int:
        if isinstance(error, AnswerTooLarge):
            return 1 if request.can_be_smaller else MAX_ATTEMPTS_TOO_LARGE
        return request.tries or self._tries

    def _try(self, request: Request, hold: Hold, failures: int) -> Page | KlaviyoError:
        """Make a request once.

        Return an error without its traceback and causes, whose frames would keep the response in memory as long as
        the error lives, and until the garbage collector finds their cycle.
        """
        try:
            return self._get_once(request, hold, failures)
        except KlaviyoError as error:
            hold.resize(0)
            error.__cause__ = error.__context__ = None
            return error.with_traceback(None)

    def _get_once(self, request: Request, hold: Hold, failures: int) -> Page:
        limits = request.limits
        hold.wait_while_stalled()
        with self.stats.waiting():
            self._budget.acquire(limits)
        self.stats.record_request(limits)
        patience = min(self._timeouts.seconds(limits, failures), TIMEOUT[1])
        with self._connections:
            try:
                self._auth.prepare()
                asked = time.monotonic()
                with receiving(patience, patience, request.most):
                    response = self._session.request(
                        **request.options, stream=True, allow_redirects=False, timeout=(TIMEOUT[0], patience)
                    )
            except KlaviyoError:
                raise
            except Exception as error:  # noqa: BLE001 - a wrong proxy variable raises nearly anything
                raise network_error(error, request.url, patience) from None
            finally:
                self._budget.release(limits)
            latency = time.monotonic() - asked
            with closing(response):
                self._learn(response, limits)
                asked_at = self.certain_now() - latency
                deadline = RESPONSE_DEADLINE_SECONDS
                answer = read_body(response.raw, hold, request.expected, request.most, deadline, patience)
                refusal = error_of(response.status_code, response.headers, answer, self._auth.redact, request.revision)
                if response.status_code != 401:
                    self._auth.accepted()
                if refusal is not None:
                    raise self._auth.explain(refusal, response.request.headers["Authorization"])
                with decode_errors_as_transient():
                    page = request.decode(answer)
                self._timeouts.learn(limits, latency)
                size = len(answer) + RECORD_BYTES * len(page.resources)
                hold.resize(size)
                return replace(page, asked_at=asked_at, latency=latency, size=size)

    def _learn(self, response: requests.Response, limits: Sequence[Limit]) -> None:
        self._budget.learn(limits, response.headers)
        self._clock.learn(response.headers.get("Date"))


def _origin(parts: SplitResult) -> tuple[str, int | None]:
    """Return the host and port of an address, whatever its scheme.

    An address with anything else (a user, a password, brackets around a name) is an origin of its own.
    """
    host = parts.hostname or ""
    plain = f"[{host}]" if ":" in host else host
    if parts.netloc.lower() not in {plain, f"{plain}:{parts.port}"}:
        return parts.netloc, None
    return host, None if parts.port == {"https": 443, "http": 80}.get(parts.scheme) else parts.port
