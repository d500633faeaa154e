"""Streams that request more about each record, or merge what is included into it."""

from __future__ import annotations

import pytest

from unit_tests.fake_api import FakeKlaviyo, Request, sync
from unit_tests.streams.documents import DAY, GONE, item, page, resource, serve


def test_campaigns_detailed_have_messages_and_an_estimate(klaviyo: FakeKlaviyo) -> None:
    campaigns = [
        resource("campaign", "C1", {"campaign-messages": ["M2", "M1"]}, updated_at=DAY.format(1)),
        resource("campaign", "C2", {"campaign-messages": []}, updated_at=DAY.format(2)),
        resource("campaign", "C3", updated_at=DAY.format(3)),
    ]
    messages = [resource("campaign-message", one, definition={"channel": "email"}) for one in ("M1", "M2")]

    def by_channel(request: Request) -> tuple[int, bytes]:
        wanted = "'email'),equals(archived,false)" in request.params["filter"]
        return page(*campaigns, included=messages) if wanted else page()

    estimation = resource("campaign-recipient-estimation", "C1", estimated_recipient_count=12)
    serve(
        klaviyo,
        {
            "campaigns": by_channel,
            "campaign-recipient-estimations/C1": item(estimation),
            "campaign-recipient-estimations/C2": GONE,
            "campaign-recipient-estimations/C3": GONE,
        },
    )
    first, second, third = sync("campaigns_detailed").records()
    assert [message["id"] for message in first["campaign_messages"]] == ["M2", "M1"]
    old = {"channel": "email"}  # where the column was in earlier revisions
    assert first["campaign_messages"][1] == {**messages[0], "attributes": {**messages[0]["attributes"], **old}}
    assert [one["estimated_recipient_count"] for one in (first, second, third)] == [12, 0, 0]
    assert (second["campaign_messages"], third["campaign_messages"]) == ([], [])
    assert "channel" not in first["attributes"]
    assert first["updated_at"] == DAY.format(1)


def test_a_campaign_may_have_no_messages_at_all(klaviyo: FakeKlaviyo) -> None:
    campaign = {"type": "campaign", "id": "C1", "attributes": {"updated_at": DAY.format(1)}}
    campaign["relationships"] = {"campaign-messages": None}

    def answer(request: Request) -> tuple[int, bytes]:
        if request.resource != "campaigns":
            return GONE
        return page(campaign) if "'email'),equals(archived,false)" in request.params["filter"] else page()

    klaviyo.before = answer
    (record,) = sync("campaigns_detailed").records()
    assert (record["campaign_messages"], record["estimated_recipient_count"]) == ([], 0)


@pytest.mark.parametrize(("stream", "kind"), [("lists_detailed", "list"), ("segments_detailed", "segment")])
def test_detailed_groups_are_counted_and_deleted_ones_left_out(klaviyo: FakeKlaviyo, stream: str, kind: str) -> None:
    counted = resource(kind, "G1", updated=DAY.format(1), profile_count=5)
    serve(
        klaviyo,
        {
            f"{kind}s": page(*(resource(kind, one, updated=DAY.format(1), is_active=True) for one in ("G1", "G2"))),
            f"{kind}s/G1": item(counted),
            f"{kind}s/G2": GONE,
        },
    )
    (record,) = sync(stream).records()
    assert record == {**counted, "updated": DAY.format(1)}
    assert klaviyo.first_pages(f"{kind}s/G1") == [{f"additional-fields[{kind}]": "profile_count"}]


def test_events_detailed_have_what_is_included_in_their_relationships(klaviyo: FakeKlaviyo) -> None:
    event = {
        "type": "event",
        "id": "E1",
        "attributes": {"datetime": DAY.format(1), "event_properties": {"n": 1}},
        "relationships": {
            "profile": {"data": {"type": "profile", "id": "P1"}},
            "metric": {"data": {"type": "metric", "id": "M1"}, "links": {"self": "x"}},
            "attributions": {"data": [{"type": "attribution", "id": "A1"}, {"type": "attribution", "id": "A2"}]},
        },
    }
    campaign = {"campaign": {"data": {"type": "campaign", "id": "C1"}}}
    included = [
        {"type": "metric", "id": "M1", "attributes": {"name": "Placed Order"}},
        {"type": "attribution", "id": "A1", "relationships": campaign},
    ]
    serve(klaviyo, {"events": page(event, included=included)})
    (record,) = sync("events_detailed").records()
    assert record["relationships"] == {
        "profile": {"data": {"type": "profile", "id": "P1"}},
        "metric": {"data": {"type": "metric", "id": "M1", "name": "Placed Order"}, "links": {"self": "x"}},
        "attributions": {
            "data": [
                {"type": "attribution", "id": "A1", "relationships": campaign},
                {"type": "attribution", "id": "A2"},
            ]
        },
    }
    assert record["datetime"] == DAY.format(1)
