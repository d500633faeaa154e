"""Collections below a resource: the members of a list, the actions of a flow, the codes of a coupon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_simulator.rules.endpoints import ENDPOINTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration_tests.simulator.conftest import Client

CHILD_ENDPOINTS = [endpoint for endpoint in ENDPOINTS.values() if endpoint.parent]
JOINED = "joined_group_at"


def members(client: Client, kind: str = "lists", **given: Any) -> list[dict[str, Any]]:
    """Return the members of the first list or segment, which has many."""
    return client.fetch_all(f"/api/{kind}/{client.simulator.ids(kind)[0]}/profiles", {"page[size]": 100, **given})


@pytest.mark.parametrize("endpoint", CHILD_ENDPOINTS, ids=lambda endpoint: endpoint.path)
def test_an_unknown_parent_is_not_found(client: Client, endpoint: Any) -> None:
    identity = "1" if endpoint.parent == "flow-action" else "unknown"
    status, error = client.error(endpoint.path.replace("{id}", identity))
    assert (status, error["code"]) == (404, "not_found")


@pytest.mark.parametrize("endpoint", CHILD_ENDPOINTS, ids=lambda endpoint: endpoint.path)
def test_some_parents_have_children_and_some_have_none(client: Client, endpoint: Any) -> None:
    collection = endpoint.path.split("/")[2]
    counts = {
        len(client.fetch(endpoint.path.replace("{id}", identity))["data"])
        for identity in client.simulator.ids(collection)
    }
    assert max(counts) > 0
    if collection != "campaigns":  # every campaign has a message
        assert 0 in counts


@pytest.mark.parametrize("kind", ["lists", "segments"])
def test_members_fill_several_pages_without_repetition(client: Client, kind: str) -> None:
    path = f"/api/{kind}/{client.simulator.ids(kind)[0]}/profiles"
    first = client.fetch(path)
    assert len(first["data"]) == 20
    assert first["links"]["next"]
    ids = [record["id"] for record in members(client, kind)]
    assert len(ids) == len(set(ids)) == 250
    assert set(ids) <= set(client.simulator.ids("profiles"))


@pytest.mark.parametrize("kind", ["lists", "segments"])
def test_members_are_sorted_in_both_directions(client: Client, kind: str) -> None:
    upwards, downwards = (members(client, kind, sort=sort) for sort in (JOINED, f"-{JOINED}"))
    assert upwards == downwards[::-1]
    joined = [record["attributes"][JOINED] for record in upwards]
    assert joined == sorted(joined)
    assert len(set(joined)) < len(joined)  # some joined in the same second
    assert members(client, kind) == downwards


def test_members_are_filtered_by_the_date_on_which_they_joined(client: Client) -> None:
    everyone = members(client, sort=JOINED)
    joined = [record["attributes"][JOINED] for record in everyone]
    low, high = joined[60].replace("+00:00", "Z"), joined[180].replace("+00:00", "Z")
    for operators, expected in (
        (("greater-or-equal", "less-or-equal"), [each for each in joined if joined[60] <= each <= joined[180]]),
        (("greater-than", "less-than"), [each for each in joined if joined[60] < each < joined[180]]),
    ):
        text = f"{operators[0]}({JOINED},{low}),{operators[1]}({JOINED},{high})"
        found = members(client, sort=JOINED, filter=text)
        assert [record["attributes"][JOINED] for record in found] == expected
    path = f"/api/lists/{client.simulator.ids('lists')[0]}/profiles"
    assert client.error(path, {"filter": f"less-than({JOINED},2030-01-01T00:00:00Z)"})[0] == 400


def test_the_profile_count_of_a_list_equals_its_members(client: Client) -> None:
    for identity in client.simulator.ids("lists"):
        asked = client.fetch(f"/api/lists/{identity}", {"additional-fields[list]": "profile_count"})
        count = asked["data"]["attributes"]["profile_count"]
        assert count == len(client.fetch_all(f"/api/lists/{identity}/profiles", {"page[size]": 100}))


def test_members_are_filtered_by_email_id_or_push_token(client: Client) -> None:
    segment = client.simulator.ids("segments")[0]
    tokens = {
        record["relationships"]["profile"]["data"]["id"]: record["attributes"]["token"]
        for record in client.fetch_all("/api/push-tokens", {"include": "profile"})
    }
    member = next(record for record in members(client, "segments") if record["id"] in tokens)
    for field, value in (
        ("email", member["attributes"]["email"]),
        ("profile_id", member["id"]),
        ("push_token", tokens[member["id"]]),
    ):
        found = client.fetch(f"/api/segments/{segment}/profiles", {"filter": f'any({field},["{value}"])'})["data"]
        assert [record["id"] for record in found] == [member["id"]], field
    assert client.error(f"/api/segments/{segment}/profiles", {"filter": 'equals(email,"x")'})[0] == 400


def test_members_are_profiles_with_the_date_on_which_they_joined(client: Client) -> None:
    member = members(client)[0]
    profile = client.fetch(f"/api/profiles/{member['id']}")["data"]
    joined = member["attributes"].pop(JOINED)
    assert member["attributes"] == profile["attributes"]
    assert joined >= profile["attributes"]["created"]
    assert JOINED not in profile["attributes"]
    assert client.error("/api/profiles", {"fields[profile]": JOINED})[0] == 400
    assert set(members(client, **{"fields[profile]": JOINED})[0]["attributes"]) == {JOINED}


def test_predictions_of_members_use_the_bucket_of_all_predictions(start: Callable[..., Client]) -> None:
    client = start(limits=True)
    expensive = {"additional-fields[profile]": "predictive_analytics"}
    for path in (f"/api/lists/{client.simulator.ids('lists')[0]}/profiles", "/api/profiles"):
        client.fetch(path, expensive)
    buckets = client.simulator._api.limits._buckets
    assert buckets.keys() == {"/api/lists/{id}/profiles", "/api/profiles", "predictive_analytics"}
    assert buckets["predictive_analytics"][1].limit - buckets["predictive_analytics"][1]._used == 148


def test_a_cursor_belongs_to_its_parent(client: Client) -> None:
    one, other = client.simulator.ids("lists")[:2]
    following = client.fetch(f"/api/lists/{one}/profiles")["links"]["next"]
    assert client.get(following).status_code == 200
    assert client.get(following.replace(one, other)).status_code == 400


def test_archived_flows_have_actions_with_messages(client: Client) -> None:
    archived = client.fetch_all("/api/flows", {"filter": "equals(archived,true)"})
    actions = [each for flow in archived for each in client.fetch_all(f"/api/flows/{flow['id']}/flow-actions")]
    assert actions
    assert any(client.fetch(f"/api/flow-actions/{each['id']}/flow-messages")["data"] for each in actions)


def test_actions_are_filtered_and_sorted_by_values_in_their_definition(client: Client) -> None:
    kinds, statuses = set(), set()
    for flow in client.simulator.ids("flows"):
        path = f"/api/flows/{flow}/flow-actions"
        for action in client.fetch(path, {"filter": 'equals(action_type,"send-email")'})["data"]:
            kinds.add(action["attributes"]["definition"]["type"])
        for action in client.fetch(path, {"filter": 'equals(status,"live")'})["data"]:
            statuses.add(action["attributes"]["definition"]["data"]["status"])
        ordered = [
            (action["attributes"]["definition"] or {}).get("type")
            for action in client.fetch(path, {"sort": "-action_type"})["data"]
        ]
        assert ordered == sorted(ordered, key=lambda kind: (kind is None, kind or ""), reverse=True)
    assert (kinds, statuses) == ({"send-email"}, {"live"})


def test_campaigns_have_one_to_three_messages_of_their_channel(client: Client) -> None:
    counts = set()
    for channel in ("email", "sms", "mobile_push"):
        for campaign in client.fetch_all("/api/campaigns", {"filter": f"equals(messages.channel,'{channel}')"}):
            response = client.fetch(f"/api/campaigns/{campaign['id']}/campaign-messages")
            assert {each["attributes"]["definition"]["channel"] for each in response["data"]} == {channel}
            counts.add(len(response["data"]))
    assert counts == {1, 2, 3}


def test_coupon_codes_need_a_filter_on_the_coupon_or_profile(client: Client) -> None:
    for given in ({}, {"filter": 'equals(status,"USED")'}, {"filter": "less-than(expires_at,2030-01-01T00:00:00Z)"}):
        assert client.error("/api/coupon-codes", given)[0] == 400
    by_coupon: set[str] = set()
    for coupon in client.simulator.ids("coupons"):
        codes = {
            each["id"] for each in client.fetch_all("/api/coupon-codes", {"filter": f'any(coupon.id,["{coupon}"])'})
        }
        assert codes == {each["id"] for each in client.fetch_all(f"/api/coupons/{coupon}/coupon-codes")}
        by_coupon |= codes
    assert by_coupon == set(client.simulator.ids("coupon-codes"))


def test_coupon_codes_are_filtered_by_profile(client: Client) -> None:
    ids = ",".join(f'"{identity}"' for identity in client.simulator.ids("profiles"))
    found = client.simulator.ids("coupon-codes")
    response = client.fetch("/api/coupon-codes", {"filter": f"any(profile.id,[{ids[:2000].rpartition(',')[0]}])"})
    assert 0 < len(response["data"]) < len(found)
    assert {each["attributes"]["status"] for each in response["data"]} <= {"ASSIGNED_TO_PROFILE", "USED"}
