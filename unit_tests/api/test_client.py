"""The conversation with Klaviyo: what is sent and where to, what is tried again, and what never shows."""

from __future__ import annotations

import gc
import gzip
import http.client
import json
import logging
import re
import traceback
import weakref
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from itertools import count, pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
import urllib3
from requests import exceptions as broken

from source_klaviyo.api.budget import Budget, Limit, Tier
from source_klaviyo.api.client import HOST, KlaviyoClient
from source_klaviyo.api.errors import (
    AccessDenied,
    AnswerTooLarge,
    BadRequest,
    DamagedAnswer,
    InvalidKey,
    KlaviyoError,
    NotFound,
    RateLimited,
    RevisionRefused,
    ServerError,
    TransientError,
    UnsafeLink,
)
from source_klaviyo.api.memory import Hold
from source_klaviyo.api.page import RECORD_BYTES, decode_page
from source_klaviyo.api.request import Request
from source_klaviyo.api.retry import MAX_ATTEMPTS, MAX_ATTEMPTS_TOO_LARGE, MAX_BACKOFF_SECONDS, RATE_LIMITS_PER_ATTEMPT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from requests_mock import Mocker

    from source_klaviyo.api.page import Page

KEY = "pk_0123456789abcdefMARKED"
URL = f"{HOST}/api/events"
LIMITS = (Limit("events", Tier(1000, 10_000)),)
DECODE = partial(decode_page, cursor_attribute="datetime")
PAGE = {"data": [{"type": "event", "id": "1", "attributes": {"datetime": "2026-11-20T10:00:00+00:00"}}]}
EDGE = "<!DOCTYPE html>\n<html><head><title>Just a moment...</title></head></html>"


def refusal(code: str = "error", detail: str = "No.", **source: str) -> dict[str, Any]:
    return {"errors": [{"id": "x", "code": code, "title": "T", "detail": detail, "source": source}]}


class Recording(Budget):
    """A budget that knows what it was asked; a minute passes between any two looks at its clock."""

    def __init__(self) -> None:
        super().__init__(clock=count(0.0, 61.0).__next__)
        self.paused: list[tuple[Sequence[Limit], float]] = []
        self.learnt: list[Mapping[str, str]] = []
        self.acquired = 0

    def acquire(self, limits: Sequence[Limit]) -> None:
        self.acquired += 1
        super().acquire(limits)

    def pause(self, limits: Sequence[Limit], seconds: float) -> None:
        self.paused.append((limits, seconds))
        super().pause(limits, seconds)

    def learn(self, limits: Sequence[Limit], headers: Mapping[str, str]) -> None:
        self.learnt.append(headers)
        super().learn(limits, headers)


class Conversation:
    """A client whose waits take no time and are written down."""

    def __init__(self, base_url: str = HOST, tries: int = MAX_ATTEMPTS) -> None:
        self.waits: list[float] = []
        self.budget = Recording()
        self.client = KlaviyoClient(KEY, base_url, tries=tries, budget=self.budget, sleep=self.waits.append)

    def get(self, address: str = "/api/events", params: Mapping[str, str] | None = None) -> Page:
        return self.client.get(Request(address, params, LIMITS, DECODE))

    def error(self) -> KlaviyoError:
        with pytest.raises(KlaviyoError) as raised:
            self.get()
        return raised.value


@pytest.fixture
def talk() -> Conversation:
    return Conversation()


