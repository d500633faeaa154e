"""Find the record that Klaviyo cannot return, so that all others can be read."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from source_klaviyo.api.errors import DamagedResponse, ServerError, UnreadableRecord
from source_klaviyo.sync.instants import SECOND, floor, for_filter
from source_klaviyo.sync.selection import instant_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from source_klaviyo.streams.base import KlaviyoStream
    from source_klaviyo.sync.instants import Instant

MAX_ATTEMPTS = 2
"""Attempts of a request for a single record."""
MAX_RECORDS_OF_SECOND = 20
"""Records of a second that are requested one by one before the second is skipped."""


class RecordIsolation:
    """Requests single records of a slice to find the one that Klaviyo cannot return.

    Args:
        stream: the stream.
        stream_slice: the slice, without bounds of time.
    """

    def __init__(self, stream: KlaviyoStream, stream_slice: Mapping[str, Any]) -> None:
        self._stream = stream
        self._slice = stream_slice

    def find_unreadable_second(self, start: Instant, end: Instant | None, now: Instant) -> Instant | None:
        """Return the second of a record that cannot be read; None if Klaviyo fails for another reason.

        Args:
            start: the instant up to which all has been read.
            end: where the window ends; None if requests have no end.
            now: the present.
        """
        if not self._can_be_read({"start": now}):
            return None
        bounds = {} if end is None else {"end": end}
        second = find_unreadable_second(
            lambda instant: self._can_be_read({**bounds, "start": instant}), start, now if end is None else end
        )
        # if the second can be read after all, the failure was transient
        return None if self._can_be_read({"start": second}, until=second + SECOND) else second

    def _can_be_read(self, bounds: Mapping[str, Instant], until: Instant | None = None) -> bool:
        """Return whether the first record within bounds can be read, or all records up to an instant."""
        stream_slice = {**self._slice, **bounds, "page_size": 1, "tries": MAX_ATTEMPTS}
        try:
            for page in islice(self._stream.read_pages(stream_slice), 1 if until is None else MAX_RECORDS_OF_SECOND):
                last = instant_of(page.cursors[-1]) if page.cursors else None
                if until is None or last is None or last >= until:
                    return True
        except (DamagedResponse, ServerError):
            return False
        return until is None

    def error(self, stream_name: str, seconds: Iterable[Instant]) -> UnreadableRecord:
        """Return the error for the seconds that have been skipped."""
        parent = self._stream.parent_fields(self._slice)
        where = f" of {', '.join(f'{name} {value}' for name, value in parent.items())}" if parent else ""
        dates = ", ".join(map(for_filter, sorted(seconds)))
        return UnreadableRecord(
            f"Klaviyo fails on records of stream {stream_name}{where}, dated {dates}: all records of "
            "other seconds are read, and each sync tries again. Tell Klaviyo's support the date."
        )


def find_unreadable_second(can_be_read: Callable[[Instant], bool], start: Instant, end: Instant) -> Instant:
    """Return a second that holds a record which cannot be read; the next one, unless readable ones lie between several.

    A request from a later instant on succeeds as soon as it lies after that record, so the second is found by steps
    that double, and then by halves.

    Args:
        can_be_read: whether the first record from an instant on can be read, or there is none.
        start: the instant up to which all has been read.
        end: an instant after the record.
    """
    low, high, step = start, min(start + SECOND, end), SECOND
    while high < end and not can_be_read(high):
        step *= 2
        low, high = high, min(high + step, end)
    while high - low > SECOND:
        middle = floor(low + (high - low) // 2, SECOND)
        low, high = (low, middle) if can_be_read(middle) else (middle, high)
    return low
