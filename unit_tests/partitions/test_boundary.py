"""Records of the last second that was read are not emitted twice, in memory that does not grow."""

from __future__ import annotations

import msgspec
import pytest

from source_klaviyo.api.page import Page
from source_klaviyo.partitions import boundary
from source_klaviyo.partitions.boundary import BoundaryDeduplicator
from source_klaviyo.sync.instants import DAY, HOUR, SECOND, Instant, floor, for_filter
from unit_tests.fake_api import NOW, FakeKlaviyo, sync
from unit_tests.partitions.syncs import expire_before, hour_counts

AT = floor(NOW, HOUR) - DAY


def page(first: int, count: int, instant: Instant = AT) -> Page:
    resources = [msgspec.Raw(b'{"id":"%d"}' % number) for number in range(first, first + count)]
    return Page(resources, [f'"{for_filter(instant)}"'.encode()] * count)


def test_memory_does_not_grow_with_the_records_of_a_second() -> None:
    duplicates = BoundaryDeduplicator()
    for first in range(0, 20 * boundary.MAX_KNOWN, 1_000):
        duplicates.advance(page(first, 1_000), AT)
    assert len(duplicates._known) <= boundary.MAX_KNOWN + 1_000


def test_records_of_the_last_second_are_known_after_a_restart() -> None:
    duplicates = BoundaryDeduplicator()
    duplicates.advance(page(0, 3), AT)
    assert duplicates.restart_from(AT)
    assert duplicates.new_records(page(0, 5), range(5)) == [3, 4]


def test_a_second_with_too_many_records_is_not_known_after_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boundary, "MAX_KNOWN", 2)
    duplicates = BoundaryDeduplicator()
    duplicates.advance(page(0, 3), AT)
    assert not duplicates.restart_from(AT)
    assert list(duplicates.new_records(page(0, 5), range(5))) == [0, 1, 2, 3, 4]


def test_the_second_after_one_with_too_many_records_is_known_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boundary, "MAX_KNOWN", 2)
    duplicates = BoundaryDeduplicator()
    duplicates.advance(page(0, 3), AT)
    duplicates.advance(page(3, 1, AT + SECOND), AT + SECOND)
    assert duplicates.restart_from(AT + SECOND)
    assert duplicates.new_records(page(3, 2), range(2)) == [1]


@pytest.mark.parametrize(("most", "twice"), [(1_000, 0), (5, 16)])
def test_records_of_a_second_with_too_many_are_neither_lost_nor_counted_twice(
    klaviyo: FakeKlaviyo, monkeypatch: pytest.MonkeyPatch, most: int, twice: int
) -> None:
    monkeypatch.setattr(boundary, "MAX_KNOWN", most)
    ids = klaviyo.add("events", *({"datetime": for_filter(AT)} for _ in range(30)))
    klaviyo.page_limit = 4
    expire_before(klaviyo, 5)
    output = sync("events", num_workers=1)
    assert output.raised is None
    assert set(output.ids()) == set(ids)
    assert len(output.ids()) == 30 + twice
    assert hour_counts(output) == [30]
