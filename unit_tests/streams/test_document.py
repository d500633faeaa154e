"""The streams' declarations, held against Klaviyo's OpenAPI documents: what is asked for, and what is left out."""

from __future__ import annotations

import re
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from source_klaviyo.api.page import Page
from source_klaviyo.config import Config
from source_klaviyo.streams import STREAMS, KlaviyoStream
from source_klaviyo.streams.children import Child, Included, OfChanged
from source_klaviyo.streams.templates import EmailTemplates
from tools.schemas.__main__ import DOCUMENTS
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


class Client:
    """Every page holds one resource."""

    def speaking(self, _: str) -> Client:
        return self

    @staticmethod
    def page(*_: Any, **__: Any) -> nullcontext[Page]:
        return nullcontext(Page([msgspec.Raw(b'{"type":"x","id":"U1"}')], [b"null"]))


def made(stream: type[KlaviyoStream]) -> KlaviyoStream:
    return stream(Config.parse({**CONFIG, **METRIC}, {}), Client(), Ids())  # type: ignore[arg-type]


def name_of(stream: type[KlaviyoStream]) -> str:
    name: str = made(stream).name
    return name


def template(stream: type[KlaviyoStream]) -> str:
    """The path of a stream's collection, as the document writes it."""
    return f"/api/{re.sub(r'{[^}]+}', '{id}', stream.resource)}"


def operation(stream: type[KlaviyoStream]) -> dict[str, Any]:
    found = document.paths(stream.revision)[template(stream)]
    return dict(found.get("get") or found["post"])


def questions(stream: KlaviyoStream) -> Iterator[dict[str, str]]:
    for resuming in (False, True):
        for _, part in stream.parts(resuming=resuming):
            yield dict(stream.query(part).request_params(stream_slice={**part, **SLICE}))


BELOW = [stream.children for stream in STREAMS if issubclass(stream, OfChanged)]
"""What streams ask for below each resource that changed."""
COLLECTIONS = [stream for stream in STREAMS if stream.tier.daily is None and stream.resource != "metric-aggregates"]
COLLECTIONS += BELOW


def test_there_is_a_document_for_each_revision_that_streams_speak() -> None:
    assert {stream.revision for stream in STREAMS} == set(DOCUMENTS)


def test_what_lies_below_a_stream_speaks_its_revision() -> None:
    assert [stream.name for stream in STREAMS if issubclass(stream, OfChanged)] != []
    for stream in STREAMS:
        if issubclass(stream, OfChanged):
            assert stream.children.revision == stream.revision


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


@pytest.mark.parametrize("stream", [*STREAMS, *BELOW], ids=name_of)
def test_each_limit_is_the_documents(stream: type[KlaviyoStream]) -> None:
    plain = next(one for one in operation(stream)["x-tiers"] if one["when"] is None)
    assert (stream.tier.burst, stream.tier.steady, stream.tier.daily) == (
        plain["burst"],
        plain["steady"],
        plain.get("daily"),
    )


@pytest.mark.parametrize("stream", [*STREAMS, *BELOW], ids=name_of)
def test_each_scope_is_the_documents_and_that_of_the_parents(stream: type[KlaviyoStream]) -> None:
    needed = set(operation(stream)["x-klaviyo-scopes"])
    if issubclass(stream, Child):
        needed |= set(stream.parent.scope.split())
    if issubclass(stream, Included) and stream.relationship == "conversations":
        needed.add("conversations:read")
    if getattr(stream, "by_metric", False):
        needed.add("metrics:read")
    assert set(stream.scope.split()) == needed


def test_templates_are_not_read_with_a_link_that_differs_each_time() -> None:
    """Revision 2026-10-15 adds a presigned `screenshot_url`, so who moves the stream has to leave it out."""
    shown = document.parameters(operation(EmailTemplates))["fields[template]"]["items"]["enum"]
    for question in questions(made(EmailTemplates)):
        asked = question["fields[template]"].split(",") if "fields[template]" in question else shown
        assert "screenshot_url" not in asked


# --- what is there to be read ----------------------------------------------------------------------------

