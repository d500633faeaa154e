"""One request, and the limits of its response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from source_klaviyo.api.body import MAX_RESPONSE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from source_klaviyo.api.budget import Limit
    from source_klaviyo.api.page import Page


@dataclass(frozen=True, slots=True)
class Request:
    """A request for one page.

    Attributes:
        address: a path (`/api/events`) or the `links.next` of the previous page.
        params: the query; None if the address includes it.
        limits: what the request counts against.
        decode: decodes the body of the response; if it raises a TransientError, the request is repeated.
        expected: the likely size of the response in bytes; 0 if unknown.
        most: bytes; if less than MAX_RESPONSE_BYTES, a larger response is an error at once, since the caller can
            request smaller pages.
        tries: attempts if the request fails with transient errors; None for the client's own number.
        body: the JSON body of a report request (a POST that only reads); None for a GET.
    """

    address: str
    params: Mapping[str, str] | None
    limits: Sequence[Limit]
    decode: Callable[[bytes], Page]
    expected: int = 0
    most: int = MAX_RESPONSE_BYTES
    tries: int | None = None
    body: object = None

    def options(self, revision: str) -> dict[str, Any]:
        """Return the options for `requests`, apart from the URL, for an API revision."""
        if self.body is None:
            return {"method": "GET", "params": self.params, "headers": {"revision": revision}}
        headers = {"revision": revision, "Content-Type": "application/vnd.api+json"}
        return {"method": "POST", "params": self.params, "json": self.body, "headers": headers}

    @property
    def can_be_smaller(self) -> bool:
        """Return whether the caller can request smaller pages."""
        return self.most < MAX_RESPONSE_BYTES
