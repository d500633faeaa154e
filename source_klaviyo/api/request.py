"""One request as the client makes it, however often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from source_klaviyo.api.body import MAX_ANSWER_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from source_klaviyo.api.budget import Limit
    from source_klaviyo.api.page import Page


@dataclass(frozen=True, slots=True)
class Request:
    """A request, and the bounds of its response.

    Attributes:
        url: the address, on our own host.
        params: the query; None when the address holds it already.
        limits: the quotas that the request draws on.
        decode: makes a page of an answer's body.
        body: what is posted, as a value of JSON; None for a GET.
        expected: bytes that the answer is likely to have; 0 if nothing is known.
        most: bytes; a larger answer is not taken in.
        tries: how often to make the request before giving up; None for as often as usual.
        revision: the API revision that the request names.
    """

    url: str
    params: Mapping[str, str] | None
    limits: Sequence[Limit]
    decode: Callable[[bytes], Page]
    body: object = None
    expected: int = 0
    most: int = MAX_ANSWER_BYTES
    tries: int | None = None
    revision: str = ""

    @property
    def options(self) -> dict[str, Any]:
        """The same for `requests`."""
        what = {"url": self.url, "params": self.params}
        headers = {"revision": self.revision}
        if self.body is None:
            return {**what, "method": "GET", "headers": headers}
        headers["Content-Type"] = "application/vnd.api+json"
        return {**what, "method": "POST", "json": self.body, "headers": headers}

    @property
    def can_be_smaller(self) -> bool:
        """Whether the same can be asked for in smaller pages."""
        return self.most < MAX_ANSWER_BYTES
