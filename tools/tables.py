"""Tables of streams and limits in README.md and docs/, and the scopes in spec.json, from the streams' declarations."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from source_klaviyo.api import budget
from source_klaviyo.streams.account import OfAccount
from source_klaviyo.streams.base import Unfiltered
from source_klaviyo.streams.children import Child, Included, OfChanged
from source_klaviyo.streams.detailed import Detailed
from source_klaviyo.streams.periods import Periods
from source_klaviyo.streams.reports import Report
from tools.facts.model import PROJECT
from tools.streams import area, collection, described, path_of, streams

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from source_klaviyo.api.budget import Tier
    from source_klaviyo.streams import KlaviyoStream

SPEC = PROJECT / "source_klaviyo" / "spec.json"
TIERS = {getattr(budget, name): name for name in ("XS", "S", "M", "L", "XL")} | {budget.REPORT: "225 a day"}
FIXED_PAGES = {"metrics": 200}
"""Records a page where the endpoint does not let one choose."""


def _table(head: Iterable[str], rows: Iterable[Iterable[str]], align: Iterable[str] | None = None) -> str:
    """Return a table; columns are aligned left unless `align` says otherwise."""
    head = list(head)
    lines = [head, list(align or [":---"] * len(head)), *rows]
    return "\n".join(f"| {' | '.join(cells)} |".replace("  |", " |") for cells in lines)


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _modes(stream: KlaviyoStream) -> str:
    if not stream.cursor_attribute:
        return "Full refresh"
    if isinstance(stream, Unfiltered):
        return "Full refresh, incremental (full scan; only changed records are emitted)"
    per_parent = isinstance(stream, Child) or (isinstance(stream, Report) and stream.by_metric)
    return f"Full refresh, incremental{' (each parent by itself)' if per_parent else ''}"


def _rate(stream: KlaviyoStream) -> int:
    """Return how many pages or, if each record takes a request, records a minute allows."""
    if isinstance(stream, OfChanged):
        return stream.children.tier.steady
    limits = stream.detail_limits if isinstance(stream, Detailed) else stream.limits
    return min(limit.tier.steady for limit in limits)


def _tier(stream: KlaviyoStream) -> Tier:
    """Return the tightest limit of a stream's requests."""
    details = stream.detail_limits if isinstance(stream, Detailed) else ()
    return min((limit.tier for limit in (*stream.limits, *details)), key=lambda tier: tier.steady)


def _row(stream: KlaviyoStream, plain: KlaviyoStream) -> list[str]:
    """Return the cells of a stream; `plain` is the stream without predictive analytics."""
    name, note = described(stream)
    method = "POST" if isinstance(stream, Periods) else "GET"
    include = f"?include={stream.relationship}" if isinstance(stream, Included) else ""
    tiers = [TIERS[_tier(plain)]]
    if _tier(stream) != _tier(plain):
        tiers.append(f"{TIERS[_tier(stream)]} with predictive analytics")
    return [
        _code([stream.name]),
        name,
        _code([f"{method} {path_of(collection(stream))}{include}"]),
        _modes(stream),
        _code([stream.cursor_attribute] if stream.cursor_attribute else []),
        _code([stream.primary_key] if isinstance(stream.primary_key, str) else stream.primary_key),
        _code(stream.scope.split()),
        "; ".join(tiers),
        stream.revision,
        note,
    ]


def streams_table() -> str:
    """Return one row for each stream."""
    head = ["Stream", "Object", "Endpoint", "Sync modes", "Cursor", "Primary key", "Scopes", "Rate tier"]
    pairs = zip(streams(), streams(disable_fetching_predictive_analytics=True), strict=True)
    return _table([*head, "Revision", "Notes"], [_row(stream, plain) for stream, plain in pairs])


def areas_table() -> str:
    """Return one row for each area of Klaviyo, with its streams."""
    by_area: dict[str, list[str]] = {}
    for stream in streams():
        by_area.setdefault(area(stream), []).append(stream.name)
    return _table(["Area", "Streams"], [[name, _code(names)] for name, names in sorted(by_area.items())])


def scopes_table() -> str:
    """Return one row for each scope, with the streams that need it."""
    by_scope: dict[str, list[str]] = {}
    for stream in streams():
        for scope in stream.scope.split():
            by_scope.setdefault(scope, []).append(stream.name)
    return _table(["Scope", "Streams"], [[_code([scope]), _code(names)] for scope, names in sorted(by_scope.items())])


