"""The kinds of events of an account."""

from __future__ import annotations

from source_klaviyo.api.budget import M
from source_klaviyo.streams.base import KlaviyoStream


class Metrics(KlaviyoStream):
    """GET /metrics: pages of 200, neither filter nor order; what has not changed is left out here."""

    resource = "metrics"
    tier = M
    scope = "metrics:read"
    lower = None
    upper = False
    sortable = False
    ordered = False
