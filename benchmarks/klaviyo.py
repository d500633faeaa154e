"""Klaviyo's documented limits of the endpoints that the streams read."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

ROUND_TRIPS = 3
"""The least that a first read takes: one finds the range of the records, one splits it, one reads the rest."""


@dataclass(frozen=True)
class Endpoint:
    """An endpoint and its limits.

    Attributes:
        path: of the collection.
        page: the largest page size, in records.
        burst: requests per second.
        steady: requests per minute.
        size: the simulator's option for the number of records.
        parts: requests that a read from a state takes at least.
        filtered: whether it can filter by date; if not, all pages must be read.
    """

    path: str
    page: int
    burst: int
    steady: int
    size: str = ""
    parts: int = 1
    filtered: bool = True

    def bound(self, requests: float, latency: float, fullest: float = 0.0, trips: int = ROUND_TRIPS) -> float:
        """Return the lower bound of the time for this many requests, in seconds.

        Args:
            requests: number of requests.
            latency: seconds of a round trip.
            fullest: pages of the fullest second: no filter splits a second, so they are read one after another.
            trips: round trips that cannot be concurrent.
        """
        minutes = max(ceil(requests / self.steady) - 1, 0)
        rest = requests - minutes * self.steady
        return trips * latency + max(minutes * 60 + rest / self.burst, fullest * latency)

    def is_paced(self, pages: int) -> bool:
        """Return whether the minute's quota decides how long a read of this many pages takes."""
        return pages > 0.9 * self.steady


STREAMS = {
    "campaigns": Endpoint("/api/campaigns", 100, 10, 150, "campaigns", parts=6),
    "email_templates": Endpoint("/api/templates", 10, 75, 750, "templates"),
    "events": Endpoint("/api/events", 1000, 350, 3500, "events"),
    "flows": Endpoint("/api/flows", 50, 3, 60, "flows", parts=2),
    "forms": Endpoint("/api/forms", 100, 3, 60, "forms"),
    "global_exclusions": Endpoint("/api/profiles", 100, 75, 750, parts=2),
    "images": Endpoint("/api/images", 100, 10, 150, "images", parts=2),
    "list_profiles": Endpoint("/api/lists/{id}/profiles", 100, 75, 750, "members"),
    "lists": Endpoint("/api/lists", 10, 75, 750, "lists"),
    "metrics": Endpoint("/api/metrics", 200, 10, 150, "metrics", filtered=False),
    "profiles": Endpoint("/api/profiles", 100, 75, 750, "profiles", parts=2),
    "segments": Endpoint("/api/segments", 10, 75, 750, "segments", parts=2),
    "template_universal_content": Endpoint("/api/template-universal-content", 100, 75, 750, "universal_content"),
}
ANALYSED = Endpoint("/api/profiles", 100, 10, 150, "profiles", parts=2)
"""Profiles with predictive analytics."""


def stream_of(path: str, query: str) -> str:
    """Return the stream that a request belongs to."""
    if "suppression" in query:
        return "global_exclusions"
    return next((name for name, endpoint in STREAMS.items() if endpoint.path == path and endpoint.size), path)
