"""Klaviyo's own SDK accepts the simulator's responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from integration_tests.simulator.conftest import Client


pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

EMAIL = "equals(messages.channel,'email')"


@pytest.fixture
def sdk(start: Callable[..., Client]) -> Iterator[Any]:
    klaviyo_api = pytest.importorskip("klaviyo_api", reason="Klaviyo's SDK is not installed")
    client = start()
    sdk = klaviyo_api.KlaviyoAPI("pk_demo", max_retries=1, test_host=client.simulator.url)
    sdk.simulator = client.simulator
    yield sdk
    sdk.api_client.rest_client.pool_manager.clear()


def test_accounts_are_read(sdk: Any) -> None:
    (account,) = sdk.Accounts.get_accounts().data
    assert account.id == sdk.simulator.ids("accounts")[0]
    assert sdk.Accounts.get_account(account.id).data.attributes.preferred_currency == "USD"


def test_campaigns_are_read_with_includes(sdk: Any) -> None:
    page = sdk.Campaigns.get_campaigns(EMAIL, include=["campaign-messages", "tags"], sort="-updated_at")
    assert page.data
    assert page.included
    assert page.data[0].attributes.updated_at >= page.data[-1].attributes.updated_at


def test_events_are_read_page_by_page(sdk: Any) -> None:
    page = sdk.Events.get_events(page_size=100, sort="datetime", include=["metric", "profile"])
    assert len(page.data) == 100
    # The SDK parses cursors in https links only, so the test does it here.
    cursor = parse_qs(urlsplit(page.links.next).query)["page[cursor]"][0]
    following = sdk.Events.get_events(page_size=100, sort="datetime", include=["metric", "profile"], page_cursor=cursor)
    assert {each.id for each in page.data}.isdisjoint(each.id for each in following.data)
    assert sdk.Events.get_event(page.data[0].id).data.attributes.uuid == page.data[0].attributes.uuid


def test_events_are_filtered(sdk: Any) -> None:
    page = sdk.Events.get_events(filter="greater-or-equal(datetime,2020-01-01T00:00:00+00:00)")
    assert page.data


def test_profiles_are_read_with_additional_fields(sdk: Any) -> None:
    page = sdk.Profiles.get_profiles(
        additional_fields_profile=["subscriptions", "predictive_analytics"], page_size=50, sort="updated"
    )
    assert len(page.data) == 50


@pytest.mark.parametrize(
    ("area", "several", "one", "kind"),
    [
        ("Metrics", "get_metrics", "get_metric", "metrics"),
        ("Flows", "get_flows", "get_flow", "flows"),
        ("Lists", "get_lists", "get_list", "lists"),
        ("Templates", "get_templates", "get_template", "templates"),
    ],
)
def test_other_collections_and_their_single_resources_are_read(
    sdk: Any, area: str, several: str, one: str, kind: str
) -> None:
    page = getattr(getattr(sdk, area), several)()
    assert {each.id for each in page.data} <= set(sdk.simulator.ids(kind))
    assert getattr(getattr(sdk, area), one)(page.data[0].id).data.attributes.name == page.data[0].attributes.name


@pytest.mark.parametrize(
    ("area", "method", "of"),
    [
        ("Campaigns", "get_campaign_message", "campaign-messages"),
        ("Campaigns", "get_campaign_recipient_estimation", "campaign-recipient-estimations"),
        ("Campaigns", "get_messages_for_campaign", "campaigns"),
        ("Catalogs", "get_catalog_categories", None),
        ("Catalogs", "get_catalog_items", None),
        ("Catalogs", "get_catalog_variants", None),
        ("Catalogs", "get_items_for_catalog_category", "catalog-categories"),
        ("Catalogs", "get_variants_for_catalog_item", "catalog-items"),
        ("Coupons", "get_coupon_codes_for_coupon", "coupons"),
        ("Coupons", "get_coupons", None),
        ("Custom_Objects", "get_data_sources", None),
        ("Custom_Objects", "get_object_type", "object-types"),
        ("Custom_Objects", "get_object_types", None),
        ("Custom_Objects", "get_records_for_object_type", "object-types"),
        ("Custom_Objects", "get_schema_versions_for_object_type", "object-types"),
        ("Flows", "get_actions_for_flow", "flows"),
        ("Flows", "get_flow_action", "flow-actions"),
        ("Flows", "get_flow_message", "flow-messages"),
        ("Flows", "get_messages_for_flow_action", "flow-actions"),
        ("Forms", "get_form", "forms"),
        ("Forms", "get_forms", None),
        ("Forms", "get_versions_for_form", "forms"),
        ("Images", "get_images", None),
        ("Lists", "get_profiles_for_list", "lists"),
        ("Metrics", "get_custom_metrics", None),
        ("Metrics", "get_mapped_metrics", None),
        ("Metrics", "get_properties_for_metric", "metrics"),
        ("Profiles", "get_conversations_for_profile", "profiles"),
        ("Profiles", "get_push_tokens", None),
        ("Reviews", "get_reviews", None),
        ("Segments", "get_profiles_for_segment", "segments"),
        ("Segments", "get_segment", "segments"),
        ("Segments", "get_segments", None),
        ("Tags", "get_tag_groups", None),
        ("Tags", "get_tags", None),
        ("Templates", "get_all_universal_content", None),
        ("Tracking_Settings", "get_tracking_settings", None),
        ("Web_Feeds", "get_web_feeds", None),
        ("Webhooks", "get_webhook_topics", None),
        ("Webhooks", "get_webhooks", None),
    ],
)
def test_further_operations_return_data(sdk: Any, area: str, method: str, of: str | None) -> None:
    ask = getattr(getattr(sdk, area), method)
    responses = [ask(identity).data for identity in sdk.simulator.ids(of)[:20]] if of else [ask().data]
    assert any(responses)


def test_coupon_codes_are_read_with_their_coupon(sdk: Any) -> None:
    coupon = sdk.simulator.ids("coupons")[0]
    page = sdk.Coupons.get_coupon_codes(f'any(coupon.id,["{coupon}"])', include=["coupon"])
    assert {code.relationships.coupon.data.id for code in page.data} == {coupon}
    assert [each.id for each in page.included] == [coupon]


def test_an_error_response_raises(sdk: Any) -> None:
    with pytest.raises(Exception, match="not_found") as caught:
        sdk.Profiles.get_profile("unknown")
    assert vars(caught.value)["status"] == 404
