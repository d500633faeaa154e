"""Events and what they are attributed to."""

from __future__ import annotations

from klaviyo_simulator.areas.common import BETWEEN, alike
from klaviyo_simulator.declarations import Area, Endpoint, Filter, Page, Relationship, ResourceType, Tier, tree

AREA = Area(
    types=(
        ResourceType(
            "event",
            "/api/events",
            tree("datetime event_properties timestamp uuid"),
            {
                "profile": Relationship("profile", many=False, always=True),
                "metric": Relationship("metric", many=False, always=True),
                "attributions": Relationship("attribution", optional=True),
            },
            id_form=r"\w{11}",
        ),
        ResourceType("attribution", "/api/attributions", frozenset()),
    ),
    endpoints=(
        Endpoint(
            path="/api/events",
            type="event",
            tier=Tier.XL,
            scopes=("events:read",),
            page=Page(200, 1000),
            filters={
                "metric_id": Filter.of("str: eq eq[]"),
                "profile_id": Filter.of("str: eq"),
                **alike("none: has", "profile", "metric"),
                "datetime": Filter.of(BETWEEN, narrow=False),
                "timestamp": Filter.of("num: ge gt le lt"),
            },
            sorts=frozenset({"datetime", "timestamp"}),
            # Not documented; newest first catches whoever relies on an order that was not asked for.
            default_sort="-datetime",
            includes=frozenset({"attributions", "metric", "profile"}),
        ),
        Endpoint(
            path="/api/events/{id}",
            type="event",
            tier=Tier.M,
            scopes=("events:read",),
            includes=frozenset({"attributions", "metric", "profile"}),
        ),
    ),
)
