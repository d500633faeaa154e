"""The client's memory: how large a response may be, and that a failed one does not stay in memory."""

from __future__ import annotations

import gc
import json
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from source_klaviyo.api.errors import DamagedResponse, KlaviyoError, ResponseTooLarge
from source_klaviyo.api.memory import Hold
from source_klaviyo.api.page import RECORD_BYTES
from source_klaviyo.api.request import Request
from source_klaviyo.api.retry import MAX_ATTEMPTS_TOO_LARGE
from unit_tests.api.conversation import DECODE, LIMITS, PAGE, URL, Conversation

if TYPE_CHECKING:
    from requests_mock import Mocker

    from source_klaviyo.api.page import Page

REQUEST = Request(URL, None, LIMITS, DECODE)


def test_a_response_that_is_too_large_is_retried_a_few_times(
    requests_mock: Mocker, talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("source_klaviyo.api.request.MAX_RESPONSE_BYTES", 900)
    requests_mock.get(URL, [{"content": b" " * 1_000}, {"json": PAGE}])
    assert len(talk.get(most=900).resources) == 1

    requests_mock.get(URL, content=b" " * 901)
    with pytest.raises(ResponseTooLarge):
        talk.get(most=900)
    assert requests_mock.call_count == 2 + MAX_ATTEMPTS_TOO_LARGE


def test_a_response_that_is_too_large_is_an_error_at_once_if_smaller_pages_can_be_requested(
    requests_mock: Mocker, talk: Conversation
) -> None:
    requests_mock.get(URL, content=b" " * 101)
    with pytest.raises(ResponseTooLarge), talk.client.page(Request(URL, None, LIMITS, DECODE, most=100)):
        pass
    assert requests_mock.call_count == 1


def test_a_page_counts_in_the_memory_budget_while_it_is_used(requests_mock: Mocker, talk: Conversation) -> None:
    requests_mock.get(URL, json=PAGE)
    with talk.client.page(REQUEST) as page:
        assert talk.client._memory._used == page.size == len(json.dumps(PAGE)) + RECORD_BYTES
    assert talk.client._memory._used == 0


@pytest.mark.parametrize("response", [{"content": b"{"}, {"status_code": 503}, {"status_code": 400}])
def test_a_failed_response_does_not_count_during_the_backoff(requests_mock: Mocker, response: dict[str, Any]) -> None:
    used = []
    talk = Conversation(tries=3)
    talk.client._sleep = lambda _: used.append(talk.client._memory._used)
    requests_mock.get(URL, [response])
    with pytest.raises(KlaviyoError), talk.client.page(REQUEST):
        pass
    assert set(used) <= {0}
    assert talk.client._memory._used == 0


class Decoded:
    """A part of a decoded response, whose life can be observed."""


def test_a_failed_response_is_freed_before_the_backoff(requests_mock: Mocker) -> None:
    made: list[weakref.ref[Decoded]] = []
    alive: list[int] = []

    def decode(_: bytes) -> Page:
        part = Decoded()
        made.append(weakref.ref(part))
        try:
            raise ValueError
        except ValueError as error:
            raise DamagedResponse("No.") from error

    talk = Conversation(tries=3)
    talk.client._sleep = lambda _: alive.append(sum(one() is not None for one in made))
    requests_mock.get(URL, json=PAGE)
    gc.disable()  # the garbage collector may not run for long
    try:
        with pytest.raises(DamagedResponse) as raised:
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
