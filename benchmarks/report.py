"""Tables as Markdown that is readable in a terminal too."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.table import Table


def machine() -> str:
    """Describe the machine in general terms."""
    system, python = platform.system(), platform.python_version()
    return f"{os.cpu_count()} cores, {system} on {platform.machine()}, Python {python}"


def section(table: Table) -> str:
    """Return the section of a table: its question, meaning, figures and errors."""
    wrong = [f"**Wrong:** {line}" for line in table.wrong]
    parts = [f"## {table.question}", table.meaning, _grid(table), *table.notes, *wrong]
    return "\n\n".join(part for part in parts if part)


def markdown(tables: Sequence[Table], plan: str) -> str:
    """Return the page of results: all tables, and what is needed to understand them."""
    head = (
        f"`make bench`, {plan}; {machine()}. The simulator, the connector and the consumer of its output share the "
        "machine, so compare the ratios rather than the seconds: both sides were measured in one run. Each sync was "
        "checked to emit every ID; repeated records are listed. A figure in bold misses its goal."
    )
    drawing = "![How long a first read takes, by its size](results.svg)"
    return "\n\n".join(["# Benchmarks", head, drawing, *map(section, tables)]) + "\n"


def _grid(table: Table) -> str:
    """Return the rows in aligned columns, with figures to the right."""
    if not table.rows:
        return ""
    lines = [table.heads, *table.rows]
    widths = [max(3, *(len(line[at]) for line in lines)) for at in range(len(table.heads))]
    rule = tuple(("-" * width if at == 0 else "-" * (width - 1) + ":") for at, width in enumerate(widths))
    return "\n".join(
        "| "
        + " | ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        + " |"
        for line in (lines[0], rule, *lines[1:])
    )
