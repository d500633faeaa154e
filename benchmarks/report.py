"""Rows as a table: Markdown that is read in a terminal as well."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

from benchmarks.row import OURS, REFERENCE, WHEEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.row import Row

HEADS = (
    "Comparison",
    "What",
    "Unit",
    "Ours",
    "Airbyte's",
    "Reference",
    "Ours ÷ Airbyte's",
    "Ours ÷ reference",
    "Besides",
)
NUMBERS = range(3, 8)


def machine() -> str:
    """Where it was measured, in general terms."""
    system, python = platform.system(), platform.python_version()
    return f"{os.cpu_count()} cores, {system} on {platform.machine()}, Python {python}"


def table(rows: Sequence[Row]) -> str:
    """All rows; figures stand to the right."""
    cells = [HEADS, *(_cells(row) for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(HEADS))]
    rule = tuple("-" * (width - 1) + ":" if at in NUMBERS else "-" * width for at, width in enumerate(widths))
    return "\n".join(
        "| "
        + " | ".join(
            cell.rjust(width) if at in NUMBERS else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        + " |"
        for line in (cells[0], rule, *cells[1:])
    )


def markdown(rows: Sequence[Row], plan: str) -> str:
    """The file: the table with what it needs to be understood."""
    return (
        "# Benchmarks\n\n"
        f"`make bench`, {plan}; {machine()}. The simulator, the connector and what takes its output share the machine, "
        "so absolute figures are a lower bound; ratios were measured side by side. Every sync was seen to put out each "
        "id exactly once.\n\n"
        f"![ours, Airbyte's and the reference](results.svg)\n\n{table(rows)}\n"
    )


def figure(value: float | None) -> str:
    """A number with about three significant digits."""
    if value is None:
        return ""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _cells(row: Row) -> tuple[str, ...]:
    figures = (figure(row.figures.get(name)) for name in (OURS, WHEEL, REFERENCE))
    ratios = (f"{ratio:.3g}" if (ratio := row.ratio(to)) is not None else "" for to in (WHEEL, REFERENCE))
    note = f"**Wrong:** {row.note}" if row.failed else row.note
    return row.comparison, row.what, row.unit, *figures, *ratios, note.replace("|", "/")
