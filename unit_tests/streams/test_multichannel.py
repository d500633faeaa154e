"""Campaigns of several channels: the campaigns, their audiences, their messages and the content of these."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from airbyte_cdk.models import SyncMode

from source_klaviyo.source import SourceKlaviyo
from source_klaviyo.sync.instants import HOUR, SECOND, Instant, for_filter, parse_instant
from unit_tests.fake_api import CONFIG, FakeKlaviyo, Output, Rejected, sync
from unit_tests.streams.documents import GONE, page

if TYPE_CHECKING:
    from unit_tests.fake_api import Request

MINUTE = 60 * SECOND
OLD, NEW = "2024-05-01T00:00:00Z", "2024-06-10T00:00:00Z"
STATE = "2024-06-01T00:00:00+0000"


class Account:
    """Campaigns with audiences, messages and variations, which can be added at any time.

    Attributes:
        listing: what /campaigns does with archived ones: "hides" or "lists" them unless a filter asks for them,
            "refuses" that filter, or "ignores" it.
        gone: messages that have been deleted since they were listed.
    """

    def __init__(self, klaviyo: FakeKlaviyo, listing: str = "hides") -> None:
        self.klaviyo, self.listing = klaviyo, listing
        self.campaigns: list[dict[str, Any]] = []
        self.audiences: dict[str, dict[str, Any]] = {}
        self.messages: list[dict[str, Any]] = []
        self.variations: dict[str, list[dict[str, Any]]] = {}
        self.gone: set[str] = set()
        klaviyo.may_reject = listing == "refuses"
        klaviyo.before = self.answer

    def campaign(self, identity: str, updated: str, *, archived: bool | None = False, audiences: Any = ()) -> None:
        definition = {"name": identity, "builder": "canvas", "archived": archived}
        linked = [{"type": "campaign-audience", "id": each} for each in audiences]
        self.campaigns.append(
            {
                "type": "campaign",
                "id": identity,
                "attributes": {"created_at": OLD, "updated_at": updated, "definition": definition},
                # lists of one have been seen as an object
                "relationships": {"campaign-audiences": {"data": linked[0] if len(linked) == 1 else linked}},
            }
        )

    def audience(self, identity: str, updated: str) -> None:
        attributes = {"created": OLD, "updated": updated, "definition": {"included": ["L1"]}}
        self.audiences[identity] = {"type": "campaign-audience", "id": identity, "attributes": attributes}

    def message(self, identity: str, updated: str, *variations: str) -> None:
        """Add a message, or change it, with variations that were last updated at a time."""
        attributes = {"created": OLD, "updated": updated, "definition": {"status": "draft"}}
        self.messages = [each for each in self.messages if each["id"] != identity]
        self.messages.append({"type": "campaign-message", "id": identity, "attributes": attributes})
        self.variations[identity] = [
            {
                "type": "campaign-variation",
                "id": f"{identity}-{number}",
                "attributes": {"created": OLD, "updated": date, "definition": {"details": None}},
            }
            for number, date in enumerate(variations)
        ]

    def answer(self, request: Request) -> tuple[int, bytes]:
        assert request.revision == "2026-10-15"
        if request.resource == "campaigns":
            return self._campaigns(request.params)
        if request.resource == "campaign-messages":
            return page(*self._since(self.messages, "updated", request.params))
        message = request.resource.removeprefix("campaign-messages/").removesuffix("/campaign-variations")
        assert request.params == {}
        return GONE if message in self.gone else page(*self.variations[message])

    def _campaigns(self, params: dict[str, str]) -> tuple[int, bytes]:
        found = re.search(r"equals\(archived,(true|false)\)", params.get("filter", ""))
        asked = found.group(1) if found else None
        if asked and self.listing == "refuses":
            raise Rejected("'archived' cannot be filtered on.", "filter")
        wanted = None if self.listing == "ignores" else asked or ("false" if self.listing == "hides" else None)
        shown = [each for each in self.campaigns if wanted in (None, self._archived(each))]
        shown = self._since(shown, "updated_at", params)
        linked = [one for each in shown for one in self._linked(each)]
        included = [self.audiences[one["id"]] for one in linked] if params.get("include") != "tags" else []
        return page(*shown, included=included)

    @staticmethod
    def _archived(campaign: dict[str, Any]) -> str:
        return json.dumps(bool(campaign["attributes"]["definition"]["archived"]))

    @staticmethod
    def _linked(campaign: dict[str, Any]) -> list[dict[str, Any]]:
        data = campaign["relationships"]["campaign-audiences"]["data"]
        return data if isinstance(data, list) else [data]

    @staticmethod
    def _since(rows: list[dict[str, Any]], cursor: str, params: dict[str, str]) -> list[dict[str, Any]]:
        bound = re.search(rf"greater-or-equal\({cursor},([^)]+)\)", params.get("filter", ""))
        start = parse_instant(bound.group(1)) if bound else Instant(0)
        found = [row for row in rows if parse_instant(row["attributes"][cursor]) >= start]
        return sorted(found, key=lambda row: str(row["attributes"][cursor]))

    def take_variation_requests(self) -> list[str]:
        """Return the messages whose variations were requested, and forget the requests."""
        paths = [request.resource.split("/") for request in self.klaviyo.requests]
        self.klaviyo.requests.clear()
        return sorted(parts[1] for parts in paths if len(parts) == 3)


def ids(output: Output) -> list[str]:
    assert output.raised is None
    return sorted(output.ids())


def ago(klaviyo: FakeKlaviyo, microseconds: int) -> str:
    return for_filter(klaviyo.now - microseconds)


# --- campaigns ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("listing", ["hides", "lists", "ignores"])
def test_campaigns_are_emitted_once_archived_or_not_however_klaviyo_lists_them(
    klaviyo: FakeKlaviyo, listing: str
) -> None:
    account = Account(klaviyo, listing)
    account.campaign("a", OLD)
    account.campaign("b", NEW, archived=True)
    assert ids(sync("campaigns_multichannel")) == ["a", "b"]


def test_a_filter_that_klaviyo_rejects_is_left_out(klaviyo: FakeKlaviyo) -> None:
    account = Account(klaviyo, "refuses")
    account.campaign("a", OLD)
    account.campaign("b", NEW, archived=True)
    assert ids(sync("campaigns_multichannel")) == ["a", "b"]


def test_a_campaign_that_does_not_say_whether_it_is_archived_is_not_lost(klaviyo: FakeKlaviyo) -> None:
    account = Account(klaviyo)
    account.campaign("a", OLD, archived=None)
    assert ids(sync("campaigns_multichannel")) == ["a"]


def test_an_increment_emits_the_campaigns_that_changed(klaviyo: FakeKlaviyo) -> None:
    account = Account(klaviyo)
    account.campaign("a", OLD)
    account.campaign("b", OLD, archived=True)
    first = sync("campaigns_multichannel")
    klaviyo.now += HOUR
    account.campaign("c", ago(klaviyo, MINUTE))
    account.campaign("d", ago(klaviyo, MINUTE), archived=True)
    state = first.states("campaigns_multichannel")[-1]
    assert ids(sync("campaigns_multichannel", state={"campaigns_multichannel": state})) == ["c", "d"]
    assert "greater-or-equal(updated_at,2024-07-01T11:59:55Z)" in klaviyo.first_pages("campaigns")[-1]["filter"]


# --- audiences ------------------------------------------------------------------------------------------------


def test_audiences_hold_the_id_of_their_campaign(klaviyo: FakeKlaviyo) -> None:
    account = Account(klaviyo)
    for audience in ("x", "y", "z"):
        account.audience(audience, OLD)
    account.campaign("a", OLD, audiences=["x", "y"])
    account.campaign("b", OLD, audiences=["z"], archived=True)
    records = {record["id"]: record for record in sync("campaign_audiences").records()}
    assert {identity: record["campaign_id"] for identity, record in records.items()} == {"x": "a", "y": "a", "z": "b"}
    assert records["x"]["updated"] == records["x"]["attributes"]["updated"] == OLD
    assert records["x"]["type"] == "campaign-audience"


def test_an_audience_counts_as_changed_if_its_campaign_has_changed(klaviyo: FakeKlaviyo) -> None:
    account = Account(klaviyo)
    account.audience("x", OLD)
    account.audience("y", NEW)
    account.audience("z", OLD)
    account.campaign("a", NEW, audiences=["x"])
    account.campaign("b", OLD, audiences=["y"])
    account.campaign("c", OLD, audiences=["z"])
    state = {"updated": STATE, "queries": {"current": STATE, "archived": STATE}}
    assert ids(sync("campaign_audiences", state={"campaign_audiences": state})) == ["x", "y"]


# --- messages -------------------------------------------------------------------------------------------------


def test_messages_are_requested_by_date_and_with_their_campaign(klaviyo: FakeKlaviyo) -> None:
    account = Account(klaviyo)
    account.message("m", NEW)
    assert ids(sync("campaign_messages_multichannel")) == ["m"]
    assert klaviyo.first_pages() == [
        {
            "include": "campaign",
            "fields[campaign]": "created_at",
            "filter": "greater-or-equal(updated,2024-01-01T00:00:00Z)",
            "sort": "updated",
            "page[size]": "100",
        }
    ]


@pytest.mark.parametrize("stream", ["campaign_messages_multichannel", "campaign_variations"])
def test_a_message_that_appears_after_its_date_is_read(klaviyo: FakeKlaviyo, stream: str) -> None:
    account = Account(klaviyo)
    account.message("m", ago(klaviyo, 30 * MINUTE), OLD)
    first = sync(stream)
    klaviyo.now += HOUR
    account.message("late", ago(klaviyo, HOUR + 90 * MINUTE), OLD)  # before the first state
    second = sync(stream, state={stream: first.states(stream)[-1]})
    assert ids(second) == ["late"] if stream == "campaign_messages_multichannel" else ["late-0"]
    third = sync(stream, state={stream: second.states(stream)[-1]})
    assert ids(third) == []


# --- variations -----------------------------------------------------------------------------------------------


def test_variations_hold_the_id_of_their_message_and_their_own_date(klaviyo: FakeKlaviyo) -> None:
    account = Account(klaviyo)
    account.message("m", NEW, OLD, "2024-05-02T00:00:00Z")
    account.message("n", OLD)
    records = sync("campaign_variations").records()
    assert [(one["id"], one["campaign_message_id"], one["updated"]) for one in records] == [
        ("m-0", "m", OLD),
        ("m-1", "m", "2024-05-02T00:00:00Z"),
    ]
    assert account.take_variation_requests() == ["m", "n"]


def test_variations_are_requested_of_changed_messages_only(klaviyo: FakeKlaviyo) -> None:
    account = Account(klaviyo)
    account.message("m", OLD, OLD)
    account.message("n", ago(klaviyo, 30 * MINUTE), OLD)  # within the hours that are read again
    first = sync("campaign_variations")
    assert account.take_variation_requests() == ["m", "n"]
    klaviyo.now += HOUR
    second = sync("campaign_variations", state={"campaign_variations": first.states("campaign_variations")[-1]})
    assert (ids(second), account.take_variation_requests()) == ([], [])
    klaviyo.now += HOUR
    account.message("m", ago(klaviyo, MINUTE), OLD, OLD)
    third = sync("campaign_variations", state={"campaign_variations": second.states("campaign_variations")[-1]})
    assert (ids(third), account.take_variation_requests()) == (["m-0", "m-1"], ["m"])


def test_a_message_deleted_since_it_was_listed_has_no_variations(klaviyo: FakeKlaviyo) -> None:
    account = Account(klaviyo)
    account.message("m", NEW, OLD)
    account.message("n", NEW, OLD)
    account.gone = {"m"}
    output = sync("campaign_variations")
    assert ids(output) == ["n-0"]
    assert output.statuses("campaign_variations")[-1] == "COMPLETE"


def test_a_state_covers_only_messages_whose_variations_have_been_emitted(klaviyo: FakeKlaviyo) -> None:
    account = Account(klaviyo)
    account.message("m", OLD, OLD)
    account.message("n", NEW, OLD)
    answer = account.answer
    klaviyo.before = lambda request: (500, b"") if "/n/" in request.resource else answer(request)
    output = sync("campaign_variations")
    state = output.states("campaign_variations")[-1]
    assert "n-0" not in output.ids()
    assert output.statuses("campaign_variations")[-1] == "INCOMPLETE"
    assert parse_instant(state["updated"]) <= parse_instant(NEW)
    klaviyo.before = answer
    resumed = sync("campaign_variations", state={"campaign_variations": state})
    assert {*output.ids(), *ids(resumed)} == {"m-0", "n-0"}


def test_variations_can_be_read_without_the_concurrent_engine(klaviyo: FakeKlaviyo) -> None:
    account = Account(klaviyo)
    account.message("m", NEW, OLD)
    (stream,) = [one for one in SourceKlaviyo().streams(CONFIG) if one.name == "campaign_variations"]
    (record,) = stream.read_records(SyncMode.full_refresh)
    assert isinstance(record, dict)
    assert (record["id"], record["campaign_message_id"], record["updated"]) == ("m-0", "m", OLD)
