"""JSON:API documents of collections and single resources."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from klaviyo_simulator.data.records import ids_of
from klaviyo_simulator.rules.endpoints import TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from klaviyo_simulator.data.records import Record, Related
    from klaviyo_simulator.data.tables import Selection, Table
    from klaviyo_simulator.rules.declarations import ResourceType
    from klaviyo_simulator.rules.queries import Query

_HOST = "https://a.klaviyo.com"  # links of resources use Klaviyo's host, whatever the request's host
_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

# Pages have hundreds of attributions, which have no attributes or relationships, so their JSON is a template.
_ID_ONLY = {
    name: f'{{"type":"{name}","id":"#","links":{{"self":"{_HOST}{declared.collection}/#"}}}}'
    for name, declared in TYPES.items()
    if not declared.fields and not declared.relationships
}


def collection(query: Query, selection: Selection, tables: Mapping[str, Table], links: dict[str, str | None]) -> bytes:
    """Return the document of a page."""
    body = selection.body
    if body is None:
        body = ",".join(_json(record, query.endpoint.type, query) for record in selection.records).encode()
    related = selection.related or _related(selection.records, query)
    return b"".join((b'{"data":[', body, b"]", _tail(links, related, query, tables)))


def item(query: Query, record: Record, tables: Mapping[str, Table], url: str) -> bytes:
    """Return the document of a single resource."""
    data = _json(record, query.endpoint.type, query).encode()
    return b"".join((b'{"data":', data, _tail({"self": url}, _related([record], query), query, tables)))


def _tail(
    links: Mapping[str, str | None], related: Iterable[tuple[str, str]], query: Query, tables: Mapping[str, Table]
) -> bytes:
    """Return the members of a document that follow its data."""
    included = f',"included":[{_included(related, query, tables)}]' if query.includes else ""
    return f',"links":{_dumps(links)}{included}}}'.encode()


def _json(record: Record, name: str, query: Query) -> str:
    return _dumps(_resource(record, name, query))


def _resource(record: Record, name: str, query: Query) -> dict[str, Any]:
    declared = query.types[name]
    own = name == query.endpoint.type
    requested = query.additional | query.endpoint.always_shown if own else frozenset[str]()
    attributes = {
        key: value
        for key, value in record.attributes.items()
        if key not in declared.hidden or (key in requested and not _is_omitted(name, key, value))
    }
    if name in query.fields:
        attributes = _sparse(attributes, query.fields[name])
    here = f"{_HOST}{declared.collection}/{record.id}"
    relationships = dict(_relationships(record, declared, here, query))
    resource: dict[str, Any] = {"type": name, "id": record.id}
    if declared.fields:
        resource["attributes"] = attributes
    if relationships:
        resource["relationships"] = relationships
    resource["links"] = {"self": here}
    return resource


def _relationships(
    record: Record, declared: ResourceType, here: str, query: Query
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the relationships of a resource by name; those with data have null or [] if there is none."""
    own = declared.name == query.endpoint.type
    at_home = own and query.endpoint.path.startswith(declared.collection)
    for relation, target in declared.relationships.items():
        related = record.relations.get(relation)
        included = own and relation in query.includes
        if (own and relation in query.endpoint.hidden_relationships) or (target.optional and not related):
            continue
        if declared.name in query.fields and query.sparse_drops_relationships and not included:
            continue
        name = relation if at_home or not target.name_elsewhere else target.name_elsewhere
        links = {"self": f"{here}/relationships/{name}", "related": f"{here}/{name}"}
        if included or target.always:
            yield name, {"data": _linkage(related, target.type, many=target.many), "links": links}
        else:
            yield name, {"links": links}


def _is_omitted(name: str, key: str, value: Any) -> bool:
    # Klaviyo omits the definition of a template whose editor has none, instead of sending null.
    return (name, key, value) == ("template", "definition", None)


def _linkage(related: Related, name: str, *, many: bool) -> Any:
    linked = [{"type": name, "id": each} for each in ids_of(related)]
    return linked if many else linked[-1] if linked else None


def _related(records: Iterable[Record], query: Query) -> Iterator[tuple[str, str]]:
    """Yield type and ID of the resources to include with some records."""
    relationships = query.types[query.endpoint.type].relationships
    for record in records:
        for relation in query.includes:
            target, ids = relationships[relation], ids_of(record.relations.get(relation))
            for identity in ids if target.many else ids[-1:]:  # a to-one relationship shows the latest of several
                yield target.type, identity


def _included(related: Iterable[tuple[str, str]], query: Query, tables: Mapping[str, Table]) -> str:
    """Return the JSON of the resources of some types and IDs, each once."""
    texts: list[str] = []
    for name, identity in dict.fromkeys(related):
        if name in _ID_ONLY:
            texts.append(_ID_ONLY[name].replace("#", identity))
        elif record := tables[name].get(identity):
            texts.append(_json(record, name, query))
    return ",".join(texts)


def _sparse(attributes: Mapping[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """Return the attributes at some dotted paths."""
    picked: dict[str, Any] = {}
    for path in sorted(paths):
        top, _, rest = path.partition(".")
        if top not in attributes:
            continue
        value = attributes[top]
        if rest and isinstance(value, dict):
            below = picked.get(top)
            picked[top] = {**(below if isinstance(below, dict) else {}), **_sparse(value, [rest])}
        else:
            picked[top] = value
    return picked
