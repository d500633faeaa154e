"""Parents and children among records: joining, leaving, and the children of a parent as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_simulator.data.records import Member, Record, ids_of
from klaviyo_simulator.data.tables import RecordTable
from klaviyo_simulator.rules.hierarchy import PARENT_CHILD

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from klaviyo_simulator.data.tables import Table
    from klaviyo_simulator.rules.hierarchy import ParentChild


class Hierarchy:
    """Relations between parents and children, with a cached table of each parent's children."""

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self._tables = tables
        self._children: dict[tuple[str, str, str], RecordTable] = {}

    def children(self, parent: str, relation: str, identity: str) -> RecordTable | None:
        """Return the children of a parent, or None if there is no such parent."""
        record = self._tables[parent].get(identity)
        if record is None:
            return None
        key = (parent, relation, identity)
        if key not in self._children:
            pair = next(pair for pair in PARENT_CHILD if (pair.parent, pair.relation) == (parent, relation))
            self._children[key] = RecordTable(self._members(self._tables[pair.child], record, relation))
        return self._children[key]

    def join(self, pair: ParentChild, parent: Record, child: Record, joined: str | None = None) -> None:
        """Make a record a child of another; `joined` is the date of a member of a group."""
        if pair.is_required:
            child.relations[pair.inverse] = parent.id
        else:
            _as_dict(child, pair.inverse)[parent.id] = None
        _as_dict(parent, pair.relation)[child.id] = joined
        self._children.pop((pair.parent, pair.relation, parent.id), None)

    def leave(self, pair: ParentChild, parent: Record, child: Record) -> None:
        """Remove a record from a parent."""
        _as_dict(parent, pair.relation).pop(child.id, None)
        if pair.is_required:
            child.relations.pop(pair.inverse, None)
        else:
            _as_dict(child, pair.inverse).pop(parent.id, None)
        self._children.pop((pair.parent, pair.relation, parent.id), None)

    def parents(self, name: str, record: Record) -> Iterator[tuple[ParentChild, Record]]:
        """Yield all parents of a record."""
        for pair in PARENT_CHILD:
            if pair.child == name:
                yield from ((pair, parent) for parent in self._existing(pair.parent, record, pair.inverse))

    def invalidate(self, name: str, record: Record) -> None:
        """Drop the cached tables that contain a changed record."""
        for pair, parent in self.parents(name, record):
            self._children.pop((pair.parent, pair.relation, parent.id), None)

    def detach(self, name: str, record: Record) -> list[tuple[str, Record]]:
        """Remove a record from its parents and children; return the children that require it."""
        for pair, parent in list(self.parents(name, record)):
            self.leave(pair, parent, record)
        orphans: list[tuple[str, Record]] = []
        for pair in PARENT_CHILD:
            if pair.parent == name:
                for child in list(self._existing(pair.child, record, pair.relation)):
                    self.leave(pair, record, child)
                    orphans += [(pair.child, child)] if pair.is_required else []
        return orphans

    def _existing(self, name: str, record: Record, relation: str) -> Iterator[Record]:
        for identity in ids_of(record.relations.get(relation)):
            if found := self._tables[name].get(identity):
                yield found

    def _members(self, table: Table, parent: Record, relation: str) -> Iterable[Record]:
        related = parent.relations.get(relation)
        joined = related if isinstance(related, dict) else {}
        for identity in ids_of(related):
            record = table.get(identity)
            if record is not None:
                date = joined.get(identity)
                yield record if date is None else Member(record, date)


def _as_dict(record: Record, relation: str) -> dict[str, str | None]:
    related = record.relations.get(relation)
    if not isinstance(related, dict):
        related = record.relations[relation] = dict.fromkeys(ids_of(related))
    return related
