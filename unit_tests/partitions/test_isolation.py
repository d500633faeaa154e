"""If Klaviyo fails on one record, all others are read, and the message says where that record lies."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_klaviyo.partitions.isolation import find_unreadable_second
from source_klaviyo.sync.instants import DAY, SECOND, Instant, for_filter
from unit_tests.fake_api import HOST, NOW, FakeKlaviyo, Output, Request, error, sync

if TYPE_CHECKING:
    from collections.abc import Callable

START = NOW - 170 * DAY
RESOURCES = {"events": "datetime", "profiles": "updated", "lists": "updated", "email_templates": "updated"}


def fill(klaviyo: FakeKlaviyo, stream: str, count: int, step: int = 3600 * SECOND) -> list[str]:
    resource = {"email_templates": "templates"}.get(stream, stream)
    return klaviyo.add(resource, *({RESOURCES[stream]: for_filter(START + n * step)} for n in range(count)))


def said(output: Output, stream: str) -> list[str]:
    """Return what the error and the log say about a stream."""
    logs = [one.log.message for one in output if one.log]
    return [
        *(one.message for one in output.errors(stream)),
        *(line for line in logs if line.startswith(f"Stream {stream}: Klaviyo fails")),
    ]


def date(number: int, step: int = 3600 * SECOND) -> str:
    return for_filter(START + number * step)


# --- the search -----------------------------------------------------------------------------------------


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 10**6))
def test_the_second_of_an_unreadable_record_is_found_in_few_requests(start: int, ahead: int, behind: int) -> None:
    begin, asked = Instant(start * SECOND), []
    record = begin + ahead * SECOND

    def can_be_read(instant: Instant) -> bool:
        asked.append(instant)
        return instant > record

    assert find_unreadable_second(can_be_read, begin, record + behind * SECOND) == record
    assert len(asked) <= 50


# --- streams --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 10])
@pytest.mark.parametrize("stream", RESOURCES)
def test_one_unreadable_record_is_reported_and_all_others_are_read(
    klaviyo: FakeKlaviyo, stream: str, workers: int
) -> None:
    ids = fill(klaviyo, stream, 400)
    klaviyo.poisoned = {ids[170]}
    output = sync(stream, num_workers=workers)
    assert sorted(output.ids()) == [*ids[:170], *ids[171:]]
    assert output.statuses(stream)[-1] == "INCOMPLETE"
    message, *_ = {text.removeprefix(f"Stream {stream}: ") for text in said(output, stream)}
    assert _ == []
    assert message.startswith(f"Klaviyo fails on records of stream {stream}, dated {date(170)}: all records of other")
    assert sum(klaviyo.naps) < 600  # of several readers together


@pytest.mark.parametrize("places", [(0,), (399,), (0, 1), (10, 11, 12), (5, 100, 398)])
def test_unreadable_records_may_lie_anywhere(klaviyo: FakeKlaviyo, places: tuple[int, ...]) -> None:
    ids = fill(klaviyo, "events", 400)
    klaviyo.poisoned = {ids[place] for place in places}
    output = sync("events")
    assert Counter(output.ids()) == Counter(set(ids) - klaviyo.poisoned)
    for place in places:
        assert any(date(place) in message for message in said(output, "events"))


def test_records_before_an_unreadable_one_in_its_second_are_read(klaviyo: FakeKlaviyo) -> None:
    ids = fill(klaviyo, "events", 100, step=SECOND // 4)
    klaviyo.poisoned = {ids[50]}  # the third of four
    output = sync("events")
    assert set(ids) - set(output.ids()) == {ids[50], ids[51]}


def test_the_state_stays_before_an_unreadable_record_for_the_next_sync(klaviyo: FakeKlaviyo) -> None:
    ids = fill(klaviyo, "events", 400)
    klaviyo.poisoned = {ids[170]}
    state = sync("events").states("events")[-1]
    assert state["datetime"] == date(170).replace("Z", "+0000")
    klaviyo.poisoned = set()
    klaviyo.now += DAY
    new = klaviyo.add("events", {"datetime": for_filter(NOW)})
    second = sync("events", state={"events": state})
    assert second.raised is None
    assert {ids[170], *new} <= set(second.ids()) <= {*ids[169:172], *new}


def test_a_record_that_cannot_be_decoded_counts_as_unreadable(klaviyo: FakeKlaviyo) -> None:
    ids = fill(klaviyo, "profiles", 300)
    answer: Callable[[Request], dict[str, Any]] = klaviyo._collection

    def damaged(request: Request) -> tuple[int, bytes]:
        body = json.dumps(answer(request))
        return 200, (body[:-9] if ids[42] in body else body).encode()

    klaviyo.before = damaged
    output = sync("profiles")
    assert sorted(output.ids()) == [*ids[:42], *ids[43:]]
    assert date(42) in said(output, "profiles")[0]


def test_if_every_request_fails_they_are_retried_for_minutes(klaviyo: FakeKlaviyo) -> None:
    fill(klaviyo, "events", 10)
    klaviyo.before = lambda _: (503, error(503, "error", "Unavailable."))
    output = sync("events")
    (message,) = said(output, "events")
    assert "run the sync again later" in message
    assert "dated" not in message
    assert sum(klaviyo.naps) > 180


def test_an_outage_of_minutes_loses_nothing(klaviyo: FakeKlaviyo) -> None:
    ids = fill(klaviyo, "events", 300)
    klaviyo.page_limit = 50
    bodies_left = iter([(503, error(503, "error", "Unavailable."))] * 14)
    klaviyo.before = lambda request: None if request.is_first_page else next(bodies_left, None)
    output = sync("events", num_workers=1)
    assert output.raised is None
    assert output.ids() == ids


def test_a_detail_that_cannot_be_read_loses_only_its_record(klaviyo: FakeKlaviyo) -> None:
    ids = fill(klaviyo, "lists", 40)

    def before(request: Request) -> tuple[int, bytes] | None:
        _, _, one = request.resource.partition("/")
        if not one:
            return None
        if one == ids[7]:
            return 500, error(500, "error", "A server error occurred.")
        return 200, json.dumps({"data": {"type": "list", "id": one, "attributes": {"profile_count": 3}}}).encode()

    klaviyo.before = before
    output = sync("lists_detailed")
    assert sorted(output.ids()) == [*ids[:7], *ids[8:]]
    assert date(7) in said(output, "lists_detailed")[0]


def test_a_collection_without_a_date_filter_fails_at_an_unreadable_record(klaviyo: FakeKlaviyo) -> None:
    rows = [{"type": "tag", "id": f"{n:03}", "attributes": {"name": "x"}} for n in range(100)]

    def before(request: Request) -> tuple[int, bytes]:
        after = int(request.params.get("page[cursor]", 0))
        size = int(request.params.get("page[size]", 50))
        page = rows[after : after + size]
        if "042" in {row["id"] for row in page}:
            return 500, error(500, "error", "A server error occurred.")
        link = f"{HOST}/api/tags?page%5Bsize%5D={size}&page%5Bcursor%5D={after + size}"
        return 200, json.dumps({"data": page, "links": {"next": link if after + size < 100 else None}}).encode()

    klaviyo.before = before
    output = sync("tags", full_refresh=True)
    assert output.statuses("tags")[-1] == "INCOMPLETE"
    assert output.states("tags") == []


def test_a_page_is_emitted_once_although_the_page_past_the_end_of_its_window_cannot_be_read(
    klaviyo: FakeKlaviyo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the server takes no upper bound, one more page shows that a split window has ended."""
    ids = fill(klaviyo, "lists", 40)
    klaviyo.poisoned = {ids[25]}
    bounds = iter([[START + 14 * 3600 * SECOND + SECOND]])
    monkeypatch.setattr("source_klaviyo.sync.splitting.WindowPlan.split_after", lambda *_: next(bounds, []))
    output = sync("lists", num_workers=1)
    assert Counter(output.ids()) == Counter([*ids[:25], *ids[26:]])
