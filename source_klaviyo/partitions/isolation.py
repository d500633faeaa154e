"""Find the record that Klaviyo cannot answer, so that all others can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from source_klaviyo.sync.instants import SECOND, whole_second

if TYPE_CHECKING:
    from collections.abc import Callable

    from source_klaviyo.sync.instants import Instant


def unreadable_second(can_be_read: Callable[[Instant], bool], start: Instant, end: Instant) -> Instant:
    """Return a second that holds a record which cannot be read; the next one, unless readable ones lie between several.

    A question from a later instant on succeeds as soon as it lies behind that record, so the second is found by steps
    that double, and then by halves.

    Args:
        can_be_read: whether the first record from an instant on can be read, or there is none.
        start: the instant up to which all has been read.
        end: an instant behind the record.
    """
    low, high, step = start, min(start + SECOND, end), SECOND
    while high < end and not can_be_read(high):
        step *= 2
        low, high = high, min(high + step, end)
    while high - low > SECOND:
        middle = whole_second((low + high) // 2)
        low, high = (low, middle) if can_be_read(middle) else (middle, high)
    return low
