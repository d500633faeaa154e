"""Page cursors that expire, repeat or lead in a circle."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from source_klaviyo.sync.instants import DAY, HOUR, SECOND, for_filter
from unit_tests.fake_api import NOW, FakeKlaviyo, Rejected, Request, sync
from unit_tests.partitions.syncs import (
    SINCE,
    START,
    add_events,
    assert_states_are_true,
    document,
    expire_before,
    hour_counts,
    iso,
    link_to,
    positions,
    seconds,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_after_an_expired_page_cursor_no_record_is_lost_or_emitted_twice(
    klaviyo: FakeKlaviyo, log: pytest.LogCaptureFixture
) -> None:
    klaviyo.page_limit = 3
    ids = add_events(klaviyo, *seconds(20))
    expire_before(klaviyo, 3)
    output = sync("events", num_workers=1)
    assert output.raised is None
    assert output.ids() == ids
    assert [params["filter"] for params in klaviyo.first_pages()] == [
        f"greater-or-equal(datetime,{for_filter(START)})",
        f"greater-or-equal(datetime,{for_filter(SINCE + 5 * SECOND)})",
    ]
    assert_states_are_true(output, "events", NOW)
    assert any("continues from 2024-06-01T00:00:05Z" in record.message for record in log.records)


def test_records_that_repeat_after_an_expired_page_cursor_are_not_out_of_order(
    klaviyo: FakeKlaviyo, log: pytest.LogCaptureFixture
) -> None:
    klaviyo.page_limit = 3
    ids = add_events(klaviyo, *range(SINCE, SINCE + 2 * SECOND, SECOND // 5))
    expire_before(klaviyo, 2)
    output = sync("events", num_workers=1)
    assert sorted(set(output.ids())) == ids
    assert not any("out of order" in record.message for record in log.records)


def test_page_cursors_may_expire_any_number_of_times_while_the_read_makes_progress(klaviyo: FakeKlaviyo) -> None:
    klaviyo.page_limit = 3
    ids = add_events(klaviyo, *seconds(60))
    expire_before(klaviyo, *range(3, 200, 3))
    output = sync("events", num_workers=1)
    assert output.raised is None
    assert sorted(set(output.ids())) == ids
    assert len(klaviyo.rejections) > 5


def test_page_cursors_that_never_work_fail_the_stream(klaviyo: FakeKlaviyo) -> None:
    klaviyo.page_limit = 3
    add_events(klaviyo, *[SINCE] * 10)
    expire_before(klaviyo, *range(1000))
    output = sync("events", num_workers=1)
    assert output.statuses("events")[-1] == "INCOMPLETE"
    assert "Invalid cursor provided." in output.errors("events")[0].message
    assert len(klaviyo.requests) < 20


@pytest.mark.parametrize("cursors", [itertools.repeat("same"), itertools.count()], ids=["one cursor", "new cursors"])
def test_a_page_that_repeats_forever_fails_the_stream(klaviyo: FakeKlaviyo, cursors: Iterator[object]) -> None:
    klaviyo.before = lambda _: (200, document([("1", iso(SINCE))], "datetime", link_to(next(cursors))))
    output = sync("events", num_workers=1)
    assert output.statuses("events")[-1] == "INCOMPLETE"
    assert [one.message for one in output.errors("events")] == ["Klaviyo answers with the same page again and again."]
    assert len(klaviyo.requests) < 20
    assert max(positions(output, "events")) <= SINCE


@pytest.mark.parametrize("pages", [1, 2, 3])
@pytest.mark.parametrize("workers", [1, 10])
def test_pages_in_a_circle_fail_the_stream_although_its_position_moves_with_the_clock(
    klaviyo: FakeKlaviyo, pages: int, workers: int
) -> None:
    """The account has a future-dated profile, so the position of the last window moves with the clock."""

    def circle(request: Request) -> tuple[int, bytes]:
        klaviyo.now += 2 * SECOND
        number = int(request.params.get("page[cursor]", 0))
        dates = [(f"{number}-0", iso(SINCE + number * SECOND)), (f"{number}-1", iso(klaviyo.now + DAY))]
        return 200, document(dates, link=link_to((number + 1) % pages))

    klaviyo.before = circle
    output = sync("profiles", num_workers=workers)
    assert output.statuses("profiles")[-1] == "INCOMPLETE"
    assert {one.message for one in output.errors("profiles")} == {"Klaviyo answers with the same page again and again."}
    assert len(klaviyo.requests) <= 60
    assert max(Counter(output.ids()).values()) <= 3


@pytest.mark.parametrize("page_limit", [2, 3, 7])
def test_records_of_one_second_are_emitted_once_although_page_cursors_expire(
    klaviyo: FakeKlaviyo, page_limit: int
) -> None:
    klaviyo.page_limit = page_limit
    ids = add_events(klaviyo, *(SINCE + second * SECOND for second in (0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3)))
    expire_before(klaviyo, 2, 4, 6)
    output = sync("events", num_workers=1)
    assert output.raised is None
    assert output.ids() == ids


def test_empty_pages_without_an_end_fail_the_stream(klaviyo: FakeKlaviyo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("source_klaviyo.streams.slice_pages.MAX_EMPTY_PAGES", 20)

    klaviyo.before = lambda _: (200, document([], link=link_to(len(klaviyo.requests))))
    output = sync("events", num_workers=1)
    assert [one.message for one in output.errors("events")] == ["Klaviyo answers with the same page again and again."]
    assert len(klaviyo.requests) < 200


def test_hours_are_counted_once_although_page_cursors_expire(klaviyo: FakeKlaviyo) -> None:
    klaviyo.page_limit = 3
    recent = NOW - 3 * HOUR
    ids = add_events(klaviyo, *(recent + second * SECOND for second in (0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 3)))
    expire_before(klaviyo, 3, 6)
    output = sync("events", num_workers=1, start_date="2024-06-30")
    assert output.ids() == ids
    assert hour_counts(output) == [len(ids)]


def test_a_page_size_rejected_during_a_window_repeats_no_record(klaviyo: FakeKlaviyo) -> None:
    klaviyo.may_reject, klaviyo.page_limit = True, 3

    def before(request: Request) -> None:
        if len(klaviyo.requests) > 3 and request.params["page[size]"] == "1000":
            raise Rejected("Page size must be between 1 and 200.", "page[size]")

    klaviyo.before = before
    ids = add_events(klaviyo, *seconds(20))
    output = sync("events", num_workers=1)
    assert output.raised is None
    assert output.ids() == ids
