"""The shop: all tables, made from a seed and sizes."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from klaviyo_simulator.data import makers, stock
from klaviyo_simulator.data.campaigns import EstimationTable, SeenMessages, seen_campaign
from klaviyo_simulator.data.event_bodies import pool
from klaviyo_simulator.data.events import AttributionTable, EventTable
from klaviyo_simulator.data.hierarchy import Hierarchy
from klaviyo_simulator.data.made_up import Birth
from klaviyo_simulator.data.profiles import ProfileMaker
from klaviyo_simulator.data.tables import JointTable, RecordTable, Table, TemplateTable
from klaviyo_simulator.data.timeline import Timeline
from klaviyo_simulator.protocol.instants import seconds_of
from klaviyo_simulator.rules.facts import BY_REVISION, REVISION
from klaviyo_simulator.rules.hierarchy import parent_child

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klaviyo_simulator.data.records import Record
    from klaviyo_simulator.settings import Settings

_MULTICHANNEL = "2026-10-15"  # since this revision campaigns have audiences, messages and variations
_NOTHING = RecordTable()


def _as_it_is(record: Record) -> Record:
    return record


class Shop:
    """All data of one account. The same settings make the same data, but for the time they begin at."""

    def __init__(self, settings: Settings) -> None:
        self.started = int(seconds_of(settings.now) if settings.now else time.time())
        self.timeline = Timeline(self.started, settings.years, settings.skew)
        self._seed = settings.seed
        self.random = self.source("changes")
        self._made: Counter[str] = Counter()
        self._known: dict[str, list[str]] = {}

        self.templates = TemplateTable()
        self.records = {name: RecordTable() for name in (*makers.NAMES, "profile")} | {"template": self.templates}
        """The tables of what can be changed."""
        self.tables: dict[str, Table] = {
            **self.records,
            "attribution": AttributionTable(),
            "campaign-recipient-estimation": EstimationTable(self.records["campaign"]),
        }
        """All tables, by the names of their types."""
        self.hierarchy = Hierarchy(self.tables)
        multichannel: dict[str, Table] = {
            **self.tables,
            "campaign": JointTable(
                (self.records["campaign"], seen_campaign), (self.records["canvas-campaign"], _as_it_is)
            ),
            "campaign-message": JointTable(
                (self.records["campaign-message"], SeenMessages(self.tables)),
                (self.records["canvas-message"], _as_it_is),
            ),
        }
        self._seen = {each: multichannel if each >= _MULTICHANNEL else self.tables for each in BY_REVISION}
        self.campaigns = self.records["campaign"]
        self.flows = self.records["flow"]
        self.lists = self.records["list"]
        self.metrics = self.records["metric"]
        self.profiles = self.records["profile"]

        stock.before_profiles(self, settings)
        self.profile_maker = ProfileMaker(self.source("profiles"), self.timeline, self.lists.ids())
        for profile in self.profile_maker.stock(settings.profiles):
            self.profiles.put(profile)
        self.events = self._events(settings)
        for tables in self._seen.values():
            tables["event"] = self.events
        stock.after_profiles(self, settings)

    def seen(self, revision: str) -> Mapping[str, Table]:
        """All tables as a revision shows them, by the names of its types."""
        return self._seen[revision]

    def children(self, revision: str, parent: str, relation: str, identity: str) -> RecordTable | None:
        """The children of a record as a revision shows them, or None if there is no such record."""
        hierarchy = self.hierarchy if revision == REVISION else Hierarchy(self._seen[revision])
        return hierarchy.children(parent, relation, identity)

    def make(
        self, name: str, random: Random, created: int, updated: int, of: tuple[str, Record] | None = None
    ) -> Record:
        """One more record of a type, without children; of a parent of another type if it needs one."""
        number = self._made[name]
        self._made[name] += 1
        record: Record
        if name == "profile":
            record = self.profile_maker.make(created, updated)
        else:
            pick = partial(self._pick, random)
            copy = partial(self._copy_template, random, created)
            record = makers.make(name, Birth(random, number, created, updated, pick, copy, of[1] if of else None))
        self.records[name].put(record)
        if of:
            self.hierarchy.join(parent_child(of[0], name), of[1], record)
        return record

    def new(
        self, name: str, random: Random, created: int, updated: int, of: tuple[str, Record] | None = None
    ) -> Record:
        """One more record of a type, with tags and children if those of its type have them."""
        record = self.make(name, random, created, updated, of)
        stock.complete(self, name, record, random, created, updated)
        return record

    def remove(self, name: str, identity: str) -> None:
        """Delete a record, and with it the children that cannot be without it."""
        record = self.records[name].get(identity)
        if record is None:
            raise ValueError(f"there is no {name} {identity!r}")
        for kind, child in self.hierarchy.detach(name, record):
            self.remove(kind, child.id)
        self.records[name].remove(identity)

    def source(self, name: str) -> Random:
        """A source of chance of its own, so that no part of the data depends on the size of another."""
        return Random(f"{self._seed}:{name}")

    def _pick(self, random: Random, name: str) -> str | None:
        place = random.random()  # drawn once however many there are, so that nothing else depends on it
        if name == "event":
            return self.events.at(place)
        table = self.records.get(name, _NOTHING)
        if len(self._known.get(name, ())) != len(table):
            self._known[name] = table.ids()
        return self._known[name][int(place * len(table))] if len(table) else None

    def _copy_template(self, random: Random, created: int) -> str:
        """A template of the kind that flows copy for their messages: it can be read, but is in no list."""
        number = self._made["template copy"]
        self._made["template copy"] += 1
        birth = Birth(random, number, created, created, partial(self._pick, random), lambda: "")
        record = makers.make("template", birth)
        self.templates.keep(record)
        return record.id

    def _events(self, settings: Settings) -> EventTable:
        source = self.source("events")
        metrics = [(record.id, record.attributes["name"]) for record in self.metrics.records()]
        profiles = self.profiles.ids()
        # Every event has a metric and a profile; a shop without them has no events.
        count = settings.events if metrics and profiles else 0
        bodies = pool(source, metrics, self.campaigns.ids(), self.flows.ids())
        return EventTable(self.timeline.events(settings.seed, count), bodies, profiles, settings.seed)
