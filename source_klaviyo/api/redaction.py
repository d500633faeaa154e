"""Redact secrets and personal data from texts of others, such as error responses, before they are logged."""

from __future__ import annotations

import base64
import html
import re
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MIN_SECRET_LENGTH = 8
"""Characters of a secret that is masked; a shorter one would be part of too many words."""
_READINGS = 200
"""Decodings of a text that are searched, at most: a text may be encoded several times."""

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


def redact_key(text: str, key: str) -> str:
    """Mask the key in a text; leave out the text if it contains the key in another encoding."""
    return redact_secrets(text, [key], "the API key")


def redact_secrets(text: str, secrets: Sequence[str], what: str) -> str:
    """Mask secrets in a text; leave out the text if it contains one in another encoding, such as percent-encoding.

    Args:
        text: any text.
        secrets: those shorter than MIN_SECRET_LENGTH are ignored.
        what: the name of the secrets, for the message that replaces a text that is left out.
    """
    long = [secret for secret in secrets if len(secret) >= MIN_SECRET_LENGTH]
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


def redact_pii(text: str) -> str:
    """Mask email addresses, telephone numbers and profile IDs in a text; leave it out if one is encoded."""
    masked = _PERSONAL.sub("****", text)
    if any(_PERSONAL.search(unicodedata.normalize("NFKC", reading)) for reading in _readings(masked, _unwrapped)):
        return "(left out, since it tells of a person)"
    return masked


def _together(text: str, but: str = "") -> str:
    """Remove from a text what may divide words: spaces, invisible characters, and those of `but`."""
    return re.sub(rf"[^!-~]|[{but or ' '}]", "", unicodedata.normalize("NFKC", text))


def _unwrapped(text: str) -> list[str]:
    """Return the text with each kind of escape decoded."""
    return [unquote(text), html.unescape(text), _ESCAPE.sub(_unescaped, text)]


def _unwrapped_or_decoded(text: str) -> list[str]:
    """Return the text with each kind of escape or encoding decoded."""
    numbers = " ".join(bytes.fromhex(word).decode(errors="replace") for word in _HEX.findall(text))
    decoded = [_decoded(text, start) for start in range(4)]
    return [*_unwrapped(text), *decoded, numbers, _together(text), _together(text, "-")]


def _readings(text: str, ways: Callable[[str], list[str]] = _unwrapped_or_decoded) -> Iterator[str]:
    """Yield the text and its decodings, also in combination."""
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
    """Decode what may be base64 (of either alphabet) in a text, from an offset in each word."""
    words = (word[start:].replace("-", "+").replace("_", "/") for word in _BASE64.findall(text))
    return " ".join(
        base64.b64decode(word[: len(word) - (len(word) % 4 == 1)] + "===").decode(errors="replace") for word in words
    )
