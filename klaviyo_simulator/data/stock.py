"""What the shop has from the beginning, and what belongs to what."""

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

_SAME = 5  # every so many records one has the moments of the one before
_WITH_PARENT = 0.3  # share of the children that have the moments of their parent
_USUAL = 1000  # members of all groups but the first are fewer
_IMPORTED = 0.1  # share of the members of a group that came with one import
_FEW = 4  # records of a type of which no setting says how many there are

_BEFORE_PROFILES = (
    *("tag-group", "tag", "image", "template", "template-universal-content", "flow", "list", "segment"),
    *("campaign", "metric", "custom-metric", "mapped-metric", "form"),
)
"""What profiles and events refer to, in an order in which each finds what it refers to itself."""
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
"""Settings that say how many there are of a type, if they are not called as its plural."""
_COUNTS = {"mapped-metric": len(MAPPINGS), "webhook-topic": len(TOPICS), "billing-usage": len(USAGES)}

_SERVED = [endpoint for known in BY_REVISION.values() for endpoint in known.values() if not endpoint.parent]
_COLLECTIONS = {endpoint.type for endpoint in _SERVED if endpoint.many}
# What can be read by id only, and is no child of anything, is a setting of the account.
_SINGLE = {"brand-email-default", "tracking-setting"} | (
    set(NAMES) & {endpoint.type for endpoint in _SERVED} - _COLLECTIONS - {pair.child for pair in PARENT_CHILD}
)
_NAMED = {"account", "campaign-message", *_SINGLE, *_BEFORE_PROFILES, *_AFTER_PROFILES}
_OTHERS = sorted(_COLLECTIONS & set(NAMES) - _NAMED)


def before_profiles(shop: Shop, settings: Settings) -> None:
    """Make all that profiles and events refer to."""
    for name in _BEFORE_PROFILES:
        _several(shop, name, settings)


def after_profiles(shop: Shop, settings: Settings) -> None:
    """Make all that refers to profiles and events, and what stands for itself."""
    for name in ("list", "segment"):
        _gather(shop, name, settings.members)
    for name in (*_AFTER_PROFILES, *_OTHERS):
        _several(shop, name, settings)
    random, moment = shop.source("account"), shop.timeline.quantile(0.5)
    account = shop.make("account", random, moment, moment)
    account.change(timezone=settings.timezone)
    for name in sorted(_SINGLE):
        record = shop.make(name, random, moment, moment)
        shop.records[name].remove(record.id)
        record.id = account.id
        shop.records[name].put(record)


def complete(shop: Shop, name: str, record: Record, random: Random, created: int, updated: int) -> None:
    """Give a record the tags and children that those of its type have, none among them."""
    if name in {"campaign", "canvas-campaign", "flow", "list", "segment"}:
        tags = shop.records["tag"].records()
        for tag in random.sample(tags, min(len(tags), random.choice((0, 0, 1, 2)))):
            shop.hierarchy.join(parent_child("tag", name), tag, record)
    children, counts = {
        "campaign": ("campaign-message", (1, 1, 1, 2, 3)),
        "canvas-campaign": ("canvas-message", (2, 1, 0, 3)),
        "canvas-message": ("campaign-variation", (1, 2, 0, 3)),
        "flow": ("flow-action", (0, 1, 2, 3, 5)),
        "flow-action": ("flow-message", (1, 1, 1, 3) if _sends(record) else (0,)),
        "form": ("form-version", (0, 1, 2, 4)),
        "metric": ("metric-property", (0, 3, 5)),
        "object-type": ("object-schema", (0, 1, 3)),
        "text-messaging-sender": ("text-messaging-sender-registration", (1, 0, 2)),
    }.get(name, ("", (0,)))
    # In turn, so that all of these numbers occur in a small shop too.
    for _ in range(counts[len(shop.records[name]) % len(counts)]):
        shop.new(children, random, *_moments(shop, random, created, updated), (name, record))
    if name == "object-type":
        _schemas(shop, record, random, created)
    later, counts = {
        "campaign": ("campaign-audience", (1,)),
        "campaign-message": ("campaign-variation", (1,)),
        "canvas-campaign": ("campaign-audience", (1, 2, 0)),
    }.get(name, ("", (0,)))
    # By chance of its own, so that what earlier revisions show does not depend on what they do not show.
    random = shop.source(f"{later}s of {record.id}")
    for _ in range(counts[len(shop.records[name]) % len(counts)]):
        shop.new(later, random, *_moments(shop, random, created, updated), (name, record))


def _moments(shop: Shop, random: Random, created: int, updated: int) -> tuple[int, int]:
    """When a child was created and updated: with its parent, or some time later, even after its last change."""
    if created >= shop.timeline.now or random.random() < _WITH_PARENT:
        return created, updated
    born = shop.timeline.later(random, created)
    return born, shop.timeline.later(random, born)


def _schemas(shop: Shop, record: Record, random: Random, created: int) -> None:
    found = shop.hierarchy.children("object-type", "schema-versions", record.id)
    for schema in found.records() if found else ():
        relation = "draft-schema" if schema.value("status") == "draft" else "current-schema"
        record.relations[relation] = schema.id
    if len(shop.records["object-type"]) % 2:
        belonging = shop.make("profile-object-type", random, created, created)
        record.relations["profile-object-types"] = [belonging.id]


def _sends(record: Record) -> bool:
    return record.value("definition.type") in SENDING


def _several(shop: Shop, name: str, settings: Settings) -> None:
    """Make records of a type, spread over parents of another, of which some get none."""
    count = getattr(settings, _SIZES.get(name, f"{name.replace('-', '_')}s"), _COUNTS.get(name, _FEW))
    of = _PARENTS.get(name)
    if name == "tag" and not settings.tag_groups:
        of = None
    random = shop.source(name)
    parents = shop.records[of].records() if of else []
    # The last parent has no children if there are others.
    parents = parents[:-1] or parents
    created = updated = 0
    for number in range(count if parents or of is None else 0):
        if number % _SAME != _SAME - 1:
            created = shop.timeline.some(random)
            updated = shop.timeline.later(random, created)
        parent = (of, parents[int(len(parents) * random.random() ** 1.5)]) if of else None
        shop.new(name, random, created, updated, parent)


def _gather(shop: Shop, name: str, most: int) -> None:
    """Make profiles members of groups: many of the first, none of the last, some of the others."""
    random = shop.source(f"{name}s' members")
    groups, profiles = shop.records[name].records(), shop.profiles.records()
    for number, group in enumerate(groups):
        last = number == len(groups) - 1 and number > 0
        some = int(min(most, _USUAL) * random.random() ** 4)
        count = 0 if last else most if number == 0 else some
        imported = shop.timeline.some(random)
        for profile in random.sample(profiles, min(count, len(profiles))):
            came = (cached_instant_of(profile.value("created")) or 0) // 10**6
            joined = max(came, imported) if random.random() < _IMPORTED else shop.timeline.later(random, came)
            shop.hierarchy.join(parent_child(name, "profile"), group, profile, iso(joined))
