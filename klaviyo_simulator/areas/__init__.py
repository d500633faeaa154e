"""The API by area: resource types and endpoints, in the words of Klaviyo's reference."""

from __future__ import annotations

from klaviyo_simulator.areas import (
    account,
    campaigns,
    catalogs,
    commerce,
    content,
    custom_objects,
    events,
    flows,
    forms,
    groups,
    metrics,
    profiles,
    tags,
    webhooks,
)

AREAS = (
    account.AREA,
    campaigns.AREA,
    catalogs.AREA,
    commerce.AREA,
    content.AREA,
    custom_objects.AREA,
    events.AREA,
    flows.AREA,
    forms.AREA,
    groups.AREA,
    metrics.AREA,
    profiles.AREA,
    tags.AREA,
    webhooks.AREA,
)
