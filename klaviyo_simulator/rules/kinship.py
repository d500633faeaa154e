"""Which resources belong to which: parents with their children, known from both sides."""

from __future__ import annotations

from typing import NamedTuple


class Kin(NamedTuple):
    """One way to belong: the relation of the parent, and the relation back."""

    parent: str
    relation: str
    child: str
    back: str
    sole: bool = True  # whether a child has one parent of the kind and cannot be without


KINDS = (
    Kin("campaign", "campaign-audiences", "campaign-audience", "campaign"),
    Kin("campaign", "campaign-messages", "campaign-message", "campaign"),
    Kin("campaign-message", "campaign-variations", "campaign-variation", "campaign-message"),
    Kin("canvas-campaign", "campaign-audiences", "campaign-audience", "campaign"),
    Kin("canvas-campaign", "campaign-messages", "canvas-message", "campaign"),
    Kin("canvas-message", "campaign-variations", "campaign-variation", "campaign-message"),
    Kin("catalog-category", "items", "catalog-item", "categories", sole=False),
    Kin("catalog-item", "variants", "catalog-variant", "item"),
    Kin("coupon", "coupon-codes", "coupon-code", "coupon"),
    Kin("flow", "flow-actions", "flow-action", "flow"),
    Kin("flow-action", "flow-messages", "flow-message", "flow-action"),
    Kin("form", "form-versions", "form-version", "form"),
    Kin("list", "profiles", "profile", "lists", sole=False),
    Kin("metric", "metric-properties", "metric-property", "metric"),
    Kin("object-type", "object-records", "object-record", "object-type"),
    Kin("object-type", "schema-versions", "object-schema", "object-type"),
    Kin("profile", "conversations", "conversation", "profile"),
    Kin("profile", "push-tokens", "push-token", "profile"),
    Kin("segment", "profiles", "profile", "segments", sole=False),
    Kin("tag", "campaigns", "campaign", "tags", sole=False),
    Kin("tag", "campaigns", "canvas-campaign", "tags", sole=False),
    Kin("tag", "flows", "flow", "tags", sole=False),
    Kin("tag", "lists", "list", "tags", sole=False),
    Kin("tag", "segments", "segment", "tags", sole=False),
    Kin("tag-group", "tags", "tag", "tag-group"),
    Kin(
        "text-messaging-sender",
        "text-messaging-sender-registration",
        "text-messaging-sender-registration",
        "text-messaging-sender",
    ),
)


def kin_of(parent: str, child: str) -> Kin:
    """How records of one type belong to those of another."""
    for kin in KINDS:
        if (kin.parent, kin.child) == (parent, child):
            return kin
    raise ValueError(f"no {child} belongs to a {parent}")
