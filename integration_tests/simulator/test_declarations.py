"""Endpoints: derived from the facts, with exceptions that are all in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from klaviyo_simulator.rules import exceptions
from klaviyo_simulator.rules.endpoints import BY_REVISION, ENDPOINTS, TYPES_BY_REVISION, all_scopes, find
from klaviyo_simulator.rules.hierarchy import PARENT_CHILD
from tools.facts.model import facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from klaviyo_simulator.rules.declarations import Endpoint

NAMED = [(revision, path) for revision, known in BY_REVISION.items() for path in known]
NOT_IN_THE_FACTS = {
    ("profile", "conversations"),  # the facts call it conversation among members of lists
}


def endpoints() -> Iterator[Endpoint]:
    return (endpoint for known in BY_REVISION.values() for endpoint in known.values())


@pytest.mark.parametrize("revision", BY_REVISION)
def test_all_collections_and_single_resources_of_the_facts_are_served(revision: str) -> None:
    known = facts(revision)
    paths = {name.removeprefix("GET ") for name in known.operations if name.startswith("GET ")}
    top = {path for path in paths if path.removesuffix("/{id}").count("/") == 2 and "-job" not in path}
    # These resources exist only below a parent, so they have no ID to request.
    assert top - BY_REVISION[revision].keys() == {path for path in top if known.type_of(path) not in known.resources}
    assert BY_REVISION[revision].keys() <= paths


@pytest.mark.parametrize(("revision", "path"), NAMED)
def test_parameters_and_fieldsets_match_the_facts(revision: str, path: str) -> None:
    endpoint, types, known = BY_REVISION[revision][path], TYPES_BY_REVISION[revision], facts(revision)
    parameters = known.parameters(path)
    assert set(parameters) == {
        *(["page[size]"] if endpoint.page and endpoint.page.maximum else []),
        *(["page[cursor]"] if endpoint.page else []),
        *(["filter"] if endpoint.filters else []),
        *(["sort"] if endpoint.sorts else []),
        *(["include"] if endpoint.includes else []),
        *([f"additional-fields[{endpoint.type}]"] if endpoint.additional else []),
        *endpoint.ignored_parameters,
        f"fields[{endpoint.type}]",
        *(f"fields[{types[endpoint.type].relationships[name].type}]" for name in endpoint.includes),
    }
    own, hidden = types[endpoint.type], types[endpoint.type].hidden - endpoint.additional - endpoint.always_shown
    shown = {name for name in own.fields if name.split(".")[0] not in hidden} | {"id"} | endpoint.more_fields
    assert shown - {"definition.versions"} == set(parameters[f"fields[{endpoint.type}]"] or ())


@pytest.mark.parametrize(("revision", "path"), NAMED)
def test_relationships_match_the_facts(revision: str, path: str) -> None:
    endpoint = BY_REVISION[revision][path]
    declared = TYPES_BY_REVISION[revision][endpoint.type].relationships
    shown = {
        name: (each.type, each.many) for name, each in declared.items() if name not in endpoint.hidden_relationships
    }
    for kind, name in NOT_IN_THE_FACTS - {(endpoint.type, name) for name in facts(revision).relationships(path)}:
        assert kind != endpoint.type or shown.pop(name)
    assert shown == facts(revision).relationships(path)


def test_exceptions_refer_to_existing_endpoints_types_and_filters() -> None:
    paths = {endpoint.path for endpoint in endpoints()}
    assert exceptions.ENDPOINTS.keys() | exceptions.WITHOUT_NEXT | exceptions.FIXED_PAGES.keys() <= paths
    filters = {(endpoint.type, name) for endpoint in endpoints() for name in endpoint.filters}
    assert exceptions.FILTERS.keys() <= filters
    names = {name for types in TYPES_BY_REVISION.values() for name in types}
    assert exceptions.NEEDS_KDP | exceptions.ID_FORMS.keys() | exceptions.ONLY_INCLUDED.keys() <= names
    relationships = {(n, r) for types in TYPES_BY_REVISION.values() for n, t in types.items() for r in t.relationships}
    assert exceptions.RELATIONSHIPS.keys() <= relationships


@pytest.mark.parametrize(("revision", "path"), NAMED)
def test_a_filter_is_required_if_the_facts_say_so(revision: str, path: str) -> None:
    endpoint = BY_REVISION[revision][path]
    required = facts(revision).operation(path).get("filter_required", False)
    assert bool(endpoint.required or endpoint.one_of) == required
    assert {*endpoint.one_of, *(name for _, name in endpoint.required)} <= endpoint.filters.keys()


def test_expensive_parameters_have_a_separate_bucket() -> None:
    expensive = {(parameter, name): cost for each in endpoints() for (parameter, name), cost in each.costs.items()}
    assert {key: (cost.bucket, cost.rate.burst) for key, cost in expensive.items()} == {
        ("additional-fields[profile]", "predictive_analytics"): ("predictive_analytics", 10),
        ("additional-fields[list]", "profile_count"): ("profile_count", 1),
        ("additional-fields[segment]", "profile_count"): ("profile_count", 1),
        ("include", "lists"): ("memberships", 1),
        ("include", "segments"): ("memberships", 1),
    }


def test_child_collections_are_those_with_a_known_parent() -> None:
    children = {(pair.parent, pair.relation): pair.child for pair in PARENT_CHILD}
    below = {(endpoint.parent, endpoint.relation): endpoint.type for endpoint in endpoints() if endpoint.parent}
    assert below.items() <= children.items()
    assert {("list", "profiles"), ("flow", "flow-actions"), ("campaign-message", "campaign-variations")} <= below.keys()


def test_a_later_revision_keeps_all_endpoints_and_scopes() -> None:
    assert BY_REVISION["2026-10-15"].keys() >= ENDPOINTS.keys()
    assert {scope for endpoint in endpoints() for scope in endpoint.scopes} == all_scopes()


def test_endpoints_are_found_by_path_and_id() -> None:
    assert find("/api/events") == (ENDPOINTS["/api/events"], None)
    assert find("/api/events/x") == (ENDPOINTS["/api/events/{id}"], "x")
    assert find("/api/lists/x/profiles") == (ENDPOINTS["/api/lists/{id}/profiles"], "x")
    assert find("/api/catalog-items/$custom:::$default:::a b/variants") == (
        ENDPOINTS["/api/catalog-items/{id}/variants"],
        "$custom:::$default:::a b",
    )


@pytest.mark.parametrize(
    "path",
    [
        *("/api/lists/{id}/profiles/", "/api/lists//profiles", "/api/lists/x/tags", "/api/lists/x/profiles/y"),
        *("/api/events/", "/api"),
    ],
)
def test_unknown_paths_have_no_endpoint(path: str) -> None:
    assert find(path) is None
