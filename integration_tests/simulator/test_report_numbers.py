"""The numbers of reports: consistent with each other, and stable over time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.simulator.report_requests import (
    CAMPAIGNS,
    FLOW_VALUES,
    FLOWS,
    REPORTS,
    days,
    metric_id,
    post_query,
    report_attributes,
    report_error,
    rows,
)
from klaviyo_simulator.reports.numbers import LEVELS, RATES

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration_tests.simulator.conftest import Client

ATTRIBUTES = "/data/attributes"


@pytest.mark.parametrize("path", REPORTS)
def test_each_report_has_rows_with_numbers(client: Client, path: str) -> None:
    found = rows(client, path, timeframe={"key": "last_30_days"})
    assert found
    assert any(
        any(value if isinstance(value, list) else [value]) for row in found for value in row["statistics"].values()
    )


def test_days_are_in_the_accounts_time_zone(start: Callable[..., Client]) -> None:
    """Check days at 02:00 UTC, when it is yesterday in New York and today in Tokyo."""
    night = datetime.fromisoformat("2026-11-20T02:00:00+00:00")
    first = days("2026-11-20", "2026-11-20")
    assert report_error(start(now=night), FLOW_VALUES, timeframe=first)[1] == f"{ATTRIBUTES}/timeframe/end"
    client = start(now=night, timezone="Asia/Tokyo")
    assert rows(client, FLOW_VALUES, timeframe=first)
    (account,) = client.fetch("/api/accounts")["data"]
    assert account["attributes"]["timezone"] == "Asia/Tokyo"
    assert start().fetch("/api/accounts")["data"][0]["attributes"]["timezone"] == "US/Eastern"


def test_offsets_are_ignored(client: Client) -> None:
    found = [
        rows(client, FLOWS, timeframe={"start": f"2026-11-10T00:00:00{offset}", "end": f"2026-11-12T00:00:00{offset}"})
        for offset in ("+00:00", "-05:00", "+14:00")
    ]
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("interval", "length", "first", "last"),
    [
        ("daily", 31, "2026-10-21T00", "2026-11-20T00"),
        ("weekly", 6, "2026-10-12T00", "2026-11-16T00"),
        ("monthly", 3, "2026-09-01T00", "2026-11-01T00"),
    ],
)
def test_series_begin_one_interval_before_the_timeframe(
    client: Client, interval: str, length: int, first: str, last: str
) -> None:
    attributes = report_attributes(client, REPORTS[FLOWS], interval=interval, timeframe={"key": "last_30_days"})
    found = post_query(client, FLOWS, attributes)["data"]["attributes"]
    dates = found["date_times"]
    assert (len(dates), dates[0], dates[-1]) == (length, f"{first}:00:00+00:00", f"{last}:00:00+00:00")
    assert {len(value) for row in found["results"] for value in row["statistics"].values()} == {length}


@pytest.mark.parametrize("subject", ["flow", "form", "segment"])
@pytest.mark.parametrize("interval", ["daily", "hourly", "monthly", "weekly"])
def test_values_are_the_sums_of_the_series(client: Client, subject: str, interval: str) -> None:
    timeframe = days("2026-11-14", "2026-11-20")  # the last one is the present day
    series = rows(client, f"/api/{subject}-series-reports", interval=interval, timeframe=timeframe)
    values = rows(client, f"/api/{subject}-values-reports", timeframe=timeframe)
    assert [row["groupings"] for row in series] == [row["groupings"] for row in values]
    for part, whole in zip(series, values, strict=True):
        for name, value in whole["statistics"].items():
            if name in LEVELS:
                assert value == part["statistics"][name][-1]
            elif name not in RATES:
                assert value == pytest.approx(sum(part["statistics"][name][1:])), name


@pytest.mark.parametrize(
    ("interval", "before", "label"),
    [
        ("daily", days("2026-11-13", "2026-11-13"), "2026-11-13T00"),
        ("weekly", days("2026-11-02", "2026-11-08"), "2026-11-02T00"),
        ("monthly", days("2026-10-01", "2026-10-31"), "2026-10-01T00"),
    ],
)
def test_the_interval_before_a_series_is_counted_in_part(
    client: Client, interval: str, before: dict[str, str], label: str
) -> None:
    attributes = report_attributes(
        client, REPORTS[FLOWS], interval=interval, timeframe=days("2026-11-14", "2026-11-15")
    )
    found = post_query(client, FLOWS, attributes)["data"]["attributes"]
    first, *others = (sum(counts) for counts in zip(*(_recipients(row) for row in found["results"]), strict=True))
    assert found["date_times"][0] == f"{label}:00:00+00:00"
    assert 0 < first < sum(_recipients(row) for row in rows(client, FLOW_VALUES, timeframe=before))
    # The first requested interval has nothing of its days before the 14th.
    assert sum(others) == sum(_recipients(row) for row in rows(client, FLOW_VALUES, timeframe=attributes["timeframe"]))


def test_the_day_before_a_series_has_half_of_each_count(client: Client) -> None:
    series = rows(client, FLOWS, timeframe=days("2026-11-14", "2026-11-15"))
    whole = rows(client, FLOW_VALUES, timeframe=days("2026-11-13", "2026-11-13"))
    for name in ("recipients", "message_segment_count_sum", "text_message_credit_usage_amount", "opens"):
        halves = [row["statistics"][name] // 2 for row in whole]
        assert [row["statistics"][name][0] for row in series] == halves
        assert any(halves)


def test_an_hourly_series_begins_an_hour_before_the_timeframe(client: Client) -> None:
    attributes = report_attributes(
        client, REPORTS[FLOWS], interval="hourly", timeframe=days("2026-11-14", "2026-11-15")
    )
    dates = post_query(client, FLOWS, attributes)["data"]["attributes"]["date_times"]
    assert (len(dates), dates[0], dates[-1]) == (49, "2026-11-13T23:00:00+00:00", "2026-11-15T23:00:00+00:00")


def _recipients(row: dict[str, Any]) -> Any:
    return row["statistics"]["recipients"]


def test_hours_in_the_future_are_zero(client: Client) -> None:
    """Check the hours after the present one, which is five o'clock in New York."""
    found = rows(client, FLOWS, interval="hourly", timeframe=days("2026-11-19", "2026-11-20"))
    hours = [sum(row["statistics"]["recipients"][1 + hour] for row in found) for hour in range(48)]
    assert any(hours[24:30])
    assert any(hours[6:24])
    assert not any(hours[30:])


