"""The text of the facts' files: the differences from the revision before, with the descriptions kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from typing_extensions import override

from tools.facts.extract import extracted
from tools.facts.model import FACTS, before, overlaid, stored

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tools.facts.document import Document
    from tools.facts.model import Content

HEAD = "# {revision}, {area}. Descriptions are ours; `python -m tools.facts` takes over the rest.\n"


def written(documents: Sequence[Document]) -> Iterator[tuple[Path, str]]:
    """Yield each file of facts and what it should hold, according to the documents, earliest revision first."""
    ordered = sorted(documents, key=lambda document: document.revision)
    base = before(ordered[0].revision) if ordered else {}
    for document in ordered:
        content, areas = extracted(document)
        known = stored(document.revision)
        changed = _changed(base, content)
        _describe(changed, known)
        base = overlaid(base, changed)
        for area in sorted(set(areas.values())):
            part = {
                section: entries
                for section, all_entries in changed.items()
                if (entries := {name: entry for name, entry in all_entries.items() if areas[name] == area})
            }
            if part:
                text = HEAD.format(revision=document.revision, area=area.replace("_", " "))
                yield FACTS / document.revision / f"{area}.yaml", text + dumped(part)


def _changed(base: Content, content: Content) -> Content:
    """Return the facts that the base lacks or has differently."""
    plain = _undescribed(base)
    changed: Content = {
        "operations": {
            name: entry for name, entry in content["operations"].items() if plain["operations"].get(name) != entry
        },
        "resources": {},
        "statistics": {name: entry for name, entry in content["statistics"].items() if name not in base["statistics"]},
    }
    for name, entry in content["resources"].items():
        old = plain["resources"].get(name, {})
        if new := _changed_resource(old, entry):
            changed["resources"][name] = new
    return changed


def _changed_resource(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    changed = {key: value for key, value in new.items() if not isinstance(value, dict) and old.get(key) != value}
    gone = []
    for section in ("attributes", "relationships"):
        before, after = old.get(section, {}), new.get(section, {})
        if entries := {key: value for key, value in after.items() if before.get(key) != value}:
            changed[section] = entries
        gone += [f"{section}.{key}" for key in before if key not in after]
    return {"gone": gone, **changed} if gone else changed


def _undescribed(content: Content) -> Content:
    resources = {}
    for name, entry in content["resources"].items():
        resources[name] = {**entry, "id": ""}
        if "attributes" in entry:
            attributes = {path: {**fact, "description": ""} for path, fact in entry["attributes"].items()}
            resources[name]["attributes"] = attributes
    return {**content, "resources": resources}


def _describe(content: Content, known: Content) -> None:
    """Put the descriptions that are known into the facts; the others are written by hand, or inherited."""
    for name in content["statistics"]:
        content["statistics"][name] = known["statistics"].get(name, "")
    for name, entry in content["resources"].items():
        old = known["resources"].get(name, {})
        if "id" in entry:
            entry["id"] = old.get("id", "")
        for path, fact in entry.get("attributes", {}).items():
            stands = old.get("attributes", {}).get(path)
            if stands is not None and "description" not in stands:
                del fact["description"]  # inherited
            else:
                fact["description"] = (stands or {}).get("description", "")


ON_ONE_LINE = frozenset(
    ["always", "default", "links", "maximum", "names", "of_lists", "operators", "required", "to", "type", "values"],
)
"""Keys of mappings that are written on one line: filters, page sizes, bodies and relationships."""


class _Dumper(yaml.SafeDumper):
    """Plain lists and small mappings on one line, the rest in blocks."""

    @override
    def ignore_aliases(self, data: object) -> bool:
        return True

    @override
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _list(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)


def _mapping(dumper: yaml.SafeDumper, value: dict[str, Any]) -> yaml.Node:
    return dumper.represent_mapping("tag:yaml.org,2002:map", value.items(), flow_style=value.keys() <= ON_ONE_LINE)


_Dumper.add_representer(list, _list)
_Dumper.add_representer(dict, _mapping)


def dumped(content: Mapping[str, Any]) -> str:
    """Return facts as YAML, in the order in which they stand."""
    return str(yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))
