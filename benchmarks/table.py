"""The results of a comparison: tables that answer one question each, and curves for the chart."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OURS, WHEEL, BOUND = "this connector", "Airbyte's connector", "the bound"


class UnmeasurableError(Exception):
    """Something cannot be measured here; the message says why."""


class WrongError(Exception):
    """A sync did not read what it should, so its figures mean nothing."""


@dataclass
class Table:
    """A question and its answer.

    Attributes:
        question: the heading.
        meaning: a sentence or two: what the figures are, and whether more or less is better.
        heads: of the columns; the first column names the row, all others have figures.
        rows: the cells, as text.
        notes: sentences below the table.
        wrong: errors that need attention.
    """

    question: str
    meaning: str
    heads: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @contextmanager
    def guard(self, what: str) -> Iterator[None]:
        """Note what cannot be measured or is wrong, and continue."""
        try:
            yield
        except UnmeasurableError as error:
            self.notes.append(f"Not measured: {what} ({error}).")
        except WrongError as error:
            self.wrong.append(f"{what}: {error}")


@dataclass(frozen=True)
class Curves:
    """A panel of the chart.

    Attributes:
        title: what was read.
        seconds: for OURS, WHEEL and BOUND, the time of a read by its number of pages.
    """

    title: str
    seconds: Mapping[str, Mapping[int, float]]


def figure(value: float) -> str:
    """Format a number with two or three significant digits."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def seconds(value: float) -> str:
    """Format a time in seconds, or in minutes if it is long."""
    if value >= 600:
        return f"{value / 60:.0f} min"
    return f"{value:.0f} s" if value >= 10 else f"{value:.1f} s"


def marked(text: str, *, missed: bool) -> str:
    """Format a figure, in bold if it misses its goal."""
    return f"**{text}**" if missed else text
