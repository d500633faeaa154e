"""What Klaviyo documents of the endpoints behind the streams."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Endpoint:
    """Where a stream is read, and how fast that may be.

    Attributes:
        path: of the collection.
        page: the most records of one answer.
        burst: requests a second.
        steady: requests a minute.
        parts: of a stream that has to be asked for part by part, in a read that goes on from a state.
        size: the simulator's option for how many records there are.
        filtered: whether it can be asked for what is new; else all pages have to be read.
    """

    path: str
    page: int
    burst: int
    steady: int
    parts: int = 1
    size: str = ""
    filtered: bool = True

    def bound(self, requests: int) -> float:
        """Seconds that so many requests take at the least, by a budget that no window of Klaviyo's can find too high.

        A minute's quota goes at the burst's rate, then nothing until the minute is over.
        """
        minutes, rest = divmod(max(requests - 1, 0), self.steady)
        return minutes * 60 + rest // self.burst


STREAMS = {
    "campaigns": Endpoint("/api/campaigns", 100, 10, 150, parts=6, size="campaigns"),
    "email_templates": Endpoint("/api/templates", 10, 75, 750, size="templates"),
    "events": Endpoint("/api/events", 1000, 350, 3500, size="events"),
    "flows": Endpoint("/api/flows", 50, 3, 60, parts=2, size="flows"),
    "global_exclusions": Endpoint("/api/profiles", 100, 75, 750, parts=2),
    "lists": Endpoint("/api/lists", 10, 75, 750, size="lists"),
    "metrics": Endpoint("/api/metrics", 200, 10, 150, size="metrics", filtered=False),
    "profiles": Endpoint("/api/profiles", 100, 75, 750, size="profiles"),
}
ANALYSED = Endpoint("/api/profiles", 100, 10, 150, size="profiles")
"""Profiles with predictive analytics."""


def stream_of(path: str, query: str) -> str:
    """The stream that a request is made for."""
    if "suppression" in query:
        return "global_exclusions"
    return next((name for name, endpoint in STREAMS.items() if endpoint.path == path and endpoint.size), path)
