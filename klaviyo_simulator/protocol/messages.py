"""The parts of HTTP requests and responses that the simulated API uses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klaviyo_simulator.protocol.errors import ApiError

MEDIA_TYPE = "application/vnd.api+json"


@dataclass(frozen=True)
class Request:
    """An HTTP request to the API."""

    method: str
    path: str
    query: str  # as received, percent-encoded
    headers: Mapping[str, str]  # looked up in any case
    origin: str  # scheme and host that the client addressed
    body: bytes = b""

    @property
    def revision(self) -> str:
        """The requested revision, or an empty text."""
        return self.headers.get("revision", "")


@dataclass
class Response:
    """An HTTP response, before a fault changes it."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    records: int = 0

    @classmethod
    def of(cls, error: ApiError) -> Response:
        """Return the response for an error."""
        return cls(error.status, error.body(), {"Content-Type": MEDIA_TYPE, **error.headers})
