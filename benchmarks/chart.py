"""Rows as a chart: horizontal bars, each group in a scale of its own."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from benchmarks.report import figure
from benchmarks.row import OURS, REFERENCE, WHEEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.row import Row

COLOURS = {OURS: "#1f7a5c", WHEEL: "#c8553d", REFERENCE: "#b9bec7"}
WIDTH, LEFT, LONGEST, LINE, BAR, GAP = 900, 20, 700, 15, 12, 12
"""Pixels: the whole, the margin, the longest bar, a line of text, a bar, the space between groups."""


def chart(rows: Sequence[Row]) -> str:
    """An SVG document of the rows that compare something."""
    top, parts = 50, _legend()
    for row in rows:
        bars = {name: row.figures[name] for name in COLOURS if name in row.figures}
        longest = max(bars.values(), default=0)
        if len(bars) < 2 or not longest:
            continue
        parts.append(_text(LEFT, top + BAR - 2, f"{row.comparison}: {row.what}"))
        top += LINE
        for name, value in bars.items():
            length = value / longest * LONGEST
            parts.append(f'<rect x="{LEFT}" y="{top}" width="{length:.1f}" height="{BAR - 1}" fill="{COLOURS[name]}"/>')
            parts.append(_text(LEFT + length + 5, top + BAR - 3, f"{figure(value)} {row.unit}"))
            top += BAR
        top += GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" font-family="sans-serif" font-size="11">'
    )
    paper = f'<rect width="{WIDTH}" height="{top}" fill="white"/>'
    return "\n".join((head, paper, *parts, "</svg>\n"))


def _legend() -> list[str]:
    parts = []
    for at, (name, colour) in enumerate(COLOURS.items()):
        left = LEFT + at * 110
        parts.append(f'<rect x="{left}" y="18" width="12" height="12" fill="{colour}"/>')
        parts.append(_text(left + 18, 28, name))
    return parts


def _text(left: float, base: float, text: str) -> str:
    return f'<text x="{left:.1f}" y="{base:.1f}" fill="#222">{escape(text)}</text>'
