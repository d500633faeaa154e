"""Every record against the schemas of Klaviyo's OpenAPI document, for each revision."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from integration_tests.simulator.conftest import OCTOBER
from klaviyo_simulator.rules.endpoints import TYPES_BY_REVISION

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration_tests.simulator.conftest import Client

JULY = "2026-07-15"
FORMATS = jsonschema.FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def is_datetime(value: object) -> bool:
    """Whether it is a datetime with an offset; the library needs another one to tell."""
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


CHANNELS = [f"equals(messages.channel,'{channel}')" for channel in ("email", "sms", "mobile_push")]
ASKED = [
    ("/api/accounts", {}),
    *(("/api/campaigns", {"filter": text, "include": "campaign-messages,tags"}) for text in CHANNELS),
    *(("/api/campaigns", {"filter": f"{text},equals(archived,true)"}) for text in CHANNELS),
    ("/api/events", {"page[size]": 1000}),
    ("/api/events", {"include": "attributions,metric,profile"}),
    ("/api/flows", {"include": "flow-actions,tags"}),
    ("/api/flows", {"filter": "equals(archived,true)"}),
    ("/api/lists", {"include": "flow-triggers,tags"}),
    ("/api/metrics", {"include": "flow-triggers"}),
    (
        "/api/profiles",
        {
            "additional-fields[profile]": "subscriptions,predictive_analytics",
            "include": "push-tokens,conversations",
            "page[size]": 100,
        },
    ),
    ("/api/templates", {"additional-fields[template]": "definition"}),
    ("/api/catalog-categories", {}),
    ("/api/catalog-items", {"include": "variants"}),
    ("/api/catalog-variants", {}),
    ("/api/coupons", {}),
    ("/api/custom-metrics", {"include": "metrics"}),
    ("/api/data-sources", {}),
    ("/api/forms", {}),
    ("/api/images", {"page[size]": 100}),
    ("/api/mapped-metrics", {"include": "metric,custom-metric"}),
    ("/api/object-types", {"include": "current-schema,draft-schema"}),
    ("/api/push-tokens", {"include": "profile"}),
    ("/api/reviews", {"include": "events", "page[size]": 100}),
    ("/api/segments", {"include": "flow-triggers,tags"}),
    ("/api/tag-groups", {}),
    ("/api/tags", {"include": "tag-group"}),
    ("/api/template-universal-content", {}),
    ("/api/tracking-settings", {}),
    ("/api/web-feeds", {"page[size]": 20}),
    ("/api/webhook-topics", {}),
    ("/api/webhooks", {"include": "webhook-topics"}),
]
BELOW = [
    ("campaigns", "campaign-messages", {"include": "campaign,image,template"}),
    ("catalog-categories", "items", {"include": "variants"}),
    ("catalog-items", "variants", {}),
    ("coupons", "coupon-codes", {}),
    ("flow-actions", "flow-messages", {}),
    ("flows", "flow-actions", {}),
    ("forms", "form-versions", {}),
    ("lists", "profiles", {"additional-fields[profile]": "subscriptions,predictive_analytics"}),
    ("metrics", "metric-properties", {"additional-fields[metric-property]": "sample_values"}),
    ("object-types", "object-records", {}),
    ("object-types", "schema-versions", {}),
    ("profiles", "conversations", {}),
    ("segments", "profiles", {"page[size]": 100}),
]
ITEMS = [
    *(("accounts", {}), ("campaigns", {}), ("events", {}), ("metrics", {}), ("profiles", {}), ("templates", {})),
    ("campaign-messages", {"include": "campaign,image,template"}),
    ("campaign-recipient-estimations", {}),
    ("flow-actions", {"include": "flow,flow-messages"}),
    ("flow-messages", {"include": "flow-action,template"}),
    ("flows", {"additional-fields[flow]": "definition"}),
    ("forms", {}),
    ("lists", {"additional-fields[list]": "profile_count"}),
    ("object-types", {"include": "current-schema,draft-schema,object-types,profile-object-types,schema-versions"}),
    ("segments", {"additional-fields[segment]": "profile_count"}),
]
SINCE_OCTOBER = [
    ("/api/campaigns", {"include": "campaign-audiences,campaign-messages,tags"}),
    ("/api/campaigns", {"filter": "equals(archived,true)"}),
    ("/api/campaign-messages", {"include": "campaign", "page[size]": 100}),
    ("/api/translations", {"include": "campaign-variation,template,template-universal-content"}),
    ("/api/text-messaging-senders", {"include": "text-messaging-sender-registration"}),
    ("/api/billing-usage", {}),
    ("/api/brand-buttons", {}),
    ("/api/brand-colors", {}),
    ("/api/brand-logos", {"include": "image"}),
    ("/api/brand-social-groups", {}),
    ("/api/brand-email-defaults", {"include": "brand-button,brand-logo,brand-social-group"}),
    ("/api/coupons", {}),
    ("/api/templates", {"additional-fields[template]": "definition"}),
]
BELOW_SINCE_OCTOBER = [
    ("campaigns", "campaign-messages", {"include": "campaign"}),
    ("campaigns", "campaign-audiences", {}),
    ("campaign-messages", "campaign-variations", {}),
    ("coupons", "coupon-codes", {}),
]
ITEMS_SINCE_OCTOBER = [
    ("campaigns", {"include": "campaign-audiences,campaign-messages,tags"}),
    ("campaign-messages", {"include": "campaign,campaign-variations"}),
    ("campaign-audiences", {"include": "campaign,campaign-messages"}),
    ("campaign-variations", {"include": "campaign-message,image"}),
    ("translations", {"additional-fields[translation]": "values", "page_type": "subscribe"}),
    ("text-messaging-senders", {}),
    ("text-messaging-sender-registrations", {"include": "text-messaging-sender"}),
    ("text-messaging-configurations", {}),
    ("brand-voice", {}),
]
ALL_ASKED = [(JULY, *each) for each in ASKED] + [(OCTOBER, *each) for each in SINCE_OCTOBER]
ALL_BELOW = [(JULY, *each) for each in BELOW] + [(OCTOBER, *each) for each in BELOW_SINCE_OCTOBER]
ALL_ITEMS = [(JULY, *each) for each in ITEMS] + [(OCTOBER, *each) for each in ITEMS_SINCE_OCTOBER]
# Attributes that have no value in the simulator.
NEVER = {
    ("account", "industry"),
    ("metric-property", "sample_values"),
    ("object-type", "meta"),
    ("tracking-setting", "utm_id"),
    ("tracking-setting", "utm_term"),
}


@pytest.fixture(scope="session")
def schemas(documents: dict[str, Any]) -> Any:
    """The documents' schemas as JSON Schema, which has no `nullable`, by revision."""
    return {
        revision: {"components": {"schemas": without_nullable(document["components"]["schemas"])}}
        for revision, document in documents.items()
    }


