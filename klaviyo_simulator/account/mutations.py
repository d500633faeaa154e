"""Changes to many records by number, now or while clients read."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from klaviyo_simulator.account.edits import Edits
    from klaviyo_simulator.data.records import Record
    from klaviyo_simulator.data.shop import Shop
    from klaviyo_simulator.data.tables import RecordTable
    from klaviyo_simulator.protocol.messages import Request

Changed = dict[str, list[str]]

_ALL = ("profiles", "campaigns", "flows", "lists", "templates", "metrics")
_ACTIONS = {
    "": _ALL,
    "new": tuple(name for name in _ALL if name != "metrics"),
    "delete": _ALL,
    "archive": ("campaigns", "flows"),
    "unarchive": ("campaigns", "flows"),
    "subscribe": ("profiles",),
    "suppress": ("profiles",),
    "unsubscribe": ("profiles",),
}


@dataclass
class Trigger:
    """An action that runs once `left` more matching requests have been answered."""

    pattern: str
    left: int
    action: Callable[[], object]


class Mutations:
    """Changes by kind and number; all but suppressions and unsubscriptions set the record's date."""

    def __init__(self, shop: Shop, edits: Edits) -> None:
        self._shop = shop
        self._edits = edits
        self.made: list[Changed] = []
        self._every = 0
        self._repeated: dict[str, Any] = {}
        self._until_next = 0
        self._triggers: list[Trigger] = []

    def when_requested(self, pattern: str, times: int, action: Callable[[], object]) -> None:
        """Run an action after some matching requests, before the response of the last one is sent.

            simulator.when_requested("/api/lists?*", 2, lambda: simulator.delete("list", a_list))

        Args:
            pattern: Wildcard pattern for the decoded path and query (`/api/flows?*equals(archived,true)*`).
            times: Number of matching requests.
            action: A function, which may change data through the simulator.
        """
        self._triggers.append(Trigger(pattern, times, action))

    def repeat(self, every: int, changes: dict[str, Any]) -> None:
        """Make changes after every `every` requests; 0 stops it."""
        self._every = self._until_next = every
        self._repeated = changes

    def on_response(self, request: Request, now: float) -> None:
        """Count a request whose response is ready to be sent, and run the actions and changes that are due."""
        for trigger in [
            trigger
            for trigger in self._triggers
            if fnmatchcase(unquote(f"{request.path}?{request.query}"), trigger.pattern)
        ]:
            trigger.left -= 1
            if not trigger.left:
                self._triggers.remove(trigger)
                trigger.action()
        if not self._every:
            return
        self._until_next -= 1
        if self._until_next == 0:
            self._until_next = self._every
            self.play(now, **self._repeated)

    def play(self, now: float, **changes: Any) -> Changed:
        """Make changes by kind and number, and return the IDs of the changed records by kind.

        Args:
            now: The account's time, in seconds since 1970.
            changes: The number of records to change (`profiles`, `campaigns`, `flows`, `lists`, `templates`,
                `metrics`); to create (`events`, `new_profiles`, `new_campaigns`, …); to create late (`late_events`,
                dated `late_by` seconds ago); to archive (`archive_flows`, `archive_campaigns`, and back:
                `unarchive_…`), delete (`delete_profiles`, …), suppress (`suppress_profiles`), subscribe or
                unsubscribe (`subscribe_profiles`, `unsubscribe_profiles`). `attributes` are set on changed records.
        """
        late_by = int(changes.pop("late_by", 86400))
        attributes = changes.pop("attributes", None)
        done: Changed = {}
        for kind, count in changes.items():
            done[kind] = self._play(kind, int(count), now, late_by, attributes)
        self.made.append(done)
        return done

    def _play(self, kind: str, count: int, now: float, late_by: int, attributes: dict[str, Any] | None) -> list[str]:
        second = int(now)
        if kind in {"events", "late_events"}:
            when = second - late_by if kind == "late_events" else second
            return [self._shop.events.add(when, now) for _ in range(count)]
        action, _, name = kind.rpartition("_")
        if name not in _ACTIONS.get(action, ()):
            raise ValueError(f"no change is called {kind!r}")
        singular = name.removesuffix("s")
        if action == "new":
            return [self._shop.new(singular, self._shop.random, second, second).id for _ in range(count)]
        ids = [record.id for record in self._choose(self._shop.records[singular], count, action)]
        for identity in ids:
            self._change(action, singular, identity, now, attributes)
        return ids

    def _change(self, action: str, name: str, identity: str, now: float, attributes: dict[str, Any] | None) -> None:
        edits = self._edits
        if action == "delete":
            edits.delete(name, identity)
        elif action == "suppress":
            edits.suppress([identity], reason=self._shop.profile_maker.reason(), at=now)
        elif action == "unsubscribe":
            edits.unsubscribe([identity], at=now)
        elif action == "subscribe":
            edits.subscribe([identity], at=now)
        else:
            archived = {"archived": action == "archive"} if action else None
            edits.touch(name, identity, attributes=archived or attributes, at=now)

    def _choose(self, table: RecordTable, count: int, action: str) -> list[Record]:
        suitable: Iterable[Record] = table.records()
        if action in {"archive", "unarchive"}:
            suitable = (each for each in suitable if each.value("archived") is (action == "unarchive"))
        elif action in {"suppress", "unsubscribe"}:
            suitable = (each for each in suitable if not each.elements("suppression"))
        records = list(suitable)
        return self._shop.random.sample(records, min(count, len(records)))
