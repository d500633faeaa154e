"""Which records of a page belong to a window, and what the page tells about the order."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, cast

from source_klaviyo.sync.instants import parse_instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from source_klaviyo.sync.instants import Instant


@dataclass(frozen=True, slots=True)
class Selection:
    """What to make of one page.

    Attributes:
        keep: the places of the records that lie in the window; those without a cursor are always kept.
        ordered: whether the cursors never fall, within the page and from the page before.
        last: the last record's cursor; None when no record has one.
        beyond: whether a record lies at or after the window's end.
    """

    keep: Sequence[int]
    ordered: bool
    last: Instant | None
    beyond: bool


def select(
    cursors: Sequence[str | None], start: Instant, end: Instant | None, before: Instant | None = None
) -> Selection:
    """Sort a page's records by the window `[start, end)`.

    Args:
        cursors: the cursor of each record, as Klaviyo wrote it.
        start: the first instant of the window.
        end: the first instant after the window; None when it is open.
        before: the last cursor of the page before.
    """
    everything = range(len(cursors))
    if not cursors:
        return Selection(everything, ordered=True, last=None, beyond=False)
    if _comparable(cursors) and sorted(cast("Sequence[str]", cursors)) == list(cursors):
        first, last = _instant(cursors[0]), _instant(cursors[-1])
        if first is not None and last is not None and first >= start and (end is None or last < end):
            return Selection(everything, ordered=before is None or before <= first, last=last, beyond=False)
    instants = [_instant(cursor) for cursor in cursors]
    known = [instant for instant in instants if instant is not None]
    chain = known if before is None else [before, *known]
    return Selection(
        keep=[
            place
            for place, instant in enumerate(instants)
            if instant is None or (instant >= start and (end is None or instant < end))
        ],
        ordered=all(one <= other for one, other in pairwise(chain)),
        last=known[-1] if known else None,
        beyond=end is not None and any(instant >= end for instant in known),
    )


def _comparable(cursors: Sequence[str | None]) -> bool:
    """Whether the texts sort as the instants do: all of one length, one separator and one offset."""
    if None in cursors:
        return False
    texts = cast("Sequence[str]", cursors)
    return (
        len({len(text) for text in texts}) == 1
        and len({text[10:11] for text in texts}) == 1
        and (len({text[19:][-6:] for text in texts}) == 1 or all(text.endswith("Z") for text in texts))
    )


def _instant(cursor: str | None) -> Instant | None:
    try:
        return None if cursor is None else parse_instant(cursor)
    except ValueError:
        return None
