"""What goes together in the catalog, and in coupons with their codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_simulator.data import words
from klaviyo_simulator.protocol.instants import DAY, SECOND, iso, iso_micro

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from klaviyo_simulator.data.made_up import Birth
    from klaviyo_simulator.data.records import Record

_CATALOG = "$custom:::$default:::"


def _sold(birth: Birth, record: Record, kind: str) -> None:
    external, random = f"{kind}-{birth.number}", birth.random
    record.id = _CATALOG + external
    record.change(external_id=external, created=_moment(random, birth.created), updated=_moment(random, birth.updated))
    if random.random() < 0.2:  # recorded: there are empty addresses beside null
        record.change(image_full_url="")


def _item(birth: Birth, record: Record) -> None:
    _sold(birth, record, "item")


def _variant(birth: Birth, record: Record) -> None:
    _sold(birth, record, "variant")


def _category(birth: Birth, record: Record) -> None:
    external = f"category-{birth.number}"
    record.id = _CATALOG + external
    record.change(external_id=external, updated=_moment(birth.random, birth.updated))
    record.hidden = {"created": iso(birth.created)}  # it can be sorted by, though it is not shown


def _coupon(birth: Birth, record: Record) -> None:
    record.id = f"{birth.random.choice((10, 15, 20, 50))}OFF{birth.number}"
    record.change(external_id=record.id)
    if birth.number % 2:  # recorded: the number is a text
        record.change(monitor_configuration={"low_balance_threshold": "100"})
    if birth.number % 3 == 0:
        record.change(assigner_configuration=None)


def _coupon_code(birth: Birth, record: Record) -> None:
    random = birth.random
    code = f"{words.short_id(random).upper()}-{birth.number}"
    record.id = f"{words.short_id(random)}:{code}"
    record.change(unique_code=code, expires_at=iso(birth.updated + random.randrange(-400, 400) * DAY))
    assigned = record.attributes["status"] in {"ASSIGNED_TO_PROFILE", "USED"}
    record.relations["profile"] = birth.pick("profile") if assigned else None


def _moment(random: Random, second: int) -> str:
    return iso(second) if random.random() < 0.5 else iso_micro(second * SECOND + 437_000)


DETAILS: dict[str, Callable[[Birth, Record], None]] = {
    "catalog-category": _category,
    "catalog-item": _item,
    "catalog-variant": _variant,
    "coupon": _coupon,
    "coupon-code": _coupon_code,
}
