"""Adapt the page size: the endpoint's maximum, or less if records are large."""

from __future__ import annotations

PAGE_BYTES = 4_000_000
"""Bytes of memory that a page takes if records are large."""
TOLERANCE = 2
"""Change the size only if pages are this many times too large, or sizes this many times too small."""
DECAY = 0.5
"""Factor by which the estimated record size shrinks after each page of smaller records."""
STEP_DOWN_FACTOR = 10
"""A tenth of the records is requested next: the size of the response that was too large is unknown."""


class PageSize:
    """The page size of one slice, adapted while one thread reads it.

    Args:
        before: the page size of another slice of the stream, whose estimate of the records is taken over.

    Attributes:
        record: estimated bytes that a record takes in memory; 0 before the first page.
        fitting: records that make a page of PAGE_BYTES; None as long as no page was too large.
    """

    def __init__(self, before: PageSize | None = None) -> None:
        self.record: float = before.record if before else 0.0
        self.fitting: int | None = before.fitting if before else None
        self._requested = self._most = 0
        # a cap, and the number of records that it is for: among them are those that made a response too large
        self._caps: list[tuple[int, int]] = []

    def choose(self, most: int) -> int:
        """Return the page size to request, at most `most`."""
        self._most = most
        self._requested = self._best()
        return self._requested

    @property
    def is_outdated(self) -> bool:
        """Return whether another size would be better than the one requested last."""
        return self._requested != self._best()

    def learn(self, size: int, records: int) -> None:
        """Learn from a page.

        Args:
            size: bytes that the page takes in memory; 0 if unknown.
            records: how many it has.
        """
        self._caps = [(cap, left - records) for cap, left in self._caps if left > records]
        count = min(self._requested, records)
        if not count or not size:
            return
        self.record = max(size / count, self.record * DECAY)
        fitting = max(1, int(PAGE_BYTES / self.record))
        if size > TOLERANCE * PAGE_BYTES:
            self.fitting = min(fitting, self._requested)
        elif self.fitting is not None and fitting >= TOLERANCE * self.fitting:
            self.fitting = fitting

    def step_down(self) -> bool:
        """Do a page size fallback after a response that was too large; return False if it was a single record."""
        if self._requested <= 1:
            return False
        self._caps.append((self._requested // STEP_DOWN_FACTOR or 1, self._requested))
        return True

    def _best(self) -> int:
        return min([self._most, *([self.fitting] if self.fitting else []), *(cap for cap, _ in self._caps)])
