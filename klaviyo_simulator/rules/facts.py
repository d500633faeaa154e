"""The facts about the API, read from the repository's YAML files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import yaml

FOLDER = Path(__file__).resolve().parents[2] / "facts"
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is ten times as fast


class Facts(NamedTuple):
    """The facts of a revision: operations by method and path, and resources by type."""

    operations: dict[str, dict[str, Any]]
    resources: dict[str, dict[str, Any]]


def _read() -> dict[str, Facts]:
    """Return the facts by revision, the earliest first; each revision adds to the one before."""
    known: dict[str, Facts] = {}
    facts = Facts({}, {})
    for folder in sorted(FOLDER.glob("*-*-*")):
        for file in sorted(folder.glob("*.yaml")):
            content = yaml.load(file.read_text("utf-8"), _Loader) or {}  # noqa: S506 - both loaders are safe ones
            facts = Facts(
                {**facts.operations, **content.get("operations", {})},
                {**facts.resources, **_changed(facts.resources, content.get("resources", {}))},
            )
        known[folder.name] = facts
    return known


def _changed(resources: dict[str, dict[str, Any]], changes: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Merge changes into resources: attributes and relationships one by one, without those that are gone."""
    changed = {}
    for name, change in changes.items():
        old = resources.get(name, {})
        gone = set(change.get("gone", ()))
        sections = {
            section: {
                key: fact
                for key, fact in {**old.get(section, {}), **change.get(section, {})}.items()
                if f"{section}.{key}" not in gone
            }
            for section in ("attributes", "relationships")
        }
        changed[name] = {**old, **change, **sections}
    return changed


BY_REVISION = _read()
REVISION = min(BY_REVISION)
"""The default revision: the earliest one."""
