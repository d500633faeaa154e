"""What faults do to answers: those that replace them, and those that rewrite them."""

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
    """The response that a fault gives in the place of the real one."""
    options = fault.options
    if fault.kind == "status":
        return _status(int(options["status"]), options)
    if fault.kind == "forbidden":  # the account lacks an entitlement, and the title is the sentence that says so
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
    error = ApiError(status, options.get("detail", "A fault was asked for."))
    if options.get("retry_after") is not None:  # any text goes, absurd ones too
        error.headers["Retry-After"] = str(options["retry_after"])
    return Response.of(error)


def rewrite(fault: Fault, response: Response, now: float) -> None:
    """Change a good response as a fault has it."""
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
    """Whether a record is among the data of a response, not just related to them."""
    if f'"id":"{identity}"'.encode() not in response.body:
        return False
    data = json.loads(response.body)["data"]
    return any(record.get("id") == identity for record in (data if isinstance(data, list) else [data]))


def _foreign_next(document: dict[str, Any], options: dict[str, Any]) -> None:
    links = document["links"]
    there = urlsplit(links.get("next") or links["self"])
    links["next"] = there._replace(netloc=options.get("host", "elsewhere.example.com")).geturl()


def _repeat_page(document: dict[str, Any]) -> None:
    document["links"]["next"] = document["links"]["self"]


def _circle(document: dict[str, Any]) -> None:
    """Let the second page lead back to the first; the first leads to the second anyhow."""
    here = urlsplit(document["links"]["self"])
    query = [pair for pair in parse_qsl(here.query) if pair[0] != "page[cursor]"]
    if len(query) < len(parse_qsl(here.query)):
        document["links"]["next"] = here._replace(query=urlencode(query)).geturl()


def _unordered(document: dict[str, Any]) -> None:
    data = document["data"]
    if isinstance(data, dict):  # of a report, whose records are its rows
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
    """Where the first record of a response may hold anything: its properties, or else its attributes."""
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
    """A moment as the `Date` header writes it."""
    return formatdate(time.time() if now is None else now, usegmt=True)