def pages_table() -> str:
    """Return the time for a million records of each stream that is read page by page, the slowest last."""
    plain, analysed = streams(disable_fetching_predictive_analytics=True), streams()
    rates: dict[tuple[int, int], list[str]] = {}
    for stream, other in zip(plain, analysed, strict=True):
        size = FIXED_PAGES.get(stream.name, stream.page_size)
        if not size or size == 1 or isinstance(stream, Child | Detailed | Included):
            continue
        both = {_rate(stream): "", _rate(other): " with predictive analytics"}
        for steady, what in both.items() if len(both) > 1 else [(_rate(stream), "")]:
            rates.setdefault((size * steady, size), []).append(f"`{stream.name}`{what}")
    rows = [
        [", ".join(names), f"{size:,}", f"{rate // size:,}", _time(1_000_000 / rate)]
        for (rate, size), names in sorted(rates.items(), reverse=True)
    ]
    head = ["Streams", "Records a request", "Requests a minute", "A million records take"]
    return _table(head, rows, [":---", "---:", "---:", "---:"])


def parents_table() -> str:
    """Return the parents, or records, an hour of each stream that requests them one by one."""
    rates: dict[int, list[str]] = {}
    for stream in streams():
        if isinstance(stream, Child | Detailed) and not isinstance(stream, OfAccount):
            rates.setdefault(_rate(stream), []).append(stream.name)
    rows = [[_code(names), f"{rate * 60:,}"] for rate, names in sorted(rates.items(), reverse=True)]
    return _table(["Streams", "Requests an hour"], rows, [":---", "---:"])


def small_table() -> str:
    """Return the time of first reads of smaller accounts, from ``benchmarks/results.md``."""
    times: dict[str, dict[str, str]] = {}
    for stream, pages, time, *_ in _measured("| Stream | Pages | Time |"):
        times.setdefault(stream, {})[pages] = time
    reads = {name: each for name, each in times.items() if name in SMALL}
    sizes = list(next(iter(reads.values())))
    rows = [[SMALL[name], *(each.get(pages, "") for pages in sizes)] for name, each in reads.items()]
    head = ["First read of", *(f"{pages} pages" for pages in sizes)]
    return _table(head, rows, [":---", *("---:" for _ in sizes)])


def measured_table() -> str:
    """Return the cores and memory that syncs took, from ``benchmarks/results.md``."""
    head = ["Sync", "Records", "Time", "Cores", "Memory"]
    return _table(head, _measured("| Sync |"), [":---", *["---:"] * 4])


def _measured(head: str) -> list[list[str]]:
    """Return the rows of the table in ``benchmarks/results.md`` with such a heading, without marks."""
    text = (PROJECT / "benchmarks" / "results.md").read_text("utf-8").replace("**", "")
    plain = re.sub(r" *\| *", " | ", text)
    found = re.search(rf"^ {re.escape(head)}.*\n.*\n((?: \|.*\n)+)", plain, re.MULTILINE)
    if found is None:
        raise ValueError(f"benchmarks/results.md has no table {head}")
    return [[cell.strip() for cell in row.strip(" |").split(" | ")] for row in found[1].splitlines()]


def _time(minutes: float) -> str:
    """Format a time in a suitable unit."""
    if minutes < 1:
        return f"{minutes * 60:.0f} s"
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"


SMALL = {
    "events": "`events`, 1,000 a page",
    "profiles": "`profiles` without predictive analytics, 100 a page",
    "profiles with predictive analytics": "`profiles` with predictive analytics, 100 a page",
    "email_templates": "`email_templates`, 10 a page",
    "lists": "`lists`, 10 a page",
    "list_profiles": "`list_profiles` of one list, 100 a page",
}
"""Reads of the benchmarks that scaling.md lists, and how it calls them."""

TABLES = {
    "README.md": {"| Area | Streams |": areas_table},
    "docs/klaviyo.md": {"| Scope | Streams |": scopes_table, "| Stream | Object |": streams_table},
    "docs/scaling.md": {
        "| Streams | Records a request |": pages_table,
        "| Streams | Requests an hour |": parents_table,
        "| First read of |": small_table,
        "| Sync |": measured_table,
    },
}
"""The tables of each page, by how their heads begin."""


def generated() -> Iterator[tuple[Path, str]]:
    """Yield each page with its tables, and the specification with the scopes of all streams."""
    for name, tables in TABLES.items():
        page = (PROJECT / name).read_text("utf-8")
        for head, table in tables.items():
            page, count = re.subn(
                rf"^{re.escape(head)}.*\n(\|.*\n)+", f"{table()}\n", page, count=1, flags=re.MULTILINE
            )
            if not count:
                raise ValueError(f"{name} has no table {head}")
        if name == "README.md":
            page = re.sub(r"\d+ streams", f"{len(streams())} streams", page)
        yield PROJECT / name, page
    scopes = sorted({scope for stream in streams() for scope in stream.scope.split()})
    yield SPEC, re.sub(r'(?<="scope": ")[^"]*', " ".join(scopes), SPEC.read_text("utf-8"), count=1)
