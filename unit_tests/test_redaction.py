"""What others say: the key and people are taken out of it, and nothing else."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from airbyte_cdk.utils.airbyte_secrets_utils import update_secrets
from hypothesis import given, settings
from hypothesis import strategies as st

from source_klaviyo.airbyte.engine import RedactingSliceLogger
from source_klaviyo.api.redaction import redact_key, redact_pii

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "pk_0123456789abcdefMARKED"
LEFT_OUT = "(left out, since it repeats the API key)"

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


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_words_stay_as_they_are(text: str) -> None:
    assert redact_key(text, KEY) == text
    assert redact_pii(text) == text


@given(st.text(), st.text())
def test_the_key_is_masked_whatever_is_around_it(before: str, after: str) -> None:
    said = redact_key(f"{before}{KEY}{after}", KEY)
    assert KEY not in said
    assert said in {f"{before}****{after}", LEFT_OUT}


spellings = st.sampled_from(
    [
        lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
        lambda text: "".join(f"&#{ord(one)};" for one in text),
        lambda text: "".join(f"\\u{ord(one):04X}" for one in text),
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.urlsafe_b64encode(b"\xff" + text.encode()).decode(),
        lambda text: text.encode().hex(),
        lambda text: f"{text[:12]} {text[12:]}",
        "\u200b".join,
        "-".join,
        lambda text: "".join(chr(ord(one) + 0xFEE0) if "!" <= one <= "~" else one for one in text),
        quote,
    ]
)


befores = st.sampled_from(["", "key: ", "/data/", "?a=1&b=", "x" * 400 + " "])


@settings(max_examples=400)
@given(st.sampled_from([KEY, KEY.swapcase()]), st.lists(spellings, max_size=2), befores)
def test_no_spelling_of_the_key_passes(spelled: str, chosen: list[Callable[[str], str]], before: str) -> None:
    for spelling in chosen:
        spelled = spelling(spelled)
    assert redact_key(before + spelled, KEY) in {LEFT_OUT, f"{before}****"}


@given(st.text())
def test_whatever_is_said_has_readings(text: str) -> None:
    assert redact_key(text, KEY) == text


def test_what_is_too_short_to_be_a_key_is_no_secret() -> None:
    assert redact_key("a page of data", "a") == "a page of data"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("No profile me@example.com.", "No profile **** "),
        ("jane.o'neil+tag@mail.example.co.uk is taken", "**** is taken"),
        ("<имя@пример.рф>", "<****>"),
        ("'+491701234567' is no number", "'****' is no number"),
        ("A profile with id 01GDDKASAP8TKDDA2GRZDSVP4H exists", "A profile with id **** exists"),
    ],
)
def test_people_are_masked(said: str, shown: str) -> None:
    assert redact_pii(said) == shown.rstrip()


@pytest.mark.parametrize(
    "number", ["+49170 1234567", "+1 415-555-0199", "(415) 555-0199", "14155550199", "+1.415.555.0199"]
)
def test_telephone_numbers_are_masked_as_people_write_them(number: str) -> None:
    assert redact_pii(f"No profile has {number}, or so.") == "No profile has ****, or so."


@pytest.mark.parametrize("spelled", ['"jane doe"@example.com', "jane@[127.0.0.1]"])
def test_addresses_of_rare_forms_are_masked(spelled: str) -> None:
    assert redact_pii(f"No {spelled} here") == "No **** here"


@pytest.mark.parametrize(
    "spelled", ["me%40example.com", "me&#64;example.com", r"me\u0040example.com", "me\uff20example.com"]
)
def test_addresses_in_other_spellings_leave_nothing(spelled: str) -> None:
    assert redact_pii(f"No profile {spelled}.") == "(left out, since it tells of a person)"


def test_slices_in_the_log_show_neither_the_key_nor_people() -> None:
    update_secrets([KEY])
    message = RedactingSliceLogger().create_slice_log_message({"aggregate": KEY, "by": "me@example.com"}).log.message
    assert message == 'slice:{"aggregate": "****", "by": "****"}'
