"""The shop: all tables, made from a seed and sizes."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from klaviyo_simulator.data import initial, makers
from klaviyo_simulator.data.campaigns import EstimationTable, MessageConverter, convert_campaign
from klaviyo_simulator.data.event_bodies import pool
from klaviyo_simulator.data.events import AttributionTable, EventTable
from klaviyo_simulator.data.hierarchy import Hierarchy
from klaviyo_simulator.data.made_up import MakerContext
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

_MULTICHANNEL = "2026-10-15"  # since this revision, campaigns have audiences, messages and variations
_NOTHING = RecordTable()


def _unchanged(record: Record) -> Record:
    return record


class Shop:
    """All data of an account. Equal settings make equal data, relative to the start time."""

    def __init__(self, settings: Settings) -> None:
        self.started = int(seconds_of(settings.now) if settings.now else time.time())
        self.timeline = Timeline(self.started, settings.years, settings.skew)
        self._seed = settings.seed
        self.random = self.random_for("changes")
        self._made: Counter[str] = Counter()
        self._known: dict[str, list[str]] = {}

        self.templates = TemplateTable()
        self.records = {name: RecordTable() for name in (*makers.NAMES, "profile")} | {"template": self.templates}
        """The tables of records that can be changed."""
        self.tables: dict[str, Table] = {
            **self.records,
            "attribution": AttributionTable(),
            "campaign-recipient-estimation": EstimationTable(self.records["campaign"]),
        }
        """All tables by type."""
        self.hierarchy = Hierarchy(self.tables)
        multichannel: dict[str, Table] = {
            **self.tables,
            "campaign": JointTable(
                (self.records["campaign"], convert_campaign), (self.records["canvas-campaign"], _unchanged)
            ),
            "campaign-message": JointTable(
                (self.records["campaign-message"], MessageConverter(self.tables)),
                (self.records["canvas-message"], _unchanged),
            ),
        }
        self._tables_by_revision = {
            each: multichannel if each >= _MULTICHANNEL else self.tables for each in BY_REVISION
        }
        self.campaigns = self.records["campaign"]
        self.flows = self.records["flow"]
        self.lists = self.records["list"]
        self.metrics = self.records["metric"]
        self.profiles = self.records["profile"]

        initial.before_profiles(self, settings)
        self.profile_maker = ProfileMaker(self.random_for("profiles"), self.timeline, self.lists.ids())
        for profile in self.profile_maker.initial(settings.profiles):
            self.profiles.put(profile)
        self.events = self._events(settings)
        for tables in self._tables_by_revision.values():
            tables["event"] = self.events
        initial.after_profiles(self, settings)

    def tables_at(self, revision: str) -> Mapping[str, Table]:
        """Return all tables by type, in the shape of a revision."""
        return self._tables_by_revision[revision]

    def children(self, revision: str, parent: str, relation: str, identity: str) -> RecordTable | None:
        """Return the children of a record in the shape of a revision, or None if there is no such record."""
        hierarchy = self.hierarchy if revision == REVISION else Hierarchy(self._tables_by_revision[revision])
        return hierarchy.children(parent, relation, identity)

    def make(
        self, name: str, random: Random, created: int, updated: int, of: tuple[str, Record] | None = None
    ) -> Record:
        """Make a record of a type without children, and join it to a parent, if given."""
        number = self._made[name]
        self._made[name] += 1
        record: Record
        if name == "profile":
            record = self.profile_maker.make(created, updated)
        else:
            pick = partial(self._pick, random)
            copy = partial(self._copy_template, random, created)
            record = makers.make(
                name, MakerContext(random, number, created, updated, pick, copy, of[1] if of else None)
            )
        self.records[name].put(record)
        if of:
            self.hierarchy.join(parent_child(of[0], name), of[1], record)
        return record

    def new(
        self, name: str, random: Random, created: int, updated: int, of: tuple[str, Record] | None = None
    ) -> Record:
        """Make a record of a type, with the tags and children that are usual for it."""
        record = self.make(name, random, created, updated, of)
        initial.add_children(self, name, record, random, created, updated)
        return record

    def remove(self, name: str, identity: str) -> None:
        """Delete a record and the children that require it."""
        record = self.records[name].get(identity)
        if record is None:
            raise ValueError(f"there is no {name} {identity!r}")
        for kind, child in self.hierarchy.detach(name, record):
            self.remove(kind, child.id)
        self.records[name].remove(identity)

    def random_for(self, name: str) -> Random:
        """Return a separate random generator, so that no part of the data depends on the size of another."""
        return Random(f"{self._seed}:{name}")

    def _pick(self, random: Random, name: str) -> str | None:
        place = random.random()  # drawn even if there are no records, so that later draws do not depend on their number
        if name == "event":
            return self.events.at(place)
        table = self.records.get(name, _NOTHING)
        if len(self._known.get(name, ())) != len(table):
            self._known[name] = table.ids()
        return self._known[name][int(place * len(table))] if len(table) else None

    def _copy_template(self, random: Random, created: int) -> str:
        """Make a template like those that flows copy for their messages: readable by ID, but in no list."""
        number = self._made["template copy"]
        self._made["template copy"] += 1
        context = MakerContext(random, number, created, created, partial(self._pick, random), lambda: "")
        record = makers.make("template", context)
        self.templates.put_unlisted(record)
        return record.id

    def _events(self, settings: Settings) -> EventTable:
        random = self.random_for("events")
        metrics = [(record.id, record.attributes["name"]) for record in self.metrics.records()]
        profiles = self.profiles.ids()
        # Events need metrics and profiles.
        count = settings.events if metrics and profiles else 0
        bodies = pool(random, metrics, self.campaigns.ids(), self.flows.ids())
        return EventTable(self.timeline.events(settings.seed, count), bodies, profiles, settings.seed)
