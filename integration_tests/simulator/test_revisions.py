"""Two revisions of one account: what each shows, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.simulator.conftest import OCTOBER

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration_tests.simulator.conftest import Client

EMAIL = {"filter": "equals(messages.channel,'email')"}
ARCHIVED = {"filter": "equals(archived,true)"}


@pytest.fixture
def october(client: Client) -> Client:
    return client.speaking(OCTOBER)


def by_id(records: list[dict[str, Any]]) -> dict[str, Any]:
    return {record["id"]: record["attributes"] for record in records}


def test_the_same_campaign_has_a_shape_for_each_revision(client: Client, october: Client) -> None:
    old, new = by_id(client.walk("/api/campaigns", EMAIL)), by_id(october.walk("/api/campaigns"))
    assert old.keys() < new.keys()
    for identity, attributes in old.items():
        assert new[identity]["definition"]["name"] == attributes["name"]
        assert new[identity]["definition"]["builder"] == "wizard"
        assert new[identity]["updated_at"] == attributes["updated_at"]
        assert attributes.keys().isdisjoint({"definition"})


def test_campaigns_of_the_canvas_do_not_show_in_the_earlier_revision(client: Client, october: Client) -> None:
    listed = client.simulator.ids("campaigns")
    canvas = set(client.simulator.ids("campaigns", OCTOBER)) - set(listed)
    assert len(canvas) == client.simulator.settings.canvas_campaigns
    shown = october.walk("/api/campaigns", {"filter": 'equals(builder,"canvas")'})
    assert {campaign["id"] for campaign in shown} < canvas
    for identity in canvas:
        assert client.refusal(f"/api/campaigns/{identity}")[0] == 404
        assert october.ask(f"/api/campaigns/{identity}")["data"]["attributes"]["definition"]["builder"] == "canvas"


def test_what_a_message_says_has_moved_to_its_variations(client: Client, october: Client) -> None:
    for message in client.simulator.ids("campaign-messages")[:20]:
        content = client.ask(f"/api/campaign-messages/{message}")["data"]["attributes"]["definition"]["content"]
        new = october.ask(f"/api/campaign-messages/{message}")["data"]["attributes"]["definition"]
        assert "content" not in new
        (variation,) = october.ask(f"/api/campaign-messages/{message}/campaign-variations")["data"]
        details = variation["attributes"]["definition"]["details"]
        assert details.get("subject") == content.get("subject")
        assert details.get("title") == content.get("title")


def test_a_campaign_holds_its_audiences(client: Client, october: Client) -> None:
    (campaign, *_) = client.simulator.ids("campaigns")
    old = client.ask(f"/api/campaigns/{campaign}")["data"]["attributes"]["audiences"]
    (audience,) = october.ask(f"/api/campaigns/{campaign}/campaign-audiences")["data"]
    assert audience["attributes"]["definition"]["included"] == old["included"]


def test_a_change_shows_in_both_revisions(start: Callable[..., Client]) -> None:
    client = start()
    campaign = client.simulator.ids("campaigns")[0]
    client.simulator.touch("campaign", campaign, attributes={"name": "Neu", "archived": True})
    new = client.speaking(OCTOBER).ask(f"/api/campaigns/{campaign}")["data"]["attributes"]
    assert (new["definition"]["name"], new["definition"]["archived"]) == ("Neu", True)
    assert new["updated_at"] == client.ask(f"/api/campaigns/{campaign}")["data"]["attributes"]["updated_at"]


@pytest.mark.parametrize("archived", ["false", "true"])
def test_archived_campaigns_come_when_asked_for(october: Client, archived: str) -> None:
    found = october.walk("/api/campaigns", {"filter": f"equals(archived,{archived})", "include": "campaign-audiences"})
    assert found
    assert {str(each["attributes"]["definition"]["archived"]).lower() for each in found} == {archived}
    assert all("data" in each["relationships"]["campaign-audiences"] for each in found)


def test_archived_campaigns_may_come_unasked(start: Callable[..., Client]) -> None:
    client = start().speaking(OCTOBER)
    hidden = {each["id"] for each in client.walk("/api/campaigns", ARCHIVED)}
    assert hidden.isdisjoint(by_id(client.walk("/api/campaigns")))
    client.simulator.switch(list_archived_campaigns=True)
    assert hidden <= by_id(client.walk("/api/campaigns")).keys()


@pytest.mark.parametrize(
    ("revision", "path", "given"),
    [
        (OCTOBER, "/api/campaigns", EMAIL),
        (OCTOBER, "/api/campaigns", {"filter": "equals(status,'Sent')"}),
        (OCTOBER, "/api/campaigns", {"sort": "scheduled_at"}),
        (OCTOBER, "/api/campaigns", {"fields[campaign]": "status"}),
        ("2026-07-15", "/api/campaigns", {"filter": f"{EMAIL['filter']},equals(builder,'canvas')"}),
        ("2026-07-15", "/api/campaigns", {**EMAIL, "include": "campaign-audiences"}),
        ("2026-07-15", "/api/campaigns", ARCHIVED),
        ("2026-07-15", "/api/data-sources", {"filter": "equals(namespace,'custom-objects')"}),
        ("2026-07-15", "/api/coupons", {"fields[coupon]": "assigner_configuration"}),
    ],
)
def test_what_belongs_to_the_other_revision_is_refused(
    client: Client, revision: str, path: str, given: dict[str, str]
) -> None:
    status, error = client.speaking(revision).refusal(path, given)
    assert (status, error["code"]) == (400, "invalid")


@pytest.mark.parametrize(
    "path", ["/api/campaign-messages", "/api/translations", "/api/billing-usage", "/api/brand-logos"]
)
def test_what_is_new_is_not_found_in_the_earlier_revision(client: Client, october: Client, path: str) -> None:
    assert client.refusal(path)[1]["detail"] == "No valid revisions found for method"
    assert october.ask(path)["data"]


def test_what_did_not_change_is_the_same_in_both(client: Client, october: Client) -> None:
    for path in ("/api/flows", "/api/lists", "/api/metrics", "/api/events?page[size]=10"):
        assert client.ask(path)["data"] == october.ask(path)["data"]


@pytest.mark.parametrize(("path", "name"), [("coupons", "assigner_configuration"), ("templates", "screenshot_url")])
def test_new_attributes_show_from_their_revision_on(client: Client, october: Client, path: str, name: str) -> None:
    old, new = client.walk(f"/api/{path}"), october.walk(f"/api/{path}")
    assert all(name not in each["attributes"] for each in old)
    assert {each["attributes"][name] is None for each in new} == {True, False}


def test_messages_are_filtered_by_date_status_and_campaign(october: Client) -> None:
    messages = october.walk("/api/campaign-messages", {"sort": "updated", "page[size]": 100})
    dates = [message["attributes"]["updated"] for message in messages]
    assert dates == sorted(dates)
    since = {"filter": f"greater-or-equal(updated,{dates[-3]})"}
    assert len(october.walk("/api/campaign-messages", since)) == sum(date >= dates[-3] for date in dates)
    drafts = october.walk("/api/campaign-messages", {"filter": 'equals(status,"draft")'})
    assert {each["attributes"]["definition"]["status"] for each in drafts} == {"draft"}
    campaign = october.simulator.ids("campaigns", OCTOBER)[0]
    below = october.walk(f"/api/campaigns/{campaign}/campaign-messages")
    filtered = october.walk("/api/campaign-messages", {"filter": f'equals(campaign_id,"{campaign}")'})
    assert {each["id"] for each in filtered} == {each["id"] for each in below}


def test_a_campaigns_messages_come_page_by_page(start: Callable[..., Client]) -> None:
    client = start().speaking(OCTOBER)
    campaign = client.simulator.ids("campaigns", OCTOBER)[-1]
    before = {each["id"] for each in client.walk(f"/api/campaigns/{campaign}/campaign-messages")}
    made = client.simulator.create("canvas-message", 45, of={"canvas-campaign": campaign})
    page = client.ask(f"/api/campaigns/{campaign}/campaign-messages")
    assert len(page["data"]) == 20
    assert {each["id"] for each in client.walk(f"/api/campaigns/{campaign}/campaign-messages")} == {*before, *made}


def test_translations_are_found_by_what_they_translate(october: Client) -> None:
    every = october.walk("/api/translations", {"include": "template,campaign-variation", "page[size]": 100})
    (one, *_) = [each for each in every if each["relationships"]["template"]["data"]]
    related = one["relationships"]["template"]["data"]["id"]
    for given in (f'equals(related_resource_id,"{related}")', f'equals(id,"{one["id"]}")'):
        assert one["id"] in by_id(october.walk("/api/translations", {"filter": given}))
    kinds = october.walk("/api/translations", {"filter": 'equals(resource_type,"template")'})
    assert {each["id"].partition("::")[0] for each in kinds} == {"template"}
    assert "values" not in one["attributes"]
    whole = october.ask(f"/api/translations/{one['id']}", {"additional-fields[translation]": "values"})
    assert "values" in whole["data"]["attributes"]


def test_a_sender_shows_its_latest_registration(start: Callable[..., Client]) -> None:
    client = start().speaking(OCTOBER)
    sender = client.simulator.ids("text-messaging-senders")[0]
    (made,) = client.simulator.create("text-messaging-sender-registration", of={"text-messaging-sender": sender})
    given = {"include": "text-messaging-sender-registration"}
    document = client.ask(f"/api/text-messaging-senders/{sender}", given)
    assert document["data"]["relationships"]["text-messaging-sender-registration"]["data"]["id"] == made
    assert [each["id"] for each in document["included"]] == [made]


@pytest.mark.parametrize("path", ["brand-voice", "text-messaging-configurations"])
def test_what_an_account_has_one_of_has_its_id(client: Client, october: Client, path: str) -> None:
    (account,) = client.simulator.ids("accounts")
    assert client.simulator.ids(path) == [account]
    assert october.ask(f"/api/{path}/{account}")["data"]["id"] == account
    assert october.refusal(f"/api/{path}/other")[0] == 404
    assert october.refusal(f"/api/{path}")[0] == 404


def test_usage_is_as_of_when_it_was_counted(start: Callable[..., Client]) -> None:
    client = start().speaking(OCTOBER)
    before = by_id(client.ask("/api/billing-usage")["data"])
    client.simulator.touch("billing-usage", "email_sends", attributes={"usage_used": 7.5})
    after = by_id(client.ask("/api/billing-usage")["data"])
    assert after["email_sends"]["usage_used"] == 7.5
    assert after["email_sends"]["as_of"] > before["email_sends"]["as_of"]
    assert {name for name in after if after[name] != before[name]} == {"email_sends"}


def test_ids_are_those_of_the_earliest_revision_unless_one_is_named(client: Client) -> None:
    assert set(client.simulator.ids("campaigns")) == set(client.simulator.ids("campaigns", "2026-07-15"))
    assert set(client.simulator.ids("campaigns")) < set(client.simulator.ids("campaigns", OCTOBER))
    with pytest.raises(ValueError, match="no resource is called 'translations'"):
        client.simulator.ids("translations", "2026-07-15")


def test_earlier_data_do_not_depend_on_what_is_new(start: Callable[..., Client]) -> None:
    none = start(canvas_campaigns=0, translations=0, senders=0)
    for path, given in (("/api/campaigns", EMAIL), ("/api/flows", {}), ("/api/events", {})):
        assert none.ask(path, given)["data"] == start().ask(path, given)["data"]
