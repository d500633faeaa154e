"""What faults do to answers: those that replace them, and those that rewrite them."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from klaviyo_simulator.answers import MEDIA_TYPE, Answer
from klaviyo_simulator.errors import ApiError, invalid_cursor

if TYPE_CHECKING:
    from collections.abc import Callable

    from klaviyo_simulator.faults import Fault

_HTML = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>"
_WEB_PAGE = {"Content-Type": "text/html; charset=UTF-8"}
_CURSOR_FIELDS = ("datetime", "updated", "updated_at", "timestamp", "created", "date_times", "dates")


def replaced(fault: Fault) -> Answer:
    """The answer that a fault gives in the place of the real one."""
    options = fault.options
    if fault.kind == "status":
        return _status(int(options["status"]), options)
    if fault.kind == "redirect":
        return Answer(302, b"", {"Location": options.get("location", "http://elsewhere.example.com/api")})
    if fault.kind == "bad_cursor":
        return Answer.of(invalid_cursor())
    return {
        "html": Answer(200, _HTML, dict(_WEB_PAGE)),
        "html_403": Answer(403, _HTML, {**_WEB_PAGE, "cf-mitigated": "challenge"}),
        "empty": Answer(200, b"", {"Content-Type": MEDIA_TYPE}),
        "invalid_json": Answer(200, b'{"data":[{"type":"event","id":', {"Content-Type": MEDIA_TYPE}),
    }[fault.kind]


def _status(status: int, options: dict[str, Any]) -> Answer:
    error = ApiError(status, options.get("detail", "A fault was asked for."))
    if options.get("retry_after") is not None:  # any text goes, absurd ones too
        error.headers["Retry-After"] = str(options["retry_after"])
    return Answer.of(error)


def rewrite(fault: Fault, answer: Answer, now: float) -> None:
    """Change a good answer as a fault has it."""
    if fault.kind == "wrong_type":
        answer.headers["Content-Type"] = fault.options.get("type", "text/plain")
    elif fault.kind == "clock_skew":
        answer.headers["Date"] = http_date(now + float(fault.options["seconds"]))
    else:
        document = json.loads(answer.body)
        _REWRITES[fault.kind](document, fault.options)
        answer.body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _foreign_next(document: dict[str, Any], options: dict[str, Any]) -> None:
    links = document["links"]
    there = urlsplit(links.get("next") or links["self"])
    links["next"] = there._replace(netloc=options.get("host", "elsewhere.example.com")).geturl()


def _repeat_page(document: dict[str, Any], options: dict[str, Any]) -> None:
    del options
    document["links"]["next"] = document["links"]["self"]


def _unordered(document: dict[str, Any], options: dict[str, Any]) -> None:
    del options
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


_REWRITES: dict[str, Callable[[dict[str, Any], dict[str, Any]], None]] = {
    "foreign_next": _foreign_next,
    "repeat_page": _repeat_page,
    "unordered": _unordered,
    "missing_cursor": _missing_cursor,
}


def http_date(now: float | None = None) -> str:
    """A moment as the `Date` header writes it."""
    return formatdate(time.time() if now is None else now, usegmt=True)
