"""The chart of the time of reads by their size, both axes logarithmic."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from benchmarks.table import BOUND, OURS, WHEEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmarks.table import Curves

STYLES = {WHEEL: ("#c8553d", ""), OURS: ("#1f7a5c", ""), BOUND: ("#8a909c", "4 3")}
"""Color and dashes of each line."""
WIDTH, HEIGHT, LEFT, TOP, GAP = 300, 210, 50, 62, 64
"""Pixels: size of a panel, margins, and space between panels."""
TICKS = (1, 2, 5)


def chart(panels: Sequence[Curves]) -> str:
    """Return an SVG document with the panels side by side."""
    width = LEFT + len(panels) * (WIDTH + GAP)
    height = TOP + HEIGHT + 44
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="11" fill="#222">'
    )
    title = "How long a first read takes: seconds, by full pages. Lower is better."
    parts = [f'<rect width="{width}" height="{height}" fill="white"/>', _text(LEFT, 20, title, size=13), *_legend()]
    span = _span(seconds for panel in panels for line in panel.seconds.values() for seconds in line.values())
    for number, panel in enumerate(panels):
        parts += _Panel(panel, LEFT + number * (WIDTH + GAP), span).parts()
    return "\n".join((head, *parts, "</svg>\n"))


class _Panel:
    """A pair of axes with its lines."""

    def __init__(self, curves: Curves, left: int, seconds: tuple[float, float]) -> None:
        self._curves = curves
        self._left = left
        self._x = _span(pages for line in curves.seconds.values() for pages in line)
        self._y = seconds

    def parts(self) -> list[str]:
        """Return the SVG elements of the panel."""
        bottom = TOP + HEIGHT
        parts = [_text(self._left, TOP - 8, self._curves.title)]
        for value in _ticks(self._y):
            at = self._at_y(value)
            parts.append(f'<path d="M{self._left} {at:.1f}h{WIDTH}" stroke="#e4e6ea"/>')
            parts.append(_text(self._left - 6, at + 4, f"{value:g} s", anchor="end"))
        pages = sorted({pages for line in self._curves.seconds.values() for pages in line})
        parts += [_text(self._at_x(value), bottom + 16, f"{value:,}", anchor="middle") for value in pages]
        parts.append(_text(self._left + WIDTH / 2, bottom + 34, "pages", anchor="middle"))
        parts.append(f'<path d="M{self._left} {TOP}V{bottom}h{WIDTH}" fill="none" stroke="#222"/>')
        return [*parts, *(part for name in STYLES for part in self._line(name))]

    def _line(self, name: str) -> list[str]:
        line: Mapping[int, float] = self._curves.seconds.get(name, {})
        if not line:
            return []
        colour, dashes = STYLES[name]
        points = [(self._at_x(pages), self._at_y(seconds)) for pages, seconds in sorted(line.items())]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        drawn = f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>'
        dots = [] if dashes else [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        return [drawn, *dots]

    def _at_x(self, pages: float) -> float:
        return self._left + _share(pages, self._x) * WIDTH

    def _at_y(self, seconds: float) -> float:
        return TOP + (1 - _share(seconds, self._y)) * HEIGHT


def _span(values: Iterable[float]) -> tuple[float, float]:
    """Return the ends of an axis, slightly beyond all values."""
    known = list(values)
    return min(known) / 1.3, max(known) * 1.3


def _share(value: float, span: tuple[float, float]) -> float:
    return math.log(value / span[0]) / math.log(span[1] / span[0])


def _ticks(span: tuple[float, float]) -> list[float]:
    """Return 1, 2 and 5 times the powers of ten, or only the powers if there are many."""
    powers = range(math.floor(math.log10(span[0])), math.ceil(math.log10(span[1])) + 1)
    values = [tick * 10.0**power for power in powers for tick in (TICKS if len(powers) < 4 else (1,))]
    return [value for value in values if span[0] <= value <= span[1]]


def _legend() -> list[str]:
    parts, left = [], LEFT
    for name, (colour, dashes) in STYLES.items():
        parts.append(f'<path d="M{left} 34h22" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>')
        parts.append(_text(left + 28, 38, name))
        left += 60 + 6 * len(name)
    return parts


def _text(left: float, base: float, text: str, *, anchor: str = "start", size: int = 11) -> str:
    return f'<text x="{left:.1f}" y="{base:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(text)}</text>'