def without_nullable(schema: Any) -> Any:
    if isinstance(schema, list):
        return [without_nullable(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    # Some alternatives, as the send options of the three channels, have one and the same shape.
    changed = {
        "anyOf" if name == "oneOf" else name: without_nullable(each)
        for name, each in schema.items()
        if name != "nullable"
    }
    # Whether an object may be null is what the derived document cannot know.
    unknown = "x-derived" in schema and schema.get("type") == "object"
    return {"anyOf": [{"type": "null"}, changed]} if unknown or schema.get("nullable") is True else changed


def check(schemas: Any, openapi: Any, path: str, document: Any, revision: str = JULY) -> None:
    """Hold an answer against the document, but for where Klaviyo is known to answer otherwise."""
    document["links"] = {name: link for name, link in document["links"].items() if link}
    data = document["data"] if isinstance(document["data"], list) else [document["data"]]
    for record in [*data, *document.get("included", [])]:
        if record["type"] == "image" and record["attributes"]["name"] is None:
            record["attributes"]["name"] = ""
        for relationship in record.get("relationships", {}).values():
            if relationship.get("data", ...) is None:
                del relationship["data"]
        (record.get("attributes", {}).get("predictive_analytics") or {}).pop("expected_date_of_next_order", None)
    content = openapi[revision]["paths"][path]["get"]["responses"]["200"]["content"]["application/vnd.api+json"]
    reference = {**schemas[revision], "$ref": content["schema"]["$ref"]}
    validator = jsonschema.Draft202012Validator(reference, format_checker=FORMATS)
    errors = [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(document)]
    assert errors == []


@pytest.mark.parametrize(("revision", "path", "given"), ALL_ASKED)
def test_collections(
    start: Callable[..., Client], schemas: Any, documents: Any, revision: str, path: str, given: dict[str, Any]
) -> None:
    client = start(profiles=100, campaigns=120).speaking(revision)
    document = client.ask(path, given)
    while True:
        following = document["links"].get("next")
        assert document["data"]
        check(schemas, documents, path, document, revision)
        if not following:
            return
        document = client.ask(following)


@pytest.mark.parametrize(("revision", "name", "given"), ALL_ITEMS)
def test_items(client: Client, schemas: Any, documents: Any, revision: str, name: str, given: dict[str, Any]) -> None:
    ids = client.simulator.ids(name, revision)
    for identity in [*ids[:20], *ids[-10:]]:
        found = client.speaking(revision).ask(f"/api/{name}/{identity}", given)
        check(schemas, documents, f"/api/{name}/{{id}}", found, revision)


@pytest.mark.parametrize(("revision", "parents", "relation", "given"), ALL_BELOW)
def test_sub_collections(
    client: Client, schemas: Any, documents: Any, revision: str, parents: str, relation: str, given: dict[str, Any]
) -> None:
    seen = 0
    for identity in client.simulator.ids(parents, revision):
        document = client.speaking(revision).ask(f"/api/{parents}/{identity}/{relation}", given)
        check(schemas, documents, f"/api/{parents}/{{id}}/{relation}", document, revision)
        seen += len(document["data"])
        if seen > 300:
            break
    assert seen


def test_coupon_codes(client: Client, schemas: Any, documents: Any) -> None:
    ids = ",".join(f'"{identity}"' for identity in client.simulator.ids("coupons"))
    document = client.ask("/api/coupon-codes", {"filter": f"any(coupon.id,[{ids}])", "include": "coupon"})
    check(schemas, documents, "/api/coupon-codes", document)


@pytest.mark.parametrize("revision", TYPES_BY_REVISION)
def test_every_type_shows_all_its_attributes(client: Client, revision: str) -> None:
    """A reader must meet every attribute, and if possible once with a value and once without."""
    client, ids = client.speaking(revision), partial(client.simulator.ids, revision=revision)
    seen: dict[str, set[str]] = {}
    paths = [(path, given) for in_, path, given in ALL_ASKED if in_ == revision and "archived" not in str(given)]
    paths += [
        (f"/api/{name}/{each}", given) for in_, name, given in ALL_ITEMS if in_ == revision for each in ids(name)[:4]
    ]
    paths += [
        (f"/api/{parents}/{identity}/{relation}", given)
        for in_, parents, relation, given in ALL_BELOW
        if in_ == revision
        for identity in ids(parents)[:5]
    ]
    for path, given in paths:
        document = client.ask(path, given)
        data = document["data"] if isinstance(document["data"], list) else [document["data"]]
        for record in [*data, *document.get("included", [])]:
            found = {name for name, value in record.get("attributes", {}).items() if value is not None}
            seen.setdefault(record["type"], set()).update(found)
    shown = {
        name: declared for name, declared in TYPES_BY_REVISION[revision].items() if revision == JULY or name in seen
    }
    assert len(shown) > 15
    for name, declared in shown.items():
        missing = {each for each in declared.fields if "." not in each} - seen.get(name, set())
        assert {(name, each) for each in missing} <= NEVER, name


def test_errors(client: Client, openapi: Any) -> None:
    schema = openapi["components"]["responses"]["ClientError"]["content"]["application/vnd.api+json"]["schema"]
    for path in ("/api/nothing", "/api/campaigns", "/api/events?page[cursor]=x", "/api/v2/lists"):
        jsonschema.validate(client.get(path).json(), schema)


@pytest.mark.parametrize(("revision", "path", "given"), ALL_ASKED)
def test_nothing_is_made_up(client: Client, revision: str, path: str, given: dict[str, Any]) -> None:
    """Attributes that the document does not know would be a misunderstanding."""
    page = client.speaking(revision).ask(path, given)
    for record in [*page["data"], *page.get("included", [])]:
        known = {name for name in TYPES_BY_REVISION[revision][record["type"]].fields if "." not in name}
        assert record.get("attributes", {}).keys() <= known
