"""What a comparison yields: rows of figures, or the reason why there are none."""

from __future__ import annotations

from dataclasses import dataclass, field

OURS, WHEEL, REFERENCE = "ours", "Airbyte's", "reference"


class UnmeasurableError(Exception):
    """Something cannot be measured here; the message says why."""


class WrongError(Exception):
    """A sync did not do what it is measured at, so that its figures mean nothing."""


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        comparison: the name it runs under.
        what: what was measured, and what the reference is.
        unit: of all figures.
        figures: by OURS, WHEEL and REFERENCE, as far as there are any.
        note: absolute figures behind these, or why there are none.
        failed: whether something is wrong that is to be looked at.
    """

    comparison: str
    what: str
    unit: str = ""
    figures: dict[str, float] = field(default_factory=dict)
    note: str = ""
    failed: bool = False

    def ratio(self, to: str) -> float | None:
        """Our figure, divided by another one."""
        ours, other = self.figures.get(OURS), self.figures.get(to)
        return ours / other if ours is not None and other else None
