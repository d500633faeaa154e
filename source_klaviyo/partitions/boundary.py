"""Deduplicate the records of the second at which a request for the rest of a window begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from source_klaviyo.sync.instants import SECOND, floor
from source_klaviyo.sync.selection import instant_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from source_klaviyo.api.page import Page
    from source_klaviyo.sync.instants import Instant

MAX_DUPLICATE_SHARE = 0.05
"""Share of a page that may be read twice to learn the new end of a window that has been split."""
MAX_KNOWN = 10_000
"""Records of the last second that are remembered; if there are more, they may be emitted twice."""


class BoundaryDeduplicator:
    """Knows the records of the last second that have been read: a request from that second on returns them again.

    If a second has more than MAX_KNOWN records, all of them may be emitted twice: nothing is lost, and memory does
    not grow.
    """

    def __init__(self) -> None:
        self._second: Instant | None = None
        self._known: set[int] = set()
        self._last_page: set[int] = set()
        self._is_restarted = False
        self._too_many = False

    def advance(self, page: Page, last: Instant) -> None:
        """Take over a page that has been read, in order, up to its last record."""
        second = floor(last, SECOND)
        if second != self._second:
            self._second, self._known, self._is_restarted, self._too_many = second, set(), False, False
        if self._too_many:
            return
        for resource, cursor in zip(reversed(page.resources), reversed(page.cursors), strict=True):
            if (instant_of(cursor) or second) < second:
                break
            self._known.add(hash(bytes(resource)))
        self._too_many = len(self._known) > MAX_KNOWN

    def remember_page(self, page: Page, keep: Sequence[int]) -> None:
        """Remember records of a page, which are read again if the next page, the last one, cannot be read."""
        self._last_page.update(hash(bytes(page.resources[index])) for index in keep)

    def has_few_duplicates(self, page: Page) -> bool:
        """Return whether a request from here on repeats little of a page: a second may hold thousands of records."""
        return len(self._known) <= max(1, MAX_DUPLICATE_SHARE * len(page.resources))

    def restart_from(self, position: Instant | None) -> bool:
        """Prepare for a request from a position on, or (None) for the whole window.

        Returns:
            Whether the records that are read again are known.
        """
        self._is_restarted = position is not None and position == self._second and not self._too_many
        if not self._is_restarted:
            self._second, self._known, self._too_many = None, set(), False
        return self._is_restarted

    def new_records(self, page: Page, keep: Sequence[int]) -> Sequence[int]:
        """Return those of the indexes whose records have not been read yet."""
        known = self._last_page | self._known if self._is_restarted else self._last_page
        if not known:
            return keep
        return [index for index in keep if hash(bytes(page.resources[index])) not in known]
