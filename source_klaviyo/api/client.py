"""One conversation with Klaviyo: key, revision, limits, retries, clock and safe links in one place."""

from __future__ import annotations

import logging
import random
import threading
import time
from contextlib import closing, contextmanager, nullcontext
from copy import copy
from dataclasses import replace
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from source_klaviyo.api.budget import Budget
from source_klaviyo.api.clock import Clock
from source_klaviyo.api.deadline import Deadline
from source_klaviyo.api.discretion import without_key, without_persons
from source_klaviyo.api.errors import QuotaUsed, RateLimited, TransientError, UnsafeLink, error_of
from source_klaviyo.api.network import TIMEOUT, network_error
from source_klaviyo.api.page import understood
from source_klaviyo.api.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from source_klaviyo.api.budget import Limit
    from source_klaviyo.api.page import Page

logger = logging.getLogger("airbyte")

HOST = "https://a.klaviyo.com"
REVISION = "2026-07-15"
_BODY = {"Content-Type": "application/vnd.api+json"}
ANSWER = 300.0
"""Seconds for an answer as a whole, from its first byte to its last."""

PAGES = 8
"""Large pages taken in at once, from the first byte to the output's queue."""
TRIES = 11
"""How often a request is made that fails for a passing reason; with the waits between, about four minutes."""
OUTAGE = 600.0
"""Seconds; a request that has failed for so long is given up, however few its tries: those that time out take long."""
PATIENCE = 3
"""How many refusals for the rate count as one failed try: someone else may be using the account."""
TODAY = 900.0
"""Seconds; a longer Retry-After of an endpoint with a quota of the day means that it is used up."""
LONGEST_WAIT = 60.0
"""Seconds; also the most of a Retry-After that is believed at once: afterwards one asks again."""


