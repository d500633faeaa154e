"""Hold back records that may appear minutes after their date, when the state has passed it.

An incremental sync of such a stream reads the last hours before its state again. The state has a fingerprint of what
was emitted of each of these hours (`sync/recent_hours.py`). They are held back until it is known which hours have
changed, and only those are emitted again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from source_klaviyo.api.page import Page
from source_klaviyo.api.resource import identity
from source_klaviyo.sync.instants import HOUR, floor
from source_klaviyo.sync.recent_hours import HourCounts
from source_klaviyo.sync.selection import instant_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import msgspec

    from source_klaviyo.sync.instants import Instant
    from source_klaviyo.sync.recent_hours import Fingerprint

MAX_HELD_BYTES = 500_000
"""Bytes of records that a window holds back; if there are more, all of them are emitted again."""


class LateRecords:
    """The records of a window before the position it resumes from.

    Args:
        until: the position; later records are not held back.
        known: the fingerprints of what was emitted of the hours before it.

    Attributes:
        is_released: whether records are no longer held back.
    """

    def __init__(self, until: Instant, known: Mapping[Instant, Fingerprint]) -> None:
        self._until = until
        self._known = known
        self._size = 0
        self._records: list[tuple[Instant, msgspec.Raw, bytes]] = []
        self.is_released = False

    def clear(self) -> None:
        """Forget the records, because they will be read again."""
        self._records.clear()
        self._size = 0

    def hold_back(self, page: Page, keep: Sequence[int]) -> Sequence[int]:
        """Hold back records at these indexes of a page if they lie before the position; returns the other indexes."""
        if self.is_released:
            return keep
        others = []
        for index in keep:
            instant = instant_of((page.dates or page.cursors)[index])
            if instant is None or instant >= self._until:
                others.append(index)
                continue
            resource = page.resources[index].copy()  # the original would keep the whole page in memory
            self._records.append((instant, resource, page.cursors[index]))
            self._size += len(bytes(resource))
        return others

    def is_ready(self, last: Instant | None) -> bool:
        """Return whether to release the records: all of them have been read, or they have become too large.

        Args:
            last: the last record of a window that is read in order; None if it is not in order.
        """
        return not self.is_released and ((last is not None and last >= self._until) or self._size > MAX_HELD_BYTES)

    def release(self) -> Page:
        """Return the records of the hours that have changed, or all if they are too large; hold back no more."""
        self.is_released = True
        records, self._records = self._records, []
        if self._size <= MAX_HELD_BYTES:
            counts = HourCounts(min((instant for instant, _, _ in records), default=self._until))
            counts.count([instant for instant, _, _ in records], [identity(resource) for _, resource, _ in records])
            counts.commit(self._until)
            changed = {hour for hour, found in counts.hours.items() if found != self._known.get(hour)}
            records = [one for one in records if floor(one[0], HOUR) in changed]
        return Page([resource for _, resource, _ in records], [cursor for _, _, cursor in records])
