"""The subjects of reports: the messages, forms and segments of the account."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from klaviyo_simulator.data.records import ids_of
from klaviyo_simulator.reports.numbers import key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import tzinfo

    from klaviyo_simulator.data.records import Record
    from klaviyo_simulator.data.tables import Table
    from klaviyo_simulator.rules.filters import Condition

    Tables = Mapping[str, Table]

_SENT = frozenset({"Sent", "Sending", "Variations Sent"})
_CHANNELS = {"mobile_push": "push-notification", "push": "push-notification", "mobile-push": "push-notification"}


class Subject(NamedTuple):
    """A subject of a report: a message, a version of a form, or a segment."""

    id: str
    groupings: dict[str, Any]  # attributes to group and filter by; tags as lists
    first_day: date
    is_one_time: bool = False  # whether it is active on that day and the next only, like a campaign
    is_idle: bool = False  # whether its counts are 0, as for a flow that is not live

    def size(self, seed: int) -> int:
        """Return its approximate audience on a day."""
        return 0 if self.is_idle else 20 + key_of(f"{seed}:size:{self.id}") % 400

    def groups_of(self, groups: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
        """Yield the groups that it belongs to: one, or one for each tag if grouped by tags."""
        tags = range(len(self.groupings.get("tag_id", ())) if {"tag_id", "tag_name"} & set(groups) else 1)
        for at in tags or range(1):
            yield tuple(self._value(name, at) for name in groups)

    def _value(self, name: str, at: int) -> Any:
        value = self.groupings[name]
        if isinstance(value, list):
            return value[at] if at < len(value) else None
        return value

    def meets(self, condition: Condition) -> bool:
        """Return whether it meets a condition of a filter."""
        value = self.groupings[condition.field]
        has = set(value) if isinstance(value, list) else {value}
        wanted = set(condition.value) if isinstance(condition.value, tuple) else {condition.value}
        return wanted <= has if condition.operator == "contains-all" else bool(wanted & has)


def campaigns(tables: Tables, zone: tzinfo | None) -> Iterator[Subject]:
    """Yield the messages of sent campaigns."""
    for record in _records(tables, "campaign"):
        sent = record.attributes.get("send_time")
        if record.attributes["status"] not in _SENT or sent is None:
            continue
        channel = str(record.hidden.get("messages.channel", "email"))
        for message in ids_of(record.relations.get("campaign-messages")):
            found = tables["campaign-message"].get(message)
            label = (found.attributes.get("definition") or {}).get("label") if found else None
            groupings = {
                "campaign_id": record.id,
                "campaign_message_id": message,
                "campaign_message_name": label or record.attributes["name"],
                "group": None,
                "group_name": None,
                **_message(channel),
                **_tags(record, tables),
            }
            yield Subject(message, groupings, _day(sent, zone), is_one_time=True)


def flows(tables: Tables, zone: tzinfo | None) -> Iterator[Subject]:
    """Yield the messages of flows."""
    for record in _records(tables, "flow"):
        is_idle = record.attributes["status"] != "live"
        for message, name, channel in _flow_messages(record, tables):
            groupings = {
                "flow_id": record.id,
                "flow_name": record.attributes["name"],
                "flow_message_id": message,
                "flow_message_name": name,
                **_message(channel),
                **_tags(record, tables),
            }
            yield Subject(message, groupings, _day(record.attributes["created"], zone), is_idle=is_idle)


def forms(tables: Tables, zone: tzinfo | None) -> Iterator[Subject]:
    """Yield the versions of forms; a form without versions counts as one."""
    for record in _records(tables, "form"):
        first = _day(record.attributes["created_at"], zone)
        is_idle = record.attributes.get("status") != "live"
        for version in ids_of(record.relations.get("form-versions")) or [f"{record.id}1"]:
            yield Subject(version, {"form_id": record.id, "form_version_id": version}, first, is_idle=is_idle)


def segments(tables: Tables, zone: tzinfo | None) -> Iterator[Subject]:
    """Yield the segments."""
    for record in _records(tables, "segment"):
        created = record.attributes.get("created")
        first = _day(created, zone) if created else date(2000, 1, 1)
        yield Subject(record.id, {"segment_id": record.id}, first)


SUBJECTS: Mapping[str, Callable[[Tables, tzinfo | None], Iterable[Subject]]] = {
    "campaign": campaigns,
    "flow": flows,
    "form": forms,
    "segment": segments,
}


def _flow_messages(flow: Record, tables: Tables) -> Iterator[tuple[str, str, str]]:
    """Yield ID, name and channel of the messages of a flow."""
    for action in ids_of(flow.relations.get("flow-actions")):
        found = tables["flow-action"].get(action)
        for message in ids_of(found.relations.get("flow-messages")) if found else []:
            if record := tables["flow-message"].get(message):
                name = (record.attributes["definition"] or {}).get("name") or f"Message {message}"
                yield message, name, record.attributes["channel"].lower()


def _message(channel: str) -> dict[str, Any]:
    channel = _CHANNELS.get(channel, channel)
    return {
        "send_channel": channel,
        "text_message_format": "SMS" if channel == "sms" else None,
        "variation": None,
        "variation_name": None,
    }


def _tags(record: Record, tables: Tables) -> dict[str, list[str]]:
    tags = [tag for each in ids_of(record.relations.get("tags")) if (tag := tables["tag"].get(each))]
    return {"tag_id": [tag.id for tag in tags], "tag_name": [tag.attributes["name"] for tag in tags]}


def _records(tables: Tables, name: str) -> Iterator[Record]:
    return (record for identity in tables[name].ids() if (record := tables[name].get(identity)))


def _day(text: str, zone: tzinfo | None) -> date:
    return datetime.fromisoformat(text).astimezone(zone).date()
