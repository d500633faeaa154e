"""Lists and segments, and the profiles in them."""

from __future__ import annotations

from functools import partial

from klaviyo_simulator.areas.common import BETWEEN, ONE_OR_SEVERAL, PREDICTIONS, PROFILE_COUNT, alike
from klaviyo_simulator.declarations import Area, Endpoint, Filter, Page, Relationship, ResourceType, Tier, tree


def _members(parent: str, more: dict[str, Filter]) -> Endpoint:
    """The profiles in a list or segment; the further filters are on their ids."""
    return Endpoint(
        path=f"/api/{parent}s/{{id}}/profiles",
        type="profile",
        tier=Tier.L,
        scopes=("lists:read", "profiles:read") if parent == "list" else ("profiles:read", "segments:read"),
        parent=parent,
        page=Page(20, 100),
        filters={
            **more,
            **alike("str: any[] eq[]", "email", "phone_number"),
            "push_token": Filter.of("str: any[] eq[]", each="push-tokens"),
            "_kx": Filter.of("str: eq"),
            "joined_group_at": Filter.of(BETWEEN),
        },
        sorts=frozenset({"joined_group_at"}),
        # Not documented; newest first catches whoever relies on an order that was not asked for.
        default_sort="-joined_group_at",
        aliases={**dict.fromkeys(more, "id"), "push_token": "push-tokens.id"},
        additional=frozenset({"subscriptions", "predictive_analytics"}),
        # The reference tells it for lists only, but says that the bucket is everybody's.
        costs={("additional-fields[profile]", "predictive_analytics"): PREDICTIONS},
        shows=frozenset({"joined_group_at"}),
    )


_list = partial(Endpoint, type="list", tier=Tier.L, scopes=("lists:read",))
_segment = partial(Endpoint, type="segment", tier=Tier.L, scopes=("segments:read",))

AREA = Area(
    types=(
        ResourceType(
            "list",
            "/api/lists",
            tree("created name opt_in_process profile_count updated"),
            {"profiles": Relationship("profile"), "tags": Relationship("tag"), "flow-triggers": Relationship("flow")},
            hidden=frozenset({"profile_count"}),
        ),
        ResourceType(
            "segment",
            "/api/segments",
            tree("created definition is_active is_processing is_starred name profile_count updated"),
            {"profiles": Relationship("profile"), "tags": Relationship("tag"), "flow-triggers": Relationship("flow")},
            open_fields=frozenset({"definition"}),
            hidden=frozenset({"profile_count"}),
        ),
    ),
    endpoints=(
        _list(
            path="/api/lists",
            page=Page(10, 10),
            filters={
                "name": Filter.of("str: any[] eq[]"),
                "id": Filter.of(ONE_OR_SEVERAL),
                **alike("dt: gt", "created", "updated"),
            },
            sorts=frozenset({"created", "id", "name", "updated"}),
            includes=frozenset({"flow-triggers", "tags"}),
        ),
        _list(
            path="/api/lists/{id}",
            includes=frozenset({"flow-triggers", "tags"}),
            additional=frozenset({"profile_count"}),
            costs={("additional-fields[list]", "profile_count"): PROFILE_COUNT},
        ),
        _members("list", {}),
        _segment(
            path="/api/segments",
            page=Page(10, 10),
            filters={
                "name": Filter.of("str: any[] eq[]"),
                "id": Filter.of(ONE_OR_SEVERAL),
                **alike("dt: gt", "created", "updated"),
                "is_active": Filter.of("bool: eq any[] eq[]"),
                "is_starred": Filter.of("bool: eq", applies=False),
            },
            unless_filtered={"is_active": True},
            unless_switched="list_inactive_segments",
            sorts=frozenset({"created", "id", "name", "updated"}),
            includes=frozenset({"flow-triggers", "tags"}),
        ),
        _segment(
            path="/api/segments/{id}",
            includes=frozenset({"flow-triggers", "tags"}),
            additional=frozenset({"profile_count"}),
            costs={("additional-fields[segment]", "profile_count"): PROFILE_COUNT},
        ),
        _members("segment", {"profile_id": Filter.of("str: any[] eq[]")}),
    ),
)
