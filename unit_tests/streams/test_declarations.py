"""The streams' declarations agree with the facts about the API: the requests, and the collections left out."""

from __future__ import annotations

import re
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from source_klaviyo.api.page import Page
from source_klaviyo.config import Config
from source_klaviyo.streams import STREAMS, KlaviyoStream, account, events, lists, multichannel
from source_klaviyo.streams.base import Snapshot
from source_klaviyo.streams.children import Child, Included, OfChanged
from source_klaviyo.streams.marketing import EmailTemplates
from source_klaviyo.streams.suppressed import SuppressedProfiles
from source_klaviyo.sync.instants import parse_instant
from tools.facts.model import facts, revisions
from tools.streams import described, facts_of, path_of, streams
from unit_tests.fake_api import CONFIG

if TYPE_CHECKING:
    from collections.abc import Iterator

SLICE = {"start": parse_instant("2024-01-01"), "end": parse_instant("2024-02-01")}
METRIC = {"metric_aggregates": [{"metric_id": "M1"}], "event_metric_ids": "M1", "metric_ids": "M1"}


class Ids:
    """A sync in which each parent stream has one ID."""

    @staticmethod
    def ids(_: type[KlaviyoStream]) -> list[str]:
        return ["P1"]


class Client:
    """Every page holds one resource."""

    def with_revision(self, _: str) -> Client:
        return self

    @staticmethod
    def page(*_: Any, **__: Any) -> nullcontext[Page]:
        return nullcontext(Page([msgspec.Raw(b'{"type":"x","id":"U1"}')], [b"null"]))


def made(stream: type[KlaviyoStream]) -> KlaviyoStream:
    return stream(Config.parse({**CONFIG, **METRIC}, {}), Client(), Ids())  # type: ignore[arg-type]


def name_of(stream: type[KlaviyoStream]) -> str:
    name: str = made(stream).name
    return name


def requests_of(stream: KlaviyoStream) -> Iterator[dict[str, str]]:
    for resuming in (False, True):
        for _, part in stream.list_partitions(resuming=resuming):
            yield dict(stream.query(part).request_params(stream_slice={**part, **SLICE}))


BELOW = [stream.children for stream in STREAMS if issubclass(stream, OfChanged)]
"""The collections that streams request below each resource that changed."""
COLLECTIONS = [stream for stream in STREAMS if stream.tier.daily is None and stream.resource != "metric-aggregates"]
COLLECTIONS += BELOW


def test_a_stream_is_registered_by_its_declaration_once_and_in_the_order_of_names() -> None:
    names = [stream.__name__ for stream in STREAMS]
    assert names == sorted(set(names))
    assert {account.WebFeeds, events.Events, lists.ListProfiles} <= set(STREAMS)


def test_requests_that_are_part_of_another_stream_are_not_registered() -> None:
    parts = {events.EventTimes, lists._Groups, multichannel.CampaignVariationsOfMessage, SuppressedProfiles, Snapshot}
    assert parts & set(STREAMS) == set()


def test_each_stream_describes_its_records() -> None:
    for stream in streams():
        assert re.fullmatch(r"[A-Z][a-z -]+", described(stream)[0]), stream.name
        assert vars(type(stream))["__doc__"], stream.name


def test_there_are_facts_about_each_revision_of_streams() -> None:
    assert {stream.revision for stream in STREAMS} == set(revisions())


def test_children_of_changed_resources_have_the_revision_of_their_stream() -> None:
    assert [stream.name for stream in STREAMS if issubclass(stream, OfChanged)] != []
    for stream in STREAMS:
        if issubclass(stream, OfChanged):
            assert stream.children.revision == stream.revision


@pytest.mark.parametrize("stream", COLLECTIONS, ids=name_of)
def test_each_parameter_is_one_that_the_operation_accepts(stream: type[KlaviyoStream]) -> None:
    known = facts_of(stream).parameters(path_of(stream))
    for params in requests_of(made(stream)):
        assert set(params) <= set(known)
        for name, value in params.items():
            allowed = known[name]
            assert allowed is None or set(value.split(",")) <= allowed, name
        if "page[size]" in known:
            assert params["page[size]"] == str(facts_of(stream).operation(path_of(stream))["page"]["maximum"])


