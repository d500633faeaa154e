"""Faults that replace a response or rewrite it."""

from __future__ import annotations

import json
import math
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from klaviyo_simulator.protocol.errors import ApiError, invalid_cursor
from klaviyo_simulator.protocol.messages import MEDIA_TYPE, Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from klaviyo_simulator.faults.schedule import Fault

_HTML = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>"
_WEB_PAGE = {"Content-Type": "text/html; charset=UTF-8"}
_RAW, _ESCAPED = b"\x01", b"\\u0001"
_CURSOR_FIELDS = ("datetime", "updated", "updated_at", "timestamp", "created", "date_times", "dates")


def replacement(fault: Fault) -> Response:
    """Return the response that a fault sends instead of the real one."""
    options = fault.options
    if fault.kind == "status":
        return _status(int(options["status"]), options)
    if fault.kind == "forbidden":  # without an entitlement, Klaviyo explains it in the title
        title = options.get("title", "Entitlement to use this endpoint not found.")
        return Response.of(ApiError(403, options.get("detail"), code="forbidden", title=title))
    if fault.kind == "redirect":
        return Response(302, b"", {"Location": options.get("location", "http://elsewhere.example.com/api")})
    if fault.kind == "bad_cursor":
        return Response.of(invalid_cursor())
    return {
        "html": Response(200, _HTML, dict(_WEB_PAGE)),
        "html_403": Response(403, _HTML, {**_WEB_PAGE, "cf-mitigated": "challenge"}),
        "empty": Response(200, b"", {"Content-Type": MEDIA_TYPE}),
        "invalid_json": Response(200, b'{"data":[{"type":"event","id":', {"Content-Type": MEDIA_TYPE}),
    }[fault.kind]


def _status(status: int, options: dict[str, Any]) -> Response:
    error = ApiError(status, options.get("detail", "The simulator injected this error."))
    if options.get("retry_after") is not None:  # any text is sent, invalid ones too
        error.headers["Retry-After"] = str(options["retry_after"])
    return Response.of(error)


def rewrite(fault: Fault, response: Response, now: float) -> None:
    """Apply a fault to a successful response."""
    if fault.kind == "wrong_type":
        response.headers["Content-Type"] = fault.options.get("type", "text/plain")
    elif fault.kind == "clock_skew":
        response.headers["Date"] = http_date(now + float(fault.options["seconds"]))
    else:
        document = json.loads(response.body)
        _REWRITES[fault.kind](document, fault.options)
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        response.body = body.replace(_ESCAPED, _RAW) if fault.kind == "control_character" else body


def contains_record(response: Response, identity: str) -> bool:
    """Return whether a record is in the data of a response, not only among related resources."""
    if f'"id":"{identity}"'.encode() not in response.body:
        return False
    data = json.loads(response.body)["data"]
    return any(record.get("id") == identity for record in (data if isinstance(data, list) else [data]))


def _foreign_next(document: dict[str, Any], options: dict[str, Any]) -> None:
    links = document["links"]
    url = urlsplit(links.get("next") or links["self"])
    links["next"] = url._replace(netloc=options.get("host", "elsewhere.example.com")).geturl()


def _repeat_page(document: dict[str, Any]) -> None:
    document["links"]["next"] = document["links"]["self"]


def _circle(document: dict[str, Any]) -> None:
    """Make the second page link back to the first, which links to the second already."""
    url = urlsplit(document["links"]["self"])
    query = [pair for pair in parse_qsl(url.query) if pair[0] != "page[cursor]"]
    if len(query) < len(parse_qsl(url.query)):
        document["links"]["next"] = url._replace(query=urlencode(query)).geturl()


def _unordered(document: dict[str, Any]) -> None:
    data = document["data"]
    if isinstance(data, dict):  # the records of a report are its rows
        data = next((value for value in data["attributes"].values() if isinstance(value, list)), [])
    data.reverse()


def _missing_cursor(document: dict[str, Any], options: dict[str, Any]) -> None:
    data = document["data"]
    for record in [data] if isinstance(data, dict) else data[: options.get("records", 1)]:
        attributes = record["attributes"]
        name = options.get("field") or next((each for each in _CURSOR_FIELDS if each in attributes), None)
        attributes.pop(name, None)


def _nan(document: dict[str, Any]) -> None:
    _properties(document).update(broken=math.nan, endless=-math.inf)


def _control_character(document: dict[str, Any]) -> None:
    _properties(document).update(broken=f"before{_RAW.decode()}after")


def _properties(document: dict[str, Any]) -> dict[str, Any]:
    """Return the free-form part of the first record: its properties, or else its attributes."""
    data = document["data"]
    attributes: dict[str, Any] = (data if isinstance(data, dict) else data[0])["attributes"]
    found: dict[str, Any] = attributes.get("event_properties") or attributes.get("properties") or attributes
    return found


_REWRITES: dict[str, Callable[[dict[str, Any], dict[str, Any]], None]] = {
    "foreign_next": _foreign_next,
    "repeat_page": lambda document, _: _repeat_page(document),
    "circle": lambda document, _: _circle(document),
    "unordered": lambda document, _: _unordered(document),
    "nan": lambda document, _: _nan(document),
    "control_character": lambda document, _: _control_character(document),
    "missing_cursor": _missing_cursor,
}


def http_date(now: float | None = None) -> str:
    """Format seconds since 1970 (default: the present) for the `Date` header."""
    return formatdate(time.time() if now is None else now, usegmt=True)
