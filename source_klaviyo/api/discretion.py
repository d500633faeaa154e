"""What others say, made fit for logs: without the key, and without what tells of a person."""

from __future__ import annotations

import base64
import html
import re
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SHORTEST_KEY = 8
"""Characters; what is shorter is no key, and part of too many words."""
_READINGS = 200
"""So many readings of a text are looked at, should somebody have wrapped it again and again."""

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))")
_BASE64 = re.compile(r"[\w+/-]{8,}", re.ASCII)
_HEX = re.compile(r"(?:[0-9a-f]{2}){8,}", re.IGNORECASE)
_PERSONAL = re.compile(
    r"""(?:"[^"@]+"|[^\s@"<>(),;]+)@(?:\[[^\]]*\]|[\w.-]+)  # addresses
    | \+\d[\d\s().-]{5,}\d | \(\d{2,5}\)[\d\s-]{5,}\d | \b\d{10,15}\b  # telephone numbers, as people write them
    | \b01[0-9A-HJKMNP-TV-Z]{24}\b  # the ids of profiles
    """,
    re.VERBOSE,
)


def without_key(text: str, key: str) -> str:
    """The text with the key masked; nothing of it where the key shows in another spelling, such as percent-encoded."""
    return without_secrets(text, [key], "the API key")


def without_secrets(text: str, secrets: Sequence[str], what: str) -> str:
    """Mask secrets in a text; leave all of it out if one shows in another spelling, such as percent-encoded.

    Args:
        text: what somebody said.
        secrets: those of fewer characters than SHORTEST_KEY are not looked for.
        what: names the secrets, in the place of a text that is left out.
    """
    long = [secret for secret in secrets if len(secret) >= SHORTEST_KEY]
    if not long:
        return text
    for secret in sorted(long, key=len, reverse=True):  # one may be a part of another
        text = re.sub(re.escape(secret), "****", text, flags=re.IGNORECASE)
    bare = [_together(secret, "-").lower() for secret in long]
    for reading in _readings(text):
        plain = _together(reading, "-").lower()
        if any(secret in plain for secret in bare):
            return f"(left out, since it repeats {what})"
    return text


def without_persons(text: str) -> str:
    """The text with email addresses, telephone numbers and ids of profiles masked.

    Nothing of it where one shows in another spelling.
    """
    masked = _PERSONAL.sub("****", text)
    if any(_PERSONAL.search(unicodedata.normalize("NFKC", reading)) for reading in _readings(masked, _unwrapped)):
        return "(left out, since it tells of a person)"
    return masked


def _together(text: str, but: str = "") -> str:
    """A text without what may divide words: blanks, what does not show, and what is to be left out besides."""
    return re.sub(rf"[^!-~]|[{but or ' '}]", "", unicodedata.normalize("NFKC", text))


def _unwrapped(text: str) -> list[str]:
    """What a text may have been before it was escaped."""
    return [unquote(text), html.unescape(text), _ESCAPE.sub(_unescaped, text)]


def _unwrapped_or_decoded(text: str) -> list[str]:
    """What a text may have been before it was escaped or encoded."""
    numbers = " ".join(bytes.fromhex(word).decode(errors="replace") for word in _HEX.findall(text))
    decoded = [_decoded(text, start) for start in range(4)]
    return [*_unwrapped(text), *decoded, numbers, _together(text), _together(text, "-")]


def _readings(text: str, ways: Callable[[str], list[str]] = _unwrapped_or_decoded) -> Iterator[str]:
    """The text, and what it comes to when it is read in other ways, in one way within another."""
    seen: set[str] = set()
    waiting = [text]
    while waiting and len(seen) < _READINGS:
        reading = waiting.pop(0)
        if reading not in seen:
            seen.add(reading)
            yield reading
            waiting += ways(reading)


def _unescaped(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2]
    return chr(int(code, 16)) if code else escape[3]


def _decoded(text: str, start: int) -> str:
    """What in a text could be base64 (of either alphabet), read as such, should it begin after so many characters."""
    words = (word[start:].replace("-", "+").replace("_", "/") for word in _BASE64.findall(text))
    return " ".join(
        base64.b64decode(word[: len(word) - (len(word) % 4 == 1)] + "===").decode(errors="replace") for word in words
    )
