"""Changes to single records of any type: create, touch, delete, join, leave, subscribe and suppress."""

from __future__ import annotations

from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any

from klaviyo_simulator.data.profiles import UNSUBSCRIBE, Profile
from klaviyo_simulator.data.records import comparable
from klaviyo_simulator.protocol.instants import SECOND, iso, iso_micro
from klaviyo_simulator.rules.hierarchy import PARENT_CHILD, ParentChild, parent_child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from klaviyo_simulator.data.records import Record
    from klaviyo_simulator.data.shop import Shop
    from klaviyo_simulator.data.tables import RecordTable
    from klaviyo_simulator.settings import Settings

_SEGMENT_BUILD_SECONDS = 9 * 60  # until the members of a new segment are visible
_NAMES = ("first_name", "name", "title", "variation_name", "description")


class Edits:
    """Changes to single records by type ("flow-message") and ID; `at` is in seconds since 1970 (default: now)."""

    def __init__(self, shop: Shop, settings: Callable[[], Settings], now: Callable[[], float]) -> None:
        self._shop = shop
        self._settings = settings
        self._now = now
        self._scheduled: list[tuple[float, int, Callable[[], None]]] = []
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
        """Create records without children.

        Args:
            name: The type.
            count: Number of records.
            of: IDs of parents by type, as `{"flow-action": "12345678"}`; a required parent that is missing here
                is picked at random.
            attributes: Attributes of all of them.
            at: The date of creation and update, in seconds since 1970.
            visible_after: Seconds from now until a response shows them.

        Returns:
            The IDs.
        """
        self._table(name)
        moment = self._moment(at)
        second = int(moment)
        made: list[str] = []
        for _ in range(count):
            parents = self._parents(name, of or {})
            first = next(((pair.parent, parent) for pair, parent in parents if pair.is_required), None)
            record = self._shop.make(name, self._shop.random, second, second, first)
            record.change(**date_attribute(record, moment), **(attributes or {}))
            if visible_after > 0:  # no response shows it before
                for pair, parent in parents:
                    self._shop.hierarchy.leave(pair, parent, record)
                self._shop.records[name].remove(record.id)
            self._schedule(visible_after, partial(self._show, name, record, parents, moment))
            made.append(record.id)
        return made

    def touch(
        self, name: str, identity: str, *, attributes: dict[str, Any] | None = None, at: float | None = None
    ) -> None:
        """Change a record and set its date to `at`; without attributes, its name changes."""
        record, moment = self._record(name, identity), self._moment(at)
        self._change(name, record, {**date_attribute(record, moment), **(attributes or self._new_name(record))})
        for pair, parent in list(self._shop.hierarchy.parents(name, record)):
            self._touch_parent(pair.parent, parent, moment)

    def delete(self, name: str, identity: str) -> None:
        """Delete a record, its memberships, and the children that require it."""
        if name == "event":  # events have no parents or children
            self._shop.events.remove(identity)
            return
        record = self._record(name, identity)
        parents = list(self._shop.hierarchy.parents(name, record))
        self._shop.remove(name, identity)
        for pair, parent in parents:
            self._touch_parent(pair.parent, parent, self._now())

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
        """Make records (`child`, `ids`) children of another (`parent`, `identity`), such as profiles members of a list.

        Existing members get a new date. `at` is the date in seconds since 1970; responses show the members after
        `visible_after` seconds, and those of a new segment no sooner than nine minutes after its creation.
        """
        pair, record, moment = parent_child(parent, child), self._record(parent, identity), self._moment(at)
        for member in [self._record(child, each) for each in ids]:
            if pair.is_required:
                for other, former in list(self._shop.hierarchy.parents(child, member)):
                    if other == pair:
                        self._shop.hierarchy.leave(pair, former, member)
            self._join(pair, record, member, moment, visible_after)

    def leave(self, parent: str, identity: str, child: str, ids: Sequence[str]) -> None:
        """Remove records from a parent, such as profiles from a list."""
        pair, record = parent_child(parent, child), self._record(parent, identity)
        if pair.is_required:
            raise ValueError(f"no {child} can exist without a {parent}; delete it")
        for member in [self._record(child, each) for each in ids]:
            self._shop.hierarchy.leave(pair, record, member)
        self._touch_parent(parent, record, self._now())

    def suppress(self, ids: Sequence[str], *, reason: str = "USER_SUPPRESSED", at: float | None = None) -> None:
        """Suppress profiles, which leaves their `updated` as it is."""
        for profile in self._profiles(ids):
            profile.suppress(reason, iso_micro(int(self._moment(at) * SECOND)))
            self._change("profile", profile, {})

    def unsubscribe(self, ids: Sequence[str], *, at: float | None = None) -> None:
        """Unsubscribe profiles from e-mail: a suppression that ends the consent and leaves `updated` as it is."""
        self.suppress(ids, reason=UNSUBSCRIBE, at=at)

    def subscribe(self, ids: Sequence[str], *, at: float | None = None) -> None:
        """Subscribe profiles to e-mail, which sets their `updated`."""
        moment = self._moment(at)
        for profile in self._profiles(ids):
            profile.subscribe(iso_micro(int(moment * SECOND)))
            self._change("profile", profile, date_attribute(profile, moment))

    def catch_up(self) -> None:
        """Make scheduled changes visible that are due."""
        while self._scheduled and self._scheduled[0][0] <= self._now():
            heappop(self._scheduled)[2]()

    def _schedule(self, seconds: float, action: Callable[[], None]) -> None:
        """Run an action after some seconds, or at once."""
        if seconds > 0:
            heappush(self._scheduled, (self._now() + seconds, next(self._numbers), action))
        else:
            action()

    def _show(self, name: str, record: Record, parents: list[tuple[ParentChild, Record]], moment: float) -> None:
        if any(pair.is_required and self._table(pair.parent).get(parent.id) is None for pair, parent in parents):
            return  # the parent was deleted in the meantime
        self._change(name, record, {})
        for pair, parent in parents:
            self._join(pair, parent, record, moment)

    def _join(
        self, pair: ParentChild, parent: Record, child: Record, moment: float, visible_after: float = 0.0
    ) -> None:
        if pair.parent == "segment":
            created = comparable(parent.value("created")) / SECOND
            visible_after = max(visible_after, created + _SEGMENT_BUILD_SECONDS - self._now())
        self._schedule(visible_after, partial(self._join_now, pair, parent, child, moment))

    def _join_now(self, pair: ParentChild, parent: Record, child: Record, moment: float) -> None:
        if self._table(pair.parent).get(parent.id) and self._table(pair.child).get(child.id):
            self._shop.hierarchy.join(pair, parent, child, iso(int(moment)) if pair.child == "profile" else None)
            self._touch_parent(pair.parent, parent, moment)

    def _profiles(self, ids: Iterable[str]) -> list[Profile]:
        return [each for identity in ids if isinstance(each := self._record("profile", identity), Profile)]

    def _moment(self, at: float | None) -> float:
        return self._now() if at is None else at

    def _parents(self, name: str, of: dict[str, str]) -> list[tuple[ParentChild, Record]]:
        found = [(parent_child(parent, name), self._record(parent, identity)) for parent, identity in of.items()]
        for pair in PARENT_CHILD:
            others = self._shop.records[pair.parent]
            has_one = any(pair.inverse == known.inverse for known, _ in found)
            if pair.child == name and pair.is_required and not has_one and len(others):
                found.append((pair, self._shop.random.choice(others.records())))
        return found

    def _touch_parent(self, name: str, parent: Record, moment: float) -> None:
        """Set a parent's date after a change to its children, if the switch says so: Klaviyo does not document it."""
        if self._settings().children_touch_parents:
            self._change(name, parent, date_attribute(parent, moment))

    def _change(self, name: str, record: Record, attributes: dict[str, Any]) -> None:
        record.change(**attributes)
        self._shop.records[name].put(record)
        self._shop.hierarchy.invalidate(name, record)

    def _new_name(self, record: Record) -> dict[str, str]:
        field = next((each for each in _NAMES if each in record.attributes), None)
        return {field: f"Changed {self._shop.random.randrange(10**6)}"} if field else {}

    def _record(self, name: str, identity: str) -> Record:
        record = self._table(name).get(identity)
        if record is None:
            raise ValueError(f"there is no {name} {identity!r}")
        return record

    def _table(self, name: str) -> RecordTable:
        if name not in self._shop.records:
            raise ValueError(f"{name!r} cannot be changed; use one of {', '.join(self._shop.records)}")
        return self._shop.records[name]


def date_attribute(record: Record, moment: float) -> dict[str, str]:
    """Return the attribute for the date of the last change, if any; `moment` is in seconds since 1970."""
    if "as_of" in record.attributes:
        return {"as_of": iso(int(moment))}
    if "updated_at" in record.attributes:
        return {"updated_at": iso_micro(int(moment * SECOND))}
    return {"updated": iso(int(moment))} if "updated" in record.attributes else {}
