"""The endpoints of each revision agree with the facts about the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_simulator import kinship
from klaviyo_simulator.endpoints import BY_REVISION, ENDPOINTS, all_scopes, find
from klaviyo_simulator.resources import BY_REVISION as TYPES_OF
from tools.facts.model import Facts, facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from klaviyo_simulator.declarations import Endpoint, ResourceType

KINDS = {"string": "str", "date-time": "dt", "boolean": "bool", "number": "num", "integer": "num", None: "none"}
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
# Flow messages that come with translations have a shape that nothing else has.
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
def known(named: tuple[str, str]) -> Facts:
    """The facts of the revision."""
    return facts(named[0])


@pytest.fixture
def operation(known: Facts, endpoint: Endpoint) -> Mapping[str, Any]:
    return known.operation(endpoint.path)


@pytest.fixture
def parameters(known: Facts, endpoint: Endpoint) -> Mapping[str, frozenset[str] | None]:
    return known.parameters(endpoint.path)


def test_parameters(endpoint: Endpoint, parameters: Mapping[str, Any]) -> None:
    known = {"page[size]"} if endpoint.page and endpoint.page.maximum else set()
    known |= {"page[cursor]"} if endpoint.page else set()
    known |= {"filter"} if endpoint.filters else set()
    known |= {"sort"} if endpoint.sorts else set()
    known |= {"include"} if endpoint.includes else set()
    known |= {f"additional-fields[{endpoint.type}]"} if endpoint.additional else set()
    known |= endpoint.others
    assert {name for name in parameters if not name.startswith("fields[")} == known


def test_page_sizes(endpoint: Endpoint, operation: Mapping[str, Any]) -> None:
    if endpoint.page and endpoint.page.maximum:
        assert operation["page"] == {"default": endpoint.page.default, "maximum": endpoint.page.maximum}
    else:
        assert operation.get("page") == ("fixed" if endpoint.page else None)


def test_filters(endpoint: Endpoint, operation: Mapping[str, Any]) -> None:
    filters = operation.get("filters", {})
    assert endpoint.filters.keys() == filters.keys()
    for name, rule in endpoint.filters.items():
        one = filters[name]
        assert (rule.single, rule.listed) == (set(one.get("operators", ())), set(one.get("of_lists", ()))), name
        assert rule.kind.value == KINDS[one.get("type")], name
        assert set(rule.choices) == set(one.get("values", ())), name


def test_required_filters(endpoint: Endpoint, operation: Mapping[str, Any]) -> None:
    assert bool(endpoint.required or endpoint.one_of) == operation.get("filter_required", False)
    assert endpoint.one_of <= endpoint.filters.keys()


def test_sorts(endpoint: Endpoint, operation: Mapping[str, Any]) -> None:
    assert endpoint.sorts == set(operation.get("sorts", ()))


def test_includes(endpoint: Endpoint, operation: Mapping[str, Any]) -> None:
    assert endpoint.includes == set(operation.get("includes", ()))


def test_additional_fields(endpoint: Endpoint, operation: Mapping[str, Any]) -> None:
    assert endpoint.additional == set(operation.get("additional_fields", ()))


def test_fields(endpoint: Endpoint, types: Mapping[str, ResourceType], parameters: Mapping[str, Any]) -> None:
    related = {types[endpoint.type].relationships[name].type for name in endpoint.includes}
    fieldsets = {name for name in parameters if name.startswith("fields[")}
    assert fieldsets == {f"fields[{name}]" for name in (endpoint.type, *related)}
    for fieldset in fieldsets:
        if (endpoint.type, fieldset) in ANOTHER_SHAPE or parameters[fieldset] is None:
            continue
        declared = types[fieldset[7:-1]]
        shown = endpoint.additional | endpoint.shows if declared.name == endpoint.type else frozenset()
        hidden = declared.hidden - shown
        served = {name for name in declared.fields if name.split(".")[0] not in hidden} | {"id"}
        closed = {name.split(".")[0] for name in parameters[fieldset] if "." in name} - declared.open_fields
        assert at_the_top_or_below(closed, served) == at_the_top_or_below(closed, parameters[fieldset]), fieldset


def at_the_top_or_below(closed: set[str], names: Iterable[str]) -> set[str]:
    """Leave out what lies below an object that the facts or the simulator leave open."""
    return {name for name in names if "." not in name or name.split(".")[0] in closed}


def test_tiers(endpoint: Endpoint, known: Facts, operation: Mapping[str, Any]) -> None:
    assert (endpoint.tier.burst, endpoint.tier.steady, None) == known.rate(endpoint.path)
    for when, rate in operation.get("dearer", {}).items():
        parameter, _, name = when.partition("=")
        # Klaviyo documents include=list where the parameter takes lists.
        cost = endpoint.costs.get((parameter, name)) or endpoint.costs[parameter, f"{name}s"]
        assert f"{cost.tier.burst}/s {cost.tier.steady}/min" == rate


def test_scopes(endpoint: Endpoint, operation: Mapping[str, Any]) -> None:
    assert list(endpoint.scopes) == operation["scopes"]
    assert set(endpoint.scopes) <= all_scopes()


def test_relationships(endpoint: Endpoint, types: Mapping[str, ResourceType], known: Facts) -> None:
    relationships = known.relationships(endpoint.path)
    declared = types[endpoint.type].relationships
    assert declared.keys() - endpoint.lacks >= relationships.keys()
    # The facts do not know what is called differently elsewhere.
    unknown = declared.keys() - endpoint.lacks - relationships.keys()
    assert all(declared[name].elsewhere for name in unknown)
    assert endpoint.lacks <= declared.keys()
    for name, (kind, many) in relationships.items():
        assert (declared[name].type, declared[name].many) == (kind, many), name


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
