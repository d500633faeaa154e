"""Details of catalog records, coupons and coupon codes beyond the facts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from klaviyo_simulator.data import words
from klaviyo_simulator.protocol.instants import DAY, SECOND, iso, iso_micro

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from klaviyo_simulator.data.made_up import MakerContext
    from klaviyo_simulator.data.records import Record

_CATALOG = "$custom:::$default:::"


def _sellable(context: MakerContext, record: Record, kind: str) -> None:
    external, random = f"{kind}-{context.number}", context.random
    record.id = _CATALOG + external
    record.change(
        external_id=external, created=_moment(random, context.created), updated=_moment(random, context.updated)
    )
    if random.random() < 0.2:  # recorded: empty URLs as well as null
        record.change(image_full_url="")


def _category(context: MakerContext, record: Record) -> None:
    external = f"category-{context.number}"
    record.id = _CATALOG + external
    record.change(external_id=external, updated=_moment(context.random, context.updated))
    record.hidden = {"created": iso(context.created)}  # records can be sorted by it, but do not show it


def _coupon(context: MakerContext, record: Record) -> None:
    record.id = f"{context.random.choice((10, 15, 20, 50))}OFF{context.number}"
    record.change(external_id=record.id)
    if context.number % 2:  # recorded: the number is a text
        record.change(monitor_configuration={"low_balance_threshold": "100"})
    if context.number % 3 == 0:
        record.change(assigner_configuration=None)


def _coupon_code(context: MakerContext, record: Record) -> None:
    random = context.random
    code = f"{words.short_id(random).upper()}-{context.number}"
    record.id = f"{words.short_id(random)}:{code}"
    record.change(unique_code=code, expires_at=iso(context.updated + random.randrange(-400, 400) * DAY))
    assigned = record.attributes["status"] in {"ASSIGNED_TO_PROFILE", "USED"}
    record.relations["profile"] = context.pick("profile") if assigned else None


def _moment(random: Random, second: int) -> str:
    return iso(second) if random.random() < 0.5 else iso_micro(second * SECOND + 437_000)


DETAILS: dict[str, Callable[[MakerContext, Record], None]] = {
    "catalog-category": _category,
    "catalog-item": partial(_sellable, kind="item"),
    "catalog-variant": partial(_sellable, kind="variant"),
    "coupon": _coupon,
    "coupon-code": _coupon_code,
}
