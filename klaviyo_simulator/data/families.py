"""Records that belong to each other: joined, parted, and the children of a parent in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_simulator.data.records import Member, Record, ids_of
from klaviyo_simulator.data.tables import RecordTable
from klaviyo_simulator.rules.kinship import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from klaviyo_simulator.data.tables import Table
    from klaviyo_simulator.rules.kinship import Kin


class Families:
    """Joins children to parents, and keeps the children of a parent ready to be walked in order."""

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self._tables = tables
        self._ready: dict[tuple[str, str, str], RecordTable] = {}

    def children(self, parent: str, relation: str, identity: str) -> RecordTable | None:
        """The children of a parent, or None if there is no such parent."""
        record = self._tables[parent].get(identity)
        if record is None:
            return None
        place = (parent, relation, identity)
        if place not in self._ready:
            kin = next(kin for kin in KINDS if (kin.parent, kin.relation) == (parent, relation))
            self._ready[place] = RecordTable(self._gather(self._tables[kin.child], record, relation))
        return self._ready[place]

    def join(self, kin: Kin, parent: Record, child: Record, joined: str | None = None) -> None:
        """Make a record a child of another, from a moment on if that matters."""
        if kin.sole:
            child.relations[kin.back] = parent.id
        else:
            _several(child, kin.back)[parent.id] = None
        _several(parent, kin.relation)[child.id] = joined
        self._ready.pop((kin.parent, kin.relation, parent.id), None)

    def leave(self, kin: Kin, parent: Record, child: Record) -> None:
        """Let a record be no child of another any more."""
        _several(parent, kin.relation).pop(child.id, None)
        if kin.sole:
            child.relations.pop(kin.back, None)
        else:
            _several(child, kin.back).pop(parent.id, None)
        self._ready.pop((kin.parent, kin.relation, parent.id), None)

    def parents(self, name: str, record: Record) -> Iterator[tuple[Kin, Record]]:
        """All parents of a record."""
        for kin in KINDS:
            if kin.child == name:
                yield from ((kin, parent) for parent in self._known(kin.parent, record, kin.back))

    def changed(self, name: str, record: Record) -> None:
        """Take note that a record has changed."""
        for kin, parent in self.parents(name, record):
            self._ready.pop((kin.parent, kin.relation, parent.id), None)

    def bury(self, name: str, record: Record) -> list[tuple[str, Record]]:
        """Take a record out of all its families; the children that cannot be without it."""
        for kin, parent in list(self.parents(name, record)):
            self.leave(kin, parent, record)
        orphans: list[tuple[str, Record]] = []
        for kin in KINDS:
            if kin.parent == name:
                for child in list(self._known(kin.child, record, kin.relation)):
                    self.leave(kin, record, child)
                    orphans += [(kin.child, child)] if kin.sole else []
        return orphans

    def _known(self, name: str, record: Record, relation: str) -> Iterator[Record]:
        for identity in ids_of(record.relations.get(relation)):
            if found := self._tables[name].get(identity):
                yield found

    def _gather(self, table: Table, parent: Record, relation: str) -> Iterable[Record]:
        related = parent.relations.get(relation)
        joined = related if isinstance(related, dict) else {}
        for identity in ids_of(related):
            record = table.get(identity)
            if record is not None:
                moment = joined.get(identity)
                yield record if moment is None else Member(record, moment)


def _several(record: Record, relation: str) -> dict[str, str | None]:
    related = record.relations.get(relation)
    if not isinstance(related, dict):
        related = record.relations[relation] = dict.fromkeys(ids_of(related))
    return related
