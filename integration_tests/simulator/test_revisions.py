"""Two revisions of one account: their responses and rejected requests."""

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
    return client.with_revision(OCTOBER)


def by_id(records: list[dict[str, Any]]) -> dict[str, Any]:
    return {record["id"]: record["attributes"] for record in records}


def test_a_campaign_has_the_shape_of_the_requested_revision(client: Client, october: Client) -> None:
    old, new = by_id(client.fetch_all("/api/campaigns", EMAIL)), by_id(october.fetch_all("/api/campaigns"))
    assert old.keys() < new.keys()
    for identity, attributes in old.items():
        assert new[identity]["definition"]["name"] == attributes["name"]
        assert new[identity]["definition"]["builder"] == "wizard"
        assert new[identity]["updated_at"] == attributes["updated_at"]
        assert attributes.keys().isdisjoint({"definition"})


def test_the_earlier_revision_hides_canvas_campaigns(client: Client, october: Client) -> None:
    listed = client.simulator.ids("campaigns")
    canvas = set(client.simulator.ids("campaigns", OCTOBER)) - set(listed)
    assert len(canvas) == client.simulator.settings.canvas_campaigns
    shown = october.fetch_all("/api/campaigns", {"filter": 'equals(builder,"canvas")'})
    assert {campaign["id"] for campaign in shown} < canvas
    for identity in canvas:
        assert client.error(f"/api/campaigns/{identity}")[0] == 404
        assert october.fetch(f"/api/campaigns/{identity}")["data"]["attributes"]["definition"]["builder"] == "canvas"


def test_the_content_of_a_message_has_moved_to_its_variations(client: Client, october: Client) -> None:
    for message in client.simulator.ids("campaign-messages")[:20]:
        content = client.fetch(f"/api/campaign-messages/{message}")["data"]["attributes"]["definition"]["content"]
        new = october.fetch(f"/api/campaign-messages/{message}")["data"]["attributes"]["definition"]
        assert "content" not in new
        (variation,) = october.fetch(f"/api/campaign-messages/{message}/campaign-variations")["data"]
        details = variation["attributes"]["definition"]["details"]
        assert details.get("subject") == content.get("subject")
        assert details.get("title") == content.get("title")


def test_a_campaign_has_its_audiences(client: Client, october: Client) -> None:
    (campaign, *_) = client.simulator.ids("campaigns")
    old = client.fetch(f"/api/campaigns/{campaign}")["data"]["attributes"]["audiences"]
    (audience,) = october.fetch(f"/api/campaigns/{campaign}/campaign-audiences")["data"]
    assert audience["attributes"]["definition"]["included"] == old["included"]


def test_a_change_is_visible_in_both_revisions(start: Callable[..., Client]) -> None:
    client = start()
    campaign = client.simulator.ids("campaigns")[0]
    client.simulator.touch("campaign", campaign, attributes={"name": "Neu", "archived": True})
    new = client.with_revision(OCTOBER).fetch(f"/api/campaigns/{campaign}")["data"]["attributes"]
    assert (new["definition"]["name"], new["definition"]["archived"]) == ("Neu", True)
    assert new["updated_at"] == client.fetch(f"/api/campaigns/{campaign}")["data"]["attributes"]["updated_at"]


@pytest.mark.parametrize("archived", ["false", "true"])
def test_a_filter_selects_archived_campaigns(october: Client, archived: str) -> None:
    found = october.fetch_all(
        "/api/campaigns", {"filter": f"equals(archived,{archived})", "include": "campaign-audiences"}
    )
    assert found
    assert {str(each["attributes"]["definition"]["archived"]).lower() for each in found} == {archived}
    assert all("data" in each["relationships"]["campaign-audiences"] for each in found)


def test_archived_campaigns_are_listed_by_default_if_switched(start: Callable[..., Client]) -> None:
    client = start().with_revision(OCTOBER)
    hidden = {each["id"] for each in client.fetch_all("/api/campaigns", ARCHIVED)}
    assert hidden.isdisjoint(by_id(client.fetch_all("/api/campaigns")))
    client.simulator.switch(list_archived_campaigns=True)
    assert hidden <= by_id(client.fetch_all("/api/campaigns")).keys()


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
def test_parameters_of_the_other_revision_are_rejected(
    client: Client, revision: str, path: str, given: dict[str, str]
) -> None:
    status, error = client.with_revision(revision).error(path, given)
    assert (status, error["code"]) == (400, "invalid")


@pytest.mark.parametrize(
    "path", ["/api/campaign-messages", "/api/translations", "/api/billing-usage", "/api/brand-logos"]
)
def test_new_endpoints_are_unknown_to_the_earlier_revision(client: Client, october: Client, path: str) -> None:
    assert client.error(path)[1]["detail"] == "No valid revisions found for method"
    assert october.fetch(path)["data"]


def test_unchanged_endpoints_are_the_same_in_both_revisions(client: Client, october: Client) -> None:
    for path in ("/api/flows", "/api/lists", "/api/metrics", "/api/events?page[size]=10"):
        assert client.fetch(path)["data"] == october.fetch(path)["data"]


