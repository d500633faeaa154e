"""Records that show up minutes after their date, behind a state that has passed it.

An increment of such a stream reads the last hours before its state again. What was emitted of each of these hours is
known by a fingerprint in the state (`sync/late.py`); what is read again is held back until it is known which hours have
changed, and only those are emitted again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from source_klaviyo.api.page import Page
from source_klaviyo.api.resource import identity
from source_klaviyo.sync.late import Tally, hour_of
from source_klaviyo.sync.selection import instant_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import msgspec

    from source_klaviyo.sync.instants import Instant
    from source_klaviyo.sync.late import Fingerprint

MOST_BYTES = 500_000
"""Bytes of records that a window holds back; if there are more, all of them are emitted again."""


class HeldRecords:
    """The records of a window that lie before the state it resumes from.

    Args:
        until: where the state is; later records are not held back.
        known: the fingerprints of the hours before, of what was emitted.
    """

    def __init__(self, until: Instant, known: Mapping[Instant, Fingerprint]) -> None:
        self._until = until
        self._known = known
        self._size = 0
        self._records: list[tuple[Instant, msgspec.Raw, bytes]] = []
        self._is_over = False

    @property
    def is_over(self) -> bool:
        """Whether nothing is held back any more."""
        return self._is_over

    def restart(self) -> None:
        """Forget what is held: it is going to be read again."""
        self._records.clear()
        self._size = 0

    def take(self, page: Page, keep: Sequence[int]) -> Sequence[int]:
        """Hold back the early ones of the records at some places of a page; returns the places of the others."""
        if self._is_over:
            return keep
        others = []
        for place in keep:
            instant = instant_of((page.dates or page.cursors)[place])
            if instant is None or instant >= self._until:
                others.append(place)
                continue
            resource = page.resources[place].copy()  # the original would keep the whole page in memory
            self._records.append((instant, resource, page.cursors[place]))
            self._size += len(bytes(resource))
        return others

    def is_due(self, last: Instant | None) -> bool:
        """Tell whether it is time to release: all of the early records are here, or they have become too many.

        Args:
            last: the last record of a window that is read in order; None if it is not.
        """
        return not self._is_over and ((last is not None and last >= self._until) or self._size > MOST_BYTES)

    def release(self) -> Page:
        """End the holding; returns the records of the hours that have changed, or of all if they are too many."""
        self._is_over = True
        records, self._records = self._records, []
        if self._size <= MOST_BYTES:
            tally = Tally(min((instant for instant, _, _ in records), default=self._until))
            tally.count([instant for instant, _, _ in records], [identity(resource) for _, resource, _ in records])
            tally.commit(self._until)
            records = [one for one in records if tally.hours.get(hour_of(one[0])) != self._known.get(hour_of(one[0]))]
        return Page([resource for _, resource, _ in records], [cursor for _, _, cursor in records])
