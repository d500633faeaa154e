"""Every record against the schemas of Klaviyo's OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from klaviyo_simulator.resources import TYPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration_tests.simulator.conftest import Client

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
# Attributes that have no value in the simulator.
NEVER = {
    ("account", "industry"),
    ("metric-property", "sample_values"),
    ("object-type", "meta"),
    ("tracking-setting", "utm_id"),
    ("tracking-setting", "utm_term"),
}


@pytest.fixture(scope="session")
def schemas(openapi: Any) -> Any:
    """The document's schemas as JSON Schema, which has no `nullable`."""
    return {"components": {"schemas": without_nullable(openapi["components"]["schemas"])}}


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
    return {"anyOf": [{"type": "null"}, changed]} if schema.get("nullable") is True else changed


def check(schemas: Any, openapi: Any, path: str, document: Any) -> None:
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
    content = openapi["paths"][path]["get"]["responses"]["200"]["content"]["application/vnd.api+json"]
    reference = {**schemas, "$ref": content["schema"]["$ref"]}
    validator = jsonschema.Draft202012Validator(reference, format_checker=FORMATS)
    errors = [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(document)]
    assert errors == []


@pytest.mark.parametrize(("path", "given"), ASKED)
def test_collections(
    start: Callable[..., Client], schemas: Any, openapi: Any, path: str, given: dict[str, Any]
) -> None:
    client = start(profiles=100, campaigns=120)
    document = client.ask(path, given)
    while True:
        following = document["links"].get("next")
        assert document["data"]
        check(schemas, openapi, path, document)
        if not following:
            return
        document = client.ask(following)


@pytest.mark.parametrize(("name", "given"), ITEMS)
def test_items(client: Client, schemas: Any, openapi: Any, name: str, given: dict[str, Any]) -> None:
    for identity in client.simulator.ids(name)[:20]:
        check(schemas, openapi, f"/api/{name}/{{id}}", client.ask(f"/api/{name}/{identity}", given))


@pytest.mark.parametrize(("parents", "relation", "given"), BELOW)
def test_sub_collections(
    client: Client, schemas: Any, openapi: Any, parents: str, relation: str, given: dict[str, Any]
) -> None:
    seen = 0
    for identity in client.simulator.ids(parents):
        document = client.ask(f"/api/{parents}/{identity}/{relation}", given)
        check(schemas, openapi, f"/api/{parents}/{{id}}/{relation}", document)
        seen += len(document["data"])
        if seen > 300:
            break
    assert seen


def test_coupon_codes(client: Client, schemas: Any, openapi: Any) -> None:
    ids = ",".join(f'"{identity}"' for identity in client.simulator.ids("coupons"))
    document = client.ask("/api/coupon-codes", {"filter": f"any(coupon.id,[{ids}])", "include": "coupon"})
    check(schemas, openapi, "/api/coupon-codes", document)


def test_every_type_shows_all_its_attributes(client: Client) -> None:
    """A reader must meet every attribute, and if possible once with a value and once without."""
    seen: dict[str, set[str]] = {}
    paths = [(path, given) for path, given in ASKED if "archived" not in given.get("filter", "")]
    paths += [(f"/api/{name}/{each}", given) for name, given in ITEMS for each in client.simulator.ids(name)[:4]]
    paths += [
        (f"/api/{parents}/{identity}/{relation}", given)
        for parents, relation, given in BELOW
        for identity in client.simulator.ids(parents)[:5]
    ]
    for path, given in paths:
        document = client.ask(path, given)
        data = document["data"] if isinstance(document["data"], list) else [document["data"]]
        for record in [*data, *document.get("included", [])]:
            found = {name for name, value in record.get("attributes", {}).items() if value is not None}
            seen.setdefault(record["type"], set()).update(found)
    for name, declared in TYPES.items():
        missing = {each for each in declared.fields if "." not in each} - seen.get(name, set())
        assert {(name, each) for each in missing} <= NEVER, name


def test_errors(client: Client, openapi: Any) -> None:
    schema = openapi["components"]["responses"]["ClientError"]["content"]["application/vnd.api+json"]["schema"]
    for path in ("/api/nothing", "/api/campaigns", "/api/events?page[cursor]=x", "/api/v2/lists"):
        jsonschema.validate(client.get(path).json(), schema)


@pytest.mark.parametrize(("path", "given"), ASKED)
def test_nothing_is_made_up(client: Client, openapi: Any, path: str, given: dict[str, Any]) -> None:
    """Attributes that the document does not know would be a misunderstanding."""
    del openapi
    page = client.ask(path, given)
    for record in [*page["data"], *page.get("included", [])]:
        known = {name for name in TYPES[record["type"]].fields if "." not in name}
        assert record.get("attributes", {}).keys() <= known
