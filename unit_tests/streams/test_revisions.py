"""The API revision that each stream speaks, and what happens when Klaviyo no longer serves it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airbyte_cdk.models import FailureType

from source_klaviyo.api.client import HOST, KlaviyoClient
from source_klaviyo.config import Config
from source_klaviyo.streams.account import Accounts
from source_klaviyo.streams.multichannel import CampaignVariations
from source_klaviyo.streams.shared import SyncContext
from unit_tests.fake_api import CONFIG, FakeKlaviyo, error, sync

if TYPE_CHECKING:
    from unit_tests.fake_api import Request

OLD, NEW = "2026-07-15", "2026-10-15"
RETIRED = error(410, "gone", "The revision is retired.")
UNKNOWN = error(404, "not_found", "No valid revisions found for method")


def empty(request: Request) -> tuple[int, bytes]:
    rows = [{"type": "account", "id": "Ab1", "attributes": {}}] if request.resource == "accounts" else []
    return 200, json.dumps({"data": rows, "links": {"next": None}}).encode()


def two_pages(request: Request) -> tuple[int, bytes]:
    """A collection of two pages, and what lies below each of its resources."""
    if "/" in request.resource:
        below = {"type": "x", "id": "B1", "attributes": {"updated": "2024-06-01T00:00:00Z"}}
        data: Any = [below] if request.resource.endswith("-variations") else below
        return 200, json.dumps({"data": data, "links": {"next": None}}).encode()
    second = "page[cursor]" in request.params
    row = {"type": "x", "id": f"A{int(second)}", "attributes": {"updated": "2024-06-01T00:00:00Z"}}
    following = None if second else f"{HOST}/api/{request.resource}?page%5Bcursor%5D=two"
    return 200, json.dumps({"data": [row], "links": {"next": following}}).encode()


def revisions(klaviyo: FakeKlaviyo) -> dict[str, set[str]]:
    """The revisions that requests of each resource named."""
    found: dict[str, set[str]] = {}
    for request in klaviyo.requests:
        found.setdefault(request.resource, set()).add(request.revision)
    return found


@pytest.mark.parametrize(
    ("stream", "resource", "revision"),
    [
        ("campaigns", "campaigns", OLD),
        ("campaigns_multichannel", "campaigns", NEW),
        ("campaign_audiences", "campaigns", NEW),
        ("tags", "tags", OLD),
        ("translations_detailed", "translations", NEW),
        ("brand_logos", "brand-logos", NEW),
        ("catalog_category_items", "catalog-categories", OLD),
    ],
)
def test_each_request_of_a_stream_names_its_revision(
    klaviyo: FakeKlaviyo, stream: str, resource: str, revision: str
) -> None:
    klaviyo.before = empty
    assert sync(stream).raised is None
    assert revisions(klaviyo) == {resource: {revision}}


@pytest.mark.parametrize(
    ("stream", "resource", "below"),
    [
        ("translations_detailed", "translations", "translations/A{}"),
        ("campaign_variations", "campaign-messages", "campaign-messages/A{}/campaign-variations"),
    ],
)
def test_further_pages_and_details_name_the_revision_too(
    klaviyo: FakeKlaviyo, stream: str, resource: str, below: str
) -> None:
    klaviyo.before = two_pages
    output = sync(stream)
    assert output.raised is None
    assert len(output.records()) == 2
    assert revisions(klaviyo) == {resource: {NEW}, below.format(0): {NEW}, below.format(1): {NEW}}


@pytest.mark.parametrize("stream", ["translations_detailed", "campaign_variations"])
def test_a_revision_that_is_rejected_for_details_names_the_stream(klaviyo: FakeKlaviyo, stream: str) -> None:
    klaviyo.before = lambda request: (410, RETIRED) if "/" in request.resource else two_pages(request)
    (said,) = sync(stream).errors(stream)
    assert said.failure_type == FailureType.config_error
    assert said.message.startswith(f"Stream {stream} cannot be read: Klaviyo no longer serves the API revision {NEW}")


def test_streams_of_two_revisions_are_read_in_one_sync(klaviyo: FakeKlaviyo) -> None:
    klaviyo.before = empty
    assert sync("tags", "brand_colors").raised is None
    assert revisions(klaviyo) == {"tags": {OLD}, "brand-colors": {NEW}}


def test_parents_are_read_in_their_own_revision(klaviyo: FakeKlaviyo) -> None:
    klaviyo.before = empty
    assert sync("brand_voice").raised is not None  # a page of none is no single resource
    assert revisions(klaviyo)["accounts"] == {Accounts.revision}
    assert revisions(klaviyo)["brand-voice/Ab1"] == {NEW}


def test_requests_for_children_name_the_revision_of_their_stream() -> None:
    config, client = Config.parse(CONFIG, {}), KlaviyoClient("pk_made_up")
    stream = CampaignVariations(config, client, SyncContext(config, client))
    assert (stream.client.revision, stream._below.client.revision) == (NEW, NEW)
    assert client.revision == OLD


def test_a_client_of_another_revision_shares_the_request_stats() -> None:
    client = KlaviyoClient("pk_made_up")
    assert client.with_revision(NEW).stats is client.stats


@pytest.mark.parametrize(("status", "body"), [(410, RETIRED), (404, UNKNOWN)], ids=["retired", "unknown"])
@pytest.mark.parametrize(("stream", "revision"), [("tags", OLD), ("brand_colors", NEW)])
def test_a_rejected_revision_names_the_stream_and_advises_to_upgrade(
    klaviyo: FakeKlaviyo, stream: str, revision: str, status: int, body: bytes
) -> None:
    klaviyo.before = lambda _: (status, body)
    output = sync(stream)
    (said,) = output.errors(stream)
    assert said.failure_type == FailureType.config_error
    assert said.message.startswith(
        f"Stream {stream} cannot be read: Klaviyo no longer serves the API revision {revision} ({status}): "
        "upgrade the connector. Klaviyo says: "
    )
    assert len(klaviyo.requests) == 1


def test_a_rejected_revision_fails_only_the_streams_that_use_it(klaviyo: FakeKlaviyo) -> None:
    klaviyo.before = lambda request: (410, RETIRED) if request.revision == NEW else empty(request)
    output = sync("tags", "brand_colors", "campaigns", "campaigns_multichannel")
    assert output.statuses("tags")[-1] == output.statuses("campaigns")[-1] == "COMPLETE"
    assert output.statuses("brand_colors")[-1] == output.statuses("campaigns_multichannel")[-1] == "INCOMPLETE"


def test_a_rejected_revision_of_the_parents_is_named(klaviyo: FakeKlaviyo) -> None:
    klaviyo.before = lambda request: (410, RETIRED) if request.revision == OLD else empty(request)
    (said,) = sync("brand_voice").errors("brand_voice")
    assert said.message.startswith(
        f"Stream brand_voice cannot be read: Klaviyo no longer serves the API revision {OLD}"
    )
