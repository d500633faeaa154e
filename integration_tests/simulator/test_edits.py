"""Changes to single records of any type."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.simulator.conftest import OCTOBER
from klaviyo_simulator.data.makers import NAMES
from klaviyo_simulator.rules.endpoints import TYPES_BY_REVISION
from klaviyo_simulator.rules.hierarchy import PARENT_CHILD

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration_tests.simulator.conftest import Client

CANVAS = {"canvas-campaign": "campaign", "canvas-message": "campaign-message"}
"""Types that only revision 2026-10-15 shows, and their names there."""
PRESENT = "2026-11-20T10:00:0"
LONG_AGO = datetime(2015, 3, 1, 12, tzinfo=UTC)


def home(client: Client, name: str) -> tuple[Client, str]:
    """Return a client of the earliest revision that shows a type, and the path of its collection."""
    known = {
        revision: types for revision, types in TYPES_BY_REVISION.items() if name not in CANVAS or revision == OCTOBER
    }
    revision = next(revision for revision, types in known.items() if CANVAS.get(name, name) in types)
    collection = TYPES_BY_REVISION[revision][CANVAS.get(name, name)].collection
    return client.with_revision(revision), collection.removeprefix("/api/")


def date_of(client: Client, path: str) -> str:
    attributes = client.fetch(path)["data"]["attributes"]
    date: str = attributes.get("updated") or attributes["updated_at"]
    return date


def members(client: Client, a_list: str) -> dict[str, str]:
    found = client.fetch_all(f"/api/lists/{a_list}/profiles", {"page[size]": 100})
    return {record["id"]: record["attributes"]["joined_group_at"] for record in found}


@pytest.mark.parametrize("name", sorted({*NAMES, "profile"} - {"webhook-topic", "mapped-metric"}))
def test_records_of_every_type_can_be_created_and_deleted(start: Callable[..., Client], name: str) -> None:
    client, collection = home(start(), name)
    ids = partial(client.simulator.ids, collection, client.revision)
    before = set(ids())
    made = client.simulator.create(name, 2)
    assert set(ids()) - before == set(made)
    for identity in made:
        client.simulator.delete(name, identity)
    assert set(ids()) == before
    with pytest.raises(ValueError, match=f"there is no {name}"):
        client.simulator.delete(name, made[0])


@pytest.mark.parametrize("pair", PARENT_CHILD, ids=lambda pair: f"{pair.parent}-{pair.relation}")
def test_a_new_child_is_in_its_parents_collection(start: Callable[..., Client], pair: Any) -> None:
    client, collection = home(start(), pair.parent)
    parent = client.simulator.ids(collection, client.revision)[-1]  # canvas campaigns are last
    client = client.with_revision(max(client.revision, home(client, pair.child)[0].revision))
    (made,) = client.simulator.create(pair.child, of={pair.parent: parent})
    path = f"/api/{collection}/{parent}/{pair.relation}"
    if client.get(path).status_code != 404:
        assert made in {record["id"] for record in client.fetch_all(path)}
        client.simulator.delete(pair.child, made)
        assert made not in {record["id"] for record in client.fetch_all(path)}
    else:  # no endpoint shows the children of such parents
        assert (pair.parent, pair.relation) in {
            *(("profile", "push-tokens"), ("tag-group", "tags")),
            *(("tag", each) for each in ("lists", "segments", "campaigns", "flows")),
            ("text-messaging-sender", "text-messaging-sender-registration"),
        }


def test_new_records_have_the_given_date_and_attributes(start: Callable[..., Client]) -> None:
    client = start()
    action = client.simulator.ids("flow-actions")[0]
    (made,) = client.simulator.create("flow-message", of={"flow-action": action}, at=LONG_AGO.timestamp())
    record = client.fetch(f"/api/flow-messages/{made}", {"include": "flow-action"})["data"]
    assert record["attributes"]["created"] == record["attributes"]["updated"] == "2015-03-01T12:00:00+00:00"
    assert record["relationships"]["flow-action"]["data"] == {"type": "flow-action", "id": action}
    (made,) = client.simulator.create("coupon", attributes={"description": "Zwölf"})
    shown = {each["id"]: each["attributes"]["description"] for each in client.fetch_all("/api/coupons")}
    assert shown[made] == "Zwölf"


def test_touched_records_are_dated_now_and_sorted_accordingly(start: Callable[..., Client]) -> None:
    client = start()
    form = next(
        each for each in client.simulator.ids("forms") if client.fetch(f"/api/forms/{each}/form-versions")["data"]
    )
    path = f"/api/forms/{form}/form-versions"
    oldest = client.fetch(path, {"sort": "updated_at"})["data"][0]
    parents_date = date_of(client, f"/api/forms/{form}")
    client.simulator.touch("form-version", oldest["id"])
    newest = client.fetch(path, {"sort": "-updated_at"})["data"][0]
    assert newest["id"] == oldest["id"]
    assert newest["attributes"]["updated_at"].startswith(PRESENT)
    assert newest["attributes"]["variation_name"].startswith("Changed")
    found = client.fetch(path, {"filter": "greater-or-equal(updated_at,2026-11-20T10:00:00Z)"})["data"]
    assert [record["id"] for record in found] == [oldest["id"]]
    assert date_of(client, f"/api/forms/{form}") == parents_date


@pytest.mark.parametrize("moves", [False, True])
def test_a_switch_decides_whether_changed_children_change_their_parents(
    start: Callable[..., Client], moves: bool
) -> None:
    client = start(children_touch_parents=moves)
    simulator = client.simulator
    lists, profiles = simulator.ids("lists"), simulator.ids("profiles")
    message = simulator.ids("flow-messages")[0]
    action = client.fetch(f"/api/flow-messages/{message}", {"include": "flow-action"})["data"]
    action = action["relationships"]["flow-action"]["data"]["id"]
    changes: list[tuple[str, Callable[[], object]]] = [
        (f"flow-actions/{action}", lambda: simulator.touch("flow-message", message)),
        (f"lists/{lists[1]}", lambda: simulator.join("list", lists[1], "profile", profiles[:3])),
        (f"lists/{lists[0]}", lambda: simulator.leave("list", lists[0], "profile", profiles[:3])),
        (f"metrics/{simulator.ids('metrics')[0]}", lambda: simulator.create("metric-property", 200)),
    ]
    for path, change in changes:
        before = date_of(client, f"/api/{path}")
        change()
        after = date_of(client, f"/api/{path}")
        assert (after != before) is moves, path
        assert not moves or after.startswith(PRESENT)
    client.simulator.switch(children_touch_parents=not moves)
    flow = client.fetch(f"/api/flow-actions/{action}", {"include": "flow"})["data"]["relationships"]["flow"]["data"][
        "id"
    ]
    before = date_of(client, f"/api/flows/{flow}")
    simulator.touch("flow-action", action)
    assert (date_of(client, f"/api/flows/{flow}") != before) is not moves


def test_profiles_join_and_leave_lists(start: Callable[..., Client]) -> None:
    client = start()
    a_list, profiles = client.simulator.ids("lists")[-1], client.simulator.ids("profiles")[:3]
    assert members(client, a_list) == {}
    client.simulator.join("list", a_list, "profile", profiles[:2])
    client.simulator.join("list", a_list, "profile", profiles[2:], at=LONG_AGO.timestamp())
    found = members(client, a_list)
    assert found.keys() == set(profiles)
    assert found[profiles[0]].startswith(PRESENT)
    assert found[profiles[2]] == "2015-03-01T12:00:00+00:00"
    lists = client.fetch(f"/api/profiles/{profiles[0]}", {"include": "lists"})["included"]
    assert a_list in {record["id"] for record in lists}
    client.simulator.join("list", a_list, "profile", profiles[2:])  # joining again sets a new date
    assert members(client, a_list)[profiles[2]].startswith(PRESENT)
    client.simulator.leave("list", a_list, "profile", profiles[:2])
    assert members(client, a_list).keys() == {profiles[2]}
    response = client.fetch(f"/api/lists/{a_list}", {"additional-fields[list]": "profile_count"})
    assert response["data"]["attributes"]["profile_count"] == 1


def test_members_can_become_visible_later(start: Callable[..., Client]) -> None:
    client = start()
    a_list, profiles = client.simulator.ids("lists")[-1], client.simulator.ids("profiles")[:2]
    client.simulator.join("list", a_list, "profile", profiles, visible_after=600)
    client.simulator.advance(599)
    count = {"additional-fields[list]": "profile_count"}
    assert members(client, a_list) == {}
    assert client.fetch(f"/api/lists/{a_list}", count)["data"]["attributes"]["profile_count"] == 0
    included = client.fetch(f"/api/profiles/{profiles[0]}", {"include": "lists"})["included"]
    assert a_list not in {record["id"] for record in included}
    client.simulator.advance(2)
    found = members(client, a_list)
    assert found.keys() == set(profiles)
    assert all(joined.startswith(PRESENT) for joined in found.values())


def test_scheduled_changes_become_visible_in_real_time(start: Callable[..., Client]) -> None:
    client = start()
    a_list, profiles = client.simulator.ids("lists")[-1], client.simulator.ids("profiles")[:1]
    client.simulator.join("list", a_list, "profile", profiles, visible_after=0.5)
    assert members(client, a_list) == {}
    time.sleep(0.6)
    assert members(client, a_list).keys() == set(profiles)


def test_members_of_a_new_segment_are_visible_after_nine_minutes(start: Callable[..., Client]) -> None:
    client = start()
    (new,) = client.simulator.create("segment", attributes={"is_processing": False})
    old, profiles = client.simulator.ids("segments")[0], client.simulator.ids("profiles")
    (made,) = client.simulator.create("profile", of={"segment": new})

    def found(segment: str) -> set[str]:
        return {record["id"] for record in client.fetch_all(f"/api/segments/{segment}/profiles", {"page[size]": 100})}

    client.simulator.join("segment", new, "profile", profiles[:1])
    client.simulator.join("segment", old, "profile", [made])
    client.simulator.advance(530)
    assert (found(new), made in found(old)) == (set(), True)
    client.simulator.join("segment", new, "profile", profiles[1:2], visible_after=60)
    client.simulator.advance(15)
    assert found(new) == {profiles[0], made}
    client.simulator.advance(60)
    assert found(new) == {*profiles[:2], made}


@pytest.mark.parametrize(
    ("name", "parent", "path"),
    [
        ("flow-action", "flow", "/api/flows/{}/flow-actions"),
        ("flow-message", "flow-action", "/api/flow-actions/{}/flow-messages"),
    ],
)
def test_new_records_can_become_visible_later(start: Callable[..., Client], name: str, parent: str, path: str) -> None:
    client = start()
    above, other = client.simulator.ids(f"{parent}s")[:2]
    (made,) = client.simulator.create(name, of={parent: above}, visible_after=3600)
    (never,) = client.simulator.create(name, of={parent: other}, visible_after=3600)
    client.simulator.delete(parent, other)

    def found() -> dict[str, str]:
        records = client.fetch_all(path.format(above))
        return {record["id"]: record["attributes"]["created"] for record in records}

    for _ in range(2):
        assert made not in found()
        assert made not in client.simulator.ids(f"{name}s")
        assert client.get(f"/api/{name}s/{made}").status_code == 404
        client.simulator.advance(1799)
    client.simulator.advance(10)
    assert made in client.simulator.ids(f"{name}s")
    assert found()[made].startswith(PRESENT)
    assert client.get(f"/api/{name}s/{made}").status_code == 200
    assert client.get(f"/api/{name}s/{never}").status_code == 404


def test_advancing_the_clock_moves_the_date_header(start: Callable[..., Client]) -> None:
    client = start()
    before = client.simulator.now()
    response = client.session.post(f"{client.simulator.url}/_simulator/advance", json={"seconds": 86400}, timeout=9)
    assert response.status_code == 200
    assert 86400 <= client.simulator.now() - before < 86460
    assert client.get("/api/accounts").headers["Date"].startswith("Sat, 21 Nov 2026 10:00:")


def test_deleted_profiles_leave_all_lists(start: Callable[..., Client]) -> None:
    client = start()
    a_list = client.simulator.ids("lists")[0]
    one, other = list(members(client, a_list))[:2]
    client.simulator.delete("profile", one)
    assert one not in members(client, a_list)
    client.simulator.mutate(delete_profiles=len(client.simulator.ids("profiles")))
    assert other not in members(client, a_list)
    assert members(client, a_list) == {}


@pytest.mark.parametrize("fields", [{}, {"fields[event]": "datetime"}])
def test_deleted_events_are_gone_and_paging_continues_after_them(
    start: Callable[..., Client], fields: dict[str, str]
) -> None:
    client = start(events=100)
    (made,) = client.simulator.mutate(events=1)["events"]
    query = {"page[size]": "10", "sort": "datetime", **fields}
    everything = [event["id"] for event in client.fetch_all("/api/events", query)]
    page = client.fetch("/api/events", query)
    gone = {everything[0], everything[9], everything[10], made}
    for doomed in gone:
        client.simulator.delete("event", doomed)
    following = client.fetch(page["links"]["next"])
    left = [event for event in everything if event not in gone]
    assert [event["id"] for event in following["data"]] == everything[11:21]
    assert [event["id"] for event in client.fetch_all("/api/events", query)] == left
    assert sorted(client.simulator.ids("events")) == sorted(left)
    assert client.get(f"/api/events/{made}").status_code == 404
    assert client.simulator.mutate(events=1)["events"] != [made]
    with pytest.raises(ValueError, match="there is no event"):
        client.simulator.delete("event", made)


def test_deleting_a_list_keeps_its_members(start: Callable[..., Client]) -> None:
    client = start()
    a_list = client.simulator.ids("lists")[0]
    profile = next(iter(members(client, a_list)))
    client.simulator.delete("list", a_list)
    for path in (f"/api/lists/{a_list}", f"/api/lists/{a_list}/profiles"):
        assert client.error(path)[0] == 404
    response = client.fetch(f"/api/profiles/{profile}", {"include": "lists"})
    assert a_list not in {record["id"] for record in response["included"]}


def test_deleting_a_flow_deletes_its_actions_and_messages(start: Callable[..., Client]) -> None:
    client = start()
    message = client.simulator.ids("flow-messages")[0]
    action = client.fetch(f"/api/flow-messages/{message}", {"include": "flow-action"})["included"][0]["id"]
    flow = client.fetch(f"/api/flow-actions/{action}", {"include": "flow"})["included"][0]["id"]
    client.simulator.delete("flow", flow)
    for path in (f"flows/{flow}", f"flow-actions/{action}", f"flow-messages/{message}"):
        assert client.error(f"/api/{path}")[0] == 404


def test_paging_misses_no_member_despite_changes_between_pages(start: Callable[..., Client]) -> None:
    client = start()
    a_list = client.simulator.ids("lists")[0]
    path, given = f"/api/lists/{a_list}/profiles", {"sort": "joined_group_at", "page[size]": 10}
    before = list(members(client, a_list))
    page = client.fetch(path, given)
    seen = [record["id"] for record in page["data"]]
    client.simulator.leave("list", a_list, "profile", seen[:5])
    (new,) = client.simulator.create("profile", of={"list": a_list})
    while page["links"]["next"]:
        page = client.fetch(page["links"]["next"])
        seen += [record["id"] for record in page["data"]]
    assert sorted(seen) == sorted([*before, new])


def test_edits_work_over_http(start: Callable[..., Client]) -> None:
    client = start()

    def call(path: str, status: int = 200, **given: Any) -> Any:
        response = client.session.post(f"{client.simulator.url}/_simulator/{path}", json=given, timeout=9)
        assert response.status_code == status, response.text
        return response.json()

    a_list = client.simulator.ids("lists")[-1]
    made = call("create", type="profile", count=2, of={"list": a_list})
    assert members(client, a_list).keys() == set(made)
    call("leave", parent="list", identity=a_list, child="profile", ids=made)
    assert members(client, a_list) == {}
    call("join", parent="list", identity=a_list, child="profile", ids=made[:1])
    assert members(client, a_list).keys() == set(made[:1])
    call("touch", type="list", id=a_list, attributes={"name": "Touched"})
    assert client.fetch(f"/api/lists/{a_list}")["data"]["attributes"]["name"] == "Touched"
    call("delete", type="list", id=a_list)
    assert client.error(f"/api/lists/{a_list}")[0] == 404
    assert "there is no list" in call("delete", 400, type="list", id=a_list)["error"]


def test_impossible_edits_are_rejected(start: Callable[..., Client]) -> None:
    simulator = start().simulator
    flow, a_list = simulator.ids("flows")[0], simulator.ids("lists")[0]
    for change, reason in (
        (lambda: simulator.create("event"), "cannot be changed"),
        (lambda: simulator.create("coupon", of={"flow": flow}), "no coupon belongs to a flow"),
        (lambda: simulator.create("flow-action", of={"flow": "unknown"}), "there is no flow"),
        (lambda: simulator.touch("flow", "unknown"), "there is no flow"),
        (lambda: simulator.join("list", a_list, "profile", ["unknown"]), "there is no profile"),
        (lambda: simulator.leave("flow", flow, "flow-action", ["1"]), "no flow-action can exist without a flow"),
    ):
        with pytest.raises(ValueError, match=reason):
            change()
