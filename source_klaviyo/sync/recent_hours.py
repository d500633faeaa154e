"""Late events: fingerprints of recent hours, which show whether an hour has changed since it was read.

Klaviyo shows some events minutes, hours or days after their date, when the state has passed it. So the state has a
fingerprint of each recent hour: the number of emitted events, and a sum of checksums of their IDs, which does not
depend on the order. As an hour ages it is rechecked, and emitted again only if its fingerprint has changed. After the
last recheck it is settled, and its fingerprint is dropped.

In a state, for each partition (hours without events are left out):

    {"partition": {}, "since": "2026-11-17T10:00:00+0000", "until": "2026-11-24T10:03:20+0000",
     "looked": "2026-11-24T10:03:25+0000", "hours": {"2026-11-24T09": [1203, 2669431834], …}}
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from zlib import crc32

from source_klaviyo.sync.instants import DAY, HOUR, SECOND, floor, for_state, merged_spans, parse_instant, steps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from source_klaviyo.sync.instants import Instant, Span

AGES = (HOUR, DAY, 7 * DAY, 30 * DAY)
"""Ages at which an hour is rechecked, as far as they are below the horizon; and once more at the horizon."""
MAX_EVENTS_PER_RECHECK = 20_000
"""Events of consecutive hours that are rechecked by one worker; further hours are rechecked concurrently."""
_CHECKSUMS = 1 << 32

Fingerprint = tuple[int, int]
"""The number of events, and the sum of the checksums of their IDs."""
NO_EVENTS: Fingerprint = (0, 0)


def _add(sums: dict[Instant, Fingerprint], key: Instant, count: int, checksum: int) -> None:
    before = sums.get(key, NO_EVENTS)
    sums[key] = before[0] + count, (before[1] + checksum) % _CHECKSUMS


class HourCounts:
    """Counts the events that one worker has emitted before the position that it has reported.

    Args:
        since: hours before this one are not counted.

    Attributes:
        hours: the fingerprint of each hour, of committed events.
    """

    def __init__(self, since: Instant) -> None:
        self.since = since
        self.hours: dict[Instant, Fingerprint] = {}
        self._seconds: dict[Instant, Fingerprint] = {}

    def count(self, instants: Iterable[Instant | None], ids: Iterable[str]) -> None:
        """Count events by their instants and IDs; those without an instant belong to no hour."""
        for instant, identity in zip(instants, ids, strict=True):
            if instant is not None and instant >= self.since:
                _add(self._seconds, floor(instant, SECOND), 1, crc32(identity.encode()))

    def commit(self, position: Instant) -> None:
        """Commit what has been counted before a position, which will not be read again."""
        for second in [second for second in self._seconds if second < position]:
            _add(self.hours, floor(second, HOUR), *self._seconds.pop(second))

    def forget(self, *, all_of_it: bool = False) -> None:
        """Drop what has not been committed, or everything, because it will be read again."""
        self._seconds.clear()
        if all_of_it:
            self.hours.clear()


def merged_hours(counts: Iterable[Mapping[Instant, Fingerprint]]) -> dict[Instant, Fingerprint]:
    """Add up the fingerprints of hours that several workers have read parts of."""
    hours: dict[Instant, Fingerprint] = {}
    for one in counts:
        for hour, fingerprint in one.items():
            _add(hours, hour, *fingerprint)
    return hours


@dataclass(slots=True)
class RecentHours:
    """The fingerprints of the recent hours of one partition.

    Attributes:
        since: events from this instant on have been counted.
        until: events before this instant have been counted.
        looked: all rechecks that were due at this instant are done.
        hours: the fingerprint of each hour that had events.
    """

    since: Instant
    until: Instant
    looked: Instant
    hours: dict[Instant, Fingerprint] = field(default_factory=dict)

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> RecentHours:
        """Read the fingerprints of a state.

        Raises:
            ValueError: they are invalid.
        """
        try:
            since, until, looked = (parse_instant(entry[name]) for name in ("since", "until", "looked"))
            hours = {
                parse_instant(f"{hour}:00"): (int(count), int(checksum))
                for hour, (count, checksum) in entry["hours"].items()
            }
        except (AttributeError, KeyError, OverflowError, TypeError) as error:
            raise ValueError("these are no fingerprints") from error
        return cls(since, until, looked, hours)

    def written(self, horizon: int) -> dict[str, Any]:
        """Return the fingerprints for a state, without settled hours."""
        since = min(max(self.since, settled_from(self.looked, horizon)), self.until)
        return {
            "since": for_state(since),
            "until": for_state(self.until),
            "looked": for_state(self.looked),
            "hours": {
                for_state(hour)[:13]: list(fingerprint)
                for hour, fingerprint in sorted(self.hours.items())
                if hour >= floor(since, HOUR) and fingerprint[0]
            },
        }

    def resume_from(self, start: Instant) -> Instant:
        """Return where to resume instead of at `start`, so that only whole hours are read and counted again."""
        # a sync with a lookback that was killed has counted up to an hour before the position of its state
        hour = floor(start, HOUR)
        return hour if start != self.until and self.since <= hour <= self.until else floor(start, SECOND)

    def cut(self, start: Instant) -> None:
        """Forget fingerprints from `start` on, because those hours are re-read; forget all if there is a gap."""
        is_whole = start in (self.until, floor(start, HOUR))
        if not (self.since <= start <= self.until and is_whole):
            self.since, self.hours = start, {}
        self.hours = {hour: found for hour, found in self.hours.items() if hour < start}
        self.until = start

    def due(self, now: Instant, horizon: int) -> list[Span]:
        """Return the hours that are due for a recheck, with consecutive ones as one span."""
        ages = [age for age in AGES if age < horizon] + [horizon]
        first = max(self.since, settled_from(self.looked, horizon))
        spans: list[Span] = []
        events = 0
        for hour in steps(floor(first, HOUR), self.until, HOUR):
            if not any(self.looked < hour + HOUR + age <= now for age in ages):
                continue
            count, _ = self.hours.get(hour, NO_EVENTS)
            if spans and spans[-1][1] == hour and events + count <= MAX_EVENTS_PER_RECHECK:
                spans[-1] = spans[-1][0], hour + HOUR
                events += count
            else:
                spans.append((hour, hour + HOUR))
                events = count
        return _within(spans, (first, self.until))

    def changed(self, span: Span, found: Mapping[Instant, Fingerprint]) -> list[Span]:
        """Return the hours of a span whose fingerprint has changed, with consecutive ones as one span."""
        hours = steps(floor(span[0], HOUR), span[1], HOUR)
        changed = [hour for hour in hours if found.get(hour, NO_EVENTS) != self.hours.get(hour, NO_EVENTS)]
        return _within(merged_spans((hour, hour + HOUR) for hour in changed), span)

    def replace(self, span: Span, found: Mapping[Instant, Fingerprint]) -> None:
        """Replace the fingerprints of a span that has been emitted again."""
        start, end = span
        kept = {hour: known for hour, known in self.hours.items() if not floor(start, HOUR) <= hour < end}
        self.hours = kept | dict(found)


def _within(spans: Iterable[Span], whole: Span) -> list[Span]:
    """Return the parts of spans that lie within another one."""
    parts = ((max(start, whole[0]), min(end, whole[1])) for start, end in spans)
    return [(start, end) for start, end in parts if start < end]


def settled_from(looked: Instant, horizon: int) -> Instant:
    """Return the start of the first hour that is not settled, once the rechecks due at `looked` are done."""
    return floor(looked - horizon, HOUR)
