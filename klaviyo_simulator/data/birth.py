"""What a record is made from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from klaviyo_simulator.data.records import Record
from klaviyo_simulator.protocol.moments import SECOND, iso, iso_micro

if TYPE_CHECKING:
    from random import Random


class Birth(NamedTuple):
    """The moments of a record to be made, chance, and what there is already."""

    random: Random
    number: int  # how many of its type were made before
    created: int
    updated: int
    pick: Callable[[str], str | None]  # the id of some record of a type, if there is one
    copy_template: Callable[[], str]  # makes a template that is in no list; its id
    parent: Record | None = None  # what it will belong to

    def times(self) -> dict[str, str]:
        """Both moments, as most types have them."""
        return {"created": iso(self.created), "updated": iso(self.updated)}

    def times_at(self) -> dict[str, str]:
        """Both moments under their other names, with microseconds."""
        born = self.created * SECOND + self.random.randrange(SECOND)
        touched = self.updated * SECOND - SECOND + self.random.randrange(SECOND)
        return {"created_at": iso_micro(born), "updated_at": iso_micro(max(born, touched))}


Maker = Callable[[Birth], Record]
