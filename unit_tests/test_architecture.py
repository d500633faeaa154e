"""The imports and modules are those in docs/architecture.md."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "source_klaviyo"
EVERYWHERE = {"typing_extensions"}
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
MODULES = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"}


def names(text: str) -> set[str]:
    """Return the texts in backticks."""
    return set(re.findall(r"`([^`]+)`", text))


def rows() -> list[tuple[set[str], set[str], set[str]]]:
    """The table of imports: modules, what they import of the project, and what of other projects."""
    table = PAGE.partition("| Modules | Import | Other packages |\n")[2].partition("\n\n")[0]
    cells = [line.strip("|").split("|") for line in table.splitlines()[1:]]
    return [(names(modules), names(own), names(others)) for modules, own, others in cells]


def covers(entries: set[str], module: str) -> bool:
    """Return whether a module is one of the entries, or lies in one of them."""
    return any(module == entry or (entry.endswith("/") and module.startswith(entry)) for entry in entries)


def imported(module: str) -> tuple[set[str], set[str]]:
    """Return all imports of a module, also those in functions: of the project, and of other projects."""
    found = []
    for node in ast.walk(ast.parse((PACKAGE / module).read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    own = {place for name in found if name.startswith("source_klaviyo.") if (place := place_of(name))}
    others = {name.partition(".")[0] for name in found} - sys.stdlib_module_names - {"source_klaviyo"}
    return own, others


def place_of(name: str) -> str:
    """The file that an imported name comes from: a module, or a folder of modules."""
    parts = name.split(".")[1:]
    for length in range(len(parts), 0, -1):
        path = "/".join(parts[:length])
        if f"{path}.py" in MODULES:
            return f"{path}.py"
        if (PACKAGE / path).is_dir():
            return f"{path}/"
    raise AssertionError(f"no module of the project holds {name}")


def test_each_module_has_a_row_and_a_description() -> None:
    for module in MODULES:
        assert sum(covers(entries, module) for entries, _, _ in rows()) == 1, module
        assert f"`{module}`" in PAGE.partition("## The modules")[2].partition("\n## ")[0], module


def test_each_module_that_is_named_exists() -> None:
    drawing = PAGE.partition("```\n")[2].partition("```")[0]
    named = set(re.findall(r"(?:\w+/)*\w+\.py", drawing)) | set(re.findall(r"`((?:\w+/)*\w+\.py)`", PAGE))
    assert len(named) > 20
    assert named - {"setup.py"} <= MODULES


def test_modules_import_what_their_row_says_and_nothing_else() -> None:
    for entries, own, others in rows():
        modules = [module for module in MODULES if covers(entries, module)]
        found = [imported(module) for module in modules]
        outside = {name for one, _ in found for name in one if not covers(entries, name)}
        assert {name for name in outside if not covers(own, name)} == set(), entries
        assert {name for name in own if not any(covers({name}, one) for one in outside)} == set(), entries
        assert set[str]().union(*(one for _, one in found)) - EVERYWHERE == others, entries


def test_no_module_and_no_function_is_too_long_to_read_at_once() -> None:
    for module in MODULES:
        text = (PACKAGE / module).read_text("utf-8")
        assert len(text.splitlines()) <= 400, module
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno is not None
                assert node.end_lineno - node.lineno < 60, f"{module}: {node.name}"
