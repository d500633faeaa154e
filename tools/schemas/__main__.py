"""The command."""

from __future__ import annotations

import argparse
import json
import re
import sys
from typing import TYPE_CHECKING

from tools.facts.model import PROJECT, facts
from tools.schemas.streams import STREAMS
from tools.schemas.writing import stream_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SCHEMAS = PROJECT / "source_klaviyo" / "schemas"


def generated() -> Iterator[tuple[Path, str]]:
    """Yield each schema file and what it should hold."""
    for name, stream in STREAMS.items():
        text = json.dumps(stream_schema(facts(stream.revision), stream), indent=2, ensure_ascii=False)
        text = re.sub(r'\[\s+("\w+"),\s+("\w+")\s+]', r"[\1, \2]", text)  # the pairs of types on one line
        yield SCHEMAS / f"{name}.json", text + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the schemas, or check them; return the exit code."""
    parser = argparse.ArgumentParser("python -m tools.schemas", description="Write the streams' schemas.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is not current")
    options = parser.parse_args(arguments)
    stale = [
        (path, text) for path, text in generated() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path, text in stale:
        print(f"{'stale' if options.check else 'written'}: {path.name}")
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
