"""Pages of events as JSON bytes, a thousand events in about a millisecond.

All events have the same length, so a page is a matrix of bytes with an event in each row: rows are copied from a pool
of finished events, and IDs, times, profiles and attributions are written into their columns.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from klaviyo_simulator.protocol.instants import day_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from klaviyo_simulator.data.event_bodies import Body

    Bytes = NDArray[np.uint8]
    Numbers = NDArray[np.uint64]
    Seconds = NDArray[np.int64]

_LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYab"  # 32 letters of five bits; an ID has eleven
_ID_BITS = 55
_STEP = 0x5851F42D4C957F2D  # odd, so that numbers and IDs map one to one
_IDS: int = 2**_ID_BITS
_BACK = pow(_STEP, -1, _IDS)

_ATTRIBUTED_EVERY = 5  # one of this many events has an attribution,
_ANONYMOUS_EVERY = 101  # no profile,
_BLANK_EVERY = 3  # or a blank instead of a T in its datetime
_ATTRIBUTION = f'{{"type":"attribution","id":"{0:032x}"}}'

NO_PROFILE = 2**32  # profile number of events without a profile
_NO_PROFILE_JSON = "null"

# Characters that occur nowhere else mark the variable parts.
_ID, _SECOND, _DATETIME, _UUID, _PROFILE = "\1" * 11, "\2" * 10, "\3" * 25, "\4" * 36, "\5" * 26
_LINKAGE = "\6" * len(_ATTRIBUTION)
_URL = f"https://a.klaviyo.com/api/events/{_ID}"
_HEAD = f'{{"type":"event","id":"{_ID}","attributes":{{"timestamp":{_SECOND},"event_properties":'
_PERSON = f'{{"type":"profile","id":"{_PROFILE}"}}'
_MIDDLE = (
    f',"datetime":"{_DATETIME}","uuid":"{_UUID}"}},"relationships":{{'
    f'"profile":{{"data":{_PERSON},'
    f'"links":{{"self":"{_URL}/relationships/profile","related":"{_URL}/profile"}}}},'
    '"metric":{"data":{"type":"metric","id":"'
)
_TAIL = f'"}},"links":{{"self":"{_URL}/relationships/metric","related":"{_URL}/metric"}}}}'
_END = f'}},"links":{{"self":"{_URL}"}}}},'
_ATTRIBUTIONS = (
    f',"attributions":{{"links":{{"self":"{_URL}/relationships/attributions","related":"{_URL}/attributions"}}}}'
)
_LINKED_ATTRIBUTIONS = _ATTRIBUTIONS.replace('s":{', f's":{{"data":[{_LINKAGE}],', 1)


def _letters(text: str | bytes) -> Bytes:
    return np.frombuffer(text.encode() if isinstance(text, str) else text, np.uint8)


_TWO = _letters("".join(f"{number:02d}" for number in range(100))).reshape(100, 2)
_CLOCK = _letters("".join(f"{minute // 60:02d}:{minute % 60:02d}" for minute in range(1440))).reshape(1440, 5)
_ALPHABET = _letters(_LETTERS)
_HUNDREDS = 100 ** np.arange(4, -1, -1, dtype=np.int64)


class EventIds:
    """IDs computed from the numbers of events, which they do not reveal."""

    def __init__(self, seed: int) -> None:
        self._offset = seed * 0x9E3779B97F4A7C15 % _IDS
        self._shifts = np.arange(_ID_BITS - 5, -1, -5, dtype=np.uint64)

    def of(self, numbers: Numbers) -> Bytes:
        """Return the IDs of some numbers, as a row of letters each."""
        codes = numbers * np.uint64(_STEP) + np.uint64(self._offset)
        letters: Bytes = _ALPHABET[(codes[:, None] >> self._shifts & np.uint64(31)).astype(np.intp)]
        return letters

    def texts(self, numbers: Numbers) -> list[str]:
        """Return the IDs of some numbers."""
        return [row.tobytes().decode() for row in self.of(numbers)]

    def number(self, identity: str) -> int | None:
        """Return the number behind an ID, or None if it is malformed."""
        if len(identity) != len(_ID) or any(letter not in _LETTERS for letter in identity):
            return None
        code = 0
        for letter in identity:
            code = code << 5 | _LETTERS.index(letter)
        return (code - self._offset) * _BACK % _IDS


class EventPages:
    """A writer of events as JSON."""

    def __init__(self, ids: EventIds, bodies: Sequence[Body], profiles: Sequence[str]) -> None:
        self.bodies = bodies
        self._ids = ids
        self._metrics = [body.metric for body in bodies]
        # The first body of each metric represents it.
        self._metric_at = np.array([self._metrics.index(metric) for metric in self._metrics], np.intp)
        self._layouts = {False: _Layout(bodies, _ATTRIBUTIONS), True: _Layout(bodies, _LINKED_ATTRIBUTIONS)}
        self._profile_ids = profiles
        self._profiles = _letters("".join(profiles)).reshape(-1, len(_PROFILE))

    def body_of(self, numbers: Numbers) -> Numbers:
        """Return the body number of each event."""
        bodies: Numbers = (numbers * np.uint64(2654435761) >> np.uint64(7)) % np.uint64(len(self._metrics))
        return bodies

    def related(self, relation: str, numbers: Numbers) -> Iterator[tuple[int, str]]:
        """Yield the distinct related resources of some events: the index of the first event with each, and its ID."""
        if relation == "attributions":
            (places,) = np.nonzero(numbers % np.uint64(_ATTRIBUTED_EVERY) == 0)
            ids = (f"{number:032x}" for number in numbers[places].tolist())
        else:
            known, which = (
                (self._metrics, self._metric_at[self.body_of(numbers)])
                if relation == "metric"
                else (self._profile_ids, self.profile_of(numbers))
            )
            different, places = np.unique(which, return_index=True)
            places, different = places[different != NO_PROFILE], different[different != NO_PROFILE]
            ids = (known[at] for at in different.tolist())
        return zip(places.tolist(), ids, strict=True)

    def with_metric(self, numbers: Numbers, metrics: set[str]) -> NDArray[np.bool_]:
        """Return whether each event is of one of some metrics."""
        wanted = np.array([metric in metrics for metric in self._metrics])
        found: NDArray[np.bool_] = wanted[self.body_of(numbers)]
        return found

    def with_profile(self, numbers: Numbers, profiles: set[str]) -> NDArray[np.bool_]:
        """Return whether each event is of one of some profiles."""
        wanted = np.array([at for at, profile in enumerate(self._profile_ids) if profile in profiles], np.uint64)
        return np.isin(self.profile_of(numbers), wanted)

    def write(self, seconds: Seconds, numbers: Numbers, linked: bool = False) -> memoryview:
        """Return some events as JSON separated by commas; `linked` adds the IDs of their attributions."""
        layout = self._layouts[linked]
        page = layout.pool.take(self.body_of(numbers).astype(np.intp), axis=0)
        ids, profiles = self._ids.of(numbers), self.profile_of(numbers)
        (anonymous,), (attributed,) = (
            np.nonzero(profiles == NO_PROFILE),
            np.nonzero(numbers % np.uint64(_ATTRIBUTED_EVERY) == 0),
        )
        profiles[anonymous] = 0
        columns = {
            _ID: ids,
            _SECOND: _TWO[seconds[:, None] // _HUNDREDS % 100].reshape(-1, len(_SECOND)),
            _DATETIME: _datetimes(seconds, numbers),
            _UUID: _uuids(seconds, numbers),
            _PROFILE: self._profiles[profiles],
        }
        for mark, letters in columns.items():
            _overwrite(page, layout.places[mark], letters)
        start, end = layout.person
        page[anonymous, start:end] = _letters(_NO_PROFILE_JSON.ljust(end - start))
        # Rows have equal length, so blanks replace the attributions of events without them.
        parts = np.tile(layout.attributions, (len(attributed), 1))
        _overwrite(parts, layout.places_in_attributions[_ID], ids[attributed])
        if linked:
            _overwrite(parts, layout.places_in_attributions[_LINKAGE], _linkages(numbers[attributed]))
        page[attributed, layout.end : layout.end + parts.shape[1]] = parts
        return page.reshape(-1)[:-1].data

    def profile_of(self, numbers: Numbers) -> Numbers:
        """Return the profile number of each event, or `NO_PROFILE`."""
        mixed: Numbers = numbers * np.uint64(2246822519) >> np.uint64(5)
        profiles: Numbers = mixed % np.uint64(len(self._profile_ids))
        profiles[numbers % np.uint64(_ANONYMOUS_EVERY) == 0] = NO_PROFILE
        return profiles


class _Layout:
    """Finished events as the rows of a matrix, and the positions of their variable parts."""

    def __init__(self, bodies: Sequence[Body], attributions: str) -> None:
        first = [
            b"".join((_HEAD.encode(), body.properties, _MIDDLE.encode(), body.metric.encode(), _TAIL.encode()))
            for body in bodies
        ]
        rows = [row + b" " * len(attributions) + _END.encode() for row in first]
        self.pool = _letters(b"".join(rows)).reshape(len(rows), -1)
        self.places = _places(rows[0])
        at = rows[0].index(_PERSON.encode())
        self.person = (at, at + len(_PERSON))
        self.end = len(first[0])
        self.attributions = _letters(attributions)
        self.places_in_attributions = _places(attributions.encode())


def _places(row: bytes) -> dict[str, list[int]]:
    """Return the positions of the marks of variable parts."""
    marks = (_ID, _SECOND, _DATETIME, _UUID, _PROFILE, _LINKAGE)
    return {mark: [found.start() for found in re.finditer(mark.encode(), row)] for mark in marks}


def _overwrite(rows: Bytes, places: Iterable[int], letters: Bytes) -> None:
    """Write letters at some positions of each row."""
    whole = f"V{letters.shape[1]}"  # copying the letters as one item takes half the time
    for place in places:
        rows[:, place : place + letters.shape[1]].view(whole)[:] = letters.view(whole)


def _datetimes(seconds: Seconds, numbers: Numbers) -> Bytes:
    days, rest = np.divmod(seconds, 86400)
    first = int(days.min())
    dates = _letters("".join(map(day_text, range(first, int(days.max()) + 1)))).reshape(-1, 10)
    letters = np.empty((len(seconds), len(_DATETIME)), np.uint8)
    letters[:] = _letters("0000-00-00T00:00:00+00:00")
    letters[numbers % np.uint64(_BLANK_EVERY) == 0, 10] = ord(" ")
    letters[:, :10] = dates[days - first]
    letters[:, 11:16] = _CLOCK[rest // 60]
    letters[:, 17:19] = _TWO[rest % 60]
    return letters


def _uuids(seconds: Seconds, numbers: Numbers) -> Bytes:
    letters = np.empty((len(seconds), len(_UUID)), np.uint8)
    letters[:] = _letters("00000000-0000-11ed-8001-000000000000")
    letters[:, :8] = _hex(seconds.astype(np.uint64), 8)
    letters[:, 24:] = _hex(numbers, 12)
    return letters


def _linkages(numbers: Numbers) -> Bytes:
    letters = np.empty((len(numbers), len(_LINKAGE)), np.uint8)
    letters[:] = _letters(_ATTRIBUTION)
    letters[:, -18:-2] = _hex(numbers, 16)
    return letters


def _hex(numbers: Numbers, width: int) -> Bytes:
    letters = _letters(numbers.astype(">u8").tobytes().hex())
    return letters.reshape(len(numbers), 16)[:, -width:]
