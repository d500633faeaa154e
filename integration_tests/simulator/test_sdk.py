"""Klaviyo's own SDK reads the simulator's answers."""

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
    # The SDK's models know no null for the last page's next link, as the document does not.
    client = start(next_style="absent")
    sdk = klaviyo_api.KlaviyoAPI("pk_demo", max_retries=1, test_host=client.simulator.url)
    sdk.simulator = client.simulator
    yield sdk
    sdk.api_client.rest_client.pool_manager.clear()


def test_accounts(sdk: Any) -> None:
    (account,) = sdk.Accounts.get_accounts().data
    assert account.id == sdk.simulator.ids("accounts")[0]
    assert sdk.Accounts.get_account(account.id).data.attributes.preferred_currency == "USD"


def test_campaigns(sdk: Any) -> None:
    page = sdk.Campaigns.get_campaigns(EMAIL, include=["campaign-messages", "tags"], sort="-updated_at")
    assert page.data
    assert page.included
    assert page.data[0].attributes.updated_at >= page.data[-1].attributes.updated_at


def test_events(sdk: Any) -> None:
    page = sdk.Events.get_events(page_size=100, sort="datetime", include=["metric", "profile"])
    assert len(page.data) == 100
    # The SDK takes a cursor out of https links only, so this is done for it here.
    cursor = parse_qs(urlsplit(page.links.next).query)["page[cursor]"][0]
    following = sdk.Events.get_events(page_size=100, sort="datetime", include=["metric", "profile"], page_cursor=cursor)
    assert {each.id for each in page.data}.isdisjoint(each.id for each in following.data)
    assert sdk.Events.get_event(page.data[0].id).data.attributes.uuid == page.data[0].attributes.uuid


def test_events_with_a_filter(sdk: Any) -> None:
    page = sdk.Events.get_events(filter="greater-or-equal(datetime,2020-01-01T00:00:00+00:00)")
    assert page.data


def test_profiles(sdk: Any) -> None:
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
def test_the_other_collections(sdk: Any, area: str, several: str, one: str, kind: str) -> None:
    page = getattr(getattr(sdk, area), several)()
    assert {each.id for each in page.data} <= set(sdk.simulator.ids(kind))
    assert getattr(getattr(sdk, area), one)(page.data[0].id).data.attributes.name == page.data[0].attributes.name


def test_errors(sdk: Any) -> None:
    with pytest.raises(Exception, match="not_found") as caught:
        sdk.Profiles.get_profile("unknown")
    assert caught.value.status == 404
