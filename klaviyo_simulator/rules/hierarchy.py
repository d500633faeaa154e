"""The resource types that are children of others, with the relationships on both sides."""

from __future__ import annotations

from typing import NamedTuple


class ParentChild(NamedTuple):
    """A parent type and a child type, with the parent's relationship and its inverse."""

    parent: str
    relation: str
    child: str
    inverse: str
    is_required: bool = True  # whether a child always has exactly one such parent


PARENT_CHILD = (
    ParentChild("campaign", "campaign-audiences", "campaign-audience", "campaign"),
    ParentChild("campaign", "campaign-messages", "campaign-message", "campaign"),
    ParentChild("campaign-message", "campaign-variations", "campaign-variation", "campaign-message"),
    ParentChild("canvas-campaign", "campaign-audiences", "campaign-audience", "campaign"),
    ParentChild("canvas-campaign", "campaign-messages", "canvas-message", "campaign"),
    ParentChild("canvas-message", "campaign-variations", "campaign-variation", "campaign-message"),
    ParentChild("catalog-category", "items", "catalog-item", "categories", is_required=False),
    ParentChild("catalog-item", "variants", "catalog-variant", "item"),
    ParentChild("coupon", "coupon-codes", "coupon-code", "coupon"),
    ParentChild("flow", "flow-actions", "flow-action", "flow"),
    ParentChild("flow-action", "flow-messages", "flow-message", "flow-action"),
    ParentChild("form", "form-versions", "form-version", "form"),
    ParentChild("list", "profiles", "profile", "lists", is_required=False),
    ParentChild("metric", "metric-properties", "metric-property", "metric"),
    ParentChild("object-type", "object-records", "object-record", "object-type"),
    ParentChild("object-type", "schema-versions", "object-schema", "object-type"),
    ParentChild("profile", "conversations", "conversation", "profile"),
    ParentChild("profile", "push-tokens", "push-token", "profile"),
    ParentChild("segment", "profiles", "profile", "segments", is_required=False),
    ParentChild("tag", "campaigns", "campaign", "tags", is_required=False),
    ParentChild("tag", "campaigns", "canvas-campaign", "tags", is_required=False),
    ParentChild("tag", "flows", "flow", "tags", is_required=False),
    ParentChild("tag", "lists", "list", "tags", is_required=False),
    ParentChild("tag", "segments", "segment", "tags", is_required=False),
    ParentChild("tag-group", "tags", "tag", "tag-group"),
    ParentChild(
        "text-messaging-sender",
        "text-messaging-sender-registration",
        "text-messaging-sender-registration",
        "text-messaging-sender",
    ),
)


def parent_child(parent: str, child: str) -> ParentChild:
    """Find the entry of two types.

    Raises:
        ValueError: if there is none.
    """
    for pair in PARENT_CHILD:
        if (pair.parent, pair.child) == (parent, child):
            return pair
    raise ValueError(f"no {child} belongs to a {parent}")
