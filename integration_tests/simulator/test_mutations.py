"""Changes to many records while the simulator runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration_tests.simulator.conftest import Client


@pytest.mark.parametrize(
    ("kind", "field"),
    [("profiles", "updated"), ("flows", "updated"), ("lists", "updated"), ("templates", "updated")],
)
def test_changed_records_are_dated_now(start: Callable[..., Client], kind: str, field: str) -> None:
    client = start()
    known = set(client.simulator.ids(kind))
    changed = client.simulator.mutate(**{kind: 3})[kind]
    assert len(changed) == 3
    assert set(changed) <= known
    for identity in changed:
        assert client.fetch(f"/api/{kind}/{identity}")["data"]["attributes"][field] >= "2026-11-20T10:00:00"
    given = {"filter": f"greater-than({field},2026-11-20T09:59:59Z)"}
    found = {record["id"] for record in client.fetch_all(f"/api/{kind}", given)}
    assert found <= set(changed)  # an archived flow is not shown
    assert found or kind == "flows"


def test_changed_campaigns_are_dated_now(start: Callable[..., Client]) -> None:
    client = start()
    (identity,) = client.simulator.mutate(campaigns=1)["campaigns"]
    attributes = client.fetch(f"/api/campaigns/{identity}")["data"]["attributes"]
    assert attributes["updated_at"] >= "2026-11-20T10:00:00"
    assert attributes["name"].startswith("Changed")


@pytest.mark.parametrize("kind", ["profiles", "campaigns", "flows", "lists", "templates"])
def test_new_records_are_found(start: Callable[..., Client], kind: str) -> None:
    client = start()
    before = set(client.simulator.ids(kind))
    made = client.simulator.mutate(**{f"new_{kind}": 2})[f"new_{kind}"]
    assert set(client.simulator.ids(kind)) - before == set(made)
    assert client.fetch(f"/api/{kind}/{made[0]}")["data"]["id"] == made[0]


def test_new_events_are_dated_now_and_late_ones_earlier(start: Callable[..., Client]) -> None:
    client = start()
    made = client.simulator.mutate(events=4, late_events=3, late_by=7200)
    assert set(made["events"] + made["late_events"]) <= set(client.simulator.ids("events"))
    seconds = {
        kind: {client.fetch(f"/api/events/{identity}")["data"]["attributes"]["timestamp"] for identity in ids}
        for kind, ids in made.items()
    }
    (now,), (late,) = seconds["events"], seconds["late_events"]
    assert now - late == 7200


def test_attributes_of_changed_records_can_be_set(start: Callable[..., Client]) -> None:
    client = start()
    (identity,) = client.simulator.mutate(profiles=1, attributes={"first_name": "Told"})["profiles"]
    assert client.fetch(f"/api/profiles/{identity}")["data"]["attributes"]["first_name"] == "Told"


def test_deleted_profiles_are_gone(start: Callable[..., Client]) -> None:
    client = start()
    client.fetch("/api/profiles", {"sort": "updated"})
    gone = client.simulator.mutate(delete_profiles=2)["delete_profiles"]
    assert client.error(f"/api/profiles/{gone[0]}")[0] == 404
    found = {record["id"] for record in client.fetch_all("/api/profiles", {"sort": "updated"})}
    assert found == set(client.simulator.ids("profiles"))
    assert found.isdisjoint(gone)


@pytest.mark.parametrize("kind", ["flows", "campaigns"])
def test_records_can_be_archived_and_unarchived(start: Callable[..., Client], kind: str) -> None:
    client = start()
    (identity,) = client.simulator.mutate(**{f"archive_{kind}": 1})[f"archive_{kind}"]
    assert client.fetch(f"/api/{kind}/{identity}")["data"]["attributes"]["archived"] is True
    count = len(client.simulator.ids(kind))
    back = client.simulator.mutate(**{f"unarchive_{kind}": count})[f"unarchive_{kind}"]
    assert identity in back
    assert client.fetch(f"/api/{kind}/{identity}")["data"]["attributes"]["archived"] is False


def test_continuous_changes_are_made_after_every_nth_request(start: Callable[..., Client]) -> None:
    client = start()
    client.simulator.mutate_continuously(2, events=1)
    for _ in range(6):
        client.fetch("/api/accounts")
    client.simulator.mutate_continuously(0)
    client.fetch("/api/accounts")
    assert [len(change["events"]) for change in client.simulator.mutations()] == [1, 1, 1]


def test_a_change_can_wait_for_a_request(start: Callable[..., Client]) -> None:
    client = start(lists=25)
    doomed = client.simulator.ids("lists")[-1]
    client.simulator.when_requested("/api/lists?*page[[]size]=5*", 2, lambda: client.simulator.delete("list", doomed))
    counts = []
    for _ in range(4):
        client.fetch("/api/lists", {"page[size]": "10"})
        client.fetch("/api/lists", {"page[size]": "5"})
        counts.append(len(client.simulator.ids("lists")))
    assert counts == [25, 24, 24, 24]


@pytest.mark.parametrize(
    "kind", ["nonsense", "archive_nonsense", "melt_profiles", "new_metrics", "suppress_flows", "archive_lists"]
)
def test_unknown_changes_are_rejected(start: Callable[..., Client], kind: str) -> None:
    with pytest.raises(ValueError, match="no change is called"):
        start().simulator.mutate(**{kind: 1})
