"""Redaction masks secrets and personal data in texts of others, and changes nothing else."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from source_klaviyo.api.redaction import redact_pii, redact_secrets

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "pk_0123456789abcdefMARKED"
LEFT_OUT = "(left out, since it repeats the API key)"
TOO_LONG = "(left out, since it is longer than 5,000 characters)"

ORDINARY = [
    "",
    "'page_size' must be an integer from 1 to 100.",
    "Invalid input: filter=greater-or-equal(updated,2026-11-20T10:00:00+00:00) %5B%5D &amp; \\u00e4 \\",
    "Request was throttled. Expected available in 1 second.",
    "Metric RESQ6t does not exist; see /api/metrics/RESQ6t/metric-properties",
    "2026-11-20 10:00:00+0000",
    "from 2026-11-20T10:00:00.123456+00:00 to 2026-11-21 (exclusive), 100 a page (1,000 at most)",
    "sort=-datetime+1",
]


def redact_key(text: str, key: str = KEY) -> str:
    return redact_secrets(text, [key], "the API key")


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_does_not_change(text: str) -> None:
    assert redact_key(text) == text
    assert redact_pii(text) == text


@given(st.text())
def test_text_without_the_key_does_not_change(text: str) -> None:
    assert redact_key(text) == text


@given(st.text(), st.text())
def test_the_key_is_masked_whatever_surrounds_it(before: str, after: str) -> None:
    assert redact_key(f"{before}{KEY}{after}") in {f"{before}****{after}", LEFT_OUT}


encodings = st.sampled_from(
    [
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.urlsafe_b64encode(b"\xff" + text.encode()).decode(),
        lambda text: base64.b64encode(b"me:" + text.encode() + b":").decode(),
        lambda text: text.encode().hex(),
    ]
)
escapes = st.sampled_from(
    [
        lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
        lambda text: "".join(f"&#{ord(one)};" for one in text),
        lambda text: "".join(f"&#x{ord(one):x};" for one in text),
        lambda text: "".join(f"\\u{ord(one):04X}" for one in text),
        lambda text: "".join(f"\\x{ord(one):02x}" if ord(one) < 256 else one for one in text),
        lambda text: f"{text[:12]} {text[12:]}",
        "\u200b".join,
        "-".join,
        lambda text: "".join(chr(ord(one) + 0xFEE0) if "!" <= one <= "~" else one for one in text),
        quote,
    ]
)
prefixes = st.sampled_from(["", "key: ", "/data/", "?a=1&b=", "x" * 400 + " "])


@settings(max_examples=400)
@given(
    st.sampled_from([KEY, KEY.lower(), KEY.upper()]),
    st.lists(encodings, max_size=2),
    st.lists(escapes, max_size=3),
    prefixes,
)
def test_the_key_is_recognized_encoded_and_escaped(
    text: str, encoded: list[Callable[[str], str]], escaped: list[Callable[[str], str]], prefix: str
) -> None:
    for change in (*encoded, *escaped):
        text = change(text)
    assert redact_key(prefix + text) in {LEFT_OUT, TOO_LONG, f"{prefix}****"}


def test_a_text_shorter_than_any_key_is_not_taken_for_one() -> None:
    assert redact_key("a page of data", "a") == "a page of data"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("No profile me@example.com.", "No profile ****"),
        ("jane.o'neil+tag@mail.example.co.uk is taken", "**** is taken"),
        ("<имя@пример.рф>", "<****>"),
        ('No "jane doe"@example.com here', "No **** here"),
        ("No jane@[127.0.0.1] here", "No **** here"),
        ("'+491701234567' is no number", "'****' is no number"),
        ("No profile has +49170 1234567, or so.", "No profile has ****, or so."),
        ("No profile has +1 415-555-0199, or so.", "No profile has ****, or so."),
        ("No profile has (415) 555-0199, or so.", "No profile has ****, or so."),
        ("No profile has 14155550199, or so.", "No profile has ****, or so."),
        ("No profile has +1.415.555.0199, or so.", "No profile has ****, or so."),
        ("A profile with id 01GDDKASAP8TKDDA2GRZDSVP4H exists", "A profile with id **** exists"),
    ],
)
def test_email_addresses_telephone_numbers_and_profile_ids_are_masked(text: str, redacted: str) -> None:
    assert redact_pii(text) == redacted


@pytest.mark.parametrize(
    "address", ["me%40example.com", "me&#64;example.com", r"me\u0040example.com", "me\uff20example.com"]
)
def test_a_text_with_an_escaped_email_address_is_left_out(address: str) -> None:
    assert redact_pii(f"No profile {address}.") == "(left out, since it contains personal data)"


@pytest.mark.parametrize("redact", [redact_key, redact_pii])
def test_a_text_that_takes_too_long_to_search_is_left_out(redact: Callable[[str], str]) -> None:
    assert redact("%" + "25" * 100_000) == TOO_LONG
