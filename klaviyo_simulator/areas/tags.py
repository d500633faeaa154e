"""Tags and their groups."""

from __future__ import annotations

from klaviyo_simulator.areas.common import alike
from klaviyo_simulator.declarations import Area, Endpoint, Filter, Page, Relationship, ResourceType, Tier, tree

AREA = Area(
    types=(
        ResourceType(
            "tag",
            "/api/tags",
            tree("name"),
            {
                "tag-group": Relationship("tag-group", many=False),
                "lists": Relationship("list"),
                "segments": Relationship("segment"),
                "campaigns": Relationship("campaign"),
                "flows": Relationship("flow"),
            },
        ),
        ResourceType("tag-group", "/api/tag-groups", tree("default exclusive name"), {"tags": Relationship("tag")}),
    ),
    endpoints=(
        Endpoint(
            path="/api/tags",
            type="tag",
            tier=Tier.S,
            scopes=("tags:read",),
            page=Page(50, 50),
            filters={"name": Filter.of("str: contains ew eq sw eq[]")},
            sorts=frozenset({"id", "name"}),
            includes=frozenset({"tag-group"}),
        ),
        Endpoint(
            path="/api/tag-groups",
            type="tag-group",
            tier=Tier.S,
            scopes=("tags:read",),
            page=Page(25, 25),
            filters={
                "name": Filter.of("str: contains ew eq sw eq[]"),
                **alike("bool: eq", "exclusive", "default"),
            },
            sorts=frozenset({"id", "name"}),
        ),
    ),
)
