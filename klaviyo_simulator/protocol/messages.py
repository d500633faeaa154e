"""Requests and answers, as far as the simulated API is concerned with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klaviyo_simulator.protocol.errors import ApiError

MEDIA_TYPE = "application/vnd.api+json"


@dataclass(frozen=True)
class Request:
    """A request: what it asks, of whom, and as whom."""

    method: str
    path: str
    query: str  # as it came, still percent-encoded
    headers: Mapping[str, str]  # whatever their case
    origin: str  # scheme and host by which the caller knows the simulator
    body: bytes = b""

    @property
    def revision(self) -> str:
        """The revision that it names; empty if it names none."""
        return self.headers.get("revision", "")


@dataclass
class Response:
    """A response, before anything is done to spoil it."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    records: int = 0

    @classmethod
    def of(cls, error: ApiError) -> Response:
        """The response that tells an error."""
        return cls(error.status, error.body(), {"Content-Type": MEDIA_TYPE, **error.headers})
