"""Pages: what the sync needs is decoded, the rest stays the bytes that Klaviyo sent."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_klaviyo.api.errors import DamagedResponse
from source_klaviyo.api.page import Page, decode_item, decode_page


def decode(body: bytes | str) -> Page:
    return decode_page(body.encode() if isinstance(body, str) else body, "updated")


def resources(body: bytes | str) -> list[bytes]:
    return [bytes(resource) for resource in decode(body).resources]


# --- the next page --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "links",
    ["", ',"links":null', ',"links":{}', ',"links":{"next":null}', ',"links":{"self":"/x","next":""}'],
    ids=["no links", "links null", "links empty", "next null", "next empty"],
)
def test_the_last_page_has_no_next_link(links: str) -> None:
    assert decode(f'{{"data":[]{links}}}').next is None


def test_the_next_link_is_the_address_that_klaviyo_sent() -> None:
    address = "https://a.klaviyo.com/api/events?page%5Bcursor%5D=bmV4dDo6aWQ%3D&sort=datetime"
    assert decode(json.dumps({"links": {"next": address}, "data": []})).next == address


# --- the cursors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "cursor"),
    [
        ('{"updated":"2026-11-20T10:00:00+00:00"}', '"2026-11-20T10:00:00+00:00"'),
        ('{"updated":"2026-11-20 10:00:00+00:00"}', '"2026-11-20 10:00:00+00:00"'),
        (r'{"updated":"2026\u002d11"}', r'"2026\u002d11"'),
        ('{"updated":""}', '""'),
        ('{"updated":null}', "null"),
        ('{"updated":5}', "5"),
        ('{"updated":123456789012345678901234567890}', "123456789012345678901234567890"),
        ('{"updated":1e999}', "1e999"),
        ('{"updated":["2026"]}', '["2026"]'),
        ('{"updated":{"at":"2026"}}', '{"at":"2026"}'),
        ('{ "updated" : "2026" }', '"2026"'),
        ('{"created":"2026"}', "null"),
        ("{}", "null"),
        ("null", "null"),
    ],
)
def test_a_cursor_is_the_attribute_as_it_was_sent(attributes: str, cursor: str) -> None:
    assert decode(f'{{"data":[{{"id":"1","attributes":{attributes}}}]}}').cursors == [cursor.encode()]


def test_a_resource_without_attributes_has_no_cursor() -> None:
    page = decode('{"data":[{"id":"1"},{"id":"2","attributes":{"updated":"2026"}}]}')
    assert page.cursors == [b"null", b'"2026"']


def test_each_attribute_has_a_decoder_of_its_own() -> None:
    body = b'{"data":[{"id":"1","attributes":{"updated":"a","datetime":"b"}}]}'
    assert decode_page(body, "updated").cursors == [b'"a"']
    assert decode_page(body, "datetime").cursors == [b'"b"']
    assert decode_page(body, "updated").cursors == [b'"a"']


# --- the resources --------------------------------------------------------------------------------------

EXACT = [
    '{"id":"1","n":123456789012345678901234567890}',
    '{"id":"1","n":-9223372036854775809}',
    '{"id":"1","n":0.1000}',
    '{"n":1e400,"id":"1"}',
    '{"id":"1","n":1E+5}',
    '{"id":"1","n":3.141592653589793238462643383279}',
    '{"z":1,"a":2,"id":"1","z":3}',
    '{"id":"1","t":"ünïcödé \U0001f600 \u2028 \x7f"}',
    r'{"id":"1","t":"\u00fc\ud83d\ude00\/\n\"\\"}',
    '{"id":"1","t":"\\u0000"}',
    '{ "id" : "1" , "spaced" : [ 1 , 2 ] }',
    '{"id":"1"}',
]


@pytest.mark.parametrize("resource", EXACT)
def test_a_resource_keeps_every_byte(resource: str) -> None:
    assert resources(f'{{"data":[{resource},{resource}]}}') == [resource.encode()] * 2


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.lists(
        st.dictionaries(
            st.text(max_size=5),
            st.recursive(
                st.one_of(st.none(), st.booleans(), st.integers(), FINITE, st.text()),
                lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
                max_leaves=5,
            ),
            max_size=4,
        )
        .filter(lambda resource: "attributes" not in resource)
        .map(lambda resource: {**resource, "id": "1"}),
        max_size=4,
    ),
    st.sampled_from([None, 1, "\t"]),
    st.booleans(),
)
def test_resources_of_any_content_do_not_change(
    data: list[dict[str, Any]], indent: int | str | None, ascii_only: bool
) -> None:
    page = decode(json.dumps({"data": data}, indent=indent, ensure_ascii=ascii_only))
    assert [json.loads(bytes(resource)) for resource in page.resources] == data
    assert not any(b"\n" in bytes(resource) for resource in page.resources)


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_resources_of_a_pretty_printed_body_are_single_lines(line_break: str) -> None:
    pretty = json.dumps({"data": [{"id": "1", "t": "a\nb"}, {"id": "2"}]}, indent=2).replace("\n", line_break)
    found = resources(pretty)
    assert not any(b"\n" in resource or b"\r" in resource for resource in found)
    assert [json.loads(resource) for resource in found] == [{"id": "1", "t": "a\nb"}, {"id": "2"}]


@pytest.mark.parametrize(
    ("sent", "emitted"),
    [
        (r"\ud83d", r"\ufffd"),
        (r"\ude00", r"\ufffd"),
        (r"\uD83Dx", r"\ufffdx"),
        (r"\ude00\ud83d", r"\ufffd\ufffd"),
        (r"\ud83d\ud83d\ude00", r"\ufffd\ud83d\ude00"),
        (r"\ud83d\ude00\ude00", r"\ud83d\ude00\ufffd"),
        (r"\ud83d\n\ude00", r"\ufffd\n\ufffd"),
        (r"\\ud83d \ud83d", r"\\ud83d \ufffd"),
        (r"\\\ud83d", r"\\\ufffd"),
        (r"\"\ud83d\"", r"\"\ufffd\""),
        (r"ü \u00fc \ud83d", r"ü \u00fc \ufffd"),
    ],
)
def test_half_of_a_surrogate_pair_is_replaced_and_nothing_else(sent: str, emitted: str) -> None:
    resource = '{"id":"1","n":12345678901234567890123,"t":"%s","attributes":{"updated":"2026"}}'
    page = decode(f'{{"data":[{resource % sent}]}}')
    assert [bytes(found).decode() for found in page.resources] == [resource % emitted]
    assert page.cursors == [b'"2026"']


def test_half_of_a_surrogate_pair_is_replaced_in_names_and_cursors_too() -> None:
    page = decode(r'{"data":[{"id":"1","\ud83d":1,"attributes":{"updated":"\ude00"}}]}')
    assert bytes(page.resources[0]) == rb'{"id":"1","\ufffd":1,"attributes":{"updated":"\ufffd"}}'
    assert page.cursors == [rb'"\ufffd"']


@pytest.mark.parametrize(
    ("sent", "emitted"),
    [
        ("NaN", "null"),
        ("Infinity", "null"),
        ("-Infinity", "null"),
        ('[NaN,{"a":-Infinity},1]', '[null,{"a":null},1]'),
        ('"NaN"', '"NaN"'),
        (r'[NaN,"\\",NaN,"\"NaN, Infinity\"",NaN]', r'[null,"\\",null,"\"NaN, Infinity\"",null]'),
        ('{"NaN":NaN}', '{"NaN":null}'),
    ],
)
def test_numbers_that_json_cannot_express_become_null(sent: str, emitted: str) -> None:
    page = decode(f'{{"data":[{{"id":"1","n":12345678901234567890123,"x":{sent}}}]}}')
    assert [bytes(found).decode() for found in page.resources] == [
        f'{{"id":"1","n":12345678901234567890123,"x":{emitted}}}'
    ]


def test_a_cursor_that_is_not_a_number_is_null() -> None:
    assert decode('{"data":[{"id":"1","attributes":{"updated":NaN}}]}').cursors == [b"null"]


@pytest.mark.parametrize("code", range(0x20))
def test_control_characters_in_strings_are_escaped(code: int) -> None:
    body = '{"data":[{"id":"1","?":"a?b\\n?"}]}'.replace("?", chr(code))
    (resource,) = resources(body)
    assert not any(byte < 0x20 for byte in resource)
    assert json.loads(resource) == {"id": "1", chr(code): f"a{chr(code)}b\n{chr(code)}"}


def test_several_repairs_of_a_page_change_nothing_else() -> None:
    body = '{"data":\n[{"id":"1",\t"t":"ü\x01\\ud83d\\u00fc","n":NaN},\r\n{"id":"2"}]}'
    assert resources(body) == [
        '{"id":"1",\t"t":"ü\\u0001\\ufffd\\u00fc","n":null}'.encode(),
        b'{"id":"2"}',
    ]


def test_a_valid_page_is_not_repaired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("source_klaviyo.api.page._repaired", None)
    assert resources('{"data":[{"id":"1","t":"NaN \\u0000 ü"}]}') == ['{"id":"1","t":"NaN \\u0000 ü"}'.encode()]


def test_a_body_that_cannot_be_repaired_is_rejected_in_linear_time() -> None:
    for body in (b'{"data":[' + b'"\\' * 300_000, b'"' * 500_001, b"\\" * 500_000, b'{"data":["' + b"x" * 2_000_000):
        with pytest.raises(DamagedResponse):
            decode_page(body, None)


# --- damaged pages ------------------------------------------------------------------------------------

GOOD = b'{"data":[{"id":"1","attributes":{"updated":"2026-11-20T10:00:00Z"}}],"links":{"next":null}}'

DAMAGED = {
    "empty": b"",
    "blank": b"  \n",
    "HTML": b"<html><body>Just a moment...</body></html>",
    "null": b"null",
    "a list": b"[]",
    "a text": b'"data"',
    "an object without data": b"{}",
    "errors with 200": b'{"errors":[{"detail":"no"}]}',
    "data null": b'{"data":null}',
    "data one resource": b'{"data":{"id":"1","attributes":{}}}',
    "data a text": b'{"data":"none"}',
    "resources of another kind": b'{"data":[1,"2"]}',
    "a resource null": b'{"data":[null]}',
    "a resource without anything": b'{"data":[{}]}',
    "a resource without an id": b'{"data":[{"id":"1"},{"type":"event","attributes":{}}]}',
    "attributes a list": b'{"data":[{"id":"1","attributes":[]}]}',
    "next no text": b'{"data":[],"links":{"next":5}}',
    "links a list": b'{"data":[],"links":[]}',
    "invalid UTF-8 inside a resource": b'{"data":[{"id":"1","t":"\xff"}]}',
    "UTF-8 of half a surrogate pair": b'{"data":[{"id":"1","t":"\xed\xa0\xbd"}]}',
    "UTF-8 cut in a character": b'{"data":[{"id":"1","t":"\xc3"}]}',
    "another encoding": '{"data":[{"id":"1","t":"ü"}]}'.encode("utf-16"),
    "a control character outside a text": b'{"data":[{"id":"1",\x00"t":""}]}',
    "a name for a number that nobody uses": b'{"data":[{"id":"1","n":nan}]}',
    "an escaped line break of its own": b'{"data":[{"id":"1","t":"\\\n"}]}',
    "an unknown escape": rb'{"data":[{"id":"1","t":"\q"}]}',
    "more after the end": b'{"data":[]}{"data":[]}',
    "nested without end": b'{"data":[{"id":"1","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}]}",
}


@pytest.mark.parametrize("attribute", ["updated", None])
@pytest.mark.parametrize("body", DAMAGED.values(), ids=DAMAGED)
def test_a_body_that_is_not_a_page_is_a_transient_error(body: bytes, attribute: str | None) -> None:
    with pytest.raises(DamagedResponse, match=r"^Klaviyo's response is damaged or incomplete .*\.$"):
        decode_page(body, attribute)


@pytest.mark.parametrize("body", [b'{"data":null}', b'{"data":{}}', b'{"data":[]}', b"{}", b'{"data":{"id":"1"}'])
def test_a_body_that_is_not_a_single_resource_is_a_transient_error(body: bytes) -> None:
    with pytest.raises(DamagedResponse, match="damaged"):
        decode_item(body)


@pytest.mark.parametrize("length", range(len(GOOD)))
def test_a_page_cut_off_anywhere_is_a_transient_error(length: int) -> None:
    assert decode(GOOD).cursors == [b'"2026-11-20T10:00:00Z"']
    with pytest.raises(DamagedResponse):
        decode(GOOD[:length])


@given(st.binary(max_size=200).filter(lambda body: b":" not in body))  # with one, it may be an empty page
def test_arbitrary_bytes_are_a_transient_error(body: bytes) -> None:
    with pytest.raises(DamagedResponse):
        decode(body)
    with pytest.raises(DamagedResponse):
        decode(b'{"data":[' + body + b"<")


FIRST_TOGETHER = """
import sys, threading
import msgspec
from source_klaviyo.api.page import Linked, decode_document

sys.setswitchinterval(1e-6)
for _ in range(300):
    class Inner(msgspec.Struct):
        id: str

    class Document(Linked, kw_only=True):
        data: list[Inner]

    together = threading.Barrier(4)

    def decode():
        together.wait()
        decode_document(b'{"data":[{"id":"1"}],"links":{"next":"x"}}', Document)

    threads = [threading.Thread(target=decode) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def test_several_threads_may_decode_the_first_document_of_a_type_at_once() -> None:
    """Msgspec crashed the process when two threads used an unprepared struct at once."""
    done = subprocess.run([sys.executable, "-c", FIRST_TOGETHER], check=False, capture_output=True, timeout=60)

    assert (done.returncode, done.stderr) == (0, b"")
