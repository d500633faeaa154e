"""The endpoints and resource types of each revision, derived from the facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klaviyo_simulator.rules import exceptions
from klaviyo_simulator.rules.declarations import Cost, Endpoint, Filter, Page, Rate, Relationship, ResourceType
from klaviyo_simulator.rules.facts import BY_REVISION as FACTS
from klaviyo_simulator.rules.facts import REVISION
from klaviyo_simulator.rules.hierarchy import PARENT_CHILD

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from klaviyo_simulator.rules.facts import Facts


def _operations(facts: Facts, name: str = "") -> Iterable[tuple[str, dict[str, Any]]]:
    """Yield path and facts of all GET operations, or of those that return a type."""
    for key, operation in facts.operations.items():
        method, _, path = key.partition(" ")
        if method == "GET" and "/relationships/" not in path and name in {"", operation["answers"].split()[1]}:
            yield path, operation


def _collection(facts: Facts, name: str) -> str:
    """Return the path of a type's collection."""
    found = {path.removesuffix("/{id}") for path, _ in _operations(facts, name) if path.count("/") - 2 <= ("{" in path)}
    return min(found, default=f"/api/{name}s")


def _types(facts: Facts) -> dict[str, ResourceType]:
    related = {
        fact["to"].split()[1]: exceptions.ONLY_INCLUDED.get(fact["to"].split()[1], {})
        for resource in facts.resources.values()
        for fact in resource.get("relationships", {}).values()
    }
    known = {**{name: {"attributes": attributes} for name, attributes in related.items()}, **facts.resources}
    return {name: _type(facts, name, resource) for name, resource in known.items()}


def _type(facts: Facts, name: str, resource: Mapping[str, Any]) -> ResourceType:
    attributes = resource.get("attributes", {})
    relationships = {}
    for relation, fact in resource.get("relationships", {}).items():
        many, _, other = fact["to"].partition(" ")
        more = exceptions.RELATIONSHIPS.get((name, relation), {})
        relationships[relation] = Relationship(other, many == "many", **more)
    not_everywhere = {
        each
        for _, operation in _operations(facts, name)
        for key in ("without", "additional_fields")
        for each in operation.get(key, ())
    }
    # Records have the attributes of all revisions; each revision hides those that only others have.
    everywhere = {each for other in FACTS.values() for each in other.resources.get(name, {}).get("attributes", ())}
    at_the_top = {each for each in everywhere if each.isidentifier()}
    return ResourceType(
        name,
        _collection(facts, name),
        attributes,
        relationships,
        fields=frozenset(each for each in attributes if "[]" not in each),
        open_fields=exceptions.OPEN_FIELDS.get(name, frozenset()),
        hidden=frozenset(at_the_top & not_everywhere | at_the_top - attributes.keys()),
        id_form=exceptions.ID_FORMS.get(name, ""),
    )


def _endpoints(revision: str, facts: Facts, types: Mapping[str, ResourceType]) -> dict[str, Endpoint]:
    """Return the served endpoints: collections, single resources, and children in `PARENT_CHILD`."""
    types_by_path = {declared.collection: name for name, declared in types.items()}
    children = {(pair.parent, pair.relation, pair.child) for pair in PARENT_CHILD}
    served = {}
    for path, operation in _operations(facts):
        many, _, name = operation["answers"].partition(" ")
        base, _, relation = path.partition("/{id}/")
        parent = types_by_path.get(base) if relation else None
        at_the_top = types_by_path.get(path.removesuffix("/{id}")) == name and (many == "many") == ("{" not in path)
        if name in facts.resources and (at_the_top or (many == "many" and (parent, relation, name) in children)):
            served[path] = _endpoint(revision, path, types[name], parent, operation)
    return served


def _endpoint(
    revision: str, path: str, returned_type: ResourceType, parent: str | None, operation: Mapping[str, Any]
) -> Endpoint:
    name, page = returned_type.name, operation.get("page")
    without = frozenset(operation.get("without", ()))
    additional = frozenset(operation.get("additional_fields", ()))
    more = exceptions.CHANGED.get(revision, {}).get(path) or exceptions.ENDPOINTS.get(path, {})
    derived = {
        "path": path,
        "type": name,
        "rate": Rate.of(operation["rate"]),
        "scopes": tuple(operation["scopes"]),
        "parent": parent,
        "page": Page(exceptions.FIXED_PAGES.get(path, 20)) if page == "fixed" else page and Page(**page),
        "filters": {
            field: Filter.of(fact, **exceptions.FILTERS.get((name, field), {}))
            for field, fact in operation.get("filters", {}).items()
        },
        "sorts": frozenset(operation.get("sorts", ())),
        "includes": frozenset(operation.get("includes", ())),
        "additional": additional,
        "ignored_parameters": frozenset(operation.get("other_parameters", ())),
        "more_fields": frozenset(operation.get("more_fields", ())),
        "costs": _costs(name, additional, operation),
        "always_shown": (returned_type.hidden & returned_type.attributes.keys()) - without - additional,
        "hidden_relationships": frozenset(
            relation
            for relation, target in returned_type.relationships.items()
            if f"relationships.{relation}" in without and not target.name_elsewhere
        ),
        "needs_kdp": name in exceptions.NEEDS_KDP,
        "bare_links": path in exceptions.WITHOUT_NEXT and (page is None or "unpaged" in more),
    }
    return Endpoint(**{**derived, **more})


def _costs(name: str, additional: frozenset[str], operation: Mapping[str, Any]) -> dict[tuple[str, str], Cost]:
    """Return the rate limit buckets of an endpoint's expensive parameters."""
    expensive = {tuple(when.split("=")): rate for when, rate in operation.get("dearer", {}).items()}
    for field in additional:
        if (parameter := f"additional-fields[{name}]", field) in exceptions.EXPENSIVE_EVERYWHERE:
            expensive.setdefault((parameter, field), _EXPENSIVE[parameter, field])
    costs = {}
    for (parameter, value), rate in expensive.items():
        included = parameter == "include"  # documented as include=list, though the parameter takes lists
        bucket = exceptions.MEMBERSHIPS if included else value
        costs[parameter, f"{value}s" if included else value] = Cost(bucket, Rate.of(rate))
    return costs


_EXPENSIVE = {
    tuple(when.split("=")): rate
    for facts in FACTS.values()
    for operation in facts.operations.values()
    for when, rate in operation.get("dearer", {}).items()
}
TYPES_BY_REVISION = {revision: _types(facts) for revision, facts in FACTS.items()}
"""The resource types of each revision by their names."""
TYPES = TYPES_BY_REVISION[REVISION]
"""The same for the default revision."""
BY_REVISION = {revision: _endpoints(revision, facts, TYPES_BY_REVISION[revision]) for revision, facts in FACTS.items()}
"""The endpoints of each revision by their paths."""
ENDPOINTS = BY_REVISION[REVISION]
"""The same for the default revision."""


def find(path: str, revision: str = REVISION) -> tuple[Endpoint, str | None] | None:
    """Find the endpoint of a path, and the ID in the path: the resource's or its parent's."""
    known = BY_REVISION[revision]
    if path in known:
        return (known[path], None) if "{" not in path else None
    base, _, rest = path.removeprefix("/api/").partition("/")
    identity, slash, relation = rest.partition("/")
    endpoint = known.get(f"/api/{base}/{{id}}{slash}{relation}")
    return (endpoint, identity) if endpoint and identity else None


def all_scopes() -> frozenset[str]:
    """Return every scope that some endpoint needs."""
    return frozenset(
        scope for known in BY_REVISION.values() for endpoint in known.values() for scope in endpoint.scopes
    )
