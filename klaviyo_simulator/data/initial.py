"""The initial records of the shop, with their parents and children."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_simulator.data.details import MAPPINGS, TOPICS, USAGES
from klaviyo_simulator.data.flows import SENDING
from klaviyo_simulator.data.makers import NAMES
from klaviyo_simulator.protocol.instants import cached_instant_of, iso
from klaviyo_simulator.rules.endpoints import BY_REVISION
from klaviyo_simulator.rules.hierarchy import PARENT_CHILD, parent_child

if TYPE_CHECKING:
    from random import Random

    from klaviyo_simulator.data.records import Record
    from klaviyo_simulator.data.shop import Shop
    from klaviyo_simulator.settings import Settings

_SAME_DATES_EVERY = 5  # one of this many records has the dates of the one before
_SAME_DATES_AS_PARENT_SHARE = 0.3  # share of children with the dates of their parent
_MAX_MEMBERS_OF_OTHERS = 1000  # of any group but the first
_IMPORTED_SHARE = 0.1  # share of a group's members that came with one bulk import
_DEFAULT_COUNT = 4  # records of a type without a setting for its size

_BEFORE_PROFILES = (
    *("tag-group", "tag", "image", "template", "template-universal-content", "flow", "list", "segment"),
    *("campaign", "metric", "custom-metric", "mapped-metric", "form"),
)
"""Types that profiles and events refer to, ordered so that each comes after the types that it refers to."""
_AFTER_PROFILES = (
    *("push-token", "conversation", "catalog-category", "catalog-item", "catalog-variant", "coupon", "coupon-code"),
    *("review", "webhook-topic", "webhook", "object-type", "object-record", "data-source", "canvas-campaign"),
    *("translation", "text-messaging-sender"),
)
_PARENTS = {
    "catalog-item": "catalog-category",
    "catalog-variant": "catalog-item",
    "conversation": "profile",
    "coupon-code": "coupon",
    "object-record": "object-type",
    "push-token": "profile",
    "tag": "tag-group",
}
_SIZES = {
    "catalog-category": "catalog_categories",
    "template-universal-content": "universal_content",
    "text-messaging-sender": "senders",
}
"""Names of the size settings that are not the plural of the type."""
_COUNTS = {"mapped-metric": len(MAPPINGS), "webhook-topic": len(TOPICS), "billing-usage": len(USAGES)}

_SERVED = [endpoint for known in BY_REVISION.values() for endpoint in known.values() if not endpoint.parent]
_COLLECTIONS = {endpoint.type for endpoint in _SERVED if endpoint.many}
# Types without a collection and without a parent are settings of the account.
_SINGLE = {"brand-email-default", "tracking-setting"} | (
    set(NAMES) & {endpoint.type for endpoint in _SERVED} - _COLLECTIONS - {pair.child for pair in PARENT_CHILD}
)
_ORDERED = {"account", "campaign-message", *_SINGLE, *_BEFORE_PROFILES, *_AFTER_PROFILES}
_UNORDERED = sorted(_COLLECTIONS & set(NAMES) - _ORDERED)


def before_profiles(shop: Shop, settings: Settings) -> None:
    """Make the records that profiles and events refer to."""
    for name in _BEFORE_PROFILES:
        _make_records(shop, name, settings)


def after_profiles(shop: Shop, settings: Settings) -> None:
    """Make the records that refer to profiles and events, and all others."""
    for name in ("list", "segment"):
        _add_members(shop, name, settings.members)
    for name in (*_AFTER_PROFILES, *_UNORDERED):
        _make_records(shop, name, settings)
    random, date = shop.random_for("account"), shop.timeline.quantile(0.5)
    account = shop.make("account", random, date, date)
    account.change(timezone=settings.timezone)
    for name in sorted(_SINGLE):
        record = shop.make(name, random, date, date)
        shop.records[name].remove(record.id)
        record.id = account.id
        shop.records[name].put(record)


def add_children(shop: Shop, name: str, record: Record, random: Random, created: int, updated: int) -> None:
    """Add the tags and children that are usual for a record's type."""
    if name in {"campaign", "canvas-campaign", "flow", "list", "segment"}:
        tags = shop.records["tag"].records()
        for tag in random.sample(tags, min(len(tags), random.choice((0, 0, 1, 2)))):
            shop.hierarchy.join(parent_child("tag", name), tag, record)
    children, counts = {
        "campaign": ("campaign-message", (1, 1, 1, 2, 3)),
        "canvas-campaign": ("canvas-message", (2, 1, 0, 3)),
        "canvas-message": ("campaign-variation", (1, 2, 0, 3)),
        "flow": ("flow-action", (0, 1, 2, 3, 5)),
        "flow-action": ("flow-message", (1, 1, 1, 3) if _has_messages(record) else (0,)),
        "form": ("form-version", (0, 1, 2, 4)),
        "metric": ("metric-property", (0, 3, 5)),
        "object-type": ("object-schema", (0, 1, 3)),
        "text-messaging-sender": ("text-messaging-sender-registration", (1, 0, 2)),
    }.get(name, ("", (0,)))
    # Counts are used in turn, so that all of them occur in a small shop too.
    for _ in range(counts[len(shop.records[name]) % len(counts)]):
        shop.new(children, random, *_dates_of_child(shop, random, created, updated), (name, record))
    if name == "object-type":
        _link_schemas(shop, record, random, created)
    later, counts = {
        "campaign": ("campaign-audience", (1,)),
        "campaign-message": ("campaign-variation", (1,)),
        "canvas-campaign": ("campaign-audience", (1, 2, 0)),
    }.get(name, ("", (0,)))
    # A separate random generator keeps the data of earlier revisions independent of later types.
    random = shop.random_for(f"{later}s of {record.id}")
    for _ in range(counts[len(shop.records[name]) % len(counts)]):
        shop.new(later, random, *_dates_of_child(shop, random, created, updated), (name, record))


