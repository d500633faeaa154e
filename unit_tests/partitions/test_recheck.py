"""Late events: those that appear after the state has passed them are found, and no others are emitted twice."""

from __future__ import annotations

import json
import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import requests_mock
from hypothesis import example, given, settings
from hypothesis import strategies as st

from source_klaviyo.sync.instants import DAY, HOUR, SECOND, Instant, floor, for_filter, parse_instant
from source_klaviyo.sync.recent_hours import RecentHours
from source_klaviyo.sync.state import StoredState
from unit_tests.fake_api import NOW, FakeKlaviyo, error, sync
from unit_tests.partitions.syncs import record_of, state_of

if TYPE_CHECKING:
    from unit_tests.fake_api import Output

STREAMS = ("events", "events_detailed")
MINUTE = 60 * SECOND


class Account:
    """An account whose events a destination appends to its table, sync after sync."""

    def __init__(self, klaviyo: FakeKlaviyo, stream: str = "events", **config: Any) -> None:
        self.klaviyo = klaviyo
        self.stream = stream
        self.config = {"start_date": "2024-06-20"} | config
        self.state: dict[str, Any] | None = None
        self.table: list[str] = []

    def happen(self, *ago: int, metric: str = "M1") -> list[str]:
        """Make events visible that have dates this long ago."""
        return self.klaviyo.add(
            "events",
            *({"datetime": for_filter(self.klaviyo.now - back), "metric_id": metric} for back in ago),
        )

    def sync(self, after: int = 0, upto: int | None = None) -> list[str]:
        """Sync some time later, and stop it after this many messages; return the ids that were appended."""
        self.klaviyo.now += after
        state = {self.stream: self.state} if self.state else None
        output: Output = sync(self.stream, state=state, **self.config)
        assert output.raised is None
        appended = []
        for message in output[:upto]:
            record = record_of(message)
            if record:
                appended.append(record["id"])
            self.state = state_of(message) or self.state
        self.table += appended
        return appended

    @property
    def remembered(self) -> list[RecentHours]:
        """Return the recent hours in the state, those of each partition."""
        assert self.state
        return [RecentHours.read(entry) for entry in self.state["recent_hours"]]


@pytest.fixture(params=STREAMS)
def account(klaviyo: FakeKlaviyo, request: pytest.FixtureRequest) -> Account:
    """One that has been read."""
    account = Account(klaviyo, request.param)
    account.happen(*range(30 * MINUTE, 3 * DAY, 20 * MINUTE))
    account.sync()
    return account


# --- what is found --------------------------------------------------------------------------------------


@pytest.mark.parametrize("late", [10 * SECOND, 20 * MINUTE, 2 * HOUR, 110 * MINUTE, DAY, 4 * DAY, 6 * DAY])
def test_a_late_event_is_emitted_within_the_setting_late_events_window(account: Account, late: int) -> None:
    account.sync(after=late)
    (event,) = account.happen(late)
    for _ in range(8):
        account.sync(after=DAY)
    assert event in account.table


def test_hours_are_rechecked_after_an_hour_a_day_and_a_week(account: Account) -> None:
    for wait, late in ((2 * HOUR, 30 * MINUTE), (DAY, 5 * HOUR), (7 * DAY, 2 * DAY)):
        (event,) = account.happen(late)
        assert event not in account.sync(after=MINUTE)
        assert event in account.sync(after=wait)


def test_an_hour_without_events_is_rechecked_too(klaviyo: FakeKlaviyo) -> None:
    account = Account(klaviyo)
    account.sync()
    (event,) = account.happen(90 * MINUTE)
    assert account.sync(after=HOUR) == [event]


def test_only_hours_that_have_changed_are_emitted_again(account: Account) -> None:
    (event,) = account.happen(5 * HOUR + MINUTE)
    again = account.sync(after=DAY)
    rows = {row["id"]: parse_instant(row["attributes"]["datetime"]) for row in account.klaviyo.rows["events"]}
    assert event in again
    assert {floor(rows[one], HOUR) for one in again} == {floor(rows[event], HOUR)}
    assert len(again) > 1


def test_hours_that_were_emitted_again_are_not_emitted_a_third_time(account: Account) -> None:
    account.happen(5 * HOUR)
    assert account.sync(after=DAY)
    for _ in range(8):
        assert account.sync(after=DAY) == []


def test_after_an_event_is_deleted_its_hour_is_emitted_once_more(account: Account) -> None:
    del account.klaviyo.rows["events"][10]
    assert {*account.sync(after=8 * DAY)} <= {row["id"] for row in account.klaviyo.rows["events"]}
    assert account.sync(after=8 * DAY) == []


