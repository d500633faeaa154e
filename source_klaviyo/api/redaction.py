"""Redact secrets and personal data in texts of others, such as error responses, before they are logged."""

from __future__ import annotations

import base64
import html
import re
import unicodedata
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_SECRET_LENGTH = 8
"""Characters of a secret that is masked; a shorter one would be part of too many words."""

MAX_CHARACTERS = 5_000
"""Characters of a text that is searched: the time that it takes grows with the square of its length."""
_TOO_LONG = f"(left out, since it is longer than {MAX_CHARACTERS:,} characters)"

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))")
_PERSONAL = re.compile(
    r"""(?:"[^"@]+"|[^\s@"<>(),;]+)@(?:\[[^\]]*\]|[\w.-]+)  # addresses
    | \+\d[\d\s().-]{5,}\d | \(\d{2,5}\)[\d\s-]{5,}\d | \b\d{10,15}\b  # telephone numbers, as people write them
    | \b01[0-9A-HJKMNP-TV-Z]{24}\b  # the IDs of profiles
    """,
    re.VERBOSE,
)


def redact_secrets(text: str, secrets: Sequence[str], what: str) -> str:
    """Redact secrets: mask them in a text, or leave out the text if one is escaped or encoded, or if it is too long.

    Args:
        text: any text.
        secrets: those shorter than MIN_SECRET_LENGTH are ignored.
        what: the name of the secrets, for the message that replaces a text that is left out.
    """
    if len(text) > MAX_CHARACTERS:
        return _TOO_LONG
    long = [secret for secret in secrets if len(secret) >= MIN_SECRET_LENGTH]
    for secret in sorted(long, key=len, reverse=True):  # one may be a part of another
        text = re.sub(re.escape(secret), "****", text, flags=re.IGNORECASE)
    plain = _comparable(text)
    if any(_comparable(form) in plain for secret in long for form in _encodings(secret)):
        return f"(left out, since it repeats {what})"
    return text


def redact_pii(text: str) -> str:
    """Redact personal data: mask email addresses, telephone numbers and profile IDs in a text.

    The text is left out if one of them is escaped, or if it is too long.
    """
    if len(text) > MAX_CHARACTERS:
        return _TOO_LONG
    masked = _PERSONAL.sub("****", text)
    if _PERSONAL.search(_unescaped(masked)):
        return "(left out, since it contains personal data)"
    return masked


def _encodings(secret: str) -> set[str]:
    """Return a secret as it may stand in a text: in any case, in base64 or hexadecimal, and in one of these twice."""
    forms = {secret, secret.lower(), secret.upper()}
    for _ in range(2):
        for data in [form.encode() for form in forms]:
            forms.add(data.hex())
            # base64 depends on what precedes the secret; without the characters that hold bits of its neighbours
            forms |= {
                base64.b64encode(bytes(before) + data).decode()[-(-before * 4 // 3) : (before + len(data)) * 4 // 3]
                for before in range(3)
            }
    return forms


def _comparable(text: str) -> str:
    """Return a text without escapes, case, separators, and the difference between the two alphabets of base64."""
    return _unescaped(text, ignored=r"[^!-~]|[-+]").replace("_", "/").lower()


def _unescaped(text: str, ignored: str = "") -> str:
    """Decode percent-encoding, the escapes of HTML, JSON and C, and variants of letters, however often applied.

    Args:
        text: any text.
        ignored: a regular expression for characters that are removed, also within escapes.
    """
    steps = (
        partial(unicodedata.normalize, "NFKC"),
        partial(re.sub, ignored, ""),
        unquote,
        html.unescape,
        partial(_ESCAPE.sub, _character),
    )
    while True:
        # one step at a time: what an escape decodes to may stand within another one
        plain = next((plain for step in steps if (plain := step(text)) != text), text)
        if plain == text:
            return text
        text = plain


def _character(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2]
    return chr(int(code, 16)) if code else escape[3]