def _dates_of_child(shop: Shop, random: Random, created: int, updated: int) -> tuple[int, int]:
    """Return the dates of a child: those of its parent, or later ones, even after the parent's last change."""
    if created >= shop.timeline.now or random.random() < _SAME_DATES_AS_PARENT_SHARE:
        return created, updated
    born = shop.timeline.draw_after(random, created)
    return born, shop.timeline.draw_after(random, born)


def _link_schemas(shop: Shop, record: Record, random: Random, created: int) -> None:
    found = shop.hierarchy.children("object-type", "schema-versions", record.id)
    for schema in found.records() if found else ():
        relation = "draft-schema" if schema.value("status") == "draft" else "current-schema"
        record.relations[relation] = schema.id
    if len(shop.records["object-type"]) % 2:
        belonging = shop.make("profile-object-type", random, created, created)
        record.relations["profile-object-types"] = [belonging.id]


def _has_messages(record: Record) -> bool:
    return record.value("definition.type") in SENDING


def _make_records(shop: Shop, name: str, settings: Settings) -> None:
    """Make the records of a type, spread over their parents, some of which get none."""
    count = getattr(settings, _SIZES.get(name, f"{name.replace('-', '_')}s"), _COUNTS.get(name, _DEFAULT_COUNT))
    of = _PARENTS.get(name)
    if name == "tag" and not settings.tag_groups:
        of = None
    random = shop.random_for(name)
    parents = shop.records[of].records() if of else []
    # The last of several parents has no children.
    parents = parents[:-1] or parents
    created = updated = 0
    for number in range(count if parents or of is None else 0):
        if number % _SAME_DATES_EVERY != _SAME_DATES_EVERY - 1:
            created = shop.timeline.draw(random)
            updated = shop.timeline.draw_after(random, created)
        parent = (of, parents[int(len(parents) * random.random() ** 1.5)]) if of else None
        shop.new(name, random, created, updated, parent)


def _add_members(shop: Shop, name: str, first_count: int) -> None:
    """Add profiles to groups: many to the first, none to the last, some to the others."""
    random = shop.random_for(f"{name}s' members")
    groups, profiles = shop.records[name].records(), shop.profiles.records()
    for number, group in enumerate(groups):
        last = number == len(groups) - 1 and number > 0
        some = int(min(first_count, _MAX_MEMBERS_OF_OTHERS) * random.random() ** 4)
        count = 0 if last else first_count if number == 0 else some
        imported = shop.timeline.draw(random)
        for profile in random.sample(profiles, min(count, len(profiles))):
            came = (cached_instant_of(profile.value("created")) or 0) // 10**6
            joined = (
                max(came, imported) if random.random() < _IMPORTED_SHARE else shop.timeline.draw_after(random, came)
            )
            shop.hierarchy.join(parent_child(name, "profile"), group, profile, iso(joined))
