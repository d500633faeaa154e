"""The client: the contents of a request, its host, and the dates of pages."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from email.utils import format_datetime
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from source_klaviyo.api.client import HOST
from source_klaviyo.api.errors import UnsafeLink
from unit_tests.api.conversation import BODY, DATE, ERROR, GZIP, KEY, PAGE, URL, Conversation

if TYPE_CHECKING:
    from pathlib import Path

    from requests_mock import Mocker


# --- requests and pages ---------------------------------------------------------------------------------


def test_a_request_carries_the_key_the_revision_and_what_it_accepts(requests_mock: Mocker, talk: Conversation) -> None:
    requests_mock.get(URL, json=PAGE)
    talk.get()
    assert requests_mock.last_request
    headers = requests_mock.last_request.headers
    assert {name: headers[name] for name in headers if name != "Connection"} == {
        "Authorization": f"Klaviyo-API-Key {KEY}",
        "revision": "2026-07-15",
        "X-Klaviyo-Revision-Fall-Forward-Opt-Out": "1",
        "Accept": "application/vnd.api+json",
        "Accept-Encoding": "gzip, deflate",
        "User-Agent": "airbyte-source-klaviyo",
    }


def test_the_query_is_encoded_once(requests_mock: Mocker, talk: Conversation) -> None:
    requests_mock.get(URL, json=PAGE)
    talk.get(params={"filter": "greater-or-equal(datetime,2026-11-20T10:00:00+00:00)", "page[size]": "1000"})
    assert requests_mock.last_request
    assert requests_mock.last_request.url == (
        f"{URL}?filter=greater-or-equal%28datetime%2C2026-11-20T10%3A00%3A00%2B00%3A00%29&page%5Bsize%5D=1000"
    )


def test_a_page_has_the_resources_cursors_and_link_of_the_response(requests_mock: Mocker, talk: Conversation) -> None:
    requests_mock.get(URL, json={**PAGE, "links": {"next": f"{URL}?page%5Bcursor%5D=x"}})
    page = talk.get()
    assert [json.loads(bytes(resource)) for resource in page.resources] == PAGE["data"]
    assert page.cursors == [f'"{DATE}"'.encode()]
    assert page.next == f"{URL}?page%5Bcursor%5D=x"


def test_a_compressed_page_is_decompressed(requests_mock: Mocker, talk: Conversation) -> None:
    requests_mock.get(URL, content=gzip.compress(BODY), headers=GZIP)
    assert len(talk.get().resources) == 1


@pytest.mark.parametrize("base", ["http://127.0.0.1:8080", "http://127.0.0.1:8080/", "https://proxy.example"])
def test_all_requests_go_to_the_host_that_the_operator_sets(requests_mock: Mocker, base: str) -> None:
    address = f"{base.rstrip('/')}/api/events"
    requests_mock.get(address, json=PAGE)
    talk = Conversation(base)
    for link in ("/api/events", f"{URL}?page%5Bcursor%5D=x", address):
        talk.get(link)
    assert {request.url.partition("?")[0] for request in requests_mock.request_history} == {address}


def test_a_netrc_file_does_not_replace_the_key(
    requests_mock: Mocker, talk: Conversation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine a.klaviyo.com login somebody password else\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    requests_mock.get(URL, json=PAGE)
    talk.get()
    assert requests_mock.last_request
    assert requests_mock.last_request.headers["Authorization"] == f"Klaviyo-API-Key {KEY}"


# --- links ----------------------------------------------------------------------------------------------


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
        ("http://a.klaviyo.com:80/api/events", URL),
        ("ftp://a.klaviyo.com/api/events", URL),
        (f"{URL}#part", URL),
        ("https:evil.example", f"{HOST}/evil.example"),
        ("https:///evil.example", f"{HOST}/evil.example"),
        ("https://a.klaviyo.com//evil.example/x", f"{HOST}//evil.example/x"),
        ("https://a.klaviyo.com/@evil.example", f"{HOST}/@evil.example"),
    ],
)
def test_a_link_to_klaviyo_keeps_its_path_and_uses_https(talk: Conversation, link: str, address: str) -> None:
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
    "https://a.klaviyo.com:80/api/events",
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
def test_a_link_to_another_host_is_not_followed(requests_mock: Mocker, talk: Conversation, link: str) -> None:
    with pytest.raises(UnsafeLink, match=r"^Klaviyo's response .* never sends the API key to another host\..*\.$"):
        talk.get(link)
    assert not requests_mock.called
    assert talk.budget.acquired == 0
    assert talk.waits == []


def test_a_link_to_the_operators_host_needs_its_port() -> None:
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
def test_the_query_of_a_link_does_not_change(requests_mock: Mocker, talk: Conversation, query: str) -> None:
    requests_mock.get(URL, json=PAGE)
    assert talk.client.resolve_link(f"{URL}?{query}") == f"{URL}?{query}"
    talk.get(f"{URL}?{query}")
    assert requests_mock.last_request
    # brackets may be sent either way
    assert parse_qsl(urlsplit(requests_mock.last_request.url).query, True) == parse_qsl(query, True)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("to", ["https://evil.example/api/events", f"{HOST}/elsewhere", "http://a.klaviyo.com/api"])
def test_a_redirect_is_not_followed(requests_mock: Mocker, talk: Conversation, status: int, to: str) -> None:
    elsewhere: Any = requests_mock.get(to, json=PAGE)
    requests_mock.get(URL, status_code=status, headers={"Location": to})
    assert type(talk.error()) is UnsafeLink
    assert not elsewhere.called
    assert requests_mock.call_count == 1


# --- Klaviyo's clock ------------------------------------------------------------------------------------

NOW = 1_795_168_800.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("source_klaviyo.api.clock.time.time", lambda: NOW)
    monkeypatch.setattr("source_klaviyo.api.client.time.monotonic", count(100.0, 0.25).__next__)


def date(seconds: float) -> dict[str, str]:
    return {"Date": format_datetime(datetime.fromtimestamp(seconds, tz=UTC), usegmt=True)}


@pytest.mark.parametrize("ahead", [-26 * 3600, -3, 3, 3600])
def test_a_page_is_dated_by_the_slower_clock_at_its_request(
    requests_mock: Mocker, talk: Conversation, clock: None, ahead: int
) -> None:
    requests_mock.get(URL, json=PAGE, headers=date(NOW + ahead))
    assert talk.client.now() == NOW
    page = talk.get()
    assert talk.client.now() == NOW + ahead
    assert talk.client.certain_now() == NOW + min(ahead, 0)
    assert page.requested_at == talk.client.certain_now() - page.latency
    assert page.latency == 0.25


def test_an_error_response_shows_klaviyos_clock_as_well(requests_mock: Mocker, talk: Conversation, clock: None) -> None:
    requests_mock.get(URL, status_code=400, content=ERROR, headers=date(NOW + 300))
    talk.error()
    assert talk.client.now() == NOW + 300
