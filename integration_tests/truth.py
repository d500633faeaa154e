"""What a shop has, asked the plain way: one page after the other, without the connector."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import requests

from integration_tests.connector import DECLARED, KEY, PARENTS
from source_klaviyo.streams.children import Child, Included
from tools.streams import collection

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from klaviyo_simulator import Simulator


def below(stream: str) -> tuple[str, str]:
    """Of a stream whose records belong to others: the collection of these, and what they call the records."""
    declared = DECLARED[stream]
    if isinstance(declared, Included):
        return declared.resource, declared.relationship
    listed = collection(declared)
    parents, _, rest = listed.resource.partition("/")
    if rest:
        return parents, rest.rpartition("/")[2]
    assert isinstance(declared, Child)
    return declared.parent.resource, declared.resource


def expected(shop: Simulator, stream: str) -> set[Any]:
    """All ids that the shop has for a stream; pairs of ids where records have parents."""
    if stream == "global_exclusions":
        path = "/api/profiles?additional-fields[profile]=subscriptions&page[size]=100"
        return {profile["id"] for profile in walk(shop, path) if suppression(profile)}
    revision = DECLARED[stream].revision
    if stream == "text_messaging_sender_registrations":
        name = "text-messaging-sender-registration"
        senders = walk(shop, f"/api/text-messaging-senders?include={name}&page[size]=20", revision)
        latest = {sender["id"]: sender["relationships"][name]["data"] for sender in senders}
        return {(sender, registration["id"]) for sender, registration in latest.items() if registration}
    if stream in PARENTS:
        return pairs(shop, *below(stream), revision)
    return set(shop.ids(DECLARED[stream].resource.partition("/{")[0], revision))


def pairs(shop: Simulator, parents: str, children: str, revision: str = "2026-07-15") -> set[tuple[str, str]]:
    """The ids of all parents of a kind and of each one's children."""
    return {
        (parent, child["id"])
        for parent in shop.ids(parents, revision)
        for child in walk(shop, f"/api/{parents}/{parent}/{children}", revision)
    }


def walk(shop: Simulator, path: str, revision: str = "2026-07-15") -> Iterable[dict[str, Any]]:
    """All resources of a collection."""
    headers = {"Authorization": f"Klaviyo-API-Key {KEY}", "revision": revision}
    address = f"{shop.url}{path}"
    with requests.Session() as session, unlimited(shop):
        while address:
            page = session.get(address, headers=headers, timeout=10).json()
            yield from page["data"]
            address = page["links"].get("next")


@contextmanager
def unlimited(shop: Simulator) -> Iterator[None]:
    """While a test looks around in a shop, it answers at once, and counts nothing in its rate windows."""
    shop.switch(limits=False, latency=0.0)
    yield
    shop.switch(limits=shop.settings.limits, latency=shop.settings.latency)


def suppression(profile: dict[str, Any]) -> Any:
    """Why a profile must not be written to, if so."""
    email = (profile["attributes"]["subscriptions"] or {}).get("email") or {}
    return (email.get("marketing") or {}).get("suppression")
