"""Records of the last second that was read are not emitted twice, in memory that does not grow."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from source_klaviyo.api.page import Page
from source_klaviyo.partitions import boundary
from source_klaviyo.partitions.boundary import BoundaryDeduplicator
from source_klaviyo.sync.instants import SECOND, for_filter
from unit_tests.fake_api import NOW, FakeKlaviyo, Request, sync

HOUR = NOW - NOW % (3600 * SECOND) - 24 * 3600 * SECOND


def page(first: int, count: int, instant: int = HOUR) -> Page:
    resources = [msgspec.Raw(b'{"id":"%d"}' % number) for number in range(first, first + count)]
    return Page(resources, [f'"{for_filter(instant)}"'.encode()] * count)


def test_memory_does_not_grow_with_the_records_of_a_second() -> None:
    duplicates = BoundaryDeduplicator()
    for first in range(0, 20 * boundary.MAX_KNOWN, 1_000):
        duplicates.advance(page(first, 1_000), HOUR)
    assert len(duplicates._known) <= boundary.MAX_KNOWN + 1_000


def test_records_of_the_last_second_are_known_after_a_restart() -> None:
    duplicates = BoundaryDeduplicator()
    duplicates.advance(page(0, 3), HOUR)
    assert duplicates.restart_from(HOUR)
    assert duplicates.new_records(page(0, 5), range(5)) == [3, 4]


def test_a_second_with_too_many_records_is_not_known_after_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boundary, "MAX_KNOWN", 2)
    duplicates = BoundaryDeduplicator()
    duplicates.advance(page(0, 3), HOUR)
    assert not duplicates.restart_from(HOUR)
    assert list(duplicates.new_records(page(0, 5), range(5))) == [0, 1, 2, 3, 4]


def test_the_second_behind_one_with_too_many_records_is_known_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boundary, "MAX_KNOWN", 2)
    duplicates = BoundaryDeduplicator()
    duplicates.advance(page(0, 3), HOUR)
    duplicates.advance(page(3, 1, HOUR + SECOND), HOUR + SECOND)
    assert duplicates.restart_from(HOUR + SECOND)
    assert duplicates.new_records(page(3, 2), range(2)) == [1]


@pytest.mark.parametrize(("most", "twice"), [(1_000, 0), (5, 16)])
def test_records_of_a_second_with_too_many_are_neither_lost_nor_counted_twice(
    klaviyo: FakeKlaviyo, monkeypatch: pytest.MonkeyPatch, most: int, twice: int
) -> None:
    monkeypatch.setattr(boundary, "MAX_KNOWN", most)
    ids = klaviyo.add("events", *({"datetime": for_filter(HOUR)} for _ in range(30)))
    klaviyo.page_limit, klaviyo.may_refuse = 4, True

    def expire(_: Request) -> None:
        if len(klaviyo.requests) == 5:
            klaviyo.expire()

    klaviyo.before = expire
    output = sync("events", num_workers=1)
    assert output.raised is None
    assert set(output.ids()) == set(ids)
    assert len(output.ids()) == 30 + twice
    assert hours(output.states("events")[-1]) == {30}


def hours(state: dict[str, Any]) -> set[int]:
    """The numbers of events that a state knows of recent hours."""
    return {count for entry in state["recent_hours"] for count, _ in entry["hours"].values()}
