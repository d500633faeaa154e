"""The examples in the documentation are those that are run."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tools.streams import by_name

ROOT = Path(__file__).parent.parent
EXAMPLE = (ROOT / "examples" / "klaviyo_to_duckdb.py").read_text("utf-8")


def test_the_page_about_pyairbyte_shows_the_example() -> None:
    page = (ROOT / "docs" / "pyairbyte.md").read_text("utf-8")
    assert re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL) == [EXAMPLE]


def test_the_example_reads_streams_that_there_are() -> None:
    (chosen,) = re.findall(r"^STREAMS = (\[.*])$", EXAMPLE, re.MULTILINE)
    assert set(ast.literal_eval(chosen)) <= by_name().keys()
