"""The catalog, coupons with their codes, and reviews."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klaviyo_simulator.data import words
from klaviyo_simulator.data.records import Record
from klaviyo_simulator.protocol.moments import DAY, SECOND, iso, iso_micro

if TYPE_CHECKING:
    from random import Random

    from klaviyo_simulator.data.birth import Birth

_CATALOG = "$custom:::$default:::"
_CODE_STATUSES = ("UNASSIGNED", "PROCESSING", "ASSIGNED_TO_PROFILE", "VERSION_NOT_ACTIVE", "DELETING", "USED")
_REVIEW_STATUSES: tuple[dict[str, Any], ...] = (
    *({"value": value} for value in ("published", "published", "unpublished", "featured", "pending")),
    {"value": "rejected", "rejection_reason": {"reason": "other", "status_explanation": None}},
    {"value": "rejected", "rejection_reason": {"reason": "fake"}},
)


def item(birth: Birth) -> Record:
    """One item of the catalog."""
    sold = _sold(birth, "item")
    return Record(_CATALOG + sold["external_id"], sold)


def variant(birth: Birth) -> Record:
    """One variant of an item."""
    random = birth.random
    sold = {
        **_sold(birth, "variant"),
        "sku": words.or_null(random, f"SKU-{birth.number}"),
        "inventory_policy": random.choice((0, 1, 2, None)),
        "inventory_quantity": random.choice((0, 12, 0.5, 2**53, None)),
    }
    return Record(_CATALOG + sold["external_id"], sold)


def category(birth: Birth) -> Record:
    """One category of items."""
    external = f"category-{birth.number}"
    attributes = {
        "external_id": external,
        "name": f"{birth.random.choice(words.NOUNS)} {birth.number}",
        "updated": _moment(birth.random, birth.updated),
    }
    # It can be sorted by, though it is not shown.
    return Record(_CATALOG + external, attributes, hidden={"created": iso(birth.created)})


_ASSIGNING = {"used": "NEVER_ASSIGN", "unused_expired": "ALWAYS_ASSIGN"}


def coupon(birth: Birth) -> Record:
    """One coupon; its id is the one it has in the shop."""
    external = f"{birth.random.choice((10, 15, 20, 50))}OFF{birth.number}"
    attributes = {
        "external_id": external,
        "description": words.or_null(birth.random, f"{words.title(birth.random)} — €10"),
        "monitor_configuration": words.or_null(birth.random, {"low_balance_threshold": "100"}, 0.5),
        "assigner_configuration": _ASSIGNING if birth.number % 3 else None,
    }
    return Record(external, attributes)


def coupon_code(birth: Birth) -> Record:
    """One code of a coupon."""
    random = birth.random
    code = f"{words.short_id(random).upper()}-{birth.number}"
    status = random.choice((*_CODE_STATUSES, "UNASSIGNED", None))
    assigned = birth.pick("profile") if status in {"ASSIGNED_TO_PROFILE", "USED"} else None
    expires = birth.updated + random.randrange(-400, 400) * DAY
    attributes = {"unique_code": code, "expires_at": words.or_null(random, iso(expires)), "status": status}
    return Record(f"{words.short_id(random)}:{code}", attributes, {"profile": assigned})


def review(birth: Birth) -> Record:
    """One review, question, or rating."""
    random = birth.random
    kind = random.choice(("review", "review", "question", "rating", "store"))
    product = {
        "url": "https://shop.example.com/products/1",
        "name": random.choice(words.PRODUCTS),
        "image_url": words.or_null(random, "https://images.example.com/1.png"),
        "external_id": words.or_null(random, "item-1"),
    }
    reply = {"content": "Teşekkürler! 🙏", "author": "Klaviyo Demo", "updated": iso(birth.updated)}
    wordless = kind == "rating"
    attributes = {
        "email": words.or_null(random, f"person.{random.randrange(500)}@example.com"),
        "status": words.or_null(random, random.choice(_REVIEW_STATUSES), 0.05),
        "verified": random.random() < 0.6,
        "review_type": kind,
        **birth.times(),
        "images": ["https://images.example.com/review.jpeg"] if random.random() < 0.2 else [],
        "product": None if kind == "store" else product,
        "rating": None if kind == "question" else random.randrange(1, 6),
        "author": words.or_null(random, random.choice(words.FIRST_NAMES)),
        "content": None if wordless else f"{random.choice(words.PRODUCTS)}: {words.filler(random, 80)}",
        "title": None if wordless else words.title(random),
        "smart_quote": words.or_null(random, words.filler(random, 20), 0.7),
        "public_reply": words.or_null(random, reply, 0.7),
    }
    events = [event] if random.random() < 0.4 and (event := birth.pick("event")) else []
    relations = {"events": list(events), "item": None if kind == "store" else birth.pick("catalog-item")}
    return Record(str(10**9 + birth.number * 11), attributes, dict(relations))


def _sold(birth: Birth, kind: str) -> dict[str, Any]:
    random = birth.random
    external = f"{kind}-{birth.number}"
    return {
        "external_id": external,
        "title": words.or_null(random, f"{random.choice(words.PRODUCTS)} {birth.number}", 0.05),
        "description": words.or_null(random, words.filler(random, 120)),
        "price": random.choice((19.99, 0, 0.1 + 0.2, 1e6, None)),
        "url": words.or_null(random, f"https://shop.example.com/{external}"),
        "image_full_url": random.choice((f"https://images.example.com/{external}.png", "", None)),
        "image_thumbnail_url": words.or_null(random, f"https://images.example.com/{external}-s.png", 0.5),
        "images": random.choice(([], ["https://images.example.com/1.png"], None)),
        "custom_metadata": random.choice(({"Größe": "L", "rank": words.HUGE[0]}, {}, None)),
        "published": random.choice((True, True, False, None)),
        "created": _moment(random, birth.created),
        "updated": _moment(random, birth.updated),
    }


def _moment(random: Random, second: int) -> str:
    return iso(second) if random.random() < 0.5 else iso_micro(second * SECOND + 437_000)
