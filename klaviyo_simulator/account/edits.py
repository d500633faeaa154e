"""Changes to single records of any type: made, touched, deleted, joined to groups, subscribed and suppressed."""

from __future__ import annotations

from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any

from klaviyo_simulator.data.profiles import UNSUBSCRIBE, Profile
from klaviyo_simulator.data.records import comparable
from klaviyo_simulator.protocol.instants import SECOND, iso, iso_micro
from klaviyo_simulator.rules.kinship import KINDS, Kin, kin_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from klaviyo_simulator.data.records import Record
    from klaviyo_simulator.data.shop import Shop
    from klaviyo_simulator.data.tables import RecordTable
    from klaviyo_simulator.settings import Settings

_SEGMENT_BUILT = 9 * 60  # seconds until the members of a new segment show
_NAMES = ("first_name", "name", "title", "variation_name", "description")


class Edits:
    """Each change takes a type ("flow-message") and ids, and a moment where it is not now."""

    def __init__(self, shop: Shop, settings: Callable[[], Settings], now: Callable[[], float]) -> None:
        self._shop = shop
        self._settings = settings
        self._now = now
        self._hidden: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def create(
        self,
        name: str,
        count: int = 1,
        *,
        of: dict[str, str] | None = None,
        attributes: dict[str, Any] | None = None,
        at: float | None = None,
        visible_after: float = 0.0,
    ) -> list[str]:
        """Make records without children.

        Args:
            name: Their type.
            count: How many.
            of: The parents they belong to, as `{"flow-action": "12345678"}`; where records cannot be without
                a parent, some parent is taken.
            attributes: What is set on all of them.
            at: When they were created and updated, in seconds since 1970.
            visible_after: Seconds from now until any response shows them.

        Returns:
            Their ids.
        """
        self._table(name)
        moment = self._moment(at)
        second = int(moment)
        made: list[str] = []
        for _ in range(count):
            parents = self._parents(name, of or {})
            first = next(((kin.parent, parent) for kin, parent in parents if kin.sole), None)
            record = self._shop.make(name, self._shop.random, second, second, first)
            record.change(**stamp(record, moment), **(attributes or {}))
            if visible_after > 0:  # no response may show it before
                for kin, parent in parents:
                    self._shop.families.leave(kin, parent, record)
                self._shop.records[name].remove(record.id)
            self._after(visible_after, partial(self._appear, name, record, parents, moment))
            made.append(record.id)
        return made

    def touch(
        self, name: str, identity: str, *, attributes: dict[str, Any] | None = None, at: float | None = None
    ) -> None:
        """Change a record and move its date, if its type has one; without attributes its name changes."""
        record, moment = self._record(name, identity), self._moment(at)
        self._change(name, record, {**stamp(record, moment), **(attributes or self._renamed(record))})
        for kin, parent in list(self._shop.families.parents(name, record)):
            self._moved(kin.parent, parent, moment)

    def delete(self, name: str, identity: str) -> None:
        """Delete a record; it leaves its groups, and the children that cannot be without it go with it."""
        if name == "event":  # events belong to nothing that would have to know
            self._shop.events.remove(identity)
            return
        record = self._record(name, identity)
        parents = list(self._shop.families.parents(name, record))
        self._shop.remove(name, identity)
        for kin, parent in parents:
            self._moved(kin.parent, parent, self._now())

    def join(
        self,
        parent: str,
        identity: str,
        child: str,
        ids: Sequence[str],
        *,
        at: float | None = None,
        visible_after: float = 0.0,
    ) -> None:
        """Make records (`child`, `ids`) children of another (`parent`, `identity`): profiles members of a list.

        Who is one already joins again. `at` is when they join, in seconds since 1970; `visible_after` how many
        seconds from now answers show it. Members of a new segment show nine minutes after it was created at best.
        """
        kin, record, moment = kin_of(parent, child), self._record(parent, identity), self._moment(at)
        for member in [self._record(child, each) for each in ids]:
            if kin.sole:
                for other, former in list(self._shop.families.parents(child, member)):
                    if other == kin:
                        self._shop.families.leave(kin, former, member)
            self._join(kin, record, member, moment, visible_after)

    def leave(self, parent: str, identity: str, child: str, ids: Sequence[str]) -> None:
        """Take records out of another, as profiles out of a list."""
        kin, record = kin_of(parent, child), self._record(parent, identity)
        if kin.sole:
            raise ValueError(f"no {child} can be without a {parent}; delete it")
        for member in [self._record(child, each) for each in ids]:
            self._shop.families.leave(kin, record, member)
        self._moved(parent, record, self._now())

    def suppress(self, ids: Sequence[str], *, reason: str = "USER_SUPPRESSED", at: float | None = None) -> None:
        """Suppress profiles, which does not move their `updated`."""
        for profile in self._profiles(ids):
            profile.suppress(reason, iso_micro(int(self._moment(at) * SECOND)))
            self._change("profile", profile, {})

    def unsubscribe(self, ids: Sequence[str], *, at: float | None = None) -> None:
        """Let profiles unsubscribe from e-mail: a suppression that ends the consent and does not move `updated`."""
        self.suppress(ids, reason=UNSUBSCRIBE, at=at)

    def subscribe(self, ids: Sequence[str], *, at: float | None = None) -> None:
        """Let profiles subscribe to e-mail, which moves their `updated`."""
        moment = self._moment(at)
        for profile in self._profiles(ids):
            profile.subscribe(iso_micro(int(moment * SECOND)))
            self._change("profile", profile, stamp(profile, moment))

    def catch_up(self) -> None:
        """Show what is due."""
        while self._hidden and self._hidden[0][0] <= self._now():
            heappop(self._hidden)[2]()

    def _after(self, seconds: float, show: Callable[[], None]) -> None:
        """Show something so many seconds from now, or at once."""
        if seconds > 0:
            heappush(self._hidden, (self._now() + seconds, next(self._numbers), show))
        else:
            show()

    def _appear(self, name: str, record: Record, parents: list[tuple[Kin, Record]], moment: float) -> None:
        if any(kin.sole and self._table(kin.parent).get(parent.id) is None for kin, parent in parents):
            return  # the parent was deleted in the meantime
        self._change(name, record, {})
        for kin, parent in parents:
            self._join(kin, parent, record, moment)

    def _join(self, kin: Kin, parent: Record, child: Record, moment: float, visible_after: float = 0.0) -> None:
        if kin.parent == "segment":
            created = comparable(parent.value("created")) / SECOND
            visible_after = max(visible_after, created + _SEGMENT_BUILT - self._now())
        self._after(visible_after, partial(self._joined, kin, parent, child, moment))

    def _joined(self, kin: Kin, parent: Record, child: Record, moment: float) -> None:
        if self._table(kin.parent).get(parent.id) and self._table(kin.child).get(child.id):
            self._shop.families.join(kin, parent, child, iso(int(moment)) if kin.child == "profile" else None)
            self._moved(kin.parent, parent, moment)

    def _profiles(self, ids: Iterable[str]) -> list[Profile]:
        return [each for identity in ids if isinstance(each := self._record("profile", identity), Profile)]

    def _moment(self, at: float | None) -> float:
        return self._now() if at is None else at

    def _parents(self, name: str, of: dict[str, str]) -> list[tuple[Kin, Record]]:
        found = [(kin_of(parent, name), self._record(parent, identity)) for parent, identity in of.items()]
        for kin in KINDS:
            others = self._shop.records[kin.parent]
            has_one = any(kin.back == known.back for known, _ in found)
            if kin.child == name and kin.sole and not has_one and len(others):
                found.append((kin, self._shop.random.choice(others.records())))
        return found

    def _moved(self, name: str, parent: Record, moment: float) -> None:
        """A parent after a change to its children: whether its date moves, nobody knows."""
        if self._settings().children_touch_parents:
            self._change(name, parent, stamp(parent, moment))

    def _change(self, name: str, record: Record, attributes: dict[str, Any]) -> None:
        record.change(**attributes)
        self._shop.records[name].put(record)
        self._shop.families.changed(name, record)

    def _renamed(self, record: Record) -> dict[str, str]:
        field = next((each for each in _NAMES if each in record.attributes), None)
        return {field: f"Changed {self._shop.random.randrange(10**6)}"} if field else {}

    def _record(self, name: str, identity: str) -> Record:
        record = self._table(name).get(identity)
        if record is None:
            raise ValueError(f"there is no {name} {identity!r}")
        return record

    def _table(self, name: str) -> RecordTable:
        if name not in self._shop.records:
            raise ValueError(f"{name!r} cannot be changed; there are {', '.join(self._shop.records)}")
        return self._shop.records[name]


def stamp(record: Record, moment: float) -> dict[str, str]:
    """The attribute that tells when a record was changed, with a moment; types may have none."""
    if "as_of" in record.attributes:
        return {"as_of": iso(int(moment))}
    if "updated_at" in record.attributes:
        return {"updated_at": iso_micro(int(moment * SECOND))}
    return {"updated": iso(int(moment))} if "updated" in record.attributes else {}
