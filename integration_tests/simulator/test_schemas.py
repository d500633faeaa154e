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
]


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
    content = openapi["paths"][path]["get"]["responses"]["200"]["content"]["application/vnd.api+json"]
    reference = {**schemas, "$ref": content["schema"]["$ref"]}
    validator = jsonschema.Draft202012Validator(reference, format_checker=FORMATS)
    errors = [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(document)]
    assert errors == []


@pytest.mark.parametrize(("path", "given"), ASKED)
def test_collections(
    start: Callable[..., Client], schemas: Any, openapi: Any, path: str, given: dict[str, Any]
) -> None:
    client = start(next_style="absent", profiles=100, campaigns=120)
    document = client.ask(path, given)
    while True:
        assert document["data"]
        check(schemas, openapi, path, document)
        if not document["links"].get("next"):
            return
        document = client.ask(document["links"]["next"])


@pytest.mark.parametrize(
    "name", ["accounts", "campaigns", "events", "flows", "lists", "metrics", "profiles", "templates"]
)
def test_items(client: Client, schemas: Any, openapi: Any, name: str) -> None:
    for identity in client.simulator.ids(name)[:5]:
        check(schemas, openapi, f"/api/{name}/{{id}}", client.ask(f"/api/{name}/{identity}"))


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
