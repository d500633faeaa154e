"""Resources of the account itself: its usage, its brand, how it sends text messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from source_klaviyo.sync.instants import DAY, HOUR, SECOND, Instant, for_filter
from unit_tests.fake_api import FakeKlaviyo, Output, error, sync
from unit_tests.streams.documents import GONE, item, page, serve

if TYPE_CHECKING:
    from unit_tests.fake_api import Request

ACCOUNT = {"type": "account", "id": "Ab/1", "attributes": {}}
FORBIDDEN = error(403, "permission_denied", "The key lacks the scope accounts:read.")
SINGLE = {
    "brand_voice": "brand-voice/Ab%2F1",
    "text_messaging_configurations": "text-messaging-configurations/Ab%2F1",
}
CONFIGURED = "2024-06-10T00:00:00Z"


def ids(output: Output) -> list[str]:
    assert output.raised is None
    return sorted(output.ids())


# --- what an account has one of -------------------------------------------------------------------------------


def single(updated: str = CONFIGURED) -> dict[str, Any]:
    return {"type": "x", "id": "Ab/1", "attributes": {"updated_at": updated}}


@pytest.mark.parametrize("stream", SINGLE)
def test_a_resource_of_the_account_is_requested_by_the_accounts_id(klaviyo: FakeKlaviyo, stream: str) -> None:
    serve(klaviyo, {"accounts": page(ACCOUNT), SINGLE[stream]: item(single())})
    output = sync(stream)
    (record,) = output.records()
    assert (record["id"], record["account_id"]) == ("Ab/1", "Ab/1")
    assert [request.resource for request in klaviyo.requests] == ["accounts", SINGLE[stream]]
    assert klaviyo.requests[-1].params == {}


@pytest.mark.parametrize("answer", [GONE, item(None)], ids=["404", "null"])
@pytest.mark.parametrize("stream", SINGLE)
def test_an_account_without_the_resource_has_no_record_and_no_error(
    klaviyo: FakeKlaviyo, stream: str, answer: tuple[int, bytes]
) -> None:
    serve(klaviyo, {"accounts": page(ACCOUNT), SINGLE[stream]: answer})
    output = sync(stream)
    assert ids(output) == []
    assert output.statuses(stream)[-1] == "COMPLETE"


def test_a_configuration_is_emitted_again_only_if_it_has_changed(klaviyo: FakeKlaviyo) -> None:
    table = {"accounts": page(ACCOUNT), SINGLE["text_messaging_configurations"]: item(single())}
    serve(klaviyo, table)
    stream = "text_messaging_configurations"
    first = sync(stream)
    klaviyo.now += HOUR
    second = sync(stream, state={stream: first.states(stream)[-1]})
    klaviyo.now += HOUR
    table[SINGLE[stream]] = item(single(for_filter(klaviyo.now - 60 * SECOND)))
    third = sync(stream, state={stream: second.states(stream)[-1]})
    assert [ids(output) for output in (first, second, third)] == [["Ab/1"], [], ["Ab/1"]]


def test_a_missing_scope_for_the_accounts_id_is_named(klaviyo: FakeKlaviyo) -> None:
    klaviyo.before = lambda _: (403, FORBIDDEN)
    (said,) = sync("brand_voice").errors()
    assert "needs the scopes accounts:read and brands:read" in said.message


# --- the brand --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", ["brand_logos", "brand_email_defaults"])
def test_a_brand_stream_continues_without_its_includes_if_klaviyo_rejects_them(
    klaviyo: FakeKlaviyo, stream: str
) -> None:
    def before(request: Request) -> tuple[int, bytes]:
        return (403, FORBIDDEN) if "include" in request.params else page({"type": "x", "id": "B1"})

    klaviyo.before = before
    assert ids(sync(stream)) == ["B1"]
    assert [sorted(request.params) for request in klaviyo.requests][-1] == []


# --- text messages ----------------------------------------------------------------------------------------------


def senders(*registered: str) -> tuple[int, bytes]:
    """Return a page of senders, each with a registration that was last updated at one of these times."""
    kind = "text-messaging-sender-registration"
    data = [
        {"type": "x", "id": f"S{number}", "relationships": {kind: {"data": {"type": kind, "id": f"R{number}"}}}}
        for number, _ in enumerate(registered)
    ]
    data.append({"type": "x", "id": "none", "relationships": {kind: {"data": None}}})
    included = [
        {"type": kind, "id": f"R{number}", "attributes": {"updated_at": date}} for number, date in enumerate(registered)
    ]
    return page(*data, included=included)


def test_registrations_are_included_with_their_senders(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo, {"text-messaging-senders": senders(CONFIGURED, CONFIGURED)})
    records = sync("text_messaging_sender_registrations").records()
    assert {record["id"]: record["text_messaging_sender_id"] for record in records} == {"R0": "S0", "R1": "S1"}
    assert klaviyo.first_pages() == [{"include": "text-messaging-sender-registration", "page[size]": "20"}]


def test_only_registrations_that_changed_are_emitted_again(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo, {"text-messaging-senders": senders("2024-05-01T00:00:00Z", CONFIGURED)})
    state = {"text_messaging_sender_registrations": {"updated_at": "2024-06-01T00:00:00+0000"}}
    assert ids(sync("text_messaging_sender_registrations", state=state)) == ["R1"]


# --- usage ------------------------------------------------------------------------------------------------------


class Meter:
    """Counts two things; each is shown as of when it was read."""

    def __init__(self, klaviyo: FakeKlaviyo) -> None:
        self.klaviyo = klaviyo
        self.read: dict[str, Instant] = {}
        klaviyo.before = lambda _: page(*(self._row(*each) for each in self.read.items()))

    @staticmethod
    def _row(name: str, instant: Instant) -> dict[str, Any]:
        return {"type": "billing-usage", "id": name, "attributes": {"usage_used": 1.5, "as_of": for_filter(instant)}}

    def synced(self, before: Output | None = None) -> Output:
        state = {"billing_usage": before.states("billing_usage")[-1]} if before else None
        output = sync("billing_usage", state=state)
        assert output.raised is None
        return output


def test_each_reading_of_usage_is_a_record_with_its_time(klaviyo: FakeKlaviyo) -> None:
    meter = Meter(klaviyo)
    meter.read = {"email_sends": klaviyo.now}
    first = meter.synced()
    klaviyo.now += HOUR
    meter.read = {"email_sends": klaviyo.now}
    second = meter.synced(first)
    found = [(one["id"], one["as_of"]) for one in [*first.records(), *second.records()]]
    assert found == [("email_sends", "2024-07-01T12:00:00Z"), ("email_sends", "2024-07-01T13:00:00Z")]


def test_a_reading_is_emitted_once(klaviyo: FakeKlaviyo) -> None:
    meter = Meter(klaviyo)
    meter.read = {"email_sends": klaviyo.now - 3 * HOUR, "sms_credits": klaviyo.now - 3 * HOUR}
    first = meter.synced()
    klaviyo.now += HOUR
    assert (ids(first), ids(meter.synced(first))) == (["email_sends", "sms_credits"], [])


def test_a_reading_that_appears_hours_later_is_not_lost(klaviyo: FakeKlaviyo) -> None:
    """Klaviyo may count once a night, and show it in the morning."""
    meter = Meter(klaviyo)
    meter.read = {"email_sends": klaviyo.now - 36 * HOUR}
    before = meter.synced()
    for _ in range(3):
        klaviyo.now += DAY
        meter.read = {"email_sends": klaviyo.now - 36 * HOUR}
        after = meter.synced(before)
        assert ids(after) == ["email_sends"]
        before = after


def test_a_kind_that_is_counted_rarely_is_not_lost_beside_one_counted_often(klaviyo: FakeKlaviyo) -> None:
    meter = Meter(klaviyo)
    meter.read = {"email_sends": klaviyo.now, "spend": klaviyo.now - 10 * HOUR}
    first = meter.synced()
    klaviyo.now += HOUR
    meter.read = {"email_sends": klaviyo.now, "spend": klaviyo.now - 5 * HOUR}
    assert ids(meter.synced(first)) == ["email_sends", "spend"]


def test_each_kind_of_usage_has_a_state_of_its_own(klaviyo: FakeKlaviyo) -> None:
    meter = Meter(klaviyo)
    minute = 60 * SECOND
    meter.read = {"email_sends": klaviyo.now - minute, "sms": klaviyo.now - HOUR, "spend": klaviyo.now - 10 * HOUR}
    first = meter.synced()
    klaviyo.now += HOUR
    meter.read |= {"email_sends": klaviyo.now - minute}
    second = meter.synced(first)
    klaviyo.now += HOUR
    meter.read |= {"spend": klaviyo.now - 11 * HOUR, "reviews_orders": klaviyo.now - DAY}
    assert (ids(second), ids(meter.synced(second))) == (["email_sends"], ["reviews_orders", "spend"])


def test_all_kinds_of_usage_take_one_request(klaviyo: FakeKlaviyo) -> None:
    meter = Meter(klaviyo)
    meter.read = {"email_sends": klaviyo.now, "spend": klaviyo.now - 10 * HOUR}
    meter.synced()
    assert [(request.resource, request.params) for request in klaviyo.requests] == [("billing-usage", {})]


def test_usage_without_a_date_is_emitted_by_each_sync(klaviyo: FakeKlaviyo) -> None:
    klaviyo.before = lambda _: page({"type": "billing-usage", "id": "spend", "attributes": {"as_of": None}})
    first = sync("billing_usage")
    second = sync("billing_usage", state={"billing_usage": first.states("billing_usage")[-1]})
    assert (ids(first), ids(second)) == (["spend"], ["spend"])


def test_usage_that_cannot_be_read_fails_its_stream(klaviyo: FakeKlaviyo) -> None:
    klaviyo.before = lambda _: (403, error(403, "permission_denied", "The key lacks the scope usage:read."))
    (said,) = sync("billing_usage").errors("billing_usage")
    assert "usage:read" in said.message


def test_an_account_without_usage_keeps_its_state(klaviyo: FakeKlaviyo) -> None:
    meter = Meter(klaviyo)
    first = meter.synced()
    meter.read = {"email_sends": klaviyo.now - HOUR}
    klaviyo.now += HOUR
    assert (ids(first), ids(meter.synced(first))) == ([], ["email_sends"])
