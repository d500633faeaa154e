"""The streams, one file for each area of Klaviyo."""

from __future__ import annotations

from source_klaviyo.streams.base import KlaviyoStream
from source_klaviyo.streams.campaigns import Campaigns
from source_klaviyo.streams.events import Events
from source_klaviyo.streams.flows import Flows
from source_klaviyo.streams.lists import Lists
from source_klaviyo.streams.metrics import Metrics
from source_klaviyo.streams.profiles import GlobalExclusions, Profiles
from source_klaviyo.streams.templates import EmailTemplates

STREAMS: tuple[type[KlaviyoStream], ...] = (
    Campaigns,
    EmailTemplates,
    Events,
    Flows,
    GlobalExclusions,
    Lists,
    Metrics,
    Profiles,
)

__all__ = [
    "STREAMS",
    "Campaigns",
    "EmailTemplates",
    "Events",
    "Flows",
    "GlobalExclusions",
    "KlaviyoStream",
    "Lists",
    "Metrics",
    "Profiles",
]
