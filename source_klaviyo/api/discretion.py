"""What others say, made fit for logs: without the key, and without what tells of a person."""

from __future__ import annotations

import base64
import html
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterator

SHORTEST_KEY = 8
"""Characters; what is shorter is no key, and part of too many words."""
_READINGS = 50
"""So many readings of a text are looked at, should somebody have wrapped it again and again."""

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))")
_BASE64 = re.compile(r"[\w+/-]{8,}", re.ASCII)
# addresses, telephone numbers as Klaviyo writes them, and the ids of profiles
_PERSONAL = re.compile(r"[^\s@\"<>(),;]+@[\w.-]+|\+\d{7,15}\b|\b01[0-9A-HJKMNP-TV-Z]{24}\b")


def without_key(text: str, key: str) -> str:
    """The text with the key masked; nothing of it where the key shows in another spelling, such as percent-encoded."""
    if len(key) < SHORTEST_KEY:
        return text
    masked = re.sub(re.escape(key), "****", text, flags=re.IGNORECASE)
    if any(key.lower() in reading.lower() for reading in _readings(masked)):
        return "(left out, since it repeats the API key)"
    return masked


def without_persons(text: str) -> str:
    """The text with email addresses, telephone numbers and ids of profiles masked."""
    return _PERSONAL.sub("****", text)


def _readings(text: str) -> Iterator[str]:
    """The text, and what it comes to when it is unescaped or decoded, in one way within another."""
    seen: set[str] = set()
    waiting = [text]
    while waiting and len(seen) < _READINGS:
        reading = waiting.pop(0)
        if reading not in seen:
            seen.add(reading)
            yield reading
            waiting += [unquote(reading), html.unescape(reading), _ESCAPE.sub(_unescaped, reading)]
            waiting += [_decoded(reading, start) for start in range(4)]


def _unescaped(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2]
    return chr(int(code, 16)) if code else escape[3]


def _decoded(text: str, start: int) -> str:
    """What in a text could be base64 (of either alphabet), read as such, should it begin after so many characters."""
    words = (word[start:].replace("-", "+").replace("_", "/") for word in _BASE64.findall(text))
    return " ".join(
        base64.b64decode(word[: len(word) - (len(word) % 4 == 1)] + "===").decode("latin-1") for word in words
    )
