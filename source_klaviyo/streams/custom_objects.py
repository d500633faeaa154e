"""Account: objects that an account has defined itself."""

from __future__ import annotations

from source_klaviyo.api.budget import S
from source_klaviyo.streams.base import Snapshot, Unfiltered
from source_klaviyo.streams.children import Child


class DataSources(Snapshot):
    """Data source. Of custom objects."""

    resource = "data-sources"
    tier = S
    scope = "custom-objects:read"
    page_size = 100


class ObjectTypes(Unfiltered):
    """Custom object type. Holds the IDs of the current and the draft schema."""

    resource = "object-types"
    tier = S
    scope = "custom-objects:read"
    cursor_attribute = "updated_at"
    optional_params = {"include": "current-schema,draft-schema", "fields[object-schema]": "title"}


class ObjectSchemas(Child, Snapshot):
    """Custom object schema. All versions. Holds `object_type_id`."""

    resource = "object-types/{object_type_id}/schema-versions"
    tier = S
    scope = "custom-objects:read"
    parent, key = ObjectTypes, "object_type_id"


class ObjectRecords(Child, Snapshot):
    """Custom object record. Holds `object_type_id`."""

    resource = "object-types/{object_type_id}/object-records"
    tier = S
    scope = "custom-objects:read"
    page_size = 100
    parent, key = ObjectTypes, "object_type_id"
    primary_key = ["object_type_id", "id"]
