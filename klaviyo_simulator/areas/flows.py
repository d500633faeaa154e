"""Flows, their actions, and the messages of these."""

from __future__ import annotations

from klaviyo_simulator.areas.common import AT_OR_BETWEEN, ONE_OR_SEVERAL
from klaviyo_simulator.declarations import Area, Endpoint, Filter, Page, Relationship, ResourceType, Tier, tree

_TRIGGERS = ("Added to List", "Date Based", "Low Inventory", "Metric", "Price Drop", "Unconfigured")

AREA = Area(
    types=(
        ResourceType(
            "flow",
            "/api/flows",
            tree("archived created definition name status trigger_type updated"),
            {"flow-actions": Relationship("flow-action"), "tags": Relationship("tag")},
            open_fields=frozenset({"definition"}),
            hidden=frozenset({"definition"}),
        ),
        ResourceType(
            "flow-action",
            "/api/flow-actions",
            tree("created definition updated"),
            {"flow": Relationship("flow", many=False), "flow-messages": Relationship("flow-message")},
            open_fields=frozenset({"definition"}),
            id_form=r"\d+",
        ),
        ResourceType(
            "flow-message",
            "/api/flow-messages",
            tree("channel created definition updated"),
            {
                "flow-action": Relationship("flow-action", many=False),
                "template": Relationship("template", many=False),
            },
            open_fields=frozenset({"definition"}),
        ),
    ),
    endpoints=(
        Endpoint(
            path="/api/flows",
            type="flow",
            tier=Tier.S,
            scopes=("flows:read",),
            page=Page(50, 50),
            filters={
                "id": Filter.of("str: any[]"),
                "name": Filter.of("str: contains ew eq sw"),
                "status": Filter.of("str: eq"),
                "archived": Filter.of("bool: eq"),
                "created": Filter.of(AT_OR_BETWEEN),
                "updated": Filter.of(AT_OR_BETWEEN),
                "trigger_type": Filter.of("str: eq", choices=_TRIGGERS),
            },
            unless_filtered={"archived": False},
            sorts=frozenset({"created", "id", "name", "status", "trigger_type", "updated"}),
            sorts_by_date=True,
            includes=frozenset({"flow-actions", "tags"}),
        ),
        Endpoint(
            path="/api/flows/{id}",
            type="flow",
            tier=Tier.S,
            scopes=("flows:read",),
            includes=frozenset({"flow-actions", "tags"}),
            additional=frozenset({"definition"}),
        ),
        Endpoint(
            path="/api/flows/{id}/flow-actions",
            type="flow-action",
            tier=Tier.S,
            scopes=("flows:read",),
            parent="flow",
            page=Page(50, 50),
            filters={
                "id": Filter.of("str: any[]"),
                "action_type": Filter.of(ONE_OR_SEVERAL),
                "status": Filter.of("str: eq"),
                "created": Filter.of(AT_OR_BETWEEN),
                "updated": Filter.of(AT_OR_BETWEEN),
            },
            sorts=frozenset({"action_type", "created", "id", "status", "updated"}),
            aliases={"action_type": "definition.type", "status": "definition.data.status"},
        ),
        Endpoint(
            path="/api/flow-actions/{id}",
            type="flow-action",
            tier=Tier.S,
            scopes=("flows:read",),
            includes=frozenset({"flow", "flow-messages"}),
        ),
        Endpoint(
            path="/api/flow-actions/{id}/flow-messages",
            type="flow-message",
            tier=Tier.S,
            scopes=("flows:read",),
            parent="flow-action",
            page=Page(50, 50),
            filters={
                "id": Filter.of("str: any[]"),
                "name": Filter.of("str: contains ew eq sw"),
                "created": Filter.of(AT_OR_BETWEEN),
                "updated": Filter.of(AT_OR_BETWEEN),
            },
            sorts=frozenset({"created", "id", "name", "updated"}),
            aliases={"name": "definition.name"},
        ),
        Endpoint(
            path="/api/flow-messages/{id}",
            type="flow-message",
            tier=Tier.S,
            scopes=("flows:read",),
            includes=frozenset({"flow-action", "template"}),
        ),
    ),
)
