"""Suppressed profiles: filters, pages, and the effects of subscribing and unsubscribing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration_tests.simulator.conftest import Client

GLOBAL = "subscriptions.email.marketing.suppression"
LIST = "subscriptions.email.marketing.list_suppressions"
LONG_AGO = "2001-01-01T00:00:00Z"
SINCE = f"greater-than({GLOBAL}.timestamp,{LONG_AGO})"
UPDATED = f"greater-than(updated,{LONG_AGO})"
SHOWN = {"page[size]": 100, "additional-fields[profile]": "subscriptions"}
NOW = "2026-11-20T10:00:0"


def marketing(record: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = record["attributes"]["subscriptions"]["email"]["marketing"]
    return found


def timestamps(record: dict[str, Any]) -> list[str]:
    return sorted(each["timestamp"] for each in marketing(record)["suppression"])


def profile(client: Client, identity: str) -> dict[str, Any]:
    given = {"additional-fields[profile]": "subscriptions"}
    found: dict[str, Any] = client.fetch(f"/api/profiles/{identity}", given)["data"]
    return found


def suppressed(client: Client, text: str = SINCE) -> list[dict[str, Any]]:
    return client.fetch_all("/api/profiles", {**SHOWN, "filter": text})


@pytest.mark.parametrize("sort", ["updated", "-id", f"{GLOBAL}.timestamp"])
@pytest.mark.parametrize(
    "text", [SINCE, f'equals({GLOBAL}.reason,"UNSUBSCRIBE")', f'equals({LIST}.list_id,"x"),{UPDATED}']
)
def test_a_filter_on_suppressions_allows_no_sort(client: Client, text: str, sort: str) -> None:
    client.fetch("/api/profiles", {"filter": text})
    status, error = client.error("/api/profiles", {"filter": text, "sort": sort})
    assert (status, error["source"]) == (400, {"parameter": "filter"})
    assert error["detail"].startswith("You may not filter on subscriptions")


@pytest.mark.parametrize(
    "text",
    [
        f"{SINCE},{UPDATED}",
        f"{UPDATED},{SINCE}",
        f"{SINCE},less-than(created,2026-01-01T00:00:00Z)",
        f"{SINCE},less-than({GLOBAL}.timestamp,2026-01-01T00:00:00Z)",
        f'equals({GLOBAL}.reason,"UNSUBSCRIBE"),{UPDATED},less-than(updated,2026-01-01T00:00:00Z)',
        f'{SINCE},equals({LIST}.list_id,"x")',
        f"greater-than({LIST}.timestamp,{LONG_AGO})",
        f'equals({LIST}.reason,"UNSUBSCRIBE")',
    ],
)
def test_invalid_filters_on_suppressions_are_rejected(client: Client, text: str) -> None:
    status, error = client.error("/api/profiles", {"filter": text})
    assert (status, error["code"], error["source"]) == (400, "invalid", {"parameter": "filter"})


def test_a_filter_on_the_date_may_be_combined_with_a_reason(client: Client) -> None:
    everything = {record["id"]: record for record in suppressed(client)}
    reasons = ("HARD_BOUNCE", "INVALID_EMAIL", "SPAM_COMPLAINT", "UNSUBSCRIBE", "USER_SUPPRESSED")
    found = {reason: suppressed(client, f'{SINCE},equals({GLOBAL}.reason,"{reason}")') for reason in reasons}
    for reason, records in found.items():
        assert all(reason in [each["reason"] for each in marketing(record)["suppression"]] for record in records)
    assert {record["id"] for records in found.values() for record in records} == set(everything)
    assert suppressed(client, f'equals({GLOBAL}.reason,"HARD_BOUNCE")') == found["HARD_BOUNCE"]


def test_list_suppressions_are_found_by_their_list(client: Client) -> None:
    everything = client.fetch_all("/api/profiles", SHOWN)
    some = next(
        marketing(record)["list_suppressions"] for record in everything if marketing(record)["list_suppressions"]
    )
    wanted = some[0]["list_id"]
    found = suppressed(client, f'equals({LIST}.list_id,"{wanted}"),greater-than({LIST}.timestamp,{LONG_AGO})')
    assert {record["id"] for record in found} == {
        record["id"]
        for record in everything
        if wanted in [each["list_id"] for each in marketing(record)["list_suppressions"]]
    }


def test_all_filters_on_suppressions_are_rejected_if_switched(start: Callable[..., Client]) -> None:
    client = start(refuse_suppression_filter=True)
    assert client.error("/api/profiles", {"filter": SINCE})[0] == 400
    assert client.get("/api/profiles", filter=UPDATED).status_code == 200


@pytest.mark.parametrize(("order", "place"), [("latest", -1), ("first", 0), ("any", -1)])
def test_a_switch_selects_the_suppression_that_is_compared(
    start: Callable[..., Client], order: str, place: int
) -> None:
    client = start(profiles=3000, suppression_order=order)
    everything = [record for record in client.fetch_all("/api/profiles", SHOWN) if timestamps(record)]
    found = suppressed(client)
    paged = [timestamps(record)[place] for record in found]
    assert len(found) == len(everything) > 100
    assert paged == sorted(paged)
    twice = next(record for record in everything if len(set(timestamps(record))) > 1)
    bound = timestamps(twice)[-1].replace("+00:00", "Z")
    after, before = (
        {record["id"] for record in suppressed(client, f"{operator}({GLOBAL}.timestamp,{bound})")}
        for operator in ("greater-or-equal", "less-than")
    )
    assert (twice["id"] in after, twice["id"] in before) == (order != "first", order != "latest")


def test_profiles_are_sorted_by_the_date_in_the_filter_or_by_id(client: Client) -> None:
    for given, name in (
        ({}, "id"),
        ({"filter": 'any(email,["person.1@example.com","person.0@example.com"])'}, "id"),
        ({"filter": UPDATED}, "updated"),
        ({"filter": f"greater-than(created,{LONG_AGO})"}, "created"),
    ):
        found = client.fetch_all("/api/profiles", {**given, "page[size]": 100})
        keys = [record["id"] if name == "id" else record["attributes"][name] for record in found]
        assert keys == sorted(keys)
        assert len(keys) > 1


def test_profiles_suppressed_while_paging_are_read_twice_and_none_is_missed(start: Callable[..., Client]) -> None:
    client = start(profiles=1000)
    simulator = client.simulator
    everybody = [record["id"] for record in suppressed(client)]
    page = client.fetch("/api/profiles", {"page[size]": 10, "filter": SINCE})
    seen = [record["id"] for record in page["data"]]
    simulator.suppress([seen[0], seen[9], everybody[15]])
    while page["links"]["next"]:
        page = client.fetch(page["links"]["next"])
        seen += [record["id"] for record in page["data"]]
    assert set(seen) == set(everybody)
    assert sorted(identity for identity in seen if seen.count(identity) > 1) == sorted([seen[0], seen[9]] * 2)
    assert seen[-3:] == [seen[0], seen[9], everybody[15]]


def test_unsubscribing_keeps_the_date_of_a_profile(start: Callable[..., Client]) -> None:
    client = start()
    one = next(record for record in client.fetch_all("/api/profiles", SHOWN) if not timestamps(record))
    client.simulator.unsubscribe([one["id"]])
    found = profile(client, one["id"])
    assert found["attributes"]["updated"] == one["attributes"]["updated"]
    assert (marketing(found)["consent"], marketing(found)["can_receive_email_marketing"]) == ("UNSUBSCRIBED", False)
    (suppression,) = marketing(found)["suppression"]
    assert suppression["reason"] == "UNSUBSCRIBE"
    assert suppression["timestamp"].startswith(NOW)
    recent = f"greater-than(updated,{NOW}0Z)"
    assert client.fetch_all("/api/profiles", {"filter": recent, "sort": "updated"}) == []
    (catching,) = suppressed(client, f"greater-or-equal({GLOBAL}.timestamp,{NOW}0Z)")
    assert catching["id"] == one["id"]


def test_suppressing_keeps_consent_and_date_but_subscribing_changes_both(start: Callable[..., Client]) -> None:
    client = start()
    one = next(
        record
        for record in client.fetch_all("/api/profiles", SHOWN)
        if not timestamps(record) and marketing(record)["consent"] == "NEVER_SUBSCRIBED"
    )
    identity = one["id"]
    client.simulator.suppress([identity], reason="HARD_BOUNCE", at=1_700_000_000)
    found = profile(client, identity)
    assert (marketing(found)["consent"], timestamps(found)) == (
        "NEVER_SUBSCRIBED",
        ["2023-11-14T22:13:20.000000+00:00"],
    )
    assert marketing(found)["can_receive_email_marketing"] is False
    assert found["attributes"]["updated"] == one["attributes"]["updated"]
    client.simulator.unsubscribe([identity])
    client.simulator.subscribe([identity])
    found = profile(client, identity)
    assert found["attributes"]["updated"].startswith(NOW)
    assert marketing(found)["consent"] == "SUBSCRIBED"
    assert marketing(found)["consent_timestamp"].startswith(NOW)
    assert [each["reason"] for each in marketing(found)["suppression"]] == ["HARD_BOUNCE"]  # other suppressions stay


@pytest.mark.parametrize(("change", "moves"), [("suppress", False), ("unsubscribe", False), ("subscribe", True)])
def test_suppressions_and_subscriptions_work_as_mutations(
    start: Callable[..., Client], change: str, moves: bool
) -> None:
    client = start()
    before = {record["id"]: record["attributes"]["updated"] for record in client.fetch_all("/api/profiles")}
    name = f"{change}_profiles"
    changed = client.simulator.mutate(**{name: 3})[name]
    assert len(changed) == 3
    for identity in changed:
        found = profile(client, identity)
        assert (found["attributes"]["updated"] != before[identity]) is moves
        assert any(each.startswith(NOW) for each in timestamps(found)) is not moves


@pytest.mark.parametrize("group", ["list", "segment"])
def test_joining_a_group_keeps_the_date_of_a_profile(start: Callable[..., Client], group: str) -> None:
    client = start()
    one = client.fetch("/api/profiles")["data"][0]
    client.simulator.join(group, client.simulator.ids(f"{group}s")[-1], "profile", [one["id"]])
    assert client.fetch(f"/api/profiles/{one['id']}")["data"] == one


def test_suppressions_and_subscriptions_work_over_http(start: Callable[..., Client]) -> None:
    client = start()
    ids = client.simulator.ids("profiles")[:1]
    for change, reasons in (("suppress", {"USER_SUPPRESSED"}), ("unsubscribe", {"UNSUBSCRIBE"}), ("subscribe", set())):
        response = client.session.post(f"{client.simulator.url}/_simulator/{change}", json={"ids": ids}, timeout=9)
        assert response.status_code == 200, response.text
        recent = [
            each["reason"]
            for each in marketing(profile(client, ids[0]))["suppression"]
            if each["timestamp"].startswith(NOW)
        ]
        assert reasons <= set(recent)
    assert "UNSUBSCRIBE" not in recent
