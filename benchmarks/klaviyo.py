"""What Klaviyo documents of the endpoints behind the streams."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

ROUND_TRIPS = 3
"""A first read cannot do with fewer: where do the records lie, divide, and read what remains."""


@dataclass(frozen=True)
class Endpoint:
    """Where a stream is read, and how fast that may be.

    Attributes:
        path: of the collection.
        page: the most records of one answer.
        burst: requests a second.
        steady: requests a minute.
        size: the simulator's option for how many records there are.
        parts: how many times it has to be asked in a read that goes on from a state.
        filtered: whether it can be asked for what is new; else all pages have to be read.
    """

    path: str
    page: int
    burst: int
    steady: int
    size: str = ""
    parts: int = 1
    filtered: bool = True

    def bound(self, requests: float, latency: float, fullest: float = 0.0, trips: int = ROUND_TRIPS) -> float:
        """Return the seconds that so many requests take at the least.

        Args:
            requests: how many.
            latency: seconds of a round trip.
            fullest: pages of the fullest second: no filter divides a second, so they come one after the other.
            trips: round trips that cannot be made side by side.
        """
        minutes = max(ceil(requests / self.steady) - 1, 0)
        rest = requests - minutes * self.steady
        return trips * latency + max(minutes * 60 + rest / self.burst, fullest * latency)

    def is_paced(self, pages: int) -> bool:
        """Return whether the minute's quota decides how long a read of so many pages takes."""
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
    """Return the stream that a request is made for."""
    if "suppression" in query:
        return "global_exclusions"
    return next((name for name, endpoint in STREAMS.items() if endpoint.path == path and endpoint.size), path)
