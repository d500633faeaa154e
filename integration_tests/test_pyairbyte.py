"""PyAirbyte installs the connector and reads into DuckDB, as examples/klaviyo_to_duckdb.py shows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from integration_tests.connector import KEY, ROOT
from integration_tests.truth import expected
from klaviyo_simulator import Simulator

HOME = ROOT / "build" / "pyairbyte"
"""PyAirbyte's own environment, since it needs other versions of some packages than the tests."""
PACKAGED = ("LICENSE", "MANIFEST.in", "README.md", "metadata.yaml", "pyproject.toml", "setup.py")
COLUMNS = {
    "campaigns": {"id": "VARCHAR", "updated_at": "TIMESTAMP", "attributes": "JSON"},
    "events": {"id": "VARCHAR", "datetime": "TIMESTAMP", "attributes": "JSON", "relationships": "JSON"},
    "list_profiles": {"list_id": "VARCHAR", "profile_id": "VARCHAR", "joined_group_at": "TIMESTAMP"},
    "lists": {"id": "VARCHAR", "updated": "TIMESTAMP", "attributes": "JSON"},
    "metrics": {"id": "VARCHAR", "updated": "TIMESTAMP", "attributes": "JSON"},
    "profiles": {"id": "VARCHAR", "updated": "TIMESTAMP", "attributes": "JSON"},
}


EARLY_STOPS = {
    "discover": "assert source.discovered_catalog.streams",
    "get_records": "records = source.get_records('events'); assert next(iter(records)); del records",
    "get_samples": "assert len(list(source.get_samples(['events', 'lists'], limit=3)['events'])) == 3",
}
"""Programs that stop the connector after the first part of its output."""
PROGRAM = """
import sys, airbyte as ab
source = ab.get_source(
    "source-klaviyo", local_executable=sys.argv[1], config={"api_key": sys.argv[2]}, streams=["events", "lists"]
)
"""


@pytest.fixture(scope="module")
def python() -> Path:
    """A Python with PyAirbyte, which is installed once."""
    interpreter, ready = HOME / "bin" / "python", HOME / "ready"
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", HOME], check=True)
        command = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "airbyte"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"PyAirbyte cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
        ready.touch()
    return interpreter


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the connector, so that its build leaves nothing in the project."""
    folder = tmp_path / "a checkout"
    for name in ("examples", "source_klaviyo"):
        shutil.copytree(ROOT / name, folder / name)
    for name in PACKAGED:
        shutil.copy(ROOT / name, folder)
    return folder


def environment(python: Path, shop: Simulator, folder: Path, *, oauth: bool = False) -> dict[str, str]:
    """Return PyAirbyte's environment, with the simulator instead of Klaviyo, and a key or an OAuth app."""
    app = {"CLIENT_ID": "demo-client", "CLIENT_SECRET": "demo-client-secret", "REFRESH_TOKEN": "demo-refresh-token"}
    return {
        **os.environ,
        **({f"KLAVIYO_{name}": value for name, value in app.items()} if oauth else {"KLAVIYO_API_KEY": KEY}),
        "AIRBYTE_OFFLINE_MODE": "1",  # Airbyte's registry is not requested: the connector comes from the checkout
        "DO_NOT_TRACK": "1",
        "KLAVIYO_API_URL": shop.url,
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "TMPDIR": str(folder),
    }


def run(python: Path, checkout: Path, shop: Simulator, folder: Path, *, oauth: bool = False) -> int:
    """Run the example; return how many records it has read."""
    command = [python, checkout / "examples" / "klaviyo_to_duckdb.py"]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(python, shop, folder, oauth=oauth),
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.search(r"last 30 days:\n.+: [1-9]\d* events\n", done.stdout)
    found = re.search(r"^(\d+) records read$", done.stdout, re.MULTILINE)
    assert found, done.stdout
    return int(found[1])


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    """Query the example's database."""
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as database:
        return database.execute(query).fetchall()


def ids(folder: Path, stream: str) -> list[Any]:
    """Return the keys of all rows of a stream."""
    key = "list_id, profile_id" if stream == "list_profiles" else "id"
    found = rows(folder, f"SELECT {key} FROM klaviyo.{stream} ORDER BY ALL")  # noqa: S608 - our own words
    return [row if len(row) > 1 else row[0] for row in found]


@pytest.mark.slow
def test_pyairbyte_reads_in_full_and_then_what_has_changed(python: Path, checkout: Path, tmp_path: Path) -> None:
    with Simulator(key=KEY, limits=False, years=2.0, events=2_000, profiles=300, lists=3, campaigns=10) as shop:
        read = run(python, checkout, shop, tmp_path)

        assert read == sum(len(expected(shop, stream)) for stream in COLUMNS)
        for stream, columns in COLUMNS.items():
            assert ids(tmp_path, stream) == sorted(expected(shop, stream)), stream
            about = "SELECT column_name, data_type FROM information_schema.columns WHERE table_name ="
            found = dict(rows(tmp_path, f"{about} '{stream}'"))
            assert found.items() >= columns.items()

        changed = shop.ids("profiles")[0]
        shop.touch("profile", changed, attributes={"first_name": "Renamed"})
        shop.mutate(events=7, new_profiles=2)
        read = run(python, checkout, shop, tmp_path)

        assert read == 7 + 2 + 1
        for stream in COLUMNS:
            assert ids(tmp_path, stream) == sorted(expected(shop, stream)), stream
        name = f"SELECT attributes->>'$.first_name' FROM klaviyo.profiles WHERE id = '{changed}'"  # noqa: S608 - ours
        assert rows(tmp_path, name) == [("Renamed",)]


@pytest.mark.slow
def test_pyairbyte_reads_with_oauth(python: Path, checkout: Path, tmp_path: Path) -> None:
    with Simulator(key=KEY, limits=False, years=2.0, events=2_000, profiles=300, lists=3, campaigns=10) as shop:
        read = run(python, checkout, shop, tmp_path, oauth=True)

        assert read == sum(len(expected(shop, stream)) for stream in COLUMNS)
        assert shop.stats()["endpoints"]["/oauth/token"]["by_status"].keys() == {"200"}


@pytest.mark.slow
@pytest.mark.parametrize("what", EARLY_STOPS)
def test_pyairbyte_does_not_report_an_early_stop_as_a_failure(python: Path, tmp_path: Path, what: str) -> None:
    with Simulator(key=KEY, limits=False, events=30_000, profiles=100, lists=5) as shop:
        done = subprocess.run(
            [python, "-c", PROGRAM + EARLY_STOPS[what], Path(sys.executable).parent / "source-klaviyo", KEY],
            cwd=tmp_path,
            env=environment(python, shop, tmp_path),
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
        )

    assert done.returncode == 0, done.stderr[-3000:]
    assert "AirbyteSubprocessFailedError" not in done.stderr
    assert "Traceback" not in done.stderr