class BrokenBody:
    """A connection that fails while the body is read."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def read(self, *_: Any, **__: Any) -> bytes:
        raise self._error

    def close(self) -> None: ...


def raw(error: Exception) -> urllib3.HTTPResponse:
    return urllib3.HTTPResponse(BrokenBody(error), status=200, preload_content=False)


# --- what is sent ---------------------------------------------------------------------------------------


def test_each_request_says_who_asks_for_what(requests_mock: Mocker, talk: Conversation) -> None:
    requests_mock.get(URL, json=PAGE)
    talk.get()
    headers = requests_mock.last_request.headers
    assert headers["Authorization"] == f"Klaviyo-API-Key {KEY}"
    assert headers["revision"] == "2026-07-15"
    assert headers["X-Klaviyo-Revision-Fall-Forward-Opt-Out"] == "1"
    assert headers["Accept"] == "application/vnd.api+json"
    assert headers["Accept-Encoding"] == "gzip, deflate"
    assert headers["User-Agent"] == "airbyte-source-klaviyo"


def test_the_query_is_encoded_once(requests_mock: Mocker, talk: Conversation) -> None:
    requests_mock.get(URL, json=PAGE)
    talk.get(params={"filter": "greater-or-equal(datetime,2026-11-20T10:00:00+00:00)", "page[size]": "1000"})
    assert requests_mock.last_request.url == (
        f"{URL}?filter=greater-or-equal%28datetime%2C2026-11-20T10%3A00%3A00%2B00%3A00%29&page%5Bsize%5D=1000"
    )


def test_the_page_holds_what_was_answered(requests_mock: Mocker, talk: Conversation) -> None:
    requests_mock.get(URL, json={**PAGE, "links": {"next": f"{URL}?page%5Bcursor%5D=x"}})
    page = talk.get()
    assert [json.loads(bytes(resource)) for resource in page.resources] == PAGE["data"]
    assert page.cursors == [b'"2026-11-20T10:00:00+00:00"']
    assert page.next == f"{URL}?page%5Bcursor%5D=x"


def test_a_compressed_page_is_decompressed(requests_mock: Mocker, talk: Conversation) -> None:
    body = gzip.compress(json.dumps(PAGE).encode())
    requests_mock.get(URL, content=body, headers={"Content-Encoding": "gzip"})
    assert talk.get().cursors == [b'"2026-11-20T10:00:00+00:00"']


def test_an_answer_is_waited_for_longer_with_each_try(requests_mock: Mocker, talk: Conversation) -> None:
    requests_mock.get(URL, [{"json": PAGE}, *[{"exc": broken.ReadTimeout}] * 6, {"json": PAGE}])
    talk.get()
    talk.get()
    timeouts = [request.timeout for request in requests_mock.request_history]
    assert timeouts == [(10, seconds) for seconds in (30, 10, 20, 40, 80, 120, 120, 120)]


@pytest.mark.parametrize("base", ["http://127.0.0.1:8080", "http://127.0.0.1:8080/", "https://proxy.example"])
def test_the_operator_may_have_all_requests_elsewhere(requests_mock: Mocker, base: str) -> None:
    requests_mock.get(f"{base.rstrip('/')}/api/events", json=PAGE)
    talk = Conversation(base)
    for address in ("/api/events", f"{URL}?page%5Bcursor%5D=x", f"{base.rstrip('/')}/api/events"):
        talk.get(address)
    assert {request.url.partition("?")[0] for request in requests_mock.request_history} == {
        f"{base.rstrip('/')}/api/events"
    }


def test_a_netrc_file_does_not_replace_the_key(
    requests_mock: Mocker, talk: Conversation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine a.klaviyo.com login somebody password else\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    requests_mock.get(URL, json=PAGE)
    talk.get()
    assert requests_mock.last_request.headers["Authorization"] == f"Klaviyo-API-Key {KEY}"


# --- where it goes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("link", "address"),
    [
        ("/api/events", URL),
        ("/api/events?a=b", f"{URL}?a=b"),
        (f"{URL}?a=b", f"{URL}?a=b"),
        ("//a.klaviyo.com/api/events", URL),
        ("https://A.Klaviyo.com/api/events", URL),
        ("https://a.klaviyo.com:443/api/events", URL),
        ("http://a.klaviyo.com/api/events", URL),
        ("ftp://a.klaviyo.com/api/events", URL),
        (f"{URL}#part", URL),
        ("https:evil.example", f"{HOST}/evil.example"),
        ("https:///evil.example", f"{HOST}/evil.example"),
        ("https://a.klaviyo.com//evil.example/x", f"{HOST}//evil.example/x"),
        ("https://a.klaviyo.com/@evil.example", f"{HOST}/@evil.example"),
    ],
)
def test_a_link_to_klaviyo_keeps_its_path_and_goes_by_https(talk: Conversation, link: str, address: str) -> None:
    assert talk.client.resolve_link(link) == address


FOREIGN = [
    "https://evil.example/api/events",
    "//evil.example/api/events",
    "https://a.klaviyo.com.evil.example/api/events",
    "https://a.klaviyo.com@evil.example/api/events",
    "https://a.klaviyo.com:443@evil.example/api/events",
    "https://a.klaviyo.com\\@evil.example/api/events",
    "https://evil.example\\@a.klaviyo.com/api/events",
    "https://user:pw@a.klaviyo.com/api/events",
    "https://a.klaviyo.com:8443/api/events",
    "https://klaviyo.com/api/events",
    "https://a.klaviyo.com./api/events",
    "https://a.klaviyo\u3002com/api/events",
    "https://127.0.0.1/api/events",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "data:application/json,{}",
    "https://[::1/api/events",
    "https://[a.klaviyo.com]/api/events",
    "https://a.klaviyo.com:port/api/events",
]


@pytest.mark.parametrize("link", FOREIGN)
def test_a_link_to_elsewhere_is_not_followed(requests_mock: Mocker, talk: Conversation, link: str) -> None:
    with pytest.raises(UnsafeLink, match=r"^Klaviyo's answer .* never sends the API key to another host\..*\.$"):
        talk.get(link)
    assert not requests_mock.called
    assert talk.budget.acquired == 0
    assert talk.waits == []


def test_where_the_operator_has_all_requests_elsewhere_its_own_port_is_needed() -> None:
    talk = Conversation("http://127.0.0.1:8080")
    assert talk.client.resolve_link("https://127.0.0.1:8080/api/x") == "http://127.0.0.1:8080/api/x"
    with pytest.raises(UnsafeLink):
        talk.client.resolve_link("http://127.0.0.1/api/x")


@pytest.mark.parametrize(
    "query",
    [
        "page%5Bcursor%5D=bmV4dDo6aWQ6Ojpza2lwOjA%3D",
        "page[cursor]=abc==",
        "page%5bcursor%5d=a%2fb%2Bc+d",
        "page%5Bcursor%5D=%257B%2522a%2522%257D",
        "filter=and(greater-than(updated,2026-01-01T00:00:00%2B00:00),equals(archived,false))&sort=updated",
        "a=1&a=2&b&=c&&d=",
        "a=%25&b=~-_.!*'()",
    ],
)
def test_the_query_of_a_link_is_not_touched(requests_mock: Mocker, talk: Conversation, query: str) -> None:
    requests_mock.get(URL, json=PAGE)
    assert talk.client.resolve_link(f"{URL}?{query}") == f"{URL}?{query}"
    talk.get(f"{URL}?{query}")
    # brackets may be sent either way
    assert parse_qsl(urlsplit(requests_mock.last_request.url).query, True) == parse_qsl(query, True)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("to", ["https://evil.example/api/events", f"{HOST}/elsewhere", "http://a.klaviyo.com/api"])
def test_a_redirect_is_not_followed(requests_mock: Mocker, talk: Conversation, status: int, to: str) -> None:
    elsewhere = requests_mock.get(to, json=PAGE)
    requests_mock.get(URL, status_code=status, headers={"Location": to})
    assert type(talk.error()) is UnsafeLink
    assert not elsewhere.called
    assert requests_mock.call_count == 1


# --- what is tried again --------------------------------------------------------------------------------

PASSING: dict[str, dict[str, Any]] = {
    "408": {"status_code": 408},
    "500": {"status_code": 500, "json": refusal()},
    "502 from the edge": {"status_code": 502, "text": EDGE},
    "503": {"status_code": 503, "json": refusal()},
    "504": {"status_code": 504},
    "403 from the edge": {"status_code": 403, "text": EDGE, "headers": {"cf-mitigated": "challenge"}},
    "HTML with 200": {"text": EDGE},
    "no body with 200": {"content": b""},
    "204": {"status_code": 204},
    "errors with 200": {"json": refusal()},
    "cut off": {"content": json.dumps(PAGE).encode()[:-5]},
    "invalid UTF-8": {"content": b'{"data":[{"t":"\xff"}]}'},
    "connection reset": {"exc": broken.ConnectionError("reset")},
    "no name": {"exc": broken.InvalidURL("label too long")},
    "connect timeout": {"exc": broken.ConnectTimeout("no")},
    "read timeout": {"exc": broken.ReadTimeout("no")},
    "certificate": {"exc": broken.SSLError("no")},
    "proxy": {"exc": broken.ProxyError("no")},
    "body breaks off": {"raw": raw(http.client.IncompleteRead(b"{"))},
    "body resets": {"raw": raw(ConnectionResetError(104, "Connection reset by peer"))},
    "body times out": {"raw": raw(TimeoutError("timed out"))},
    "body cut off in gzip": {
        "content": gzip.compress(json.dumps(PAGE).encode())[:-20],
        "headers": {"Content-Encoding": "gzip"},
    },
    "body no gzip": {"content": b"no gzip", "headers": {"Content-Encoding": "gzip"}},
}
each_passing_failure = pytest.mark.parametrize("answer", PASSING.values(), ids=PASSING)


@each_passing_failure
def test_what_passes_is_tried_again(requests_mock: Mocker, talk: Conversation, answer: dict[str, Any]) -> None:
    requests_mock.get(URL, [answer, answer, {"json": PAGE}])
    assert talk.get().cursors == [b'"2026-11-20T10:00:00+00:00"']
    assert requests_mock.call_count == 3
    assert 0.75 <= talk.waits[0] <= 1.0 < talk.waits[1] <= 2.0
    assert talk.budget.paused == []


@each_passing_failure
def test_what_does_not_pass_is_tried_so_many_times(requests_mock: Mocker, answer: dict[str, Any]) -> None:
    requests_mock.get(URL, **answer)
    talk = Conversation(tries=4)
    error = talk.error()
    assert isinstance(error, TransientError)
    assert re.fullmatch(r"[A-Z][^<>{}\n]*\.", str(error))
    assert requests_mock.call_count == 4
    assert len(talk.waits) == 3
    assert all(one < other for one, other in pairwise(talk.waits))


@pytest.mark.parametrize("answer", [*PASSING.values(), {"status_code": 429}, {"status_code": 401}])
def test_each_try_takes_a_slot_and_gives_it_back(requests_mock: Mocker, answer: dict[str, Any]) -> None:
    requests_mock.get(URL, **answer)
    talk = Conversation(tries=2)
    talk.error()
    assert talk.budget.acquired == requests_mock.call_count
    assert talk.budget._buckets["events"].in_flight == 0


def test_the_tries_take_about_four_minutes(requests_mock: Mocker, talk: Conversation) -> None:
    requests_mock.get(URL, status_code=503)
    talk.error()
    assert requests_mock.call_count == MAX_ATTEMPTS
    assert 200 <= sum(talk.waits) <= 310
    assert max(talk.waits) <= MAX_BACKOFF_SECONDS


def test_who_asks_may_say_how_many_tries_it_takes(requests_mock: Mocker, talk: Conversation) -> None:
    requests_mock.get(URL, status_code=503)
    with pytest.raises(ServerError, match="Given up after 2 attempts"):
        talk.client.get(Request(URL, None, LIMITS, DECODE, tries=2))
    assert requests_mock.call_count == 2


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"content": b"{"}, DamagedAnswer),
        ({"raw": raw(ConnectionResetError(104, "Connection reset by peer"))}, DamagedAnswer),
        ({"status_code": 500}, ServerError),
        ({"exc": broken.ReadTimeout}, ServerError),
        ({"exc": broken.ConnectionError}, TransientError),
    ],
    ids=["no JSON", "breaks off", "500", "no answer", "no connection"],
)
def test_what_fails_again_and_again_says_whether_smaller_pages_may_help(
    requests_mock: Mocker, answer: dict[str, Any], kind: type[KlaviyoError]
) -> None:
    requests_mock.get(URL, **answer)
    assert type(Conversation(tries=2).error()) is kind


def test_one_try_means_none_again(requests_mock: Mocker) -> None:
    requests_mock.get(URL, status_code=503)
    talk = Conversation(tries=1)
    talk.error()
    assert requests_mock.call_count == 1
    assert talk.waits == []


def test_what_fails_slowly_is_given_up_after_ten_minutes(
    requests_mock: Mocker, talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000.0]

    def silent(*_: object) -> None:
        now[0] += 120
        raise broken.ReadTimeout

    monkeypatch.setattr("source_klaviyo.api.client.time.monotonic", lambda: now[0])
    requests_mock.get(URL, text=silent)
    assert "Given up after 7 attempts" in str(talk.error())


def test_the_tries_of_one_request_are_not_those_of_another(requests_mock: Mocker) -> None:
    requests_mock.get(URL, [{"status_code": 503}, {"json": PAGE}] * 3)
    talk = Conversation(tries=2)
    for _ in range(3):
        talk.get()
    assert requests_mock.call_count == 6


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"status_code": 400, "json": refusal(parameter="filter")}, BadRequest),
        ({"status_code": 401, "json": refusal()}, InvalidKey),
        ({"status_code": 403, "json": refusal()}, AccessDenied),
        ({"status_code": 404, "json": refusal()}, NotFound),
        ({"status_code": 405, "json": refusal()}, KlaviyoError),
        ({"status_code": 410, "json": refusal()}, RevisionRefused),
        ({"status_code": 415, "json": refusal()}, KlaviyoError),
    ],
    ids=lambda value: str(value["status_code"]) if isinstance(value, dict) else value.__name__,
)
def test_what_does_not_pass_is_asked_once(
    requests_mock: Mocker, talk: Conversation, answer: dict[str, Any], kind: type[KlaviyoError]
) -> None:
    requests_mock.get(URL, **answer)
    assert type(talk.error()) is kind
    assert requests_mock.call_count == 1
    assert talk.waits == []


def test_each_further_try_is_announced(
    requests_mock: Mocker, talk: Conversation, log: pytest.LogCaptureFixture
) -> None:
    requests_mock.get(URL, [{"status_code": 503}, {"json": PAGE}])
    talk.get()
    (record,) = [record for record in log.records if record.name == "airbyte"]
    assert record.levelno == logging.INFO
    assert re.fullmatch(r".*\(503\)\. Asking again in 1 s\.", record.getMessage())


# --- the rate limit -------------------------------------------------------------------------------------


def throttled(**headers: str) -> dict[str, Any]:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"status_code": 429, "headers": names, "json": refusal("throttled", "Request was throttled.")}


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [("0", 0, 1), ("1", 1, 2), ("30", 30, 31), ("60", 60, 61), ("61", 60, 61), ("73473", 60, 61), ("1e9", 60, 61)],
)
def test_klaviyos_wish_is_obeyed_up_to_a_minute_at_once(
    requests_mock: Mocker, talk: Conversation, header: str, least: float, most: float
) -> None:
    requests_mock.get(URL, [throttled(Retry_After=header), {"json": PAGE}])
    talk.get()
    (wait,) = talk.waits
    assert least < wait < most


@pytest.mark.parametrize("header", ["", "soon", "-5", "nan", "Fri, 31 Dec 2027 23:59:59 GMT"])
def test_a_wish_that_makes_no_sense_is_none(requests_mock: Mocker, talk: Conversation, header: str) -> None:
    requests_mock.get(URL, [throttled(Retry_After=header), throttled(), throttled(), {"json": PAGE}])
    talk.get()
    assert [round(wait / nominal) for wait, nominal in zip(talk.waits, (1, 2, 4), strict=True)] == [1, 1, 1]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("header", ["0", "1"])
def test_a_small_wish_does_not_use_up_the_tries_in_seconds(
    requests_mock: Mocker, talk: Conversation, status: int, header: str
) -> None:
    requests_mock.get(URL, status_code=status, headers={"Retry-After": header})
    talk.error()
    assert sum(talk.waits) > 200


def test_two_threads_do_not_come_back_at_the_same_moment(requests_mock: Mocker) -> None:
    waits = set()
    for _ in range(20):
        requests_mock.get(URL, [throttled(Retry_After="5"), {"status_code": 503}, {"json": PAGE}])
        talk = Conversation()
        talk.get()
        waits |= set(talk.waits)
    assert len(waits) == 40


def test_a_refusal_holds_up_all_requests_of_the_limits(requests_mock: Mocker, talk: Conversation) -> None:
    requests_mock.get(URL, [throttled(Retry_After="7"), throttled(), {"json": PAGE}])
    talk.get()
    assert talk.budget.paused == [(LIMITS, wait) for wait in talk.waits]


def test_refusals_for_the_rate_are_borne_longer_than_failures(requests_mock: Mocker) -> None:
    requests_mock.get(URL, **throttled(Retry_After="1"))
    talk = Conversation(tries=4)
    assert type(talk.error()) is RateLimited
    assert requests_mock.call_count == 4 * RATE_LIMITS_PER_ATTEMPT


def test_refusals_and_failures_add_up(requests_mock: Mocker) -> None:
    requests_mock.get(URL, [throttled()] * RATE_LIMITS_PER_ATTEMPT + [{"status_code": 503}])
    talk = Conversation(tries=3)
    assert type(talk.error()) is ServerError
    assert requests_mock.call_count == RATE_LIMITS_PER_ATTEMPT + 2


def test_the_budget_learns_from_every_answer(requests_mock: Mocker, talk: Conversation) -> None:
    requests_mock.get(URL, [{"status_code": 503, "headers": {"RateLimit-Remaining": "5"}}, {"json": PAGE}])
    talk.get()
    assert [headers.get("RateLimit-Remaining") for headers in talk.budget.learnt] == ["5", None]


# --- how much is taken in -------------------------------------------------------------------------------


def test_an_answer_that_is_too_large_is_asked_for_some_times_and_then_an_error(
    requests_mock: Mocker, talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("source_klaviyo.api.request.MAX_ANSWER_BYTES", 100)
    requests_mock.get(URL, content=b" " * 101)
    with pytest.raises(AnswerTooLarge):
        talk.client.get(Request(URL, None, LIMITS, DECODE, most=100))
    assert requests_mock.call_count == MAX_ATTEMPTS_TOO_LARGE


def test_an_answer_that_is_too_large_once_is_asked_for_again(
    requests_mock: Mocker, talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests_mock.get(URL, [{"content": b" " * 1_000}, {"json": PAGE}])
    monkeypatch.setattr("source_klaviyo.api.request.MAX_ANSWER_BYTES", 900)
    page = talk.client.get(Request(URL, None, LIMITS, DECODE, most=900))
    assert len(page.resources) == 1


def test_an_answer_that_can_be_asked_for_in_smaller_pages_is_an_error_at_once(
    requests_mock: Mocker, talk: Conversation
) -> None:
    requests_mock.get(URL, content=b" " * 101)
    with pytest.raises(AnswerTooLarge), talk.client.page(Request(URL, None, LIMITS, DECODE, most=100)):
        pass
    assert requests_mock.call_count == 1


def test_a_page_is_counted_in_the_memory_budget_as_long_as_it_is_needed(
    requests_mock: Mocker, talk: Conversation
) -> None:
    requests_mock.get(URL, json=PAGE)
    with talk.client.page(Request(URL, None, LIMITS, DECODE)) as page:
        assert talk.client._memory._used == page.size == len(json.dumps(PAGE)) + RECORD_BYTES
    assert talk.client._memory._used == 0


@pytest.mark.parametrize("answer", [{"content": b"{"}, {"status_code": 503}, {"status_code": 400}])
def test_an_answer_that_failed_is_not_counted_while_its_next_try_is_waited_for(
    requests_mock: Mocker, answer: dict[str, Any]
) -> None:
    used = []
    talk = Conversation(tries=3)
    talk.client._sleep = lambda _: used.append(talk.client._memory._used)
    requests_mock.get(URL, **answer)
    with pytest.raises(KlaviyoError), talk.client.page(Request(URL, None, LIMITS, DECODE)):
        pass
    assert set(used) <= {0}
    assert talk.client._memory._used == 0


class Decoded:
    """Something that is made of an answer, and can be watched."""


def test_what_was_made_of_an_answer_that_failed_is_gone_while_its_next_try_is_waited_for(
    requests_mock: Mocker,
) -> None:
    made: list[weakref.ref[Decoded]] = []
    alive: list[int] = []

    def decode(_: bytes) -> Page:
        part = Decoded()
        made.append(weakref.ref(part))
        try:
            raise ValueError
        except ValueError as error:
            raise DamagedAnswer("No.") from error

    talk = Conversation(tries=3)
    talk.client._sleep = lambda _: alive.append(sum(one() is not None for one in made))
    requests_mock.get(URL, json=PAGE)
    gc.disable()  # the garbage collector may not come for long
    try:
        with pytest.raises(DamagedAnswer) as raised:
            talk.client.get(Request(URL, None, LIMITS, decode))
        assert alive == [0, 0]
        assert not any(one() for one in made)
    finally:
        gc.enable()
    assert raised.value.__context__ is None
    assert raised.value.__cause__ is None


def test_no_request_is_made_while_the_output_is_stalled(
    requests_mock: Mocker, talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    monkeypatch.setattr(Hold, "wait_while_stalled", lambda _: made.append(requests_mock.call_count))
    requests_mock.get(URL, [{"status_code": 503}, {"json": PAGE}])
    talk.get()
    assert made == [0, 1]


def test_waits_for_memory_do_not_count_as_failures(
    requests_mock: Mocker, talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A destination may pause for hours, in which all connections break."""
    now = [0.0]

    def wait(hold: Hold) -> None:
        now[0] += 3_600
        hold.waited += 3_600

    monkeypatch.setattr("source_klaviyo.api.client.time.monotonic", lambda: now[0])
    monkeypatch.setattr(Hold, "wait_while_stalled", wait)
    requests_mock.get(URL, [{"content": b"{"}, {"content": b"{"}, {"json": PAGE}])
    assert len(talk.get().resources) == 1