INCLUDED = {
    "/api/campaigns/{id}/campaign-messages": "campaign_messages",
    "/api/campaigns/{id}/campaign-audiences": "campaign_audiences",
    "/api/flows/{id}/flow-actions": "flow_actions",
    "/api/profiles/{id}/conversations": "conversations",
    "/api/coupons/{id}/coupon-codes": "coupon_codes",
    "/api/profiles/{id}/push-tokens": "push_tokens",
    "/api/text-messaging-sender-registrations/{id}": "text_messaging_sender_registrations",
}
"""What comes another way: with the parents' pages, or from a collection of all parents."""
ELSEWHERE = {
    "tags of one object": "the relationship tags of campaigns, flows, lists and segments holds their ids",
    "objects of one tag": "the relationship tags of campaigns, flows, lists and segments tells it from the other side",
    "metrics of a custom metric": "the relationship metrics of custom_metrics holds their ids",
    "groups of one profile": "list_profiles and segment_profiles hold all pairs, many at a time",
    "variants of one item": "the relationship variants of catalog_items holds their ids",
    "categories of one item": "catalog_category_items holds all pairs, many at a time",
    "tags of one group": "the relationship tag-group of tags tells it from the other side",
    "messages of an audience": "one request for each audience; a message and its audience share the campaign",
    "tags of a message": "one request for each message; campaigns_multichannel holds the tags of campaigns",
}
REASONS = [
    (r"/api/[a-z-]+-jobs(/.*)?", "bookkeeping of bulk jobs, not data of the shop"),
    (r".*/relationships/(?!flow|list|segment|object|profile-object).*", "ids only, of a collection that is read"),
    (r"/api/tags/{id}/relationships/.*", ELSEWHERE["objects of one tag"]),
    (r"/api/(?!campaign-messages)[a-z-]+/{id}/tags", ELSEWHERE["tags of one object"]),
    (r"/api/tag-groups/{id}/tags", ELSEWHERE["tags of one group"]),
    (r"/api/custom-metrics/{id}/metrics", ELSEWHERE["metrics of a custom metric"]),
    (r"/api/profiles/{id}/(relationships/)?(lists|segments)", ELSEWHERE["groups of one profile"]),
    (r"/api/catalog-items/{id}/variants", ELSEWHERE["variants of one item"]),
    (r"/api/catalog-items/{id}/categories", ELSEWHERE["categories of one item"]),
    (r".*/(relationships/)?flow-triggers", "one request for each object; a flow's definition names its trigger"),
    (r".*/relationships/(flow-actions|flow-messages|object-records)", "ids only, of a collection that is read"),
    (r".*/relationships/(object-types|profile-object-types|object-schemas|profile-object-schemas)", "links of schemas"),
    (r".*/(relationships/)?object-ingestion-logs", "failures of the last 14 days, a log of imports"),
]
OCTOBER = [
    (r"/api/campaign-messages/{id}/tags", ELSEWHERE["tags of a message"]),
    (r"/api/campaign-audiences/{id}/campaign-messages", ELSEWHERE["messages of an audience"]),
]
"""Further reasons for what only revision 2026-10-15 has."""


def data_of(operation: dict[str, Any], revision: str) -> dict[str, Any]:
    """The schema of the data that an operation answers."""
    body = next(iter(operation["responses"]["200"]["content"].values()))["schema"]
    schemas = document.schemas(revision)
    while "$ref" in body:
        body = schemas[body["$ref"].rpartition("/")[2]]
    data: dict[str, Any] = body["properties"]["data"]
    while "$ref" in data:
        data = schemas[data["$ref"].rpartition("/")[2]]
    return data


def is_collection(operation: dict[str, Any], revision: str) -> bool:
    return bool(data_of(operation, revision).get("type") == "array")


@pytest.mark.parametrize("revision", DOCUMENTS)
def test_every_readable_collection_has_a_stream_or_a_reason(revision: str) -> None:
    covered = {template(stream) for stream in [*STREAMS, *BELOW]} | set(INCLUDED)
    reasons = dict.fromkeys(pattern for pattern, _ in REASONS + (OCTOBER if revision == "2026-10-15" else []))
    left_out = []
    for path, operations in document.paths(revision).items():
        if path in covered or ("get" in operations and not is_collection(operations["get"], revision)):
            continue
        used = [pattern for pattern in reasons if re.fullmatch(pattern, path)]
        reasons |= dict.fromkeys(used, path)
        left_out += [] if used else [path]
    assert left_out == []
    assert [pattern for pattern, path in reasons.items() if path is None] == []
    assert set(INCLUDED.values()) <= {name_of(stream) for stream in STREAMS}


def type_of(data: dict[str, Any], revision: str) -> str:
    """The type of the resources in an answer's data."""
    schemas = document.schemas(revision)
    found = data.get("items", data)
    while "$ref" in found:
        found = schemas[found["$ref"].rpartition("/")[2]]
    kind = found["properties"]["type"]
    kind = schemas[kind["$ref"].rpartition("/")[2]] if "$ref" in kind else kind
    return str(kind["enum"][0])


def test_what_is_new_and_has_no_collection_has_a_stream() -> None:
    old, new = (document.paths(revision) for revision in DOCUMENTS)
    covered = {template(stream) for stream in STREAMS} | set(INCLUDED)
    listed, alone = set[str](), dict[str, str]()
    for path in new.keys() - old.keys():
        if "/relationships/" not in path:
            data = data_of(new[path]["get"], "2026-10-15")
            if data.get("type") == "array":
                listed.add(type_of(data, "2026-10-15"))
            elif path.count("/") == 3:
                alone[type_of(data, "2026-10-15")] = path
    assert len(listed) > 8
    missing = {path for name, path in alone.items() if name not in listed}
    assert missing == {path for path in missing if path in covered}
    assert "/api/brand-voice/{id}" in missing
