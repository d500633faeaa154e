"""The command."""

from __future__ import annotations

import argparse
import difflib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tools.facts.document import Document
from tools.facts.model import FACTS, PROJECT, facts, revisions
from tools.facts.writing import written

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FOLDER = PROJECT.parent / "shared" / "klaviyo"
DOCUMENTS = [_FOLDER / "openapi-2026-07-15.json.gz", _FOLDER / "openapi-2026-10-15-derived.json.gz"]
"""The folder of Klaviyo's OpenAPI documents, if they are at hand."""


def undescribed() -> Iterator[str]:
    """Yield the name of each fact whose description is not written yet."""
    for revision in revisions():
        known = facts(revision)
        yield from (f"{revision} statistics {name}" for name, text in known.statistics.items() if not text)
        for name, resource in known.resources.items():
            if not resource["id"]:
                yield f"{revision} {name} id"
            for path, fact in resource.get("attributes", {}).items():
                if not fact["description"]:
                    yield f"{revision} {name} attributes.{path}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the facts, or check them; return the exit code."""
    parser = argparse.ArgumentParser("python -m tools.facts", description="Take over what Klaviyo's documents say.")
    parser.add_argument("documents", nargs="*", type=Path, help="OpenAPI documents, one for each revision")
    parser.add_argument("--check", action="store_true", help="write nothing; show what differs, and fail if it does")
    options = parser.parse_args(arguments)
    if missing := [path.name for path in options.documents if not path.exists()]:
        parser.error(f"there is no {missing[0]}")
    paths = options.documents or [path for path in DOCUMENTS if path.exists()]
    if not paths:
        print("no document is at hand, so that facts/ stays as it is; name OpenAPI documents as arguments")
    differs = False
    for path, text in written([Document.load(path) for path in paths]):
        old = path.read_text("utf-8") if path.exists() else ""
        if old == text:
            continue
        differs = True
        name = path.relative_to(FACTS).as_posix()
        if options.check:
            print(*difflib.unified_diff(old.splitlines(), text.splitlines(), name, "document", lineterm=""), sep="\n")
        else:
            print(f"written: {name}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    facts.cache_clear()
    for name in undescribed():
        differs = True
        print(f"to be described: {name}")
    return int(options.check and differs)


if __name__ == "__main__":
    sys.exit(main())
