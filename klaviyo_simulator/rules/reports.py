"""POST operations that only read, derived from the facts: reports and metric aggregates."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from klaviyo_simulator.rules.declarations import Filter, Rate
from klaviyo_simulator.rules.facts import BY_REVISION, REVISION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klaviyo_simulator.rules.declarations import Cost

VALUE_STATISTICS = frozenset({"average_order_value", "conversion_value", "revenue_per_recipient"})
"""Statistics that are a 400 for a metric whose events have no value."""

_CHANNELS = ("email", "sms", "push-notification", "whatsapp")
_TAGS = ("tag_id", "tag_name")
_RELATED = {"campaign": ("campaign",), "flow": ("flow", "flow-message")}  # types that the response relates to


@dataclass(frozen=True)
class Operation:
    """A POST operation that only reads."""

    path: str
    scopes: tuple[str, ...]
    rate: Rate
    required: frozenset[str]  # attributes that the body must contain
    optional: frozenset[str]  # attributes that the body may contain
    nullable: frozenset[str]  # attributes that may be null
    values: Mapping[str, frozenset[str]]  # allowed values of attributes, if limited
    parameters: frozenset[str]  # of the query string, except sparse fieldsets
    fields: frozenset[str]  # for sparse fieldsets
    bare_links: bool = False  # whether the only link is `self`
    costs: ClassVar[Mapping[tuple[str, str], Cost]] = {}
    needs_kdp: ClassVar[bool] = False

    @property
    def type(self) -> str:
        """The type of the request's and the response's data."""
        return self.path.rpartition("/")[2].removesuffix("s")


@dataclass(frozen=True, kw_only=True)
class Report(Operation):
    """A report: its statistics, groupings and filters."""

    subject: str
    default_groups: tuple[str, ...]
    required_groups: frozenset[str]
    filters: Mapping[str, Filter] = field(default_factory=dict)
    relationships: tuple[str, ...] = ()  # types that the response relates to

    @property
    def statistics(self) -> frozenset[str]:
        """The available statistics."""
        return self.values["statistics"]

    @property
    def is_series(self) -> bool:
        """Return whether it is a series by interval."""
        return "interval" in self.required

    @property
    def needs_conversion_metric(self) -> bool:
        """Return whether it needs a conversion metric."""
        return "conversion_metric_id" in self.required


def _operation(path: str, facts: Mapping[str, Any]) -> Operation:
    attributes = {name: fact for name, fact in facts["asks"].items() if "." not in name}
    required = frozenset(name for name, fact in attributes.items() if fact.get("required"))
    common: dict[str, Any] = {
        "path": path,
        "scopes": tuple(facts["scopes"]),
        "rate": Rate.of(facts["rate"]),
        "required": required,
        "optional": frozenset(attributes) - required,
        "nullable": frozenset(name for name, fact in attributes.items() if fact["type"].endswith(" or null")),
        "values": {name: frozenset(fact["values"]) for name, fact in attributes.items() if "values" in fact},
        "parameters": frozenset(facts.get("other_parameters", ())),
        "fields": frozenset(facts["more_fields"]),
    }
    found = re.fullmatch(r"/api/(\w+)-(values|series)-reports", path)
    if not found:
        return Operation(**common)
    groups, related = attributes.get("group_by", {}), _RELATED.get(found[1], ())
    names = attributes["filter"]["names"]
    # Forms and segments have no conversions, tags or pages. The reference names the operators in prose only.
    several = "contains-any" if related else "any"
    return Report(
        **common,
        bare_links=not related,
        subject=found[1],
        default_groups=tuple(groups.get("default", names)),
        required_groups=frozenset(groups.get("always", ())),
        filters={name: _filter(name, several) for name in names},
        relationships=related,
    )


def _filter(name: str, several: str) -> Filter:
    if name in _TAGS:
        return Filter("string", listed=frozenset({"contains-any", "contains-all"}))
    choices = _CHANNELS if name == "send_channel" else ()
    return Filter("string", frozenset({"equals"}), frozenset({several}), choices)


OPERATIONS = {
    path: _operation(path, facts)
    for name, facts in BY_REVISION[REVISION].operations.items()
    for method, _, path in (name.partition(" "),)
    if method == "POST"
}
"""Every such operation by path."""
