"""Custom objects: their types, schemas, records, and where they come from."""

from __future__ import annotations

from functools import partial

from klaviyo_simulator.declarations import Area, Endpoint, Filter, Page, Relationship, ResourceType, Tier, tree

_object_type = partial(Endpoint, type="object-type", tier=Tier.S, scopes=("custom-objects:read",))

AREA = Area(
    types=(
        ResourceType(
            "object-type",
            "/api/object-types",
            tree("created_at description meta(description name relationship_id) namespace status title updated_at"),
            {
                "current-schema": Relationship("object-schema", many=False),
                "draft-schema": Relationship("object-schema", many=False),
                "schema-versions": Relationship("object-schema"),
                "object-types": Relationship("object-type"),
                "profile-object-types": Relationship("profile-object-type"),
            },
            hidden=frozenset({"meta"}),
        ),
        ResourceType(
            "profile-object-type", "/api/profile-object-types", tree("meta(description name relationship_id)")
        ),
        ResourceType(
            "object-schema",
            "/api/object-schemas",
            tree("description properties published_at required status title visibility"),
            {
                "source-mapping": Relationship("source-mapping", many=False),
                "object-schemas": Relationship("object-schema"),
                "profile-object-schemas": Relationship("profile-object-schema"),
            },
        ),
        ResourceType("object-record", "/api/object-records", tree("record_properties")),
        ResourceType("data-source", "/api/data-sources", tree("description namespace title visibility")),
    ),
    endpoints=(
        _object_type(
            path="/api/object-types",
            filters={"namespace": Filter.of("str: eq")},
            includes=frozenset({"current-schema", "draft-schema"}),
            bare_links=True,
        ),
        _object_type(
            path="/api/object-types/{id}",
            includes=frozenset(
                {"current-schema", "draft-schema", "object-types", "profile-object-types", "schema-versions"}
            ),
            shows=frozenset({"meta"}),
        ),
        Endpoint(
            path="/api/object-types/{id}/schema-versions",
            type="object-schema",
            tier=Tier.S,
            scopes=("custom-objects:read",),
            parent="object-type",
        ),
        Endpoint(
            path="/api/object-types/{id}/object-records",
            type="object-record",
            tier=Tier.S,
            scopes=("custom-objects:read",),
            parent="object-type",
            page=Page(20, 100),
        ),
        Endpoint(
            path="/api/data-sources",
            type="data-source",
            tier=Tier.S,
            scopes=("custom-objects:read",),
            page=Page(20, 100),
        ),
    ),
)
