"""The command line: `python -m benchmarks [--full] [NAME ...]`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import account, limits, memory, pods, requests, start, throughput
from benchmarks.chart import chart
from benchmarks.plan import FULL, QUICK, TINY
from benchmarks.report import machine, markdown, table
from benchmarks.row import Row, UnmeasurableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.plan import Plan

COMPARISONS = {each.NAME: each.measure for each in (throughput, limits, requests, account, memory, pods, start)}
RESULTS = Path(__file__).parent


def main() -> int:
    """Run comparisons and print their table; 1 if something was wrong."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(COMPARISONS)} (default: all)")
    parser.add_argument("--full", action="store_const", dest="plan", const=FULL, default=QUICK, help="large sizes")
    parser.add_argument("--tiny", action="store_const", dest="plan", const=TINY, help="only see that it works")
    parser.add_argument("--output", type=Path, help="folder of results.md and results.svg (default: here, if all ran)")
    given = parser.parse_args()
    unknown = set(given.names) - set(COMPARISONS)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    rows = [row for name in given.names or COMPARISONS for row in _measured(name, given.plan)]
    print(f"{given.plan.name}; {machine()}\n\n{table(rows)}")
    folder = given.output or (None if given.names or given.plan is TINY else RESULTS)
    if folder:
        _write(folder, rows, given.plan)
    return int(any(row.failed for row in rows))


def _measured(name: str, plan: Plan) -> Iterator[Row]:
    """The rows of a comparison; what cannot be measured, or is wrong, becomes a row as well."""

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {name}: {line}", file=sys.stderr, flush=True)

    began = time.monotonic()
    try:
        yield from COMPARISONS[name](plan, say)
    except UnmeasurableError as error:
        yield Row(name, "the rest is not measured", note=str(error))
    except Exception as error:  # noqa: BLE001 - the other comparisons are worth having all the same
        yield Row(name, "the rest is not measured", note=f"{type(error).__name__}: {error}", failed=True)
    say("done")


def _write(folder: Path, rows: Sequence[Row], plan: Plan) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.md").write_text(markdown(rows, plan.name), "utf-8")
    (folder / "results.svg").write_text(chart(rows), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