def test_each_metric_has_its_own_recent_hours(klaviyo: FakeKlaviyo) -> None:
    account = Account(klaviyo, event_metric_ids="M1,M2")
    account.happen(*range(MINUTE, DAY, 20 * MINUTE))
    account.happen(*range(MINUTE, DAY, 20 * MINUTE), metric="M2")
    account.sync()
    (event,) = account.happen(2 * HOUR, metric="M2")
    metrics = {row["id"]: row["attributes"]["metric_id"] for row in klaviyo.rows["events"]}
    again = account.sync(after=8 * DAY)
    assert event in again
    assert {metrics[one] for one in again} == {"M2"}


# --- what it costs --------------------------------------------------------------------------------------


def test_no_event_is_emitted_twice_if_none_is_late(account: Account) -> None:
    for _ in range(60):
        account.klaviyo.now += 5 * HOUR + 11 * SECOND
        account.happen(*range(10 * SECOND, 5 * HOUR, 7 * MINUTE))
        account.sync()
    rows = {row["id"] for row in account.klaviyo.rows["events"]}
    counts = Counter(account.table)
    assert rows == set(counts)
    assert max(counts.values()) == 1


def test_a_recheck_requests_only_dates_of_hours_that_are_due(account: Account) -> None:
    account.klaviyo.requests.clear()
    account.sync(after=2 * HOUR)
    rechecks = [params for params in account.klaviyo.first_pages("events") if "include" not in params]
    assert {look["fields[event]"] for look in rechecks} == {"datetime"}
    assert sorted(look["filter"] for look in rechecks) == [
        f"greater-or-equal(datetime,{start}Z),less-than(datetime,{end}Z)"
        for start, end in (
            ("2024-06-24T11:00:00", "2024-06-24T13:00:00"),
            ("2024-06-30T11:00:00", "2024-06-30T13:00:00"),
            ("2024-07-01T10:00:00", "2024-07-01T11:59:55"),
        )
    ]


def test_the_state_of_a_year_of_events_is_small(klaviyo: FakeKlaviyo) -> None:
    account = Account(klaviyo, start_date="2023-07-01")
    account.happen(*range(MINUTE, 365 * DAY, 20 * MINUTE))
    account.sync()
    assert len(json.dumps(account.state)) < 7_000
    account.sync(after=30 * DAY)
    assert account.remembered[0].hours == {}


def test_without_rechecks_the_state_holds_no_hours(klaviyo: FakeKlaviyo) -> None:
    account = Account(klaviyo, late_events_window=0)
    account.happen(HOUR)
    account.sync()
    account.happen(2 * HOUR)
    klaviyo.requests.clear()
    assert account.sync(after=8 * DAY) == []
    assert len(klaviyo.requests) == 1
    assert account.state is not None
    assert account.state.keys() == {"datetime", "future_is_read"}


# --- states ---------------------------------------------------------------------------------------------


def test_airbytes_connector_reads_the_same_position_from_the_state(account: Account) -> None:
    assert account.state
    assert account.state["datetime"] == "2024-07-01T11:59:55+0000"


def test_after_a_state_without_hours_new_hours_are_rechecked(klaviyo: FakeKlaviyo) -> None:
    account = Account(klaviyo)
    account.happen(*range(MINUTE, 3 * DAY, 20 * MINUTE))
    account.state = {"datetime": for_filter(NOW - 90 * MINUTE)}
    account.sync()
    early, late = account.happen(95 * MINUTE, 85 * MINUTE)
    again = account.sync(after=DAY)
    assert late in again
    assert early not in again


def test_a_lookback_keeps_the_counts_of_hours_right(klaviyo: FakeKlaviyo) -> None:
    account = Account(klaviyo, lookback_window=1)
    account.happen(*range(MINUTE, 3 * DAY, 20 * MINUTE))
    account.sync()
    rows = {row["id"]: parse_instant(row["attributes"]["datetime"]) for row in klaviyo.rows["events"]}
    for _ in range(10):
        position = klaviyo.now - 5 * SECOND
        again = account.sync(after=3 * HOUR)
        assert all(rows[one] >= floor(position - DAY, HOUR) for one in again)


@pytest.mark.parametrize("moved", [-30 * HOUR, -17 * MINUTE, 17 * MINUTE])
def test_a_position_that_a_user_has_edited_is_respected(klaviyo: FakeKlaviyo, moved: int) -> None:
    account = Account(klaviyo)
    account.happen(*range(MINUTE, 3 * DAY, 20 * MINUTE))
    account.sync()
    account.klaviyo.now += 2 * DAY
    account.happen(*range(MINUTE, 2 * DAY, 20 * MINUTE))
    assert account.state
    account.state["datetime"] = for_filter(NOW - 5 * SECOND + moved)
    rows = {row["id"]: parse_instant(row["attributes"]["datetime"]) for row in klaviyo.rows["events"]}
    again = account.sync()
    assert {one for one in rows if rows[one] >= NOW - 5 * SECOND + moved} <= set(again)
    assert all(rows[one] >= floor(NOW - 5 * SECOND + moved, HOUR) for one in again)
    for _ in range(8):
        assert account.sync(after=DAY) == []


