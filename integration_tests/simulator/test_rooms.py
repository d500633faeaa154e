"""Each module lies in a room whose name says what may be inside, and imports only from rooms below it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import klaviyo_simulator

ROOMS = ("settings", "protocol", "rules", "data", "reports", "access", "faults", "account", "serving", "simulator")
"""From the lowest to the highest; the first and the last are single modules."""
FOLDER = Path(klaviyo_simulator.__file__).parent
MODULES = sorted(path for path in FOLDER.rglob("*.py") if path.name not in {"__init__.py", "__main__.py"})


def room(name: str) -> int:
    """How high up a module of the simulator lies."""
    return ROOMS.index(name.split(".")[1])


def imported(path: Path) -> list[str]:
    """The modules that a module imports, for its types too."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{each.name}" for each in node.names]
        elif isinstance(node, ast.Import):
            found += [each.name for each in node.names]
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_a_module_imports_from_its_own_room_and_from_those_below(path: Path) -> None:
    name = ".".join((FOLDER.name, *path.relative_to(FOLDER).with_suffix("").parts))
    ours = [each for each in imported(path) if each.startswith("klaviyo_simulator.")]
    assert [each for each in ours if room(each) > room(name)] == []
    assert [each for each in imported(path) if each.startswith(("source_klaviyo", "tools", "benchmarks"))] == []


def test_no_module_is_longer_than_400_lines() -> None:
    assert [path.name for path in MODULES if len(path.read_text("utf-8").splitlines()) > 400] == []
