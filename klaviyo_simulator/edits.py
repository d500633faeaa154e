"""Changes to single records of any type: made, touched, deleted, joined to groups and taken out of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klaviyo_simulator.kinship import KINDS, Kin, kin_of
from klaviyo_simulator.moments import SECOND, iso, iso_micro

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from klaviyo_simulator.data.shop import Shop
    from klaviyo_simulator.records import Record
    from klaviyo_simulator.settings import Settings
    from klaviyo_simulator.tables import RecordTable

_NAMES = ("first_name", "name", "title", "variation_name", "description")


class Edits:
    """Each change takes a type ("flow-message") and ids, and a moment where it is not now."""

    def __init__(self, shop: Shop, settings: Callable[[], Settings], now: Callable[[], float]) -> None:
        self._shop = shop
        self._settings = settings
        self._now = now

    def create(
        self,
        name: str,
        count: int = 1,
        *,
        of: dict[str, str] | None = None,
        attributes: dict[str, Any] | None = None,
        at: float | None = None,
    ) -> list[str]:
        """Make records without children.

        Args:
            name: Their type.
            count: How many.
            of: The parents they belong to, as `{"flow-action": "12345678"}`; where records cannot be without
                a parent, some parent is taken.
            attributes: What is set on all of them.
            at: When they were created and updated, in seconds since 1970.

        Returns:
            Their ids.
        """
        self._table(name)
        moment = self._now() if at is None else at
        second = int(moment)
        made: list[str] = []
        for _ in range(count):
            parents = self._parents(name, of or {})
            first = next(((kin.parent, parent) for kin, parent in parents if kin.sole), None)
            record = self._shop.make(name, self._shop.random, second, second, first)
            for kin, parent in parents:
                joined = iso(second) if kin.child == "profile" else None
                self._shop.families.join(kin, parent, record, joined)
                self._moved(kin.parent, parent, moment)
            self._change(name, record, {**stamp(record, moment), **(attributes or {})})
            made.append(record.id)
        return made

    def touch(
        self, name: str, identity: str, *, attributes: dict[str, Any] | None = None, at: float | None = None
    ) -> None:
        """Change a record and move its date, if its type has one; without attributes its name changes."""
        record, moment = self._record(name, identity), self._now() if at is None else at
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

    def join(self, parent: str, identity: str, child: str, ids: Sequence[str], *, at: float | None = None) -> None:
        """Make records children of another, as profiles members of a list; who is one already joins anew."""
        moment = self._now() if at is None else at
        self._regroup(parent, identity, child, ids, moment, leave=False)

    def leave(self, parent: str, identity: str, child: str, ids: Sequence[str]) -> None:
        """Take records out of another, as profiles out of a list."""
        if kin_of(parent, child).sole:
            raise ValueError(f"no {child} can be without a {parent}; delete it")
        self._regroup(parent, identity, child, ids, self._now(), leave=True)

    def _regroup(
        self, parent: str, identity: str, child: str, ids: Iterable[str], moment: float, *, leave: bool
    ) -> None:
        kin, record, families = kin_of(parent, child), self._record(parent, identity), self._shop.families
        for member in [self._record(child, each) for each in ids]:
            if leave:
                families.leave(kin, record, member)
                continue
            if kin.sole:
                for other, former in list(families.parents(child, member)):
                    if other == kin:
                        families.leave(kin, former, member)
            families.join(kin, record, member, iso(int(moment)) if child == "profile" else None)
        self._moved(parent, record, moment)

    def _parents(self, name: str, of: dict[str, str]) -> list[tuple[Kin, Record]]:
        found = [(kin_of(parent, name), self._record(parent, identity)) for parent, identity in of.items()]
        for kin in KINDS:
            others = self._shop.records[kin.parent]
            if kin.child == name and kin.sole and kin.parent not in of and len(others):
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
    if "updated_at" in record.attributes:
        return {"updated_at": iso_micro(int(moment * SECOND))}
    return {"updated": iso(int(moment))} if "updated" in record.attributes else {}
