"""Klaviyo's error documents."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CODES = {
    400: ("invalid", "Invalid input."),
    403: ("permission_denied", "You do not have permission to perform this action."),
    404: ("not_found", "Not found."),
    405: ("method_not_allowed", "Method not allowed."),
    406: ("not_acceptable", "Could not satisfy the request Accept header."),
    408: ("request_timeout", "Request timed out."),
    410: ("gone", "This version of the API is gone."),
    415: ("unsupported_media_type", "Unsupported media type in request."),
    429: ("throttled", "Request was throttled."),
    500: ("error", "A server error occurred."),
    502: ("bad_gateway", "Bad gateway."),
    503: ("service_unavailable", "Service temporarily unavailable, try again later."),
    504: ("gateway_timeout", "Gateway timeout."),
}


_RATE_LIMITS = "https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling#rate-limits"


class ApiError(Exception):
    """An error response with a JSON:API error document.

    The documents follow recorded responses: 400, 429 and a 403 with the code `forbidden` have `links` and
    `meta`, the others do not. Each has a `source`: the root of the document unless a place or parameter is at fault.
    """

    def __init__(
        self,
        status: int,
        detail: str | None,
        *,
        code: str | None = None,
        title: str | None = None,
        source: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        default_code, default_title = CODES.get(status, ("error", "Error."))
        self.status = status
        self.detail = detail
        self.code = code or default_code
        self.title = title or default_title
        self.source = dict(source or {"pointer": "/data/"})
        self.headers = dict(headers or {})

    def body(self) -> bytes:
        """Return the error document."""
        error: dict[str, Any] = {"id": str(uuid.uuid4()), "status": self.status, "code": self.code, "title": self.title}
        if self.detail is not None:
            error["detail"] = self.detail
        error["source"] = self.source
        if self.status in {400, 429} or self.code == "forbidden":
            error |= {"links": {"type": _RATE_LIMITS} if self.status == 429 else {}, "meta": {}}
        return json.dumps({"errors": [error]}).encode()


def invalid(parameter: str, detail: str) -> ApiError:
    """Return a 400 whose source is a query parameter."""
    return ApiError(400, detail, source={"parameter": parameter})


def invalid_body(pointer: str, detail: str) -> ApiError:
    """Return a 400 whose source is a pointer: into the body, or the name of a filtered field."""
    return ApiError(400, detail, source={"pointer": pointer})


def invalid_cursor() -> ApiError:
    """Return the 400 for a page cursor that is forged, expired, or of another query."""
    return ApiError(400, "Invalid cursor provided.")


def missing_metrics(ids: Iterable[str]) -> ApiError:
    """Return the 400 for metrics that do not exist, or exist in the list of metrics only."""
    return invalid("filter", f"Metric IDs {list(ids)} do not exist.")


def unauthenticated(code: str, detail: str) -> ApiError:
    """Return a 401; its code distinguishes a missing key from a wrong one."""
    return ApiError(401, detail, code=code, title=detail)


def throttled(wait: int) -> ApiError:
    """Return the 429 with a Retry-After of `wait` seconds."""
    detail = f"Request was throttled. Expected available in {wait} second{'' if wait == 1 else 's'}."
    return ApiError(429, detail, source={"pointer": "/data"}, headers={"Retry-After": str(wait)})
