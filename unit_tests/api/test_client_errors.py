"""The client's errors: they explain what failed in a sentence or two, and never show the key."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

import pytest
import requests
import urllib3
from requests import exceptions as broken

from source_klaviyo.api.errors import UnsafeLink
from unit_tests.api.conversation import ERROR, KEY, TRANSIENT, URL, Conversation, breaking_off
from unit_tests.fake_api import error as error_document

if TYPE_CHECKING:
    from requests_mock import Mocker

POOL = urllib3.HTTPSConnectionPool("a.klaviyo.com")
CONNECTION: Any = urllib3.connection.HTTPSConnection("a.klaviyo.com")


def unconnected(reason: Exception) -> broken.ConnectionError:
    return broken.ConnectionError(urllib3.exceptions.MaxRetryError(POOL, "/api/events?secret=1", reason))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            unconnected(urllib3.exceptions.NameResolutionError("a.klaviyo.com", CONNECTION, OSError(-3))),  # type: ignore[arg-type]
            "its name cannot be resolved",
        ),
        (unconnected(OSError("[Errno -2] getaddrinfo failed")), "its name cannot be resolved"),
        (broken.InvalidURL("Failed to parse: label too long"), "its name cannot be resolved"),
        (
            unconnected(urllib3.exceptions.NewConnectionError(CONNECTION, "[Errno 111] Connection refused")),
            "the connection was refused",
        ),
        (broken.ConnectTimeout(POOL), "the connection timed out"),
        (broken.ReadTimeout(POOL), "no response within 30 s"),
        (broken.SSLError("[SSL: UNEXPECTED_EOF_WHILE_READING]"), "the encrypted connection failed"),
        (broken.ProxyError("Cannot connect to proxy. refused"), "the proxy refuses the connection"),
        (broken.ConnectionError(ConnectionResetError(104, "Connection reset by peer")), "the connection broke"),
        (broken.ChunkedEncodingError("IncompleteRead"), "the connection broke"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_a_failed_connection_is_explained_in_two_sentences(
    requests_mock: Mocker, error: Exception, reason: str
) -> None:
    requests_mock.get(URL, exc=error)
    message = str(Conversation(tries=1).error())
    assert message == f"Klaviyo (a.klaviyo.com) cannot be reached: {reason}. Check network, firewall and proxy."


def test_a_body_that_breaks_off_is_explained_in_one_sentence(requests_mock: Mocker) -> None:
    requests_mock.get(URL, raw=breaking_off(ConnectionResetError(104, "Connection reset by peer")))
    message = str(Conversation(tries=1).error())
    assert message == "Klaviyo's response broke off while it was read (ProtocolError)."


def test_the_message_names_the_host_that_the_operator_set(requests_mock: Mocker) -> None:
    requests_mock.get("http://simulator:8080/api/events", exc=broken.ConnectTimeout)
    assert "(simulator)" in str(Conversation("http://simulator:8080", tries=1).error())


# --- the key --------------------------------------------------------------------------------------------

FAILURES = {
    **TRANSIENT,
    **{str(status): {"status_code": status, "content": ERROR} for status in (400, 401, 403, 410, 429)},
    "redirect": {"status_code": 302, "headers": {"Location": "https://evil.example"}},
    "an error with the request": {"exc": broken.ConnectionError(request=requests.Request(headers={"x": KEY}))},
    "an error with the key": {"exc": broken.InvalidHeader(f"Invalid header value: 'Klaviyo-API-Key {KEY}'")},
    **{
        f"a {status} that repeats the key": {
            "status_code": status,
            "content": error_document(status, "error", f"The key {KEY} may not.", KEY),
        }
        for status in (400, 401, 403, 500)
    },
}


@pytest.mark.parametrize("response", FAILURES.values(), ids=FAILURES)
def test_neither_the_log_nor_an_error_shows_the_key(
    requests_mock: Mocker, response: dict[str, Any], log: pytest.LogCaptureFixture
) -> None:
    requests_mock.get(URL, [response])
    error = Conversation(tries=2).error()
    shown = [str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)]
    assert not [text for text in shown if KEY in text]
    assert not [record for record in log.records if KEY in f"{record.getMessage()} {record.args} {record.exc_text}"]


def test_no_representation_of_the_client_shows_the_key() -> None:
    client = Conversation().client
    shown = [client, vars(client), client._session, client._session.auth, client._session.headers]
    assert not [text for text in (*map(repr, shown), *map(str, shown), repr(vars(client._session))) if KEY in text]


@pytest.mark.parametrize("link", [f"https://evil.example/?key={KEY}", f"https://user:{KEY}@a.klaviyo.com/"])
def test_the_error_about_a_foreign_link_does_not_show_the_key(link: str) -> None:
    with pytest.raises(UnsafeLink) as raised:
        Conversation().get(link)
    assert KEY not in str(raised.value)
