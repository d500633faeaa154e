"""Klaviyo's own SDK of revision 2026-10-15 accepts the simulator's responses.

Both versions of the SDK have the same name, so `make .venv/ready` installs this one in a separate folder.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.simulator.conftest import OCTOBER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from integration_tests.simulator.conftest import Client

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

FOLDER = Path(sys.prefix) / "klaviyo-api-25.0.0"
PACKAGES = ("klaviyo_api", "openapi_client")


@contextmanager
def imported_from(folder: Path) -> Iterator[Any]:
    """Import the SDK in a folder instead of the installed one."""

    def without() -> dict[str, Any]:
        return {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in PACKAGES}

    others = without()
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module(PACKAGES[0])
    finally:
        sys.path.remove(str(folder))
        without()
        sys.modules.update(others)


@pytest.fixture(scope="module")
def klaviyo_api() -> Iterator[Any]:
    if not FOLDER.exists():
        pytest.skip("Klaviyo's SDK 25.0.0 is not installed: make .venv/ready")
    with imported_from(FOLDER) as package:
        yield package


@pytest.fixture
def sdk(klaviyo_api: Any, start: Callable[..., Client]) -> Iterator[Any]:
    client = start()
    sdk = klaviyo_api.KlaviyoAPI("pk_demo", max_retries=1, test_host=client.simulator.url)
    sdk.simulator = client.simulator
    yield sdk
    sdk.api_client.rest_client.pool_manager.clear()


def test_the_sdk_is_of_revision_2026_10_15(sdk: Any) -> None:
    assert sdk._REVISION == OCTOBER
    assert Path(sys.modules["klaviyo_api"].__file__ or "").is_relative_to(FOLDER)


def test_campaigns_are_read_with_includes(sdk: Any) -> None:
    every = sdk.Campaigns.get_campaigns(include=["campaign-audiences", "campaign-messages", "tags"], sort="updated_at")
    assert {campaign.attributes.definition.builder for campaign in every.data} == {"canvas", "wizard"}
    assert {each["type"] for each in every.included} == {"campaign-audience", "campaign-message", "tag"}
    archived = sdk.Campaigns.get_campaigns(filter="equals(archived,true)").data
    assert all(campaign.attributes.definition.archived for campaign in archived)
    ids = set(sdk.simulator.ids("campaigns", OCTOBER))
    assert {campaign.id for campaign in [*every.data, *archived]} == ids


def test_messages_and_their_variations_are_read(sdk: Any) -> None:
    messages = sdk.Campaigns.get_campaign_messages(
        filter="greater-or-equal(updated,2016-01-01T00:00:00Z)", include=["campaign"], sort="updated", page_size=100
    ).data
    assert {message.id for message in messages} == set(sdk.simulator.ids("campaign-messages", OCTOBER))
    channels = set()
    for message in messages:
        for variation in sdk.Campaigns.get_variations_for_campaign_message(message.id).data:
            details = variation.attributes.definition.details
            channels.add(details and details["channel"])
    assert channels >= {"email", "sms", "push", "whatsapp", None}


@pytest.mark.parametrize(
    ("area", "method", "of"),
    [
        ("Billing", "list_billing_usage", None),
        ("Brands", "get_brand_buttons", None),
        ("Brands", "get_brand_colors", None),
        ("Brands", "get_brand_email_defaults", None),
        ("Brands", "get_brand_logos", None),
        ("Brands", "get_brand_social_groups", None),
        ("Brands", "get_brand_voice", "accounts"),
        ("Campaigns", "get_campaign_audience", "campaign-audiences"),
        ("Campaigns", "get_campaign_audiences_for_campaign", "campaigns"),
        ("Campaigns", "get_campaign_message", "campaign-messages"),
        ("Campaigns", "get_campaign_variation", "campaign-variations"),
        ("Campaigns", "get_messages_for_campaign", "campaigns"),
        ("Catalogs", "get_items_for_catalog_category", "catalog-categories"),
        ("Coupons", "get_coupons", None),
        ("Templates", "get_templates", None),
        ("Text_Messaging", "get_text_messaging_configuration", "accounts"),
        ("Text_Messaging", "get_text_messaging_sender", "text-messaging-senders"),
        ("Text_Messaging", "get_text_messaging_sender_registration", "text-messaging-sender-registrations"),
        ("Text_Messaging", "get_text_messaging_senders", None),
        ("Translations", "get_translation", "translations"),
        ("Translations", "get_translations", None),
    ],
)
def test_new_operations_return_data(sdk: Any, area: str, method: str, of: str | None) -> None:
    ask = getattr(getattr(sdk, area), method)
    responses = [ask(identity).data for identity in sdk.simulator.ids(of, OCTOBER)[-20:]] if of else [ask().data]
    assert any(responses)


def test_new_attributes_are_read(sdk: Any) -> None:
    coupons = [coupon.attributes.assigner_configuration for coupon in sdk.Coupons.get_coupons().data]
    assert "NEVER_ASSIGN" in {each.used for each in coupons if each}
    assert any(template.attributes.screenshot_url for template in sdk.Templates.get_templates().data)


def test_the_texts_of_a_translation_are_read(sdk: Any) -> None:
    found = [
        sdk.Translations.get_translation(each, additional_fields_translation=["values"]).data.attributes.values
        for each in sdk.simulator.ids("translations")
    ]
    assert any(found)


def test_a_filter_of_the_earlier_revision_is_rejected(sdk: Any) -> None:
    with pytest.raises(Exception, match="cannot be filtered on") as caught:
        sdk.Campaigns.get_campaigns(filter="equals(messages.channel,'email')")
    assert vars(caught.value)["status"] == 400
