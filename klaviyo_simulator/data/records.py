"""Records: resources with values for filters and sorts."""

from __future__ import annotations

from typing import Any

from typing_extensions import override

from klaviyo_simulator.protocol.instants import cached_instant_of

Related = str | list[str] | dict[str, str | None] | None
"""One ID, several, or several with the date on which each joined."""


class Record:
    """A stored resource: attributes, hidden values for filters, and IDs of related resources."""

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
        """All attributes, including additional fields."""
        return self._attributes

    def change(self, **attributes: Any) -> None:
        """Set some attributes."""
        self._attributes = {**self._attributes, **attributes}

    def value(self, name: str) -> Any:
        """Return the value at a dotted path."""
        if name == "id":
            return self.id
        if name in self.hidden:
            return self.hidden[name]
        found: Any = self.attributes
        for part in name.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        return found

    def elements(self, name: str) -> list[dict[str, Any]]:
        """Return the elements of a list at a dotted path, or of a relationship."""
        if name in self.relations:
            return [{"id": each} for each in ids_of(self.relations[name])]
        return self.value(name) or []


class Member(Record):
    """A record as a member of a group, with the date on which it joined."""

    __slots__ = ("_joined", "_record")

    def __init__(self, record: Record, joined: str) -> None:
        super().__init__(record.id, {})
        self.relations = record.relations
        self._record = record
        self._joined = joined

    @property
    @override
    def attributes(self) -> dict[str, Any]:
        """The record's attributes, and the date on which it joined."""
        return {**self._record.attributes, "joined_group_at": self._joined}

    @override
    def value(self, name: str) -> Any:
        return self._joined if name == "joined_group_at" else self._record.value(name)

    @override
    def elements(self, name: str) -> list[dict[str, Any]]:
        return self._record.elements(name)


def ids_of(related: Related) -> list[str]:
    """Return the IDs in a relationship."""
    return [related] if isinstance(related, str) else list(related or ())


def comparable(value: Any) -> Any:
    """Convert datetimes to instants, so that they can be compared."""
    if isinstance(value, str) and value[4:5] == "-" and (instant := cached_instant_of(value)) is not None:
        return instant
    return value