def test_total_members_continue_from_the_day_before(client: Client) -> None:
    path = "/api/segment-values-reports"
    first = rows(client, path, timeframe=days("2023-06-01", "2023-06-01"))
    assert all(row["statistics"]["total_members"] == row["statistics"]["net_members_changed"] for row in first)
    before = rows(client, path, timeframe=days("2026-11-01", "2026-11-10"))
    after = rows(client, path, timeframe=days("2026-11-11", "2026-11-20"))
    for one, other in zip(before, after, strict=True):
        gain = other["statistics"]["total_members"] - one["statistics"]["total_members"]
        assert gain == other["statistics"]["net_members_changed"]
        assert gain == other["statistics"]["members_added"] - other["statistics"]["members_removed"]
    assert any(row["statistics"]["members_removed"] for row in after)


def test_days_of_separate_requests_add_up_to_the_week(client: Client) -> None:
    one_by_one = [rows(client, FLOW_VALUES, timeframe=days(f"2026-11-{n:02}", f"2026-11-{n:02}")) for n in range(9, 16)]
    whole = rows(client, FLOW_VALUES)
    for name in ("delivered", "opens", "clicks", "conversions", "recipients"):
        total = sum(row["statistics"][name] for row in whole)
        assert total > 0
        assert total == sum(row["statistics"][name] for day in one_by_one for row in day)


def test_rates_are_quotients(client: Client) -> None:
    some = 0
    for row in rows(client, FLOW_VALUES, timeframe={"key": "last_90_days"}):
        found = row["statistics"]
        for name, (above, below) in RATES.items():
            if name in found:
                expected = found[above] / found[below] if found[below] else 0
                assert found[name] == pytest.approx(expected, abs=1e-6)
                some += expected > 0
                assert found[name] <= 1 or not name.endswith("_rate")
        assert all(value >= 0 for value in found.values())
        assert found["recipients"] == found["delivered"] + found["bounced"] + found["failed"]
        assert found["opens"] >= found["opens_unique"] <= found["delivered"]
        if found["opens"]:
            assert found["open_rate"] == pytest.approx(found["opens_unique"] / found["delivered"], abs=1e-6)
            assert found["click_to_open_rate"] == pytest.approx(
                found["clicks_unique"] / found["opens_unique"], abs=1e-6
            )
    assert some > 20


def test_some_rows_are_zero(client: Client) -> None:
    totals = [row["statistics"]["recipients"] for row in rows(client, FLOW_VALUES)]
    assert 0 in totals
    assert max(totals) > 0


