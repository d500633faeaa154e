"""A client with OAuth, and a Klaviyo that accepts the access tokens it has issued last."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from source_klaviyo.api.client import HOST, KlaviyoClient
from source_klaviyo.api.errors import KlaviyoError
from source_klaviyo.api.page import Page, decode_page
from source_klaviyo.api.request import Request
from source_klaviyo.api.token_endpoint import OAuthCredentials
from unit_tests.fake_api import NoLimits

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from requests_mock import Mocker

    from source_klaviyo.api.grant import Grant

CREDENTIALS = OAuthCredentials("client-MARKED-id", "secret-MARKED-0123", "refresh-MARKED-0")
TOKEN = f"{HOST}/oauth/token"
LISTS = f"{HOST}/api/lists"
REQUEST = Request("/api/lists", None, (), lambda body: decode_page(body, None))
PAGE = {"data": [], "links": {"next": None}}
THREADS = 64


class Connection:
    """A client, and a Klaviyo that accepts the access tokens it has issued last.

    Attributes:
        accepted: the access tokens that are accepted.
        now: the clock of the client, in seconds.
        response: fields of the token endpoint's responses.
        reports: the grants that the client has reported.
        issued: how many tokens have been issued.
        meanwhile: called while a token is issued.
    """

    def __init__(self, mocker: Mocker, monkeypatch: pytest.MonkeyPatch, credentials: OAuthCredentials) -> None:
        self.mocker = mocker
        self.now = 1_000_000.0
        self.accepted: set[str] = set()
        self.response: dict[str, Any] = {"token_type": "Bearer", "expires_in": 3600}
        self.reports: list[tuple[Grant, bool]] = []
        self.waits: list[float] = []
        self.issued = 0
        self.meanwhile: Callable[[], object] = lambda: None
        monkeypatch.setattr("time.time", lambda: self.now)
        mocker.post(TOKEN, json=self._issue)
        mocker.get(LISTS, json=self._read)
        self.client = KlaviyoClient(
            credentials,
            connections=THREADS,
            tries=3,
            budget=NoLimits(),
            sleep=self.waits.append,
            report=lambda grant, rotated: self.reports.append((grant, rotated)),
        )

    def _issue(self, request: Any, context: Any) -> dict[str, Any]:
        self.meanwhile()
        self.issued += 1
        token = f"access-MARKED-{self.issued}"
        self.accepted = {token}
        return {"access_token": token, **self.response}

    def _read(self, request: Any, context: Any) -> dict[str, Any]:
        if request.headers["Authorization"].removeprefix("Bearer ") in self.accepted:
            return PAGE
        context.status_code = 401
        return {"errors": [{"code": "not_authenticated", "detail": "No."}]}

    def get(self) -> Page:
        """Request lists."""
        return self.client.get(REQUEST)

    def error(self) -> KlaviyoError | None:
        """Request lists; return the error, if there is one."""
        try:
            self.get()
        except KlaviyoError as raised:
            return raised
        return None

    def get_in_threads(self, threads: int = THREADS) -> list[KlaviyoError | None]:
        """Request lists from this many threads at once; return the error of each."""
        barrier = threading.Barrier(threads)

        def get(_: int) -> KlaviyoError | None:
            barrier.wait(10)
            return self.error()

        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(get, range(threads)))

    @property
    def token_requests(self) -> list[Any]:
        """The requests to the token endpoint so far."""
        return [one for one in self.mocker.request_history if one.url == TOKEN]
