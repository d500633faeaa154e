"""A client whose waits take no time and are recorded, and the responses that it gets in tests."""

from __future__ import annotations

import gzip
import http.client
import io
import json
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
import urllib3
from requests import exceptions as broken
from typing_extensions import override

from source_klaviyo.api.budget import Budget, Limit, Tier
from source_klaviyo.api.client import HOST, KlaviyoClient
from source_klaviyo.api.errors import KlaviyoError
from source_klaviyo.api.page import Page, decode_page
from source_klaviyo.api.request import Request
from source_klaviyo.api.retry import MAX_ATTEMPTS
from unit_tests.fake_api import error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KEY = "pk_0123456789abcdefMARKED"
URL = f"{HOST}/api/events"
LIMITS = (Limit("events", Tier(1000, 10_000)),)
DECODE = partial(decode_page, cursor_attribute="datetime")
DATE = "2026-11-20T10:00:00+00:00"
PAGE = {"data": [{"type": "event", "id": "1", "attributes": {"datetime": DATE}}]}
BODY = json.dumps(PAGE).encode()
EDGE = "<!DOCTYPE html>\n<html><head><title>Just a moment...</title></head></html>"
"""A response of the network's edge."""
ERROR = error(400, "error", "No.")
GZIP = {"Content-Encoding": "gzip"}


class BrokenBody(io.BytesIO):
    """A connection that fails while the body is read."""

    def __init__(self, failure: Exception) -> None:
        super().__init__()
        self._failure = failure

    @override
    def read(self, *_: Any, **__: Any) -> bytes:
        raise self._failure


def breaking_off(failure: Exception) -> urllib3.HTTPResponse:
    """A successful response whose body cannot be read."""
    return urllib3.HTTPResponse(BrokenBody(failure), status=200, preload_content=False)


TRANSIENT: dict[str, dict[str, Any]] = {
    "408": {"status_code": 408},
    "500": {"status_code": 500, "content": ERROR},
    "502 from the edge": {"status_code": 502, "text": EDGE},
    "503": {"status_code": 503, "content": ERROR},
    "504": {"status_code": 504},
    "403 from the edge": {"status_code": 403, "text": EDGE, "headers": {"cf-mitigated": "challenge"}},
    "HTML with 200": {"text": EDGE},
    "no body with 200": {"content": b""},
    "204": {"status_code": 204},
    "errors with 200": {"content": ERROR},
    "cut off": {"content": BODY[:-5]},
    "invalid UTF-8": {"content": b'{"data":[{"t":"\xff"}]}'},
    "connection reset": {"exc": broken.ConnectionError("reset")},
    "no name": {"exc": broken.InvalidURL("label too long")},
    "connect timeout": {"exc": broken.ConnectTimeout("no")},
    "read timeout": {"exc": broken.ReadTimeout("no")},
    "certificate": {"exc": broken.SSLError("no")},
    "proxy": {"exc": broken.ProxyError("no")},
    "body breaks off": {"raw": breaking_off(http.client.IncompleteRead(b"{"))},
    "body resets": {"raw": breaking_off(ConnectionResetError(104, "Connection reset by peer"))},
    "body times out": {"raw": breaking_off(TimeoutError("timed out"))},
    "body cut off in gzip": {"content": gzip.compress(BODY)[:-20], "headers": GZIP},
    "body no gzip": {"content": b"no gzip", "headers": GZIP},
}
"""Responses, and failures of the network, that are worth a retry."""


class Recording(Budget):
    """A rate limiter that records its calls; a minute passes between any two readings of its clock."""

    def __init__(self) -> None:
        super().__init__(clock=count(0.0, 61.0).__next__)
        self.paused: list[tuple[Sequence[Limit], float]] = []
        self.learned: list[Mapping[str, str]] = []
        self.acquired = 0

    @override
    def acquire(self, limits: Sequence[Limit]) -> None:
        self.acquired += 1
        super().acquire(limits)

    @override
    def pause(self, limits: Sequence[Limit], seconds: float) -> None:
        self.paused.append((limits, seconds))
        super().pause(limits, seconds)

    @override
    def learn(self, limits: Sequence[Limit], headers: Mapping[str, str]) -> None:
        self.learned.append(headers)
        super().learn(limits, headers)


class Conversation:
    """A client whose waits take no time and are recorded."""

    def __init__(self, base_url: str = HOST, tries: int = MAX_ATTEMPTS) -> None:
        self.waits: list[float] = []
        self.budget = Recording()
        self.client = KlaviyoClient(KEY, base_url, tries=tries, budget=self.budget, sleep=self.waits.append)

    def get(self, address: str = "/api/events", params: Mapping[str, str] | None = None, **options: Any) -> Page:
        return self.client.get(Request(address, params, LIMITS, DECODE, **options))

    def error(self) -> KlaviyoError:
        with pytest.raises(KlaviyoError) as raised:
            self.get()
        return raised.value
