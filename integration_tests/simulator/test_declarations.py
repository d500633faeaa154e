"""The endpoints of each revision against Klaviyo's OpenAPI document of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_simulator import kinship
from klaviyo_simulator.endpoints import BY_REVISION, ENDPOINTS, all_scopes, find
from klaviyo_simulator.resources import BY_REVISION as TYPES_OF

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klaviyo_simulator.declarations import Endpoint, ResourceType

KINDS = {
    ("string", None): "str",
    ("string", "date-time"): "dt",
    ("boolean", None): "bool",
    ("number", None): "num",
    ("integer", None): "num",
}
SERVED = """
    accounts campaign-messages/{id} campaign-recipient-estimations/{id} campaigns campaigns/{id}/campaign-messages
    catalog-categories catalog-categories/{id}/items catalog-items catalog-items/{id}/variants catalog-variants
    coupon-codes coupons coupons/{id}/coupon-codes custom-metrics data-sources events flow-actions/{id}
    flow-actions/{id}/flow-messages flow-messages/{id} flows flows/{id}/flow-actions forms forms/{id}
    forms/{id}/form-versions images lists lists/{id}/profiles mapped-metrics metrics metrics/{id}/metric-properties
    object-types object-types/{id} object-types/{id}/object-records object-types/{id}/schema-versions profiles
    profiles/{id}/conversations push-tokens reviews segments segments/{id} segments/{id}/profiles tag-groups tags
    template-universal-content templates tracking-settings web-feeds webhook-topics webhooks
"""


SINCE_OCTOBER = """
    billing-usage brand-buttons brand-colors brand-email-defaults brand-logos brand-social-groups brand-voice/{id}
    campaign-audiences/{id} campaign-messages campaign-messages/{id}/campaign-variations
    campaigns/{id}/campaign-audiences
    text-messaging-configurations/{id} text-messaging-sender-registrations/{id} text-messaging-senders translations
    translations/{id}
"""
# The document shows flow messages that come with translations in a shape that nothing else has.
ANOTHER_SHAPE = {("translation", "fields[flow-message]")}


@pytest.fixture(params=[(revision, path) for revision, known in BY_REVISION.items() for path in known], ids=" ".join)
def named(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A revision, and the path of one of its endpoints."""
    found: tuple[str, str] = request.param
    return found


@pytest.fixture
def endpoint(named: tuple[str, str]) -> Endpoint:
    revision, path = named
    return BY_REVISION[revision][path]


@pytest.fixture
def types(named: tuple[str, str]) -> Mapping[str, ResourceType]:
    return TYPES_OF[named[0]]


@pytest.fixture
def openapi(named: tuple[str, str], documents: dict[str, Any]) -> Any:
    return documents[named[0]]


@pytest.fixture
def operation(endpoint: Endpoint, openapi: Any) -> Any:
    return openapi["paths"][endpoint.path]["get"]


@pytest.fixture
def parameters(operation: Any) -> dict[str, Any]:
    return {each["name"]: each for each in operation["parameters"] if each["in"] == "query"}


def test_parameters(endpoint: Endpoint, parameters: dict[str, Any]) -> None:
    known = {"page[size]"} if endpoint.page and endpoint.page.maximum else set()
    known |= {"page[cursor]"} if endpoint.page else set()
    known |= {"filter"} if endpoint.filters else set()
    known |= {"sort"} if endpoint.sorts else set()
    known |= {"include"} if endpoint.includes else set()
    known |= {f"additional-fields[{endpoint.type}]"} if endpoint.additional else set()
    known |= endpoint.others
    assert {name for name in parameters if not name.startswith("fields[")} == known


def test_page_sizes(endpoint: Endpoint, parameters: dict[str, Any]) -> None:
    schema = parameters.get("page[size]", {}).get("schema", {})
    if endpoint.page and endpoint.page.maximum:
        assert (schema["default"], schema["maximum"]) == (endpoint.page.default, endpoint.page.maximum)
        assert schema["minimum"] == 1
    else:
        assert not schema


def test_filters(endpoint: Endpoint, operation: Any) -> None:
    documented = operation.get("x-klaviyo-filters", {})
    assert endpoint.filters.keys() == documented.keys()
    for name, rule in endpoint.filters.items():
        operators, value = documented[name]["operators"], documented[name].get("value", {})
        single = {*operators.get("single", ()), *operators.get("none", ())}
        assert (rule.single, rule.listed) == (single, set(operators.get("list", ()))), name
        kind = KINDS[value["type"], value.get("format")] if value else "none"
        assert rule.kind.value == kind, name
        assert set(rule.choices) == set(value.get("enum", ())), name


def test_required_filters(endpoint: Endpoint, parameters: dict[str, Any]) -> None:
    assert bool(endpoint.required or endpoint.one_of) == parameters.get("filter", {}).get("required", False)
    assert endpoint.one_of <= endpoint.filters.keys()


def test_sorts(endpoint: Endpoint, parameters: dict[str, Any]) -> None:
    documented = parameters.get("sort", {}).get("schema", {}).get("enum", [])
    assert endpoint.sorts | {f"-{name}" for name in endpoint.sorts} == set(documented)


def test_includes(endpoint: Endpoint, parameters: dict[str, Any]) -> None:
    documented = parameters.get("include", {}).get("schema", {}).get("items", {}).get("enum", [])
    assert endpoint.includes == set(documented)