# --- when no answer comes -------------------------------------------------------------------------------

POOL = urllib3.HTTPSConnectionPool("a.klaviyo.com")
CONNECTION = urllib3.connection.HTTPSConnection("a.klaviyo.com")


def unconnected(reason: Exception) -> broken.ConnectionError:
    return broken.ConnectionError(urllib3.exceptions.MaxRetryError(POOL, "/api/events?secret=1", reason))


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (
            unconnected(urllib3.exceptions.NameResolutionError("a.klaviyo.com", CONNECTION, OSError(-3, "Temporary"))),  # type: ignore[arg-type]
            "its name cannot be resolved",
        ),
        (unconnected(OSError("[Errno -2] getaddrinfo failed")), "its name cannot be resolved"),
        (broken.InvalidURL("Failed to parse: label too long"), "its name cannot be resolved"),
        (
            unconnected(urllib3.exceptions.NewConnectionError(CONNECTION, "[Errno 111] Connection refused")),
            "the connection was refused",
        ),
        (broken.ConnectTimeout(POOL), "the connection timed out"),
        (broken.ReadTimeout(POOL), "no answer within 30 s"),
        (broken.SSLError("[SSL: UNEXPECTED_EOF_WHILE_READING]"), "the encrypted connection failed"),
        (broken.ProxyError("Cannot connect to proxy. refused"), "the proxy refuses the connection"),
        (broken.ConnectionError(ConnectionResetError(104, "Connection reset by peer")), "the connection broke"),
        (broken.ChunkedEncodingError("IncompleteRead"), "the connection broke"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_a_connection_that_fails_is_told_in_two_sentences(requests_mock: Mocker, error: Exception, what: str) -> None:
    requests_mock.get(URL, exc=error)
    message = str(Conversation(tries=1).error())
    assert message == f"Klaviyo (a.klaviyo.com) cannot be reached: {what}. Check network, firewall and proxy."


def test_a_body_that_breaks_off_is_told_in_a_sentence(requests_mock: Mocker) -> None:
    requests_mock.get(URL, raw=raw(ConnectionResetError(104, "Connection reset by peer")))
    message = str(Conversation(tries=1).error())
    assert message == "Klaviyo's answer broke off while it was read (ProtocolError)."


def test_the_operators_own_host_is_named(requests_mock: Mocker) -> None:
    requests_mock.get("http://simulator:8080/api/events", exc=broken.ConnectTimeout)
    assert "(simulator)" in str(Conversation("http://simulator:8080", tries=1).error())


# --- Klaviyo's clock ------------------------------------------------------------------------------------

NOW = 1_795_168_800.0


def date(seconds: float) -> str:
    return format_datetime(datetime.fromtimestamp(seconds, tz=UTC), usegmt=True)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("source_klaviyo.api.clock.time.time", lambda: NOW)
    monkeypatch.setattr("source_klaviyo.api.client.time.monotonic", count(100.0, 0.25).__next__)


@pytest.mark.parametrize("ahead", [-26 * 3600, -3, 3, 3600])
def test_klaviyos_clock_counts_where_ours_is_wrong(
    requests_mock: Mocker, talk: Conversation, clock: None, ahead: int
) -> None:
    requests_mock.get(URL, json=PAGE, headers={"Date": date(NOW + ahead)})
    assert talk.client.now() == NOW
    page = talk.get()
    assert talk.client.now() == NOW + ahead
    assert talk.client.certain_now() == NOW + min(ahead, 0)
    assert page.asked_at == talk.client.certain_now() - page.latency
    assert page.latency == 0.25


def test_a_refusal_tells_the_time_as_well(requests_mock: Mocker, talk: Conversation, clock: None) -> None:
    requests_mock.get(URL, status_code=400, json=refusal(), headers={"Date": date(NOW + 300)})
    talk.error()
    assert talk.client.now() == NOW + 300


# --- nothing leaks --------------------------------------------------------------------------------------

LAST_WORDS = {
    **PASSING,
    "400": {"status_code": 400, "json": refusal()},
    "401": {"status_code": 401, "json": refusal()},
    "403": {"status_code": 403, "json": refusal()},
    "410": {"status_code": 410},
    "429": {"status_code": 429},
    "redirect": {"status_code": 302, "headers": {"Location": "https://evil.example"}},
    "an error with the request": {"exc": broken.ConnectionError(request=requests.Request(headers={"x": KEY}))},
    "an error with the key": {"exc": broken.InvalidHeader(f"Invalid header value: 'Klaviyo-API-Key {KEY}'")},
}


@pytest.mark.parametrize("answer", LAST_WORDS.values(), ids=LAST_WORDS)
def test_the_key_shows_in_no_log_line_and_no_error(
    requests_mock: Mocker, answer: dict[str, Any], log: pytest.LogCaptureFixture
) -> None:
    requests_mock.get(URL, **answer)
    error = Conversation(tries=2).error()
    shown = [str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)]
    assert not [text for text in shown if KEY in text]
    assert not [record for record in log.records if KEY in f"{record.getMessage()} {record.args} {record.exc_text}"]


@pytest.mark.parametrize("status", [400, 401, 403, 500])
def test_the_key_shows_not_even_where_klaviyo_repeats_it(
    requests_mock: Mocker, status: int, log: pytest.LogCaptureFixture
) -> None:
    requests_mock.get(URL, status_code=status, json=refusal(detail=f"The key {KEY} may not.", parameter=KEY))
    error = Conversation(tries=2).error()
    assert KEY not in f"{error} {vars(error)} {log.text}"


def test_the_key_shows_in_no_representation(talk: Conversation) -> None:
    client = talk.client
    shown = [client, vars(client), client._session, client._session.auth, client._session.headers]
    assert not [text for text in map(repr, shown) if KEY in text]
    assert not [text for text in map(str, shown) if KEY in text]
    assert KEY not in repr(vars(client._session))


@pytest.mark.parametrize("link", [f"https://evil.example/?key={KEY}", f"https://user:{KEY}@a.klaviyo.com/"])
def test_a_link_that_is_refused_does_not_show_the_key(talk: Conversation, link: str) -> None:
    with pytest.raises(UnsafeLink) as raised:
        talk.get(link)
    assert KEY not in str(raised.value)
