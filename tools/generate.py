"""Write all files derived from the streams' declarations and from the facts about the API.

    python -m tools.generate [--check] [--breaking]

These are the streams' JSON schemas, the scopes in spec.json, the tables in README.md and docs/, and the snapshot of
what users rely on. The expectations of the acceptance tests are written by ``integration_tests.acceptance.writing``.
"""

from __future__ import annotations

import argparse
import sys
from itertools import chain
from typing import TYPE_CHECKING

from tools import schemas, snapshots, tables
from tools.facts.model import PROJECT
from tools.streams import by_name

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or check them; return the exit code."""
    parser = argparse.ArgumentParser("python -m tools.generate", description="Write what is derived.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is not current")
    parser.add_argument("--breaking", action="store_true", help="write the snapshot even if syncs break")
    options = parser.parse_args(arguments)
    stale = [path for path in schemas.SCHEMAS.iterdir() if path.stem not in by_name()]
    for path in stale:
        print(f"{'stale' if options.check else 'removed'}: {path.relative_to(PROJECT)}")
        if not options.check:
            path.unlink()
    try:
        # the snapshot shows the schemas, so it is made after they have been written
        for path, text in chain(
            schemas.generated(), tables.generated(), snapshots.generated(breaking=options.breaking)
        ):
            if path.exists() and path.read_text("utf-8") == text:
                continue
            stale.append(path)
            print(f"{'stale' if options.check else 'written'}: {path.relative_to(PROJECT)}")
            if not options.check:
                path.write_text(text, "utf-8")
    except snapshots.Breaking as breaking:
        print(*(f"breaking: {line}" for line in breaking.args), sep="\n")
        print("The snapshot is not written. If users shall bear this, raise the major version and add --breaking.")
        return 1
    return int(options.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
