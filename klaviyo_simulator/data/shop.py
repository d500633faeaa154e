"""The shop: all tables, made from a seed and sizes."""

from __future__ import annotations

import time
from random import Random
from typing import TYPE_CHECKING

from klaviyo_simulator.data import catalog
from klaviyo_simulator.data.campaigns import campaign
from klaviyo_simulator.data.event_bodies import pool
from klaviyo_simulator.data.events import AttributionTable, EventTable
from klaviyo_simulator.data.profiles import ProfileMaker, devices
from klaviyo_simulator.data.timeline import Timeline
from klaviyo_simulator.moments import seconds_of
from klaviyo_simulator.tables import RecordTable, Table

if TYPE_CHECKING:
    from klaviyo_simulator.records import Record
    from klaviyo_simulator.settings import Settings


class Shop:
    """All data of one account. The same settings make the same data, but for the time they begin at."""

    def __init__(self, settings: Settings) -> None:
        self.started = int(seconds_of(settings.now) if settings.now else time.time())
        self.timeline = Timeline(self.started, settings.years, settings.skew)
        self._seed = settings.seed
        self.random = self._source("changes")

        self.tags = RecordTable(catalog.tags(self._source("tags")))
        self.campaign_messages = RecordTable()
        self.flow_actions = RecordTable()
        self.flows = RecordTable()
        self.lists = RecordTable()
        self.campaigns = RecordTable()
        self.templates = RecordTable()
        for count, make in (
            (settings.flows, self.new_flow),
            (settings.lists, self.new_list),
            (settings.campaigns, self.new_campaign),
            (settings.templates, self.new_template),
        ):
            source = self._source(make.__name__)
            for _ in range(count):
                created = self.timeline.some(source)
                make(source, created, self.timeline.later(source, created))

        source = self._source("metrics")
        self.metrics = RecordTable(catalog.metrics(source, self.timeline, settings.metrics, self.flows.ids()))
        self.profile_maker = ProfileMaker(self._source("profiles"), self.timeline, self.lists.ids())
        self.profiles = RecordTable(self.profile_maker.stock(settings.profiles))
        self.events = self._events(settings)
        source = self._source("others")
        segments = RecordTable(catalog.segments(source, self.timeline))
        self._join(source, segments)
        tokens, conversations = devices(source, self.profiles.records())
        self.tables: dict[str, Table] = {
            "account": RecordTable([catalog.account(self._source("account"))]),
            "attribution": AttributionTable(),
            "campaign": self.campaigns,
            "campaign-message": self.campaign_messages,
            "conversation": RecordTable(conversations),
            "event": self.events,
            "flow": self.flows,
            "flow-action": self.flow_actions,
            "list": self.lists,
            "metric": self.metrics,
            "profile": self.profiles,
            "push-token": RecordTable(tokens),
            "segment": segments,
            "tag": self.tags,
            "template": self.templates,
        }

    def new_campaign(self, random: Random, created: int, updated: int) -> Record:
        """One more campaign."""
        record, messages = campaign(random, created, updated, self.lists.ids()[:50], self._tagged(random))
        for message in messages:
            self.campaign_messages.put(message)
        self.campaigns.put(record)
        return record

    def new_flow(self, random: Random, created: int, updated: int) -> Record:
        """One more flow."""
        record, actions = catalog.flow(random, created, updated, self._tagged(random))
        for action in actions:
            self.flow_actions.put(action)
        self.flows.put(record)
        return record

    def new_list(self, random: Random, created: int, updated: int) -> Record:
        """One more list."""
        flows = self.flows.ids()
        triggers = [random.choice(flows)] if flows and random.random() < 0.3 else []
        record = catalog.a_list(random, created, updated, self._tagged(random), triggers)
        self.lists.put(record)
        return record

    def new_template(self, random: Random, created: int, updated: int) -> Record:
        """One more template."""
        record = catalog.template(random, created, updated)
        self.templates.put(record)
        return record

    def new_profile(self, random: Random, created: int, updated: int) -> Record:
        """One more profile."""
        del random  # profiles are made by their maker, which counts them
        record = self.profile_maker.make(created, updated)
        self.profiles.put(record)
        return record

    def _events(self, settings: Settings) -> EventTable:
        source = self._source("events")
        metrics = [(record.id, record.attributes["name"]) for record in self.metrics.records()]
        profiles = self.profiles.ids()
        # Every event has a metric and a profile; a shop without them has no events.
        count = settings.events if metrics and profiles else 0
        bodies = pool(source, metrics, self.campaigns.ids(), self.flows.ids())
        return EventTable(self.timeline.events(settings.seed, count), bodies, profiles, settings.seed)

    def _join(self, random: Random, segments: RecordTable) -> None:
        """Make some profiles members of lists and segments."""
        for record in self.profiles.records():
            if random.random() < 0.05:
                lists = self.lists.ids()
                record.relations = {
                    "lists": random.sample(lists, min(2, len(lists))),
                    "segments": random.sample(segments.ids(), 1),
                }

    def _tagged(self, random: Random) -> list[str]:
        return random.sample(self.tags.ids(), random.choice((0, 0, 1, 2)))

    def _source(self, name: str) -> Random:
        return Random(f"{self._seed}:{name}")