class _KeyAuth(AuthBase):
    """The one place that holds the key. Setting it as the session's auth also keeps .netrc out."""

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
        key: the private API key.
        base_url: scheme, host and port; nothing else is ever talked to.
        connections: how many requests may be under way at once.
        tries: how often a request that fails for a passing reason is made before giving up.
        sleep: waits between tries, in seconds.

    Attributes:
        traffic: what has been asked.
    """

    def __init__(
        self,
        key: str,
        base_url: str = HOST,
        *,
        connections: int = 10,
        tries: int = TRIES,
        budget: Budget | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._tries = tries
        self._budget = budget or Budget()
        self._sleep = sleep
        self._connections = threading.BoundedSemaphore(connections)
        self._room = threading.BoundedSemaphore(PAGES)
        self._deadline = Deadline(ANSWER)
        self._clock = Clock()
        self.traffic = Traffic()
        self._auth = _KeyAuth(key)
        self._session = requests.Session()
        self._session.auth = self._auth
        # whatever sets cookies between here and Klaviyo: none is kept, so no request depends on the one before
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        self._session.headers.update(
            {
                "Accept": "application/vnd.api+json",
                "Accept-Encoding": "gzip, deflate",
                "User-Agent": "airbyte-source-klaviyo",
                "revision": REVISION,
                # a retired revision is to be an error, not rows of another shape
                "X-Klaviyo-Revision-Fall-Forward-Opt-Out": "1",
            }
        )
        adapter = HTTPAdapter(pool_maxsize=connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def counted(self) -> KlaviyoClient:
        """The same conversation, whose `traffic` is only what is asked through what is returned."""
        client = copy(self)
        client.traffic = Traffic()
        return client

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
        room: threading.Semaphore | None = None,
    ) -> Page:
        """Ask for one page, again and again if need be.

        Args:
            address: a path (`/api/events`) or the `links.next` of the page before.
            params: the query; None when the address holds it already.
            limits: the quotas this request draws on.
            decode: makes a page of an answer's body; a TransientError of it is worth another try.
            body: what a report is asked with (by POST, which reads only), as a value of JSON.
            room: what to acquire before an answer is taken in; whoever gets the page releases it.

        Raises:
            KlaviyoError: the answer is an error that no further try would mend, or too many tries failed.
        """
        url = self.own_url(address)
        failed = refused = 0
        since: float | None = None
        while True:
            try:
                return self._get_once(url, params, limits, decode, body, room)
            except QuotaUsed:
                raise
            except RateLimited as error:
                if error.retry_after is not None and error.retry_after > TODAY and self._budget.close_day(limits):
                    continue
                refused += 1
                reason: TransientError = error
            except TransientError as error:
                failed += 1
                reason = error
            since = time.monotonic() if since is None else since
            if time.monotonic() - since > OUTAGE or failed + refused // PATIENCE >= self._tries:
                tries = failed + refused
                if tries == 1:
                    raise reason
                raise type(reason)(f"{reason} Given up after {tries} tries: run the sync again later.")
            wait = _wait_after(failed + refused, reason)
            limited = isinstance(reason, RateLimited)
            if limited:
                self._budget.pause(limits, wait)
            self.traffic.again(limited=limited)
            logger.info("%s Asking again in %.0f s.", reason, wait)
            with self.traffic.waiting() if limited else nullcontext():
                self._sleep(wait)

    @contextmanager
    def page(
        self,
        address: str,
        params: Mapping[str, str] | None,
        limits: Sequence[Limit],
        decode: Callable[[bytes], Page],
    ) -> Iterator[Page]:
        """Ask for one page as `get` does, and hold one of the few places for pages.

        Answers wait in the system's buffers until there is room: memory does not grow with the requests under way.

        Raises:
            KlaviyoError: as `get`.
        """
        page = self.get(address, params, limits, decode, room=self._room)
        try:
            yield page
        finally:
            self._room.release()

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
                f"Klaviyo's answer names {host} as the place of the next page; the API key is never sent "
                "to another host. If you use a proxy, let it pass Klaviyo's answers unchanged."
            )
        return f"{self._base_url}{parts.path}{'?' if parts.query else ''}{parts.query}"

    def _get_once(
        self,
        url: str,
        params: Mapping[str, str] | None,
        limits: Sequence[Limit],
        decode: Callable[[bytes], Page],
        body: object,
        room: threading.Semaphore | None,
    ) -> Page:
        question = {"method": "GET"} if body is None else {"method": "POST", "json": body, "headers": _BODY}
        with self.traffic.waiting():
            self._budget.acquire(limits)
        self.traffic.sent(limits)
        with self._connections:
            asked = time.monotonic()
            try:
                response = self._session.request(
                    **question, url=url, params=params, stream=True, allow_redirects=False, timeout=TIMEOUT
                )
            except Exception as error:  # noqa: BLE001 - a wrong proxy variable raises nearly anything
                raise network_error(error, url) from None
            finally:
                self._budget.release(limits)
            latency = time.monotonic() - asked
            with closing(response):
                self._learn(response, limits)
                asked_at = self.certain_now() - latency
                with _acquired(room):
                    with self._deadline.over(response.raw):
                        answer = _taken_in(response)
                    refusal = error_of(response.status_code, response.headers, answer, self._auth.hidden)
                    if refusal is not None:
                        raise refusal
                    with understood():
                        return replace(decode(answer), asked_at=asked_at, latency=latency)

    def _learn(self, response: requests.Response, limits: Sequence[Limit]) -> None:
        self._budget.learn(limits, response.headers)
        self._clock.learn(response.headers.get("Date"))


@contextmanager
def _acquired(room: threading.Semaphore | None) -> Iterator[None]:
    """Acquire a place, to be kept unless something goes wrong."""
    if room is None:
        yield
        return
    room.acquire()
    try:
        yield
    except BaseException:
        room.release()
        raise


def _taken_in(response: requests.Response) -> bytes:
    """The body of an answer, decompressed.

    Raises:
        TransientError: it broke off.
    """
    try:
        # `response.content` would read the body in small pieces
        body: bytes = response.raw.read(decode_content=True)
        return body
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise TransientError(f"Klaviyo's answer broke off while it was read ({type(error).__name__}).") from None


def _place(parts: SplitResult) -> tuple[str, int | None]:
    """Host and port that an address leads to, whatever its scheme.

    One that holds more (a user, a password, brackets around a name) is a place of its own.
    """
    host = parts.hostname or ""
    plain = f"[{host}]" if ":" in host else host
    if parts.netloc.lower() not in {plain, f"{plain}:{parts.port}"}:
        return parts.netloc, None
    return host, None if parts.port == {"https": 443, "http": 80}.get(parts.scheme) else parts.port


def _wait_after(tries: int, error: TransientError) -> float:
    """Seconds to wait after so many vain tries: doubling from one second, with jitter so that threads part.

    Klaviyo's own wish is the least: it has been seen to be 0 for longer than so many tries take.
    """
    wish = min(error.retry_after or 0.0, LONGEST_WAIT) + random.uniform(0.1, 0.5)  # noqa: S311 - no secret
    return max(wish, min(2.0 ** (tries - 1), LONGEST_WAIT) * random.uniform(0.75, 1.0))  # noqa: S311
