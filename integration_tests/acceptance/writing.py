"""Write the files of this folder: `python -m integration_tests.acceptance.writing`.

The shop has a fixed seed and a fixed time, so its records are always the same.
"""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from integration_tests.connector import ALL, COLLECTIONS, DECLARED, KEY, Connector, catalog, is_incremental
from klaviyo_simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER = Path(__file__).parent
CATALOG = FOLDER / "configured_catalog.json"
RECORDS = FOLDER / "expected_records.jsonl"
STATE = FOLDER / "abnormal_state.json"
FUTURE = "2121-01-01T00:00:00+0000"
COMMA = ",\n"

# Some records of every type, and few of those that Klaviyo answers at most 15 times a minute.
SIZES: dict[str, Any] = {
    "events": 200,
    "profiles": 40,
    "campaigns": 12,
    "flows": 3,
    "lists": 3,
    "segments": 3,
    "metrics": 3,
    "templates": 3,
    "members": 5,
    "years": 0.5,
    "limits": False,
}


def fixed_shop() -> Simulator:
    """Return the shop of the expected records."""
    now = dt.datetime(2026, 1, 15, tzinfo=dt.UTC)
    return Simulator(key=KEY, advanced_kdp=True, now=now, **SIZES)


def state() -> list[dict[str, Any]]:
    """Return a state in the future for each incremental stream."""
    return [
        {
            "type": "STREAM",
            "stream": {"stream_descriptor": {"name": name}, "stream_state": {stream.cursor_attribute: FUTURE}},
        }
        for name, stream in sorted(DECLARED.items())
        if is_incremental(name)
    ]


def records(shop: Simulator, folder: Path) -> list[dict[str, Any]]:
    """Return the shortest record of each stream whose records do not depend on the time of the sync."""
    found = Connector(shop.url, folder).read(*COLLECTIONS, mode="full_refresh").records
    return [{"stream": name, "data": min(found[name], key=_length)} for name in sorted(COLLECTIONS)]


def lines(items: Iterable[Any], separator: str = "\n") -> str:
    """Return one line of JSON for each item."""
    return separator.join(json.dumps(item, ensure_ascii=False, sort_keys=True) for item in items)


def main() -> None:
    """Write all files."""
    streams = sorted(catalog(*ALL)["streams"], key=lambda configured: str(configured["stream"]["name"]))
    CATALOG.write_text(f'{{"streams": [\n{lines(streams, COMMA)}\n]}}\n', "utf-8")
    STATE.write_text(f"[\n{lines(state(), COMMA)}\n]\n", "utf-8")
    with fixed_shop() as shop, tempfile.TemporaryDirectory() as folder:
        RECORDS.write_text(f"{lines(records(shop, Path(folder)))}\n", "utf-8")


def _length(record: dict[str, Any]) -> tuple[int, str]:
    text = json.dumps(record, sort_keys=True)
    return len(text), text


if __name__ == "__main__":
    main()
