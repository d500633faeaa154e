"""What happened to a profile, when, and by which metric."""

from __future__ import annotations

from source_klaviyo.api.budget import XL
from source_klaviyo.streams.base import KlaviyoStream


class Events(KlaviyoStream):
    """GET /events. The scope of the metrics is needed for the ids of metric and attributions."""

    resource = "events"
    tier = XL
    scope = "events:read"
    cursor_attribute = "datetime"
    future_dated = True
    # the document says 1000 at the parameter and 200 in the prose
    page_size = 1000
    smaller_page_size = 200
    # relationships hold ids only of what is included; the least of a metric is its name
    options = {"include": "metric,attributions", "fields[metric]": "name"}  # noqa: RUF012 - read only

    @property
    def lookback(self) -> int:
        """The setting lookback_window: events may show up long after their time."""
        return self.config.lookback
