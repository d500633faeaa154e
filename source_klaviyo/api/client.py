"""One conversation with Klaviyo: key, revision, limits, retries, clock and safe links in one place."""

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
from source_klaviyo.api.backoff import MAX_BACKOFF_SECONDS, wait_after
from source_klaviyo.api.body import MAX_ANSWER_BYTES, read_body
from source_klaviyo.api.budget import Budget, shared_budget
from source_klaviyo.api.clock import Clock
from source_klaviyo.api.deadline import LimitedAdapter, receiving
from source_klaviyo.api.discretion import without_key, without_persons
from source_klaviyo.api.errors import (
    AnswerTooLarge,
    KlaviyoError,
    QuotaUsed,
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
from source_klaviyo.api.page import RECORD_BYTES, understood
from source_klaviyo.api.request import Request
from source_klaviyo.api.timeouts import Timeouts
from source_klaviyo.api.token_endpoint import OAuthCredentials, TokenEndpoint
from source_klaviyo.api.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from source_klaviyo.api.budget import Limit
    from source_klaviyo.api.grant import Grant
    from source_klaviyo.api.memory import Hold
    from source_klaviyo.api.page import Page

logger = logging.getLogger("airbyte")

HOST = "https://a.klaviyo.com"
REVISION = "2026-07-15"
"""The API revision of requests that do not name another one."""
OCTOBER_2026 = "2026-10-15"
"""The API revision that brought campaigns of several channels, translations, brands, senders and usage."""
TIMEOUT = (10, 120)
"""Seconds to connect, and the most to wait for an answer's head, and for each next piece of its body."""
ANSWER = 300.0
"""Seconds for a body as a whole, from its first byte to its last."""

SMALL_BYTES = 1_000_000
"""Bytes of an answer to `get` that are not counted in the memory budget.

The caller may hold a page, and must not wait for memory held by others who wait as well.
"""
TRIES = 11
"""How often a request is made that fails for a passing reason; with the waits between, about four minutes."""
TOO_LARGE_TRIES = 3
"""Attempts for an answer that is too large and cannot be asked for in smaller pages."""
OUTAGE = 600.0
"""Seconds; a request that has failed for so long is given up, however few its tries: those that time out take long."""
PATIENCE = 3
"""How many refusals for the rate count as one failed try: someone else may be using the account."""
TODAY = 900.0
"""Seconds; a longer Retry-After of an endpoint with a quota of the day means that it is used up."""
LONGEST_WAIT = MAX_BACKOFF_SECONDS
MAX_REJECTIONS = 2
"""Access tokens that are refused one after the other before a request is given up."""


class _KeyAuth(Auth):
    """The one place that holds the key."""

    def __init__(self, key: str) -> None:
        self._header = f"Klaviyo-API-Key {key}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header
        return request

    def __repr__(self) -> str:
        return "<the API key>"

    def hidden(self, text: str) -> str:
        """What an answer says, without the key, should it repeat it."""
        return without_key(text, self._header.split()[1])


class KlaviyoClient:
    """Asks Klaviyo for pages, from any number of threads.

    Args:
        key: the private API key, or what an OAuth connection is made of.
        base_url: scheme, host and port; nothing else is ever talked to.
        connections: how many requests may be under way at once.
        tries: how often a request that fails for a passing reason is made before giving up.
        sleep: waits between tries, in seconds.
        report: takes each grant of OAuth before it is used, and whether it rotates the refresh token.

    Attributes:
        traffic: what has been asked.
        revision: the API revision that requests name in their header.
    """

    def __init__(
        self,
        key: str | OAuthCredentials,
        base_url: str = HOST,
        *,
        connections: int = 10,
        tries: int = TRIES,
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
        self.traffic = Traffic()
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
        # a proxy may set cookies: none is kept, so no request depends on the one before
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        self._session.headers.update(
            {
                "Accept": "application/vnd.api+json",
                "Accept-Encoding": "gzip, deflate",
                "User-Agent": "airbyte-source-klaviyo",
                # a retired revision is to be an error, not rows of another shape
                "X-Klaviyo-Revision-Fall-Forward-Opt-Out": "1",
            }
        )
        adapter = LimitedAdapter(pool_maxsize=connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def counted(self) -> KlaviyoClient:
        """The same conversation, whose `traffic` is only what is asked through what is returned."""
        client = copy(self)
        client.traffic = Traffic()
        return client

    def speaking(self, revision: str) -> KlaviyoClient:
        """Return the same client, with the same traffic, for requests of another API revision."""
        client = copy(self)
        client.revision = revision
        return client

    @property
    def subject(self) -> str:
        """What belongs to an account and has scopes: an API key or an OAuth connection."""
        return self._auth.subject

    @property
    def uses_oauth(self) -> bool:
        """Whether an OAuth app asks, not a key."""
        return isinstance(self._auth, OAuth)

    @property
    def scopes(self) -> frozenset[str] | None:
        """The scopes that have been granted; None if that is not known."""
        return self._auth.scopes

    def usage(self) -> tuple[int, int]:
        """Of the limits that `traffic` draws on, the one used most: requests of the last minute, and how many it takes.

        Whoever else asks through this conversation counts as well. A limit that takes none has not been met yet.
        """
        return self._budget.usage(tuple(self.traffic.limits.values()))

    def now(self) -> float:
        """The time by Klaviyo's clock, as far as its answers have told it. Seconds since the epoch."""
        return self._clock.now()

    def certain_now(self) -> float:
        """The time by the clock that is behind, the host's or Klaviyo's. Seconds since the epoch."""
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
        """Ask for one page, again and again if need be.

        Args:
            address: a path (`/api/events`) or the `links.next` of the page before.
            params: the query; None when the address holds it already.
            limits: the quotas this request draws on.
            decode: makes a page of an answer's body; a TransientError of it is worth another try.
            body: what a report is asked with (by POST, which reads only), as a value of JSON.
            expected: bytes that the answer is likely to have; 0 if nothing is known.
            most: bytes; if less than MAX_ANSWER_BYTES, a larger answer is an error at once, since the caller can ask
                for smaller pages.
            tries: how often a request that fails for a passing reason is made; None for as often as usual.
            hold: what counts the memory of the page; without it, only a large answer is counted, while it is read.

        Raises:
            DamagedAnswer: the last of all tries brought an answer that breaks off or cannot be decoded.
            AnswerTooLarge: the answer has more bytes than `most`.
            KlaviyoError: the answer is an error that no further try would mend, or too many tries failed.
        """
        url = self.own_url(address)
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
        """Ask for one page as `get` does, and count it in the memory budget as long as it is needed.

        Answers wait in the system's buffers until there is memory: it does not grow with the requests under way.

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
                self.traffic.again(limited=False)
                continue
            if not isinstance(answer, TransientError) or isinstance(answer, QuotaUsed | TokenUnavailable):
                raise answer
            rejected = 0
            limited = isinstance(answer, RateLimited)
            if limited and (answer.retry_after or 0.0) > TODAY and self._budget.close_day(request.limits):
                continue
            refused, failed = refused + limited, failed + (not limited)
            # waits for memory are nobody's failure
            now = time.monotonic() - hold.waited
            since = now if since is None else since
            if now - since > OUTAGE or failed + refused // PATIENCE >= self._tries_for(request, answer):
                tries = failed + refused
                if tries == 1 or isinstance(answer, AnswerTooLarge):
                    raise answer
                raise type(answer)(f"{answer} Given up after {tries} tries: run the sync again later.")
            wait = wait_after(failed + refused, answer)
            if limited:
                self._budget.pause(request.limits, wait)
            self.traffic.again(limited=limited)
            logger.info("%s Asking again in %.0f s.", answer, wait)
            with self.traffic.waiting() if limited else nullcontext():
                self._sleep(wait)

    def discreet(self, text: str) -> str:
        """What Klaviyo says, fit for a log: without the key, and without what tells of a person."""
        return without_persons(self._auth.hidden(text))

    def own_url(self, address: str) -> str:
        """The address on our own host, its path and query untouched.

        Raises:
            UnsafeLink: it belongs to another host.
        """
        try:
            parts = urlsplit(urljoin(self._base_url, address))
            place = _place(parts)
        except ValueError:
            parts, place = urlsplit("//nowhere"), ("nowhere", None)
        if place not in {_place(urlsplit(self._base_url)), _place(urlsplit(HOST))}:
            plain = unquote(address)
            host = parts.hostname if parts.hostname and self.discreet(plain) == plain else "another host"
            raise UnsafeLink(
                f"Klaviyo's answer names {host} as the place of the next page; the {self._auth.secret} is never sent "
                "to another host. If you use a proxy, let it pass Klaviyo's answers unchanged."
            )
        return f"{self._base_url}{parts.path}{'?' if parts.query else ''}{parts.query}"

    def _tries_for(self, request: Request, error: TransientError) -> int:
        if isinstance(error, AnswerTooLarge):
            return 1 if request.can_be_smaller else TOO_LARGE_TRIES
        return request.tries or self._tries

    def _try(self, request: Request, hold: Hold, failures: int) -> Page | KlaviyoError:
        """Make a request once.

        An error is returned without its traceback and causes: their frames would keep the answer in memory for as
        long as the error is kept, and until the garbage collector finds the circle that they are part of.
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
        with self.traffic.waiting():
            self._budget.acquire(limits)
        self.traffic.sent(limits)
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
                answer = read_body(response.raw, hold, request.expected, request.most, ANSWER, patience)
                refusal = error_of(response.status_code, response.headers, answer, self._auth.hidden, request.revision)
                if response.status_code != 401:
                    self._auth.accepted()
                if refusal is not None:
                    raise self._auth.explain(refusal, response.request.headers["Authorization"])
                with understood():
                    page = request.decode(answer)
                self._timeouts.learn(limits, latency)
                size = len(answer) + RECORD_BYTES * len(page.resources)
                hold.resize(size)
                return replace(page, asked_at=asked_at, latency=latency, size=size)

    def _learn(self, response: requests.Response, limits: Sequence[Limit]) -> None:
        self._budget.learn(limits, response.headers)
        self._clock.learn(response.headers.get("Date"))


def _place(parts: SplitResult) -> tuple[str, int | None]:
    """Host and port that an address leads to, whatever its scheme.

    One that holds more (a user, a password, brackets around a name) is a place of its own.
    """
    host = parts.hostname or ""
    plain = f"[{host}]" if ":" in host else host
    if parts.netloc.lower() not in {plain, f"{plain}:{parts.port}"}:
        return parts.netloc, None
    return host, None if parts.port == {"https": 443, "http": 80}.get(parts.scheme) else parts.port
