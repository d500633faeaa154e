"""The lock holds what the connector needs, each package in one version and with its hashes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LOCK = (ROOT / "requirements.lock").read_text("utf-8")
PINS = dict(re.findall(r"^([\w.-]+)==(\S+) \\$", LOCK, re.MULTILINE))


def declared() -> list[Requirement]:
    """The requirements of setup.py."""
    tree = ast.parse((ROOT / "setup.py").read_text("utf-8"))
    found = next(node for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "install_requires")
    return [Requirement(text) for text in ast.literal_eval(found.value)]


@pytest.mark.parametrize("requirement", declared(), ids=str)
def test_each_requirement_is_locked_within_its_range(requirement: Requirement) -> None:
    assert requirement.specifier.contains(PINS[canonicalize_name(requirement.name)])


def test_each_pin_has_hashes() -> None:
    pinned = re.findall(r"^[\w.-]+==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", LOCK, re.MULTILINE)
    assert len(pinned) == len(PINS) == len(re.findall(r"^\w", LOCK, re.MULTILINE)) > 20


def test_the_lock_names_no_index() -> None:
    assert "://" not in LOCK
    assert not re.search(r"^\s*--(index|extra|find|trusted)", LOCK, re.MULTILINE)
