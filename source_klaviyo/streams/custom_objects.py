"""Objects that an account has defined itself."""

from __future__ import annotations

from source_klaviyo.api.budget import S
from source_klaviyo.streams.base import Snapshot, Unfiltered
from source_klaviyo.streams.children import Child


class DataSources(Snapshot):
    """GET /data-sources."""

    resource = "data-sources"
    tier = S
    scope = "custom-objects:read"
    page_size = 100


class ObjectTypes(Unfiltered):
    """GET /object-types, with the ids of their current and draft schemas."""

    resource = "object-types"
    tier = S
    scope = "custom-objects:read"
    cursor_attribute = "updated_at"
    optional_params = {"include": "current-schema,draft-schema", "fields[object-schema]": "title"}


class ObjectSchemas(Child, Snapshot):
    """GET /object-types/{id}/schema-versions."""

    resource = "object-types/{object_type_id}/schema-versions"
    tier = S
    scope = "custom-objects:read"
    parent, key = ObjectTypes, "object_type_id"


class ObjectRecords(Child, Snapshot):
    """GET /object-types/{id}/object-records."""

    resource = "object-types/{object_type_id}/object-records"
    tier = S
    scope = "custom-objects:read"
    page_size = 100
    parent, key = ObjectTypes, "object_type_id"
    primary_key = ["object_type_id", "id"]
