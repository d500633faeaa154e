"""The streams' declarations, held against Klaviyo's OpenAPI document: what is asked for, and what is left out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from source_klaviyo.config import Config
from source_klaviyo.streams import STREAMS, KlaviyoStream
from source_klaviyo.streams.children import Child, Included
from unit_tests import document
from unit_tests.fake_api import CONFIG

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = document.needed

SLICE = {"start": "2024-01-01T00:00:00Z", "end": "2024-02-01T00:00:00Z"}
METRIC = {"metric_aggregates": [{"metric_id": "M1"}], "event_metric_ids": "M1", "metric_ids": "M1"}


class Ids:
    """Every parent has one child's home."""

    @staticmethod
    def ids(_: type[KlaviyoStream]) -> list[str]:
        return ["P1"]


def made(stream: type[KlaviyoStream]) -> KlaviyoStream:
    return stream(Config.parse({**CONFIG, **METRIC}, {}), None, Ids())  # type: ignore[arg-type]


def name_of(stream: type[KlaviyoStream]) -> str:
    name: str = made(stream).name
    return name


def template(stream: type[KlaviyoStream]) -> str:
    """The path of a stream's collection, as the document writes it."""
    return f"/api/{re.sub(r'{[^}]+}', '{id}', stream.resource)}"


def operation(stream: type[KlaviyoStream]) -> dict[str, Any]:
    found = document.paths()[template(stream)]
    return dict(found.get("get") or found["post"])


def questions(stream: KlaviyoStream) -> Iterator[dict[str, str]]:
    for resuming in (False, True):
        for _, part in stream.parts(resuming=resuming):
            yield dict(stream.query(part).request_params(stream_slice={**part, **SLICE}))


COLLECTIONS = [stream for stream in STREAMS if stream.tier.daily is None and stream.resource != "metric-aggregates"]


@pytest.mark.parametrize("stream", COLLECTIONS, ids=name_of)
def test_each_parameter_is_one_that_the_document_has(stream: type[KlaviyoStream]) -> None:
    known = document.parameters(operation(stream))
    for question in questions(made(stream)):
        assert set(question) <= set(known)
        for name, value in question.items():
            schema = known[name]
            allowed = schema.get("items", schema).get("enum")
            if allowed:
                assert set(value.split(",")) <= set(allowed), name
        if "page[size]" in known:
            assert question["page[size]"] == str(known["page[size]"]["maximum"])


@pytest.mark.parametrize("stream", COLLECTIONS, ids=name_of)
def test_each_condition_is_one_that_the_document_allows(stream: type[KlaviyoStream]) -> None:
    declared = operation(stream).get("x-klaviyo-filters", {})
    for question in questions(made(stream)):
        for operator, field, value in re.findall(r"([a-z-]+)\(([a-z_.]+),([^()]*)\)", question.get("filter", "")):
            operators = declared[field]["operators"]
            assert operator in operators["list" if value.startswith("[") else "single"]
            known = declared[field]["value"].get("enum")
            assert known is None or value.strip("'\"") in known


@pytest.mark.parametrize("stream", STREAMS, ids=name_of)
def test_each_limit_is_the_documents(stream: type[KlaviyoStream]) -> None:
    plain = next(one for one in operation(stream)["x-tiers"] if one["when"] is None)
    assert (stream.tier.burst, stream.tier.steady, stream.tier.daily) == (
        plain["burst"],
        plain["steady"],
        plain.get("daily"),
    )


@pytest.mark.parametrize("stream", STREAMS, ids=name_of)
def test_each_scope_is_the_documents_and_that_of_the_parents(stream: type[KlaviyoStream]) -> None:
    needed = set(operation(stream)["x-klaviyo-scopes"])
    if issubclass(stream, Child):
        needed |= set(stream.parent.scope.split())
    if issubclass(stream, Included) and stream.relationship == "conversations":
        needed.add("conversations:read")
    if getattr(stream, "by_metric", False):
        needed.add("metrics:read")
    assert set(stream.scope.split()) == needed


# --- what is there to be read ----------------------------------------------------------------------------

INCLUDED = {
    "/api/campaigns/{id}/campaign-messages": "campaign_messages",
    "/api/flows/{id}/flow-actions": "flow_actions",
    "/api/profiles/{id}/conversations": "conversations",
    "/api/coupons/{id}/coupon-codes": "coupon_codes",
    "/api/profiles/{id}/push-tokens": "push_tokens",
}
"""Collections whose resources come another way: with their parents' pages, or from a collection of all of them."""
ELSEWHERE = {
    "tags of one object": "the relationship tags of campaigns, flows, lists and segments holds their ids",
    "objects of one tag": "the relationship tags of campaigns, flows, lists and segments tells it from the other side",
    "metrics of a custom metric": "the relationship metrics of custom_metrics holds their ids",
    "groups of one profile": "list_profiles and segment_profiles hold all pairs, many at a time",
    "variants of one item": "the relationship variants of catalog_items holds their ids",
    "tags of one group": "the relationship tag-group of tags tells it from the other side",
}
REASONS = [
    (r"/api/[a-z-]+-jobs(/.*)?", "bookkeeping of bulk jobs, not data of the shop"),
    (r".*/relationships/(?!flow|list|segment|object|profile-object).*", "ids only, of a collection that is read"),
    (r"/api/tags/{id}/relationships/.*", ELSEWHERE["objects of one tag"]),
    (r"/api/[a-z-]+/{id}/tags", ELSEWHERE["tags of one object"]),
    (r"/api/tag-groups/{id}/tags", ELSEWHERE["tags of one group"]),
    (r"/api/custom-metrics/{id}/metrics", ELSEWHERE["metrics of a custom metric"]),
    (r"/api/profiles/{id}/(relationships/)?(lists|segments)", ELSEWHERE["groups of one profile"]),
    (r"/api/catalog-items/{id}/variants", ELSEWHERE["variants of one item"]),
    (r"/api/catalog-(items/{id}/categories|categories/{id}/items)", "one request for each item or category"),
    (r".*/(relationships/)?flow-triggers", "one request for each object; a flow's definition names its trigger"),
    (r".*/relationships/(flow-actions|flow-messages|object-records)", "ids only, of a collection that is read"),
    (r".*/relationships/(object-types|profile-object-types|object-schemas|profile-object-schemas)", "links of schemas"),
    (r".*/(relationships/)?object-ingestion-logs", "failures of the last 14 days, a log of imports"),
]


def is_collection(operation: dict[str, Any]) -> bool:
    body = next(iter(operation["responses"]["200"]["content"].values()))["schema"]
    schemas = document.schemas()
    while "$ref" in body:
        body = schemas[body["$ref"].rpartition("/")[2]]
    return bool(body["properties"]["data"].get("type") == "array")


def test_every_readable_collection_has_a_stream_or_a_reason() -> None:
    covered = {template(stream): name_of(stream) for stream in STREAMS} | INCLUDED
    reasons = dict.fromkeys(pattern for pattern, _ in REASONS)
    left_out = []
    for path, operations in document.paths().items():
        if path in covered or ("get" in operations and not is_collection(operations["get"])):
            continue
        used = [pattern for pattern in reasons if re.fullmatch(pattern, path)]
        reasons |= dict.fromkeys(used, path)
        left_out += [] if used else [path]
    assert left_out == []
    assert [pattern for pattern, path in reasons.items() if path is None] == []
    assert set(INCLUDED.values()) <= {name_of(stream) for stream in STREAMS}
