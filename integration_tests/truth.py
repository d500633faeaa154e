"""The contents of a shop, read page by page without the connector."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import requests

from integration_tests.connector import DECLARED, KEY, PARENTS
from source_klaviyo.streams.children import Child, Included
from tools.streams import collection

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from integration_tests.connector import Output
    from klaviyo_simulator import Simulator


def below(stream: str) -> tuple[str, str]:
    """Return the parents' collection of a child stream, and the name of its relationship."""
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
    """Return all IDs that the shop has for a stream; for children, pairs of the parent's ID and their own."""
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


def assert_complete(output: Output, shop: Simulator, streams: Iterable[str], *, once: bool = False) -> None:
    """Assert that a sync has read every record of these streams that the shop has, and no others.

    Args:
        output: of the sync.
        shop: where the connector has read.
        streams: their names.
        once: whether no record may be repeated.
    """
    for stream in streams:
        ids = output.ids(stream)
        assert output.statuses[stream][-1] == "COMPLETE", stream
        assert set(ids) == expected(shop, stream), stream
        assert not once or len(ids) == len(set(ids)), stream


def pairs(shop: Simulator, parents: str, children: str, revision: str = "2026-07-15") -> set[tuple[str, str]]:
    """Return pairs of IDs: of all parents of a kind, and of their children."""
    return {
        (parent, child["id"])
        for parent in shop.ids(parents, revision)
        for child in walk(shop, f"/api/{parents}/{parent}/{children}", revision)
    }


def walk(shop: Simulator, path: str, revision: str = "2026-07-15") -> Iterable[dict[str, Any]]:
    """Yield all resources of a collection."""
    headers = {"Authorization": f"Klaviyo-API-Key {KEY}", "revision": revision}
    address = f"{shop.url}{path}"
    with requests.Session() as session, unlimited(shop):
        while address:
            page = session.get(address, headers=headers, timeout=10).json()
            yield from page["data"]
            address = page["links"].get("next")


@contextmanager
def unlimited(shop: Simulator) -> Iterator[None]:
    """Let the shop respond at once and count no requests against its limits, while a test reads from it."""
    shop.switch(limits=False, latency=0.0)
    yield
    shop.switch(limits=shop.settings.limits, latency=shop.settings.latency)


def suppression(profile: dict[str, Any]) -> Any:
    """Return the suppression of a profile, or None."""
    email = (profile["attributes"]["subscriptions"] or {}).get("email") or {}
    return (email.get("marketing") or {}).get("suppression")