@pytest.mark.parametrize("stream", COLLECTIONS, ids=name_of)
def test_each_filter_is_one_that_the_operation_accepts(stream: type[KlaviyoStream]) -> None:
    declared = facts_of(stream).operation(path_of(stream)).get("filters", {})
    for params in requests_of(made(stream)):
        for operator, field, value in re.findall(r"([a-z-]+)\(([a-z_.]+),([^()]*)\)", params.get("filter", "")):
            assert operator in declared[field]["of_lists" if value.startswith("[") else "operators"]
            known = declared[field].get("values")
            assert known is None or value.strip("'\"") in known


@pytest.mark.parametrize("stream", [*STREAMS, *BELOW], ids=name_of)
def test_each_limit_is_that_of_the_operation(stream: type[KlaviyoStream]) -> None:
    assert (stream.tier.burst, stream.tier.steady, stream.tier.daily) == facts_of(stream).rate(path_of(stream))


@pytest.mark.parametrize("stream", [*STREAMS, *BELOW], ids=name_of)
def test_each_scope_is_that_of_the_operation_and_of_the_parents(stream: type[KlaviyoStream]) -> None:
    needed = set(facts_of(stream).operation(path_of(stream))["scopes"])
    if issubclass(stream, Child):
        needed |= set(stream.parent.scope.split())
    if issubclass(stream, Included) and stream.relationship == "conversations":
        needed.add("conversations:read")
    if getattr(stream, "by_metric", False):
        needed.add("metrics:read")
    assert set(stream.scope.split()) == needed


def test_templates_are_read_without_a_link_that_differs_in_each_response() -> None:
    """Revision 2026-10-15 adds a presigned `screenshot_url`, so a move of the stream to it has to leave that out."""
    shown = facts_of(EmailTemplates).fields("template", "/api/templates") or ()
    for params in requests_of(made(EmailTemplates)):
        asked = params["fields[template]"].split(",") if "fields[template]" in params else shown
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
"""Collections read in another way: with the parents' pages, or from a collection of all parents."""
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


@pytest.mark.parametrize("revision", revisions())
def test_every_readable_collection_has_a_stream_or_a_reason(revision: str) -> None:
    covered = {path_of(stream) for stream in [*STREAMS, *BELOW]} | set(INCLUDED)
    reasons = dict.fromkeys(pattern for pattern, _ in REASONS + (OCTOBER if revision == "2026-10-15" else []))
    left_out = []
    for operation in facts(revision).operations:
        method, _, path = operation.partition(" ")
        if path in covered or (method == "GET" and not facts(revision).is_collection(path)):
            continue
        used = [pattern for pattern in reasons if re.fullmatch(pattern, path)]
        reasons |= dict.fromkeys(used, path)
        left_out += [] if used else [path]
    assert left_out == []
    assert [pattern for pattern, path in reasons.items() if path is None] == []
    assert set(INCLUDED.values()) <= {name_of(stream) for stream in STREAMS}


def test_new_resources_without_a_collection_have_a_stream() -> None:
    old, new = map(facts, revisions())
    covered = {path_of(stream) for stream in STREAMS} | set(INCLUDED)
    listed, alone = set[str](), dict[str, str]()
    for operation in new.operations.keys() - old.operations.keys():
        path = operation.partition(" ")[2]
        if "/relationships/" not in path:
            if new.is_collection(path):
                listed.add(new.type_of(path))
            elif path.count("/") == 3:
                alone[new.type_of(path)] = path
    assert len(listed) > 8
    missing = {path for name, path in alone.items() if name not in listed}
    assert missing == {path for path in missing if path in covered}
    assert "/api/brand-voice/{id}" in missing
