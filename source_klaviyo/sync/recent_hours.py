"""Events that show up late: what was read of each recent hour, to be held against what is there later.

Klaviyo shows some events minutes, hours or days after the time they carry, behind a state that has passed
them. So of each recent hour a fingerprint is kept in the state: how many events were emitted, and a sum over
their ids that does not depend on the order. As an hour ages it is looked at again, and emitted again only if
its fingerprint has changed. After the last look it counts as settled, and is forgotten.

Written into a state, for each partition (hours without events are left out):

    {"partition": {}, "since": "2026-11-17T10:00:00+0000", "until": "2026-11-24T10:03:20+0000",
     "looked": "2026-11-24T10:03:25+0000", "hours": {"2026-11-24T09": [1203, 2669431834], …}}
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zlib import crc32

from source_klaviyo.sync.instants import DAY, SECOND, for_state, parse_instant, whole_second

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from source_klaviyo.sync.instants import Instant

HOUR = 3600 * SECOND
AGES = (HOUR, DAY, 7 * DAY, 30 * DAY)
"""How long after its end an hour is looked at again, as far as the horizon reaches; and once more at the horizon."""
EVENTS_A_LOOK = 20_000
"""Hours in a row are looked at together up to so many events; more are looked at side by side."""
_CHECKSUMS = 1 << 32

Fingerprint = tuple[int, int]
"""How many events, and the sum of their ids' checksums."""
Span = tuple["Instant", "Instant"]
"""A half-open span of time."""


def hour_of(instant: Instant) -> Instant:
    """The start of the hour that holds the instant."""
    return instant - instant % HOUR


def _add(sums: dict[Instant, Fingerprint], key: Instant, count: int, checksum: int) -> None:
    before = sums.get(key, (0, 0))
    sums[key] = before[0] + count, (before[1] + checksum) % _CHECKSUMS


class HourCounts:
    """Counts what one reader emits: exactly what lies before the position that it has reported.

    Args:
        since: hours before this one are not counted.

    Attributes:
        hours: the fingerprint of each hour, of what has been committed.
    """

    def __init__(self, since: Instant) -> None:
        self.since = since
        self.hours: dict[Instant, Fingerprint] = {}
        self._seconds: dict[Instant, Fingerprint] = {}

    def count(self, instants: Iterable[Instant | None], ids: Iterable[str]) -> None:
        """Count events, each by its instant and its id; those without an instant belong to no hour."""
        for instant, identity in zip(instants, ids, strict=True):
            if instant is not None and instant >= self.since:
                _add(self._seconds, whole_second(instant), 1, crc32(identity.encode()))

    def commit(self, position: Instant) -> None:
        """What has been counted before the position will not come again."""
        for second in [second for second in self._seconds if second < position]:
            _add(self.hours, hour_of(second), *self._seconds.pop(second))

    def forget(self, *, all_of_it: bool = False) -> None:
        """What has been counted and not committed is going to be read again, or all that has been counted."""
        self._seconds.clear()
        if all_of_it:
            self.hours.clear()


def merged_hours(tallies: Iterable[Mapping[Instant, Fingerprint]]) -> dict[Instant, Fingerprint]:
    """The fingerprints of hours that several readers have had parts of."""
    hours: dict[Instant, Fingerprint] = {}
    for tally in tallies:
        for hour, fingerprint in tally.items():
            _add(hours, hour, *fingerprint)
    return hours


@dataclass(slots=True)
class RecentHours:
    """What is remembered of the recent hours of one partition.

    Attributes:
        since: from when on all that was emitted has been counted.
        until: up to when, exactly.
        looked: when the hours that were due then have been looked at.
        hours: the fingerprint of each hour that had events.
    """

    since: Instant
    until: Instant
    looked: Instant
    hours: dict[Instant, Fingerprint] = field(default_factory=dict)

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> RecentHours:
        """The memory that a state holds.

        Raises:
            ValueError: it makes no sense.
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
        """The memory as a state holds it, without the hours that are settled."""
        since = max(self.since, settled_from(self.looked, horizon))
        return {
            "since": for_state(since),
            "until": for_state(self.until),
            "looked": for_state(self.looked),
            "hours": {
                for_state(hour)[:13]: list(fingerprint)
                for hour, fingerprint in sorted(self.hours.items())
                if hour >= hour_of(since) and fingerprint[0]
            },
        }

    def resumed(self, start: Instant) -> Instant:
        """Where a read goes on that was to go on at `start`: what is read again is counted again, by whole hours."""
        # a sync with a lookback that was killed has counted up to some hour, and promises more since long ago
        return (
            hour_of(start)
            if start != self.until and self.since <= hour_of(start) <= self.until
            else whole_second(start)
        )

    def cut(self, start: Instant) -> None:
        """From `start` on everything is read again, or, where something was left out before it, for the first time."""
        whole = start in (self.until, hour_of(start))
        if not (self.since <= start <= self.until and whole):
            self.since, self.hours = start, {}
        self.hours = {hour: found for hour, found in self.hours.items() if hour < start}
        self.until = start

    def due(self, now: Instant, horizon: int) -> list[Span]:
        """The hours whose time for another look has come since the last one, those in a row as one span."""
        ages = [age for age in AGES if age < horizon] + [horizon]
        first = max(self.since, settled_from(self.looked, horizon))
        hours = [
            hour
            for hour in range(hour_of(first), self.until, HOUR)
            if any(self.looked < hour + HOUR + age <= now for age in ages)
        ]
        spans: list[list[Instant]] = []
        events = 0
        for hour in hours:
            count = self.hours.get(hour, (0, 0))[0]
            if spans and spans[-1][1] == hour and events + count <= EVENTS_A_LOOK:
                spans[-1][1] += HOUR
                events += count
            else:
                spans.append([hour, hour + HOUR])
                events = count
        within = ((max(start, first), min(end, self.until)) for start, end in spans)
        return [(start, end) for start, end in within if start < end]

    def changed(self, span: Span, found: Mapping[Instant, Fingerprint]) -> list[Span]:
        """The hours of a span whose fingerprint is no longer what it was, those in a row as one span."""
        start, end = span
        hours = [
            hour for hour in range(hour_of(start), end, HOUR) if found.get(hour, (0, 0)) != self.hours.get(hour, (0, 0))
        ]
        edges = [number for number, (one, other) in enumerate(pairwise(hours), 1) if other != one + HOUR]
        runs = [hours[first:last] for first, last in pairwise([0, *edges, len(hours)])] if hours else []
        return [(max(run[0], start), min(run[-1] + HOUR, end)) for run in runs]

    def replace(self, span: Span, found: Mapping[Instant, Fingerprint]) -> None:
        """The hours of a span have been emitted again."""
        start, end = span
        kept = {hour: known for hour, known in self.hours.items() if not hour_of(start) <= hour < end}
        self.hours = kept | dict(found)


def settled_from(looked: Instant, horizon: int) -> Instant:
    """The start of the first hour that is not settled yet, where those due at `looked` have been looked at."""
    return hour_of(looked - horizon)
