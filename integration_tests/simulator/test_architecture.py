"""Each module of the simulator imports only from its own package and from those below it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import klaviyo_simulator

PACKAGES = ("settings", "protocol", "rules", "data", "reports", "access", "faults", "account", "serving", "simulator")
"""The packages from the lowest to the highest; the first and the last are single modules."""
FOLDER = Path(klaviyo_simulator.__file__).parent
MODULES = sorted(path for path in FOLDER.rglob("*.py") if path.name not in {"__init__.py", "__main__.py"})


def level(name: str) -> int:
    """Return the level of a module's package."""
    return PACKAGES.index(name.split(".")[1])


def imported(path: Path) -> list[str]:
    """Return the modules that a module imports, including those for types."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{each.name}" for each in node.names]
        elif isinstance(node, ast.Import):
            found += [each.name for each in node.names]
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_a_module_imports_from_its_own_package_and_lower_ones_only(path: Path) -> None:
    name = ".".join((FOLDER.name, *path.relative_to(FOLDER).with_suffix("").parts))
    ours = [each for each in imported(path) if each.startswith("klaviyo_simulator.")]
    assert [each for each in ours if level(each) > level(name)] == []
    assert [each for each in imported(path) if each.startswith(("source_klaviyo", "tools", "benchmarks"))] == []


def test_no_module_is_longer_than_400_lines() -> None:
    assert [path.name for path in MODULES if len(path.read_text("utf-8").splitlines()) > 400] == []