@pytest.mark.parametrize(("path", "name"), [("coupons", "assigner_configuration"), ("templates", "screenshot_url")])
def test_new_attributes_are_shown_from_their_revision_on(client: Client, october: Client, path: str, name: str) -> None:
    old, new = client.fetch_all(f"/api/{path}"), october.fetch_all(f"/api/{path}")
    assert all(name not in each["attributes"] for each in old)
    assert {each["attributes"][name] is None for each in new} == {True, False}


def test_messages_are_filtered_by_date_status_and_campaign(october: Client) -> None:
    messages = october.fetch_all("/api/campaign-messages", {"sort": "updated", "page[size]": 100})
    dates = [message["attributes"]["updated"] for message in messages]
    assert dates == sorted(dates)
    since = {"filter": f"greater-or-equal(updated,{dates[-3]})"}
    assert len(october.fetch_all("/api/campaign-messages", since)) == sum(date >= dates[-3] for date in dates)
    drafts = october.fetch_all("/api/campaign-messages", {"filter": 'equals(status,"draft")'})
    assert {each["attributes"]["definition"]["status"] for each in drafts} == {"draft"}
    campaign = october.simulator.ids("campaigns", OCTOBER)[0]
    below = october.fetch_all(f"/api/campaigns/{campaign}/campaign-messages")
    filtered = october.fetch_all("/api/campaign-messages", {"filter": f'equals(campaign_id,"{campaign}")'})
    assert {each["id"] for each in filtered} == {each["id"] for each in below}


def test_a_campaigns_messages_have_pages(start: Callable[..., Client]) -> None:
    client = start().with_revision(OCTOBER)
    campaign = client.simulator.ids("campaigns", OCTOBER)[-1]
    before = {each["id"] for each in client.fetch_all(f"/api/campaigns/{campaign}/campaign-messages")}
    made = client.simulator.create("canvas-message", 45, of={"canvas-campaign": campaign})
    page = client.fetch(f"/api/campaigns/{campaign}/campaign-messages")
    assert len(page["data"]) == 20
    assert {each["id"] for each in client.fetch_all(f"/api/campaigns/{campaign}/campaign-messages")} == {*before, *made}


def test_translations_are_filtered_by_the_translated_resource(october: Client) -> None:
    every = october.fetch_all("/api/translations", {"include": "template,campaign-variation", "page[size]": 100})
    (one, *_) = [each for each in every if each["relationships"]["template"]["data"]]
    related = one["relationships"]["template"]["data"]["id"]
    for given in (f'equals(related_resource_id,"{related}")', f'equals(id,"{one["id"]}")'):
        assert one["id"] in by_id(october.fetch_all("/api/translations", {"filter": given}))
    kinds = october.fetch_all("/api/translations", {"filter": 'equals(resource_type,"template")'})
    assert {each["id"].partition("::")[0] for each in kinds} == {"template"}
    assert "values" not in one["attributes"]
    whole = october.fetch(f"/api/translations/{one['id']}", {"additional-fields[translation]": "values"})
    assert "values" in whole["data"]["attributes"]


def test_a_sender_shows_its_latest_registration(start: Callable[..., Client]) -> None:
    client = start().with_revision(OCTOBER)
    sender = client.simulator.ids("text-messaging-senders")[0]
    (made,) = client.simulator.create("text-messaging-sender-registration", of={"text-messaging-sender": sender})
    given = {"include": "text-messaging-sender-registration"}
    document = client.fetch(f"/api/text-messaging-senders/{sender}", given)
    assert document["data"]["relationships"]["text-messaging-sender-registration"]["data"]["id"] == made
    assert [each["id"] for each in document["included"]] == [made]


@pytest.mark.parametrize("path", ["brand-voice", "text-messaging-configurations"])
def test_settings_of_the_account_have_its_id(client: Client, october: Client, path: str) -> None:
    (account,) = client.simulator.ids("accounts")
    assert client.simulator.ids(path) == [account]
    assert october.fetch(f"/api/{path}/{account}")["data"]["id"] == account
    assert october.error(f"/api/{path}/other")[0] == 404
    assert october.error(f"/api/{path}")[0] == 404


def test_changed_usage_has_a_later_as_of_date(start: Callable[..., Client]) -> None:
    client = start().with_revision(OCTOBER)
    before = by_id(client.fetch("/api/billing-usage")["data"])
    client.simulator.touch("billing-usage", "email_sends", attributes={"usage_used": 7.5})
    after = by_id(client.fetch("/api/billing-usage")["data"])
    assert after["email_sends"]["usage_used"] == 7.5
    assert after["email_sends"]["as_of"] > before["email_sends"]["as_of"]
    assert {name for name in after if after[name] != before[name]} == {"email_sends"}


def test_ids_are_of_the_earliest_revision_by_default(client: Client) -> None:
    assert set(client.simulator.ids("campaigns")) == set(client.simulator.ids("campaigns", "2026-07-15"))
    assert set(client.simulator.ids("campaigns")) < set(client.simulator.ids("campaigns", OCTOBER))
    with pytest.raises(ValueError, match="no resource is called 'translations'"):
        client.simulator.ids("translations", "2026-07-15")


def test_earlier_data_do_not_depend_on_new_types(start: Callable[..., Client]) -> None:
    none = start(canvas_campaigns=0, translations=0, senders=0)
    for path, given in (("/api/campaigns", EMAIL), ("/api/flows", {}), ("/api/events", {})):
        assert none.fetch(path, given)["data"] == start().fetch(path, given)["data"]
