"""Marketing: flows, forms, templates, images, tags and translations."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from source_klaviyo.api.budget import L, Limit, M, S
from source_klaviyo.api.client import OCTOBER_2026
from source_klaviyo.api.resource import encode, members
from source_klaviyo.streams.base import KlaviyoStream, Snapshot, Unfiltered
from source_klaviyo.streams.children import VISIBILITY_LAG, Child, Included
from source_klaviyo.streams.detailed import ReadById
from source_klaviyo.streams.flagged import Flagged

if TYPE_CHECKING:
    from collections.abc import Mapping

    import msgspec


class _ArchivedOrNot(KlaviyoStream, ABC):
    """GET /flows; it lists archived ones only if a filter requests them."""

    resource = "flows"
    tier = S
    scope = "flows:read"
    page_size = 50
    partitions = ({"archived": "false"}, {"archived": "true"})

    @override
    def conditions(self, stream_slice: Mapping[str, Any]) -> list[str]:
        """Return the conditions for archived or not, and the window."""
        return [f"equals(archived,{stream_slice['archived']})", *super().conditions(stream_slice)]


class Flows(_ArchivedOrNot):
    """Flow. Archived or not. Holds the IDs of tags."""

    optional_params = {"include": "tags", "fields[tag]": "name"}


class FlowActions(Included, _ArchivedOrNot):
    """Flow action. Holds `flow_id`. Comes with the pages of flows."""

    visibility_lag = VISIBILITY_LAG
    params = {"include": "flow-actions"}
    type, relationship, key = "flow-action", "flow-actions", "flow_id"


class FlowMessages(Child):
    """Flow message. Holds `flow_action_id`. Its template belongs to the flow and is not in `email_templates`."""

    resource = "flow-actions/{flow_action_id}/flow-messages"
    tier = S
    scope = "flows:read"
    visibility_lag = VISIBILITY_LAG
    page_size = 50
    parent, key = FlowActions, "flow_action_id"


class Forms(KlaviyoStream):
    """Form."""

    resource = "forms"
    tier = S
    scope = "forms:read"
    cursor_attribute = "updated_at"
    page_size = 100


class FormVersions(Child):
    """Form version. Holds `form_id`."""

    resource = "forms/{form_id}/form-versions"
    tier = S
    scope = "forms:read"
    cursor_attribute = "updated_at"
    page_size = 100
    parent, key = Forms, "form_id"


class EmailTemplates(KlaviyoStream):
    """Template. Without the copies that flows own, which Klaviyo does not list."""

    resource = "templates"
    tier = L
    scope = "templates:read"
    page_size = 10


class TemplateUniversalContent(KlaviyoStream):
    """Universal content. Blocks and sections that templates share."""

    resource = "template-universal-content"
    tier = L
    scope = "templates:read"
    page_size = 100


class Images(Flagged):
    """Image. Hidden or not.

    Klaviyo lists hidden ones only if a filter requests them (recorded responses).
    """

    resource = "images"
    flag = "hidden"
    flags = {"visible": "false", "hidden": "true"}
    queries = ("visible", "hidden")
    new_queries = frozenset({"hidden"})
    tier = M
    scope = "images:read"
    cursor_attribute = "updated_at"
    page_size = 100


class Tags(Snapshot):
    """Tag. Holds the ID of the tag group."""

    resource = "tags"
    tier = S
    scope = "tags:read"
    page_size = 50
    optional_params = {"include": "tag-group", "fields[tag-group]": "name"}


class TagGroups(Snapshot):
    """Tag group."""

    resource = "tag-groups"
    tier = S
    scope = "tags:read"
    page_size = 25


class Translations(Unfiltered):
    """Translation. Of messages, templates and more. Holds the IDs of what is translated.

    Klaviyo can filter by none of their dates.
    """

    revision = OCTOBER_2026
    resource = "translations"
    tier = M
    scope = "translations:read"
    page_size = 100
    optional_params: Mapping[str, str] = {
        "include": "campaign-variation,flow-message,template,template-universal-content",
        "fields[campaign-variation]": "created",
        "fields[flow-message]": "created",
        "fields[template]": "name",
        "fields[template-universal-content]": "name",
    }


class TranslationsDetailed(ReadById, Translations):
    """Translation. Adds the translated texts as `values`.

    One request for each translation that changed.
    """

    detail_params = {"additional-fields[translation]": "values"}
    detail_limits = (Limit("translations/{id}", M),)

    @override
    def transform(self, resource: msgspec.Raw, stream_slice: Mapping[str, Any]) -> msgspec.Raw | None:
        """Return the translation with its texts and the relationships listed; None if it has just been deleted."""
        detail = super().transform(resource, stream_slice)
        listed = {name: part for name, part in members(resource).items() if name == "relationships"}
        return None if detail is None else encode(members(detail) | listed)
