"""Records: one resource each, with values that filters and sorts can look at."""

from __future__ import annotations

from typing import Any

from klaviyo_simulator.moments import cached_moment_of

Related = str | list[str] | None


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
        """The elements of a list behind a dotted path."""
        return self.value(name) or []


def comparable(value: Any) -> Any:
    """A value as it is compared: datetimes as moments, all else as it is."""
    if isinstance(value, str) and value[4:5] == "-" and (moment := cached_moment_of(value)) is not None:
        return moment
    return value
