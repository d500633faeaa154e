"""Flows: messages that a profile's behaviour sets off."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, Any

from source_klaviyo.api.budget import S
from source_klaviyo.streams.base import KlaviyoStream
from source_klaviyo.streams.children import VISIBILITY_LAG, Child, Included

if TYPE_CHECKING:
    from collections.abc import Mapping


class _ArchivedOrNot(KlaviyoStream, ABC):
    """GET /flows; archived ones come only when asked for."""

    resource = "flows"
    tier = S
    scope = "flows:read"
    page_size = 50
    partitions = ({"archived": "false"}, {"archived": "true"})

    def conditions(self, stream_slice: Mapping[str, Any]) -> list[str]:
        """Return the conditions for archived or not, and the window."""
        return [f"equals(archived,{stream_slice['archived']})", *super().conditions(stream_slice)]


class Flows(_ArchivedOrNot):
    """Flows with the ids of their tags."""

    optional_params = {"include": "tags", "fields[tag]": "name"}


class FlowActions(Included, _ArchivedOrNot):
    """The steps of flows, with their definitions."""

    visibility_lag = VISIBILITY_LAG
    params = {"include": "flow-actions"}
    type, relationship, key = "flow-action", "flow-actions", "flow_id"


class FlowMessages(Child):
    """GET /flow-actions/{id}/flow-messages: what a step sends."""

    resource = "flow-actions/{flow_action_id}/flow-messages"
    tier = S
    scope = "flows:read"
    visibility_lag = VISIBILITY_LAG
    page_size = 50
    parent, key = FlowActions, "flow_action_id"