def test_numbers_depend_on_the_seed_only(start: Callable[..., Client]) -> None:
    first, again, other = (rows(start(seed=seed), FLOWS) for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_conversions_depend_on_the_metric(client: Client) -> None:
    orders, views = (
        rows(client, FLOW_VALUES, conversion_metric_id=metric_id(client, name))
        for name in ("Placed Order", "Viewed Product")
    )
    for name, same in (("delivered", True), ("conversions", False)):
        assert ([row["statistics"][name] for row in orders] == [row["statistics"][name] for row in views]) is same


def test_campaigns_appear_when_they_are_sent(client: Client) -> None:
    sent = {
        record["id"]: record["attributes"]["send_time"]
        for archived in ("true", "false")
        for channel in ("email", "sms", "mobile_push")
        for record in client.fetch_all(
            "/api/campaigns", {"filter": f"equals(messages.channel,'{channel}'),equals(archived,{archived})"}
        )
        if record["attributes"]["status"] in {"Sent", "Sending"}
    }
    found = rows(client, CAMPAIGNS, timeframe=days("2026-11-01", "2026-11-20"))
    begin, end = (datetime.fromisoformat(f"2026-{text}:00:00-05:00") for text in ("10-31T00", "11-21T00"))
    expected = {name for name, at in sent.items() if begin - timedelta(hours=1) <= datetime.fromisoformat(at) < end}
    assert {row["groupings"]["campaign_id"] for row in found} == expected
    assert 0 < len(expected) < len(sent)
    assert any(row["statistics"]["recipients"] for row in found)


def test_conversions_of_recent_days_are_incomplete(start: Callable[..., Client]) -> None:
    client = start(now=datetime.fromisoformat("2026-11-13T12:00:00+00:00"), flows=100)
    totals = []
    for settles in (0, 5, 20):
        client.simulator.switch(attribution_settles=settles)
        found = rows(client, FLOWS, timeframe=days("2026-11-06", "2026-11-12"))
        totals.append([sum(row["statistics"]["conversions"][1 + at] for row in found) for at in range(7)])
    final, five, twenty = totals
    assert five[:2] == final[:2]  # the 6th and the 7th, six and seven days ago
    assert all(part < whole for part, whole in zip(five[3:], final[3:], strict=True))
    assert all(part < whole for part, whole in zip(twenty, final, strict=True))
    shares = [part / whole for part, whole in zip(twenty, final, strict=True)]
    assert shares == sorted(shares, reverse=True)


def test_conversions_of_a_day_grow_until_they_settle(start: Callable[..., Client]) -> None:
    client = start(now=datetime.fromisoformat("2026-11-13T12:00:00+00:00"), flows=100)
    found = []
    for _ in range(7):
        day = rows(client, FLOWS, timeframe=days("2026-11-12", "2026-11-12"))
        found.append(sum(row["statistics"]["conversions"][1] for row in day))
        client.simulator.advance(86400)
    assert found[:5] == sorted(set(found[:5]))
    assert found[4] == found[5] == found[6]


def test_rows_are_grouped_as_requested(client: Client) -> None:
    whole = rows(client, FLOW_VALUES)
    for group in ("flow_name", "variation", "text_message_format"):
        groups = ["flow_id", "flow_message_id", group]
        found = rows(client, FLOW_VALUES, group_by=groups)
        assert [list(row["groupings"]) for row in found] == [groups] * len(whole)
    tagged = rows(client, FLOW_VALUES, group_by=["flow_id", "flow_message_id", "tag_id", "tag_name"])
    names = {each["tag_id"]: each["tag_name"] for each in (row["groupings"] for row in tagged)}
    assert len(names) > 3
    assert len(set(names.values())) == len(names)
    assert rows(client, FLOW_VALUES, group_by=None) == whole


def test_rows_are_filtered(client: Client) -> None:
    whole = rows(client, FLOW_VALUES)
    flow = whole[0]["groupings"]["flow_id"]
    assert {row["groupings"]["flow_id"] for row in rows(client, FLOW_VALUES, filter=f'equals(flow_id,"{flow}")')} == {
        flow
    }
    texts = rows(client, FLOW_VALUES, filter='contains-any(send_channel,["sms","whatsapp"])')
    assert texts == [row for row in whole if row["groupings"]["send_channel"] == "sms"]
    assert 0 < len(texts) < len(whole)
    assert rows(client, FLOW_VALUES, filter='and(equals(send_channel,"sms"),equals(flow_id,"nothing"))') == []
    tags = [
        row["groupings"]["tag_id"]
        for row in rows(client, FLOW_VALUES, group_by=["flow_id", "flow_message_id", "tag_id"])
    ]
    tag = next(each for each in tags if each)
    any_of = rows(client, FLOW_VALUES, filter=f'contains-any(tag_id,["{tag}","nothing"])')
    assert any_of
    assert rows(client, FLOW_VALUES, filter=f'contains-all(tag_id,["{tag}"])') == any_of
    assert rows(client, FLOW_VALUES, filter=f'contains-all(tag_id,["{tag}","nothing"])') == []
