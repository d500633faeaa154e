"""Records: one resource each, with values that filters and sorts can look at."""

from __future__ import annotations

from typing import Any

from typing_extensions import override

from klaviyo_simulator.protocol.instants import cached_instant_of

Related = str | list[str] | dict[str, str | None] | None
"""One id, several, or several with the moment since when each of them has belonged to the record."""


class Record:
    """One resource as it is stored: attributes, hidden values to filter on, and ids of related resources."""

    __slots__ = ("_attributes", "hidden", "id", "relations")

    def __init__(
        self,
        identity: str,
        attributes: dict[str, Any],
        relations: dict[str, Related] | None = None,
        hidden: dict[str, Any] | None = None,
    ) -> None:
        self.id = identity
        self._attributes = attributes
        self.relations = relations or {}
        self.hidden = hidden or {}

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes, those that only come as additional fields among them."""
        return self._attributes

    def change(self, **attributes: Any) -> None:
        """Set some attributes."""
        self._attributes = {**self._attributes, **attributes}

    def value(self, name: str) -> Any:
        """The value behind a dotted path."""
        if name == "id":
            return self.id
        if name in self.hidden:
            return self.hidden[name]
        found: Any = self.attributes
        for part in name.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        return found

    def elements(self, name: str) -> list[dict[str, Any]]:
        """The elements of a list behind a dotted path, or of a relation."""
        if name in self.relations:
            return [{"id": each} for each in ids_of(self.relations[name])]
        return self.value(name) or []


class Member(Record):
    """A record as a group knows it: with the moment when it joined."""

    __slots__ = ("_joined", "_record")

    def __init__(self, record: Record, joined: str) -> None:
        super().__init__(record.id, {})
        self.relations = record.relations
        self._record = record
        self._joined = joined

    @property
    @override
    def attributes(self) -> dict[str, Any]:
        """The record's attributes, and when it joined."""
        return {**self._record.attributes, "joined_group_at": self._joined}

    @override
    def value(self, name: str) -> Any:
        return self._joined if name == "joined_group_at" else self._record.value(name)

    @override
    def elements(self, name: str) -> list[dict[str, Any]]:
        return self._record.elements(name)


def ids_of(related: Related) -> list[str]:
    """The ids in a relation."""
    return [related] if isinstance(related, str) else list(related or ())


def comparable(value: Any) -> Any:
    """A value as it is compared: datetimes as moments, all else as it is."""
    if isinstance(value, str) and value[4:5] == "-" and (moment := cached_instant_of(value)) is not None:
        return moment
    return value
