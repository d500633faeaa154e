"""Records: Klaviyo's resources unchanged, with a copy of the cursor, on lines as the CDK would print them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import AirbyteMessage, AirbyteRecordMessage, ConfiguredAirbyteCatalogSerializer, Type
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from source_klaviyo.api.page import decode_page
from source_klaviyo.partitions.batch import RecordBatch
from source_klaviyo.source import SourceKlaviyo
from tools.streams import by_name
from unit_tests.fake_api import CONFIG, FakeKlaviyo, sync
from unit_tests.fake_endpoints import SUPPRESSED_AT
from unit_tests.streams.core import CURSORS, NAMES
from unit_tests.streams.samples import (
    ATTRIBUTES,
    DATED,
    MARKETING,
    SPACED,
    SUPPRESSION,
    compact,
    expected,
    resource,
    respond_with,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


def read_one(klaviyo: FakeKlaviyo, name: str, sent: bytes | Mapping[str, Any]) -> dict[str, Any]:
    respond_with(klaviyo, sent)
    output = sync(name)
    assert output.raised is None
    (record,) = output.records(name)
    return record


# --- shapes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_record_is_the_resource_with_the_cursor_at_the_top_and_nothing_else_changed(
    klaviyo: FakeKlaviyo, name: str
) -> None:
    assert read_one(klaviyo, name, resource(name)) == expected(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_keys_stays(klaviyo: FakeKlaviyo, name: str) -> None:
    record = read_one(klaviyo, name, resource(name))
    assert list(record) == ["type", "id", "attributes", "relationships", "links", CURSORS[name]]
    assert [key for key in record["attributes"] if key != "channel"] == list(ATTRIBUTES[name])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "cursor",
    [DATED, SPACED, "2024-06-10T08:15:30Z", "2024-06-10T08:15:30+02:00", "2024-06-10T08:15:30", None, "soon", 5, "ö"],
    ids=repr,
)
def test_the_cursor_is_copied_verbatim(klaviyo: FakeKlaviyo, name: str, cursor: object) -> None:
    record = read_one(klaviyo, name, resource(name, **{CURSORS[name]: cursor}))
    assert record[CURSORS[name]] == record["attributes"][CURSORS[name]] == cursor


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"global_exclusions"}))
@pytest.mark.parametrize("attributes", [b"{}", b'{"name":"x"}'])
def test_a_record_without_a_cursor_is_kept_with_null(klaviyo: FakeKlaviyo, name: str, attributes: bytes) -> None:
    record = read_one(klaviyo, name, b'{"type":"x","id":"1","attributes":%s}' % attributes)
    assert record[CURSORS[name]] is None
    assert CURSORS[name] not in record["attributes"]


def test_campaigns_have_the_channel_of_their_partition(klaviyo: FakeKlaviyo) -> None:
    for channel in ("email", "sms", "mobile_push"):
        for archived in (False, True):
            row = {"updated_at": DATED, "archived": archived, "name": f"{channel} {archived}"}
            klaviyo.add("campaigns", row, **{"messages.channel": channel})
    records = sync("campaigns").records("campaigns")
    assert len(records) == 6
    for record in records:
        attributes = record["attributes"]
        assert attributes["name"] == f"{attributes['channel']} {attributes['archived']}"


def test_a_channel_of_klaviyos_own_stays(klaviyo: FakeKlaviyo) -> None:
    assert (
        read_one(klaviyo, "campaigns", resource("campaigns", channel="whatsapp"))["attributes"]["channel"] == "whatsapp"
    )


@pytest.mark.parametrize(
    "subscriptions",
    [
        None,
        {},
        {"email": None},
        {"email": {}},
        {"email": {"marketing": None}},
        {"email": {"marketing": {}}},
        {"email": {"marketing": {"suppression": None}}},
        {"email": {"marketing": {"suppression": []}}},
        {"sms": {"marketing": {"suppression": SUPPRESSION}}},
    ],
    ids=json.dumps,
)
def test_a_profile_that_is_not_suppressed_is_no_global_exclusion(klaviyo: FakeKlaviyo, subscriptions: object) -> None:
    respond_with(klaviyo, resource("global_exclusions", subscriptions=subscriptions), resource("global_exclusions"))
    output = sync("global_exclusions")
    assert [record["attributes"]["subscriptions"] for record in output.records()] == [
        expected("global_exclusions")["attributes"]["subscriptions"]
    ]


def test_a_profile_that_just_appeared_without_attributes_is_no_global_exclusion(klaviyo: FakeKlaviyo) -> None:
    respond_with(klaviyo, b'{"type":"profile","id":"1"}', b'{"type":"profile","id":"2","attributes":{}}')
    output = sync("global_exclusions")
    assert output.raised is None
    assert output.records() == []


def test_a_profile_with_an_invalid_date_is_emitted(klaviyo: FakeKlaviyo) -> None:
    body = compact({"data": [resource("global_exclusions", updated="soon")]})
    klaviyo.before = lambda request: (200, body if SUPPRESSED_AT in request.params["filter"] else b'{"data":[]}')
    output = sync("global_exclusions", state={"global_exclusions": {"updated": "2024-06-01T00:00:00+0000"}})
    assert output.raised is None
    assert output.ids() == ["01J0"]


# --- bytes ----------------------------------------------------------------------------------------------

EXACT = [
    b"123456789012345678901234567890",
    b"-9223372036854775809",
    b"18446744073709551616",
    b"0.1",
    b"1.10",
    b"1e400",
    b"1E-7",
    b"12345678901234567890.123456789",
    b"-0",
    b"null",
    b"true",
    b"[]",
    b"{}",
    '"ö € 😀"'.encode(),
    b'"\\u00f6\\ud83d\\ude00"',
    b'"\\"\\\\\\/\\b\\f\\n\\r\\t"',
    '"\u2028\u2029\x7f"'.encode(),
    b'"<script>&amp;"',
    b'[{"$deep":[[[{"a":1}]]]},null]',
]


def lines_of(name: str, klaviyo: FakeKlaviyo, *resources: bytes) -> list[bytes]:
    """The lines that a sync writes."""
    respond_with(klaviyo, *resources)
    catalog = {
        "streams": [
            {
                "stream": {"name": name, "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
                "sync_mode": "full_refresh",
                "destination_sync_mode": "append",
            }
        ]
    }
    loaded = ConfiguredAirbyteCatalogSerializer.load(catalog)
    items = SourceKlaviyo().read_batches(None, CONFIG, loaded)  # type: ignore[arg-type]
    pieces = [piece for item in items if isinstance(item, RecordBatch) for piece in item.lines]
    return b"".join(pieces).splitlines(keepends=True)


def as_the_cdk_prints(name: str, raw: Mapping[str, bytes], emitted_at: int) -> bytes:
    """The line for a record whose parts have these bytes."""
    data = {key: orjson.Fragment(value) for key, value in raw.items()}
    record = AirbyteRecordMessage(stream=name, data=data, emitted_at=emitted_at)
    return AirbyteEntrypoint.airbyte_message_to_string(AirbyteMessage(type=Type.RECORD, record=record)).encode() + b"\n"


@pytest.mark.parametrize("value", EXACT, ids=repr)
@pytest.mark.parametrize("name", NAMES)
def test_a_line_is_byte_for_byte_what_the_cdk_prints(klaviyo: FakeKlaviyo, name: str, value: bytes) -> None:
    sent = compact(ATTRIBUTES[name])[:-1] + b',"custom":%s}' % value
    cursor = compact(ATTRIBUTES[name][CURSORS[name]])
    parts = {"type": b'"x"', "id": b'"1"', "attributes": sent, "links": b'{"self":null}', "meta": value}
    raw = b"{%s}" % b",".join(b'"%s":%s' % (key.encode(), part) for key, part in parts.items())
    (line,) = lines_of(name, klaviyo, raw)
    if name == "campaigns":
        parts["attributes"] = b'{"channel":"email",' + sent[1:]
    if name == "global_exclusions":
        marketing = {key: part for key, part in MARKETING.items() if key != "suppression"}
        renamed = compact({"email": {"marketing": {**marketing, "suppressions": SUPPRESSION}}})
        parts["attributes"] = sent.replace(compact(ATTRIBUTES[name]["subscriptions"]), renamed)
    emitted_at = json.loads(line)["record"]["emitted_at"]
    assert line == as_the_cdk_prints(name, {**parts, CURSORS[name]: cursor}, emitted_at)


@pytest.mark.parametrize("name", NAMES)
def test_each_record_is_a_line_of_its_own_with_a_time(klaviyo: FakeKlaviyo, name: str) -> None:
    pretty = json.dumps(resource(name), indent=2).replace("\n", "\r\n").encode()
    lines = lines_of(name, klaviyo, pretty, pretty, pretty)
    assert len(lines) == 3
    for line in lines:
        message = json.loads(line)
        assert message["type"] == "RECORD"
        assert message["record"]["stream"] == name
        assert message["record"]["data"] == expected(name)
        assert isinstance(message["record"]["emitted_at"], int)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.text(), json_values, max_size=3), max_size=4), st.booleans())
def test_any_record_is_emitted_as_it_was_received(attributes: list[dict[str, Any]], ascii_only: bool) -> None:
    rows = [{"id": str(number), "attributes": one} for number, one in enumerate(attributes)]
    page = decode_page(json.dumps({"data": rows}, ensure_ascii=ascii_only).encode(), "updated")
    batch = RecordBatch.build("profiles", "updated", zip(page.resources, page.cursors, strict=True))
    assert batch.count == len(rows)
    expected = [{**row, "updated": one.get("updated")} for row, one in zip(rows, attributes, strict=True)]
    assert [message.record.data for message in batch.messages() if message.record] == expected


def test_a_record_that_is_left_out_is_not_counted() -> None:
    batch = RecordBatch.build("s", "updated", [(None, b"null"), (b'{"id":"1"}', b'"x"'), (None, b"null")])
    assert batch.count == 1
    assert [message.record.data for message in batch.messages() if message.record] == [{"id": "1", "updated": "x"}]


def test_an_empty_page_is_an_empty_batch() -> None:
    batch = RecordBatch.build("s", "updated", [])
    assert (batch.count, batch.lines, list(batch.messages())) == (0, [], [])


# --- schemas --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("cursor", [DATED, SPACED, None])
def test_each_record_is_valid_by_its_schema(klaviyo: FakeKlaviyo, name: str, cursor: str | None) -> None:
    record = read_one(klaviyo, name, resource(name, **{CURSORS[name]: cursor}))
    Draft7Validator(by_name()[name].get_json_schema()).validate(record)