def test_additional_fields(endpoint: Endpoint, parameters: dict[str, Any]) -> None:
    name = f"additional-fields[{endpoint.type}]"
    documented = parameters.get(name, {}).get("schema", {}).get("items", {}).get("enum", [])
    assert endpoint.additional == set(documented)


def test_fields(endpoint: Endpoint, types: Mapping[str, ResourceType], parameters: dict[str, Any]) -> None:
    related = {types[endpoint.type].relationships[name].type for name in endpoint.includes}
    fieldsets = {name for name in parameters if name.startswith("fields[")}
    assert fieldsets == {f"fields[{name}]" for name in (endpoint.type, *related)}
    for fieldset in fieldsets:
        if (endpoint.type, fieldset) in ANOTHER_SHAPE:
            continue
        declared = types[fieldset[7:-1]]
        shown = endpoint.additional | endpoint.shows if declared.name == endpoint.type else frozenset()
        hidden = declared.hidden - shown
        known = {name for name in declared.fields if name.split(".")[0] not in hidden} | {"id"}
        documented = set(parameters[fieldset]["schema"]["items"]["enum"])
        closed = {name for name in documented if "." not in name or name.split(".")[0] not in declared.open_fields}
        assert known == closed, fieldset


def test_tiers(endpoint: Endpoint, operation: Any) -> None:
    plain, *dear = operation["x-tiers"]
    assert (endpoint.tier.burst, endpoint.tier.steady) == (plain["burst"], plain["steady"])
    for documented in dear:
        parameter, name = documented["when"]
        # The document says include=list where the parameter says lists.
        cost = endpoint.costs.get((parameter, name)) or endpoint.costs[parameter, f"{name}s"]
        assert (cost.tier.burst, cost.tier.steady) == (documented["burst"], documented["steady"])


def test_scopes(endpoint: Endpoint, operation: Any) -> None:
    assert list(endpoint.scopes) == operation["x-klaviyo-scopes"]
    assert set(endpoint.scopes) <= all_scopes()


def test_relationships(endpoint: Endpoint, types: Mapping[str, ResourceType], openapi: Any) -> None:
    relationships = relationships_of(openapi, endpoint.path)
    declared = types[endpoint.type].relationships
    assert declared.keys() - endpoint.lacks >= relationships.keys()
    # The document does not know what is called differently elsewhere.
    undocumented = declared.keys() - endpoint.lacks - relationships.keys()
    assert all(declared[name].elsewhere for name in undocumented)
    assert endpoint.lacks <= declared.keys()
    for name, documented in relationships.items():
        data = documented["properties"]["data"]
        assert declared[name].many == (data["type"] == "array"), name
        kind = data.get("items", data)["properties"]["type"]
        kind = openapi["components"]["schemas"][kind["$ref"].rsplit("/", 1)[1]] if "$ref" in kind else kind
        assert [declared[name].type] == kind["enum"], name


def test_aliases(endpoint: Endpoint) -> None:
    assert endpoint.aliases.keys() <= endpoint.filters.keys() | endpoint.sorts


def test_sub_collections_are_below_their_parents(endpoint: Endpoint, types: Mapping[str, ResourceType]) -> None:
    parts = endpoint.path.count("/")
    assert (endpoint.parent is not None) == (parts > 3)
    if endpoint.parent:
        assert endpoint.path == f"{types[endpoint.parent].collection}/{{id}}/{endpoint.relation}"
        (kin,) = [kin for kin in kinship.KINDS if (kin.parent, kin.relation) == (endpoint.parent, endpoint.relation)]
        assert kin.child == endpoint.type


def test_everything_that_is_asked_for_is_served() -> None:
    """What the streams of the connector need, told here once more so that nothing gets lost."""
    assert ENDPOINTS.keys() >= {f"/api/{path}" for path in SERVED.split()}
    assert BY_REVISION["2026-10-15"].keys() - ENDPOINTS.keys() >= {f"/api/{path}" for path in SINCE_OCTOBER.split()}


def test_no_endpoint_is_gone_with_a_later_revision() -> None:
    assert BY_REVISION["2026-10-15"].keys() >= ENDPOINTS.keys()


def relationships_of(openapi: Any, path: str) -> dict[str, Any]:
    def resolved(schema: Any) -> Any:
        while "$ref" in schema:
            schema = openapi["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        return schema

    answer = openapi["paths"][path]["get"]["responses"]["200"]["content"]["application/vnd.api+json"]["schema"]
    data = resolved(answer)["properties"]["data"]
    data = data["items"] if data.get("type") == "array" else data
    found: dict[str, Any] = {}
    for part in [resolved(each) for each in data.get("allOf", [data])]:
        found |= part["properties"].get("relationships", {}).get("properties", {})
    return found


def test_paths_are_found_with_their_ids() -> None:
    assert find("/api/events") == (ENDPOINTS["/api/events"], None)
    assert find("/api/events/x") == (ENDPOINTS["/api/events/{id}"], "x")
    assert find("/api/lists/x/profiles") == (ENDPOINTS["/api/lists/{id}/profiles"], "x")
    assert find("/api/catalog-items/$custom:::$default:::a b/variants") == (
        ENDPOINTS["/api/catalog-items/{id}/variants"],
        "$custom:::$default:::a b",
    )
    for wrong in ("/api/lists/{id}/profiles/", "/api/lists//profiles", "/api/lists/x/tags", "/api/lists/x/profiles/y"):
        assert find(wrong) is None
    assert find("/api/events/") is None
    assert find("/api") is None
