"""Select the records of a page that belong to a window, and notice whether they are in order."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from source_klaviyo.sync.instants import parse_instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from source_klaviyo.sync.instants import Instant


_SHORTEST = len('"2026-11-20T10:00:00Z"')


@dataclass(frozen=True, slots=True)
class Selection:
    """The records of a page that belong to a window.

    Attributes:
        keep: the indexes of the records that lie in the window; those without a cursor are always kept.
        ordered: whether the cursors never fall, within the page and from the page before.
        last: the last record's cursor; None if no record has one.
        past_end: whether a record lies at or after the window's end.
        descending: whether the cursors never rise, within the page and from the page before.
        before_window: whether all records lie before the window's start.
    """

    keep: Sequence[int]
    ordered: bool
    last: Instant | None
    past_end: bool
    descending: bool = False
    before_window: bool = False


def select(cursors: Sequence[bytes], start: Instant, end: Instant | None, before: Instant | None = None) -> Selection:
    """Sort a page's records by the window `[start, end)`.

    Args:
        cursors: the cursor of each record, as JSON; what is no date counts as none.
        start: the first instant of the window.
        end: the first instant after the window; None if it is open.
        before: the last cursor of the page before.
    """
    everything = range(len(cursors))
    if not cursors:
        return Selection(everything, ordered=True, last=None, past_end=False, descending=True)
    comparable = _comparable(cursors)
    if comparable and sorted(comparable) == comparable:
        first, last = instant_of(cursors[0]), instant_of(cursors[-1])
        if first is not None and last is not None and first >= start and (end is None or last < end):
            descending = first == last and (before is None or before >= first)
            return Selection(everything, before is None or before <= first, last, past_end=False, descending=descending)
    instants = [instant_of(cursor) for cursor in cursors]
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
        past_end=end is not None and any(instant >= end for instant in known),
        descending=all(one >= other for one, other in pairwise(chain)),
        before_window=bool(known) and max(known) < start,
    )


def select_spans(
    spans: Sequence[Sequence[Instant] | None], start: Instant, end: Instant | None, before: Instant | None = None
) -> Selection:
    """Sort a page's records, each of which several instants place, by the window `[start, end)`.

    Which of its instants the server sorts and filters a record by is not known, so this holds for any of them: a
    record belongs to each window that holds one of its instants, and later records lie past a window only if all
    instants of a record do.

    Args:
        spans: the instants of each record; empty for a record that belongs nowhere, None for one that always counts.
        start: the first instant of the window.
        end: the first instant after the window; None if it is open.
        before: `last` of the page before.
    """
    keep, ordered, past_end, reached = [], True, False, before
    for place, instants in enumerate(spans):
        if instants is None or any(instant >= start and (end is None or instant < end) for instant in instants):
            keep.append(place)
        if instants:
            earliest = min(instants)
            ordered = ordered and (reached is None or max(instants) >= reached)
            reached = earliest if reached is None else max(reached, earliest)
            past_end = past_end or (end is not None and earliest >= end)
    return Selection(keep, ordered, reached, past_end)


def _comparable(cursors: Sequence[bytes]) -> list[bytes] | None:
    """Return the texts in a form that sorts as the instants do; None if they differ in length or offset.

    Klaviyo mixes `T` and a blank between date and time. Works on all texts at once, since this is done for each page.
    """
    length = len(cursors[0])
    if length < _SHORTEST or len(set(map(len, cursors))) > 1:
        return None
    together = b"".join(cursors).replace(b"T", b" ")
    # the index after the opening quote and the date; those of the closing quote and the offset before it
    places = [11, -2] if cursors[0].endswith(b'Z"') else [11, *range(-7, -1)]
    if any(len(set(together[place % length :: length])) > 1 for place in places):
        return None
    return [together[at : at + length] for at in range(0, len(together), length)]


def instant_of(cursor: bytes) -> Instant | None:
    """Return the instant that a cursor, as JSON, stands for; None if it is no date."""
    try:
        # a date needs no escapes, and to read it as JSON takes longer than as a date
        text = json.loads(cursor) if b"\\" in cursor or cursor[:1] != b'"' else cursor[1:-1].decode()
        return parse_instant(text) if isinstance(text, str) else None
    except ValueError:
        return None
