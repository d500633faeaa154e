"""Custom objects: their types, schemas, records, and where they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klaviyo_simulator.data import words
from klaviyo_simulator.data.records import Record
from klaviyo_simulator.protocol.moments import iso

if TYPE_CHECKING:
    from klaviyo_simulator.data.birth import Birth

_PROPERTIES: list[dict[str, Any]] = [
    {"id": 1, "name": "id", "type": "string", "description": None},
    {"id": 2, "name": "mesafe", "type": "float", "description": "in km → always"},
    {"id": 3, "name": "since", "type": "timestamp", "description": ""},
]


def object_type(birth: Birth) -> Record:
    """One type of custom objects."""
    attributes = {
        "title": f"{birth.random.choice(words.NOUNS)} {birth.number}",
        "description": "Made by hand ✍",
        "status": birth.random.choice(("active", "draft")),
        "namespace": "custom-objects" if birth.number % 2 == 0 else "applications/01HX",
        **birth.times_at(),
    }
    return Record(words.ulid(birth.random, birth.created), attributes)


def profile_object_type(birth: Birth) -> Record:
    """How a type of custom objects belongs to profiles."""
    meta = {"relationship_id": words.uuid_text(birth.random), "name": "owner", "description": None}
    return Record(words.ulid(birth.random, birth.created), {"meta": words.or_null(birth.random, meta, 0.3)})


def object_schema(birth: Birth) -> Record:
    """One version of the schema of a type."""
    status = "draft" if birth.number % 3 == 2 else "active"
    attributes = {
        "title": f"Schema v{birth.number % 3 + 1}",
        "description": "",
        "status": status,
        "properties": _PROPERTIES[: birth.random.randrange(4)],
        "required": [],
        "published_at": None if status == "draft" else iso(birth.updated),
        "visibility": birth.random.choice(("private", "shared")),
    }
    return Record(words.ulid(birth.random, birth.created), attributes)


def object_record(birth: Birth) -> Record:
    """One custom object."""
    random = birth.random
    properties = {
        "id": f"r{birth.number}",
        "mesafe": random.choice((1e-7, 12.5, None)),
        "since": iso(birth.created),
        "big": random.choice(words.HUGE),
        "名前": random.choice(words.FIRST_NAMES),
    }
    return Record(words.ulid(random, birth.created), {"record_properties": properties})


def data_source(birth: Birth) -> Record:
    """One source of custom objects."""
    attributes = {
        "title": f"Source {birth.number} ⇄",
        "visibility": birth.random.choice(("private", "shared")),
        "description": words.filler(birth.random, 20),
        "namespace": "custom-objects",
    }
    return Record(words.ulid(birth.random, birth.created), attributes)
