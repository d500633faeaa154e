"""Klaviyo's error documents."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

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


class ApiError(Exception):
    """A request that is answered with an error document."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        code: str | None = None,
        source: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        default_code, self.title = CODES.get(status, ("error", "Error."))
        self.status = status
        self.detail = detail
        self.code = code or default_code
        self.source = dict(source or {})
        self.headers = dict(headers or {})

    def body(self) -> bytes:
        """The error document."""
        error = {
            "id": str(uuid.uuid4()),
            "status": self.status,
            "code": self.code,
            "title": self.title,
            "detail": self.detail,
            "source": self.source,
            "links": {},
            "meta": {},
        }
        return json.dumps({"errors": [error]}).encode()


def invalid(parameter: str, detail: str) -> ApiError:
    """A 400 that blames one query parameter."""
    return ApiError(400, detail, source={"parameter": parameter})


def invalid_body(pointer: str, detail: str) -> ApiError:
    """A 400 that blames one place in the body."""
    return ApiError(400, detail, source={"pointer": pointer})


def invalid_cursor() -> ApiError:
    """The 400 for a page cursor that was never made, belongs to another query, or is too old."""
    return ApiError(400, "Invalid cursor provided.", source={"pointer": "/data/"})


def unauthenticated(code: str, detail: str) -> ApiError:
    """A 401; its code tells a missing key from a wrong one."""
    error = ApiError(401, detail, code=code)
    error.title = detail
    return error


def throttled(wait: int) -> ApiError:
    """The 429 that asks for `wait` seconds of patience."""
    detail = f"Request was throttled. Expected available in {wait} second{'' if wait == 1 else 's'}."
    return ApiError(429, detail, headers={"Retry-After": str(wait)})
