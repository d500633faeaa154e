"""The command line: `python -m benchmarks [--quick | --full] [NAME ...]`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import account, increments, memory, parents, pods, sizes, start, throughput
from benchmarks.chart import chart
from benchmarks.plan import FULL, NORMAL, QUICK
from benchmarks.report import machine, markdown, section
from benchmarks.table import Curves, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.plan import Plan

COMPARISONS = {
    each.NAME: each.measure for each in (sizes, throughput, parents, account, increments, memory, pods, start)
}
RESULTS = Path(__file__).parent


def main() -> int:
    """Run comparisons and print their tables; return 1 if something was wrong."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(COMPARISONS)} (default: all)")
    parser.add_argument("--quick", action="store_const", dest="plan", const=QUICK, default=NORMAL, help="a few sizes")
    parser.add_argument("--full", action="store_const", dest="plan", const=FULL, help="large sizes; takes hours")
    parser.add_argument("--output", type=Path, help="folder of results.md and results.svg (default: here, if all ran)")
    given = parser.parse_args()
    unknown = set(given.names) - set(COMPARISONS)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    print(f"{given.plan.name}; {machine()}\n")
    tables: list[Table] = []
    curves: list[Curves] = []
    for each in (each for name in given.names or COMPARISONS for each in _measured(name, given.plan)):
        if isinstance(each, Table):
            tables.append(each)
            print(section(each) + "\n", flush=True)
        else:
            curves.append(each)
    folder = given.output or (None if given.names or given.plan is QUICK else RESULTS)
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "results.md").write_text(markdown(tables, given.plan.name), "utf-8")
        if curves:
            (folder / "results.svg").write_text(chart(curves), "utf-8")
    return int(any(table.wrong for table in tables))


def _measured(name: str, plan: Plan) -> Iterator[Table | Curves]:
    """Yield the results of a comparison; if it fails, a table that says so."""

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {name}: {line}", file=sys.stderr, flush=True)

    began = time.monotonic()
    try:
        yield from COMPARISONS[name](plan, say)
    except Exception as error:  # noqa: BLE001 - the other comparisons still run
        yield Table(f"`{name}` failed", "", ("",), wrong=[f"{type(error).__name__}: {error}"])
    say("done")


if __name__ == "__main__":
    sys.exit(main())
