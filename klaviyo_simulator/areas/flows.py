"""Flows, their actions, and the messages of these."""

from __future__ import annotations

from functools import partial

from klaviyo_simulator.areas.common import AT_OR_BETWEEN, ONE_OR_SEVERAL, alike
from klaviyo_simulator.declarations import Area, Endpoint, Filter, Page, Relationship, ResourceType, Tier, tree

_TRIGGERS = ("Added to List", "Date Based", "Low Inventory", "Metric", "Price Drop", "Unconfigured")

_flow = partial(Endpoint, type="flow", tier=Tier.S, scopes=("flows:read",))
_flow_action = partial(Endpoint, type="flow-action", tier=Tier.S, scopes=("flows:read",))
_flow_message = partial(Endpoint, type="flow-message", tier=Tier.S, scopes=("flows:read",))

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
            {"flow-action": Relationship("flow-action", many=False), "template": Relationship("template", many=False)},
            open_fields=frozenset({"definition"}),
        ),
    ),
    endpoints=(
        _flow(
            path="/api/flows",
            page=Page(50, 50),
            filters={
                "id": Filter.of("str: any[]"),
                "name": Filter.of("str: contains ew eq sw"),
                "status": Filter.of("str: eq"),
                "archived": Filter.of("bool: eq"),
                **alike(AT_OR_BETWEEN, "created", "updated"),
                "trigger_type": Filter.of("str: eq", choices=_TRIGGERS),
            },
            unless_filtered={"archived": False},
            sorts=frozenset({"created", "id", "name", "status", "trigger_type", "updated"}),
            sorts_by_date=True,
            includes=frozenset({"flow-actions", "tags"}),
        ),
        _flow(
            path="/api/flows/{id}", includes=frozenset({"flow-actions", "tags"}), additional=frozenset({"definition"})
        ),
        _flow_action(
            path="/api/flows/{id}/flow-actions",
            parent="flow",
            page=Page(50, 50),
            filters={
                "id": Filter.of("str: any[]"),
                "action_type": Filter.of(ONE_OR_SEVERAL),
                "status": Filter.of("str: eq"),
                **alike(AT_OR_BETWEEN, "created", "updated"),
            },
            sorts=frozenset({"action_type", "created", "id", "status", "updated"}),
            aliases={"action_type": "definition.type", "status": "definition.data.status"},
        ),
        _flow_action(path="/api/flow-actions/{id}", includes=frozenset({"flow", "flow-messages"})),
        _flow_message(
            path="/api/flow-actions/{id}/flow-messages",
            parent="flow-action",
            page=Page(50, 50),
            filters={
                "id": Filter.of("str: any[]"),
                "name": Filter.of("str: contains ew eq sw"),
                **alike(AT_OR_BETWEEN, "created", "updated"),
            },
            sorts=frozenset({"created", "id", "name", "updated"}),
            aliases={"name": "definition.name"},
        ),
        _flow_message(path="/api/flow-messages/{id}", includes=frozenset({"flow-action", "template"})),
    ),
)