@pytest.mark.parametrize(
    "hours",
    [
        5,
        {"a": 1},
        ["x"],
        [{"partition": {}}],
        [{"partition": {}, "since": "soon", "until": "2024-06-01", "looked": "2024-06-01", "hours": {}}],
        [{"partition": {}, "since": "2024-06-01", "until": "2024-06-01", "looked": "2024-06-01", "hours": []}],
        [
            {
                "partition": {},
                "since": "2024-06-01",
                "until": "2024-06-01",
                "looked": "2024-06-01",
                "hours": {"x": [1, 2]},
            }
        ],
        [{"partition": {}, "since": "2024-06-01", "until": "2024-06-01", "looked": "2024-06-01", "hours": {"x": 5}}],
    ],
    ids=repr,
)
def test_recent_hours_of_another_shape_are_a_configuration_error(klaviyo: FakeKlaviyo, hours: object) -> None:
    output = sync("events", state={"events": {"datetime": "2024-06-01", "recent_hours": hours}})
    assert "state of stream events holds" in output.errors("events")[0].message
    assert klaviyo.requests == []


def test_hours_that_are_all_settled_leave_no_span_that_ends_before_it_begins() -> None:
    start = parse_instant("2024-06-01")
    read = RecentHours(since=start, until=Instant(start + 5 * HOUR), looked=Instant(start + 9 * DAY))
    written = read.written(DAY)
    assert written["since"] == written["until"] == "2024-06-01T05:00:00+0000"


def test_a_recheck_that_fails_is_repeated_in_the_next_sync(account: Account) -> None:
    (event,) = account.happen(2 * HOUR)
    account.klaviyo.now += DAY
    account.klaviyo.before = lambda request: (
        (400, error(400, "invalid", "no")) if "fields[event]" in request.params else None
    )
    output = sync(account.stream, state={account.stream: account.state or {}}, **account.config)
    assert output.raised is not None
    account.state = output.states(account.stream)[-1]
    account.klaviyo.before = lambda _: None
    assert event in account.sync()


# --- whatever happens -----------------------------------------------------------------------------------

steps = st.lists(
    st.tuples(
        st.integers(1, 40 * 60),  # minutes until the next sync
        st.lists(st.integers(0, 6 * 24 * 60), max_size=6),  # how late events appear, in minutes
        st.none() | st.integers(0, 40),  # after how many messages the sync is killed
    ),
    max_size=12,
)


@settings(max_examples=40)
@example([(1, [], None), (1, [24 * 60 + 3], None), (59, [], 2)], 1, 1)
@given(steps, st.sampled_from([1, 3, 1000]), st.integers(0, 2))
def test_every_event_is_emitted_and_hours_are_counted_exactly_whatever_happens(
    happenings: list[tuple[int, list[int], int | None]], page: int, lookback: int
) -> None:
    with requests_mock.Mocker(case_sensitive=True) as mocker, pytest.MonkeyPatch.context() as patch:
        klaviyo = FakeKlaviyo(mocker)
        klaviyo.install(patch)
        klaviyo.page_limit = page
        logging.getLogger("airbyte").setLevel(logging.ERROR)
        account = Account(klaviyo, lookback_window=lookback)
        account.happen(*range(MINUTE, 2 * DAY, 90 * MINUTE))
        for minutes, late, killed in happenings:
            klaviyo.now += minutes * MINUTE
            account.happen(*(one * MINUTE for one in late))
            account.sync(upto=killed)
            assert_counted(account)
        for _ in range(8):
            account.sync(after=DAY)
        assert {row["id"] for row in klaviyo.rows["events"]} == set(account.table)
        assert klaviyo.rejections == []


def assert_counted(account: Account) -> None:
    """Assert that no state counts more events of an hour than were emitted, or counts an hour it should not."""
    if account.state is None:
        return
    (memory,) = account.remembered
    rows = {row["id"]: parse_instant(row["attributes"]["datetime"]) for row in account.klaviyo.rows["events"]}
    emitted = [rows[one] for one in set(account.table)]
    position = StoredState(account.state, "events", "datetime").position({})
    assert position is not None
    assert memory.since <= memory.until
    assert max(memory.until, memory.looked) <= account.klaviyo.now
    for hour, (count, _) in memory.hours.items():
        within = [one for one in emitted if floor(one, HOUR) == hour and memory.since <= one < memory.until]
        assert count <= len(within)
