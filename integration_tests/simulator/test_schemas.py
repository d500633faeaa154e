"""Records of every endpoint of every revision match the facts."""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from klaviyo_simulator.rules.endpoints import BY_REVISION, TYPES_BY_REVISION
from tools.facts.model import facts, nested

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration_tests.simulator.conftest import Client
    from klaviyo_simulator.rules.declarations import Endpoint

    Record = dict[str, Any]

ENDPOINTS = [(revision, path) for revision, known in BY_REVISION.items() for path in known]
MAX_RECORDS = 300
"""Records to check for each endpoint."""
FILTERS = {
    "/api/campaigns": {
        "2026-07-15": [
            f"equals(messages.channel,'{channel}'){archived}"
            for channel in ("email", "sms", "mobile_push")
            for archived in ("", ",equals(archived,true)")
        ],
        "2026-10-15": ["equals(archived,false)", "equals(archived,true)"],
    },
    "/api/flows": {each: ["equals(archived,false)", "equals(archived,true)"] for each in BY_REVISION},
    "/api/images": {each: ["equals(hidden,false)", "equals(hidden,true)"] for each in BY_REVISION},
}
# Recorded shapes that Klaviyo's document, and so the facts, do not allow.
RECORDED_EXCEPTIONS = {
    ("coupon", "assigner_configuration"),  # null
    ("image", "name"),  # null
    ("profile", "predictive_analytics"),  # a datetime without an offset
}
ALWAYS_NULL = {("metric-property", "sample_values"), ("tracking-setting", "utm_id"), ("tracking-setting", "utm_term")}
"""Attributes that never have a value."""
FORMATS = jsonschema.FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def is_datetime(value: object) -> bool:
    """Return whether a text is a datetime with an offset, which jsonschema alone does not check."""
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def documents(client: Client, revision: str, endpoint: Endpoint) -> Iterator[Record]:
    """Yield documents of an endpoint, with all includes and additional fields."""
    client, path = client.with_revision(revision), endpoint.path
    given: Record = {"include": ",".join(sorted(endpoint.includes))} if endpoint.includes else {}
    if endpoint.additional:
        given[f"additional-fields[{endpoint.type}]"] = ",".join(sorted(endpoint.additional))
    if endpoint.page and endpoint.page.maximum:
        given["page[size]"] = endpoint.page.maximum
    if "{id}" in path:
        home = TYPES_BY_REVISION[revision][endpoint.parent or endpoint.type].collection
        ids = identities(client, revision, home.removeprefix("/api/"))
        for identity in [*ids[:30], *ids[-10:]]:
            if client.get(path.format(id=identity), **given).status_code != 404:  # some campaigns have no estimation
                yield client.fetch(path.format(id=identity), given)
        return
    if path == "/api/coupon-codes":
        coupons = ",".join(f"'{identity}'" for identity in client.simulator.ids("coupons"))
        given["filter"] = f"any(coupon.id,[{coupons}])"
    for text in FILTERS.get(path, {}).get(revision, [given.get("filter")]):
        page = client.fetch(path, {**given, **({"filter": text} if text else {})})
        yield page
        while page["links"].get("next"):
            page = client.fetch(page["links"]["next"])
            yield page


def identities(client: Client, revision: str, collection: str) -> list[str]:
    found: list[str] = client.simulator.ids(collection, revision)
    return found


def records_of(document: Record) -> list[Record]:
    return document["data"] if isinstance(document["data"], list) else [document["data"]]


def json_schema(schema: Any) -> Any:
    """Convert a schema of the facts to JSON Schema, which has no `nullable`.

    Any object may be null, since the source of October's facts does not say which are.
    """
    if isinstance(schema, list):
        return [json_schema(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {name: json_schema(each) for name, each in schema.items() if name != "nullable"}
    nullable = schema.get("nullable") is True or schema.get("type") == "object"
    return {"anyOf": [{"type": "null"}, changed]} if nullable else changed


def validator(properties: Record) -> jsonschema.Draft202012Validator:
    """Return a validator of attributes that rejects unknown ones."""
    schema = {"properties": json_schema(properties), "additionalProperties": False}
    return jsonschema.Draft202012Validator(schema, format_checker=FORMATS)


def errors(expected: jsonschema.Draft202012Validator, record: Record) -> list[str]:
    attributes = {
        name: value
        for name, value in record.get("attributes", {}).items()
        if (record["type"], name) not in RECORDED_EXCEPTIONS
    }
    return [f"{error.json_path}: {error.message[:200]}" for error in expected.iter_errors(attributes)]


@pytest.mark.parametrize(("revision", "path"), ENDPOINTS)
def test_attributes_and_relationships_match_the_facts(client: Client, revision: str, path: str) -> None:
    known, types = facts(revision), TYPES_BY_REVISION[revision]
    own = validator(known.resource(path)["properties"].get("attributes", {}).get("properties", {}))
    others = {name: validator(nested(declared.attributes).get("properties", {})) for name, declared in types.items()}
    seen: list[Record] = []
    for document in documents(client, revision, BY_REVISION[revision][path]):
        for record in records_of(document):
            assert record["type"] == known.type_of(path)
            assert errors(own, record) == []
            for name, relationship in record.get("relationships", {}).items():
                kind, many = known.relationships(path).get(name, ("conversation", True))
                data = relationship.get("data") or []
                assert isinstance(data, list) is many or not data
                assert {each["type"] for each in (data if isinstance(data, list) else [data])} <= {kind}
        for record in document.get("included", []):
            assert errors(others[record["type"]], record) == []
        seen += records_of(document)
        if len(seen) > MAX_RECORDS:
            break
    assert seen


@pytest.mark.parametrize("revision", BY_REVISION)
def test_every_attribute_has_a_value_in_some_record(client: Client, revision: str) -> None:
    seen: dict[str, set[str]] = {}
    for endpoint in BY_REVISION[revision].values():
        for document in itertools.islice(documents(client, revision, endpoint), 10):
            for record in [*records_of(document), *document.get("included", [])]:
                found = {name for name, value in record.get("attributes", {}).items() if value is not None}
                seen.setdefault(record["type"], set()).update(found)
    for name, declared in TYPES_BY_REVISION[revision].items():
        missing = {each for each in declared.fields if "." not in each} - seen.get(name, set())
        assert {(name, each) for each in missing} <= ALWAYS_NULL or name not in seen
    assert len(seen) > 30
