"""The command."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tools.schemas.document import Document
from tools.schemas.streams import STREAMS
from tools.schemas.writing import stream_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PROJECT = Path(__file__).resolve().parents[2]
_FOLDER = PROJECT.parent / "shared" / "klaviyo"
DOCUMENTS = {
    "2026-07-15": _FOLDER / "openapi-2026-07-15.json.gz",
    "2026-10-15": _FOLDER / "openapi-2026-10-15-derived.json.gz",
}
"""Klaviyo's OpenAPI document of each revision that streams speak; the later one was derived from Klaviyo's client."""
SCHEMAS = PROJECT / "source_klaviyo" / "schemas"


def generated(documents: Mapping[str, Document]) -> Iterator[tuple[Path, str]]:
    """Yield each schema file and what it should hold."""
    for name, stream in STREAMS.items():
        text = json.dumps(stream_schema(documents[stream.revision], stream), indent=2, ensure_ascii=False)
        text = re.sub(r'\[\s+("\w+"),\s+("\w+")\s+]', r"[\1, \2]", text)  # the pairs of types on one line
        yield SCHEMAS / f"{name}.json", text + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the schemas, or check them; return the exit code."""
    parser = argparse.ArgumentParser("python -m tools.schemas", description="Write the streams' schemas.")
    parser.add_argument(
        "documents", nargs="*", type=Path, default=list(DOCUMENTS.values()), help="Klaviyo's OpenAPI documents"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is not current")
    options = parser.parse_args(arguments)
    missing = [path.name for path in options.documents if not path.exists()]
    if missing:
        parser.error(f"there is no {missing[0]}; name the documents as arguments")
    documents = {document.revision: document for document in map(Document.load, options.documents)}
    lacking = {stream.revision for stream in STREAMS.values()} - documents.keys()
    if lacking:
        parser.error(f"there is no document of revision {min(lacking)}; name it as an argument")
    stale = [
        (path, text)
        for path, text in generated(documents)
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path, text in stale:
        print(f"{'stale' if options.check else 'written'}: {path.name}")
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
