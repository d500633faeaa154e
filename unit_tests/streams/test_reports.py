"""Reports: whole days, one question a period, checkpoints, the quota of a day, and Airbyte's record shapes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airbyte_cdk.models import FailureType

from source_klaviyo.api.budget import Budget, Limit, Tier
from source_klaviyo.api.client import MAX_ATTEMPTS
from source_klaviyo.api.errors import DailyQuotaExceeded
from source_klaviyo.streams.reports import MESSAGE_STATISTICS
from unit_tests.fake_api import FakeKlaviyo, Request, error, sync

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GROUPS = {
    "campaign": {"campaign_id": "C1", "campaign_message_id": "CM1", "send_channel": "email"},
    "flow": {"flow_id": "F1", "flow_message_id": "FM1", "send_channel": "sms"},
    "form": {"form_id": "O1"},
    "segment": {"segment_id": "S1"},
}
VALUES = ["campaign_values_reports", "flow_values_reports", "form_values_reports", "segment_values_reports"]
SERIES = ["flow_series_reports", "form_series_reports", "segment_series_reports"]
STATE = "2024-06-20T00:00:00+0000"
NO_VALUES = (
    400,
    error(400, "invalid", "Passed in conversion metric does not support querying for values data"),
)
UNKNOWN_METRIC = (400, error(400, "invalid", "Metric IDs ['M1'] do not exist.", "filter"))
FORBIDDEN = (403, error(403, "permission_denied", "You do not have permission to perform this action."))

Answer = tuple[int, bytes]


def days(timeframe: Mapping[str, str]) -> list[str]:
    """The days of a question, as Klaviyo writes them into an answer."""
    from datetime import date, timedelta  # noqa: PLC0415

    first, last = (date.fromisoformat(timeframe[name][:10]) for name in ("start", "end"))
    return [f"{first + timedelta(days=one)}T00:00:00+00:00" for one in range((last - first).days + 1)]


def report(request: Request) -> Answer:
    """An answer about a single group, in which each number is 1."""
    asked = request.body["data"]["attributes"]
    kind = request.resource.partition("-")[0]
    if "interval" in asked:
        dates = days(asked["timeframe"])
        results = [
            {"groupings": GROUPS[kind], "statistics": {name: [1.5] * len(dates) for name in asked["statistics"]}}
        ]
        attributes: dict[str, Any] = {"results": results, "date_times": dates}
    else:
        attributes = {"results": [{"groupings": GROUPS[kind], "statistics": dict.fromkeys(asked["statistics"], 1)}]}
    return 200, json.dumps({"data": {"type": "x", "attributes": attributes}, "links": {"self": "x"}}).encode()


def metrics(*ids: str) -> Answer:
    return 200, json.dumps({"data": [{"type": "metric", "id": one, "attributes": {}} for one in ids]}).encode()


def account(timezone: str | None = "UTC") -> Answer:
    data = [{"type": "account", "id": "A", "attributes": {"timezone": timezone}}]
    return 200, json.dumps({"data": data}).encode()


def serve(klaviyo: FakeKlaviyo, answer: Callable[[Request], Answer] = report, **table: Answer) -> None:
    table = {"metrics": metrics("M1"), "accounts": account(), **table}
    klaviyo.before = lambda request: table.get(request.resource) or answer(request)


def asked(klaviyo: FakeKlaviyo) -> list[dict[str, Any]]:
    """What the reports were asked with."""
    return [request.body["data"]["attributes"] for request in klaviyo.requests if request.body]


def timeframes(klaviyo: FakeKlaviyo) -> list[tuple[str, str]]:
    return [(one["timeframe"]["start"], one["timeframe"]["end"]) for one in asked(klaviyo)]


def state(cursor: str = STATE, **partition: str) -> dict[str, Any]:
    if not partition:
        return {"date": cursor}
    entry = {"partition": {**partition, "parent_slice": {}}, "cursor": {"date": cursor}}
    return {"use_global_cursor": False, "states": [entry], "state": {"date": cursor}, "lookback_window": 0}


# --- questions ----------------------------------------------------------------------------------------------


def test_a_question_is_klaviyos(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo)
    sync("flow_series_reports", start_date="2024-06-29")
    (request,) = [request for request in klaviyo.requests if request.body]
    attributes = request.body["data"].pop("attributes")
    assert (request.resource, request.params) == ("flow-series-reports", {})
    assert request.body == {"data": {"type": "flow-series-report"}}
    assert len(attributes.pop("statistics")) == 31
    assert attributes == {
        "timeframe": {"start": "2024-06-29T00:00:00+00:00", "end": "2024-06-30T23:59:59+00:00"},
        "interval": "daily",
        "conversion_metric_id": "M1",
    }


@pytest.mark.parametrize("stream", VALUES)
def test_values_are_asked_for_in_periods_of_thirty_days(klaviyo: FakeKlaviyo, stream: str) -> None:
    serve(klaviyo)
    sync(stream, start_date="2024-04-20T15:00:00Z")
    assert timeframes(klaviyo) == [
        ("2024-04-20T00:00:00+00:00", "2024-05-19T23:59:59+00:00"),
        ("2024-05-20T00:00:00+00:00", "2024-06-18T23:59:59+00:00"),
        ("2024-06-19T00:00:00+00:00", "2024-06-30T23:59:59+00:00"),
    ]


@pytest.mark.parametrize("stream", SERIES)
def test_series_are_asked_for_in_periods_of_sixty_days(klaviyo: FakeKlaviyo, stream: str) -> None:
    serve(klaviyo)
    sync(stream, start_date="2024-04-20T15:00:00Z")
    assert timeframes(klaviyo) == [
        ("2024-04-20T00:00:00+00:00", "2024-06-18T23:59:59+00:00"),
        ("2024-06-19T00:00:00+00:00", "2024-06-30T23:59:59+00:00"),
    ]


@pytest.mark.parametrize("stream", ["segment_values_reports", "segment_series_reports"])
def test_nothing_is_asked_of_segments_before_klaviyo_counted_them(klaviyo: FakeKlaviyo, stream: str) -> None:
    serve(klaviyo)
    sync(stream, start_date="2020-01-01")
    assert timeframes(klaviyo)[0][0] == "2023-06-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("timezone", "last"),
    [
        ("UTC", "2024-06-30"),
        ("US/Eastern", "2024-06-30"),
        ("Pacific/Kiritimati", "2024-06-30"),  # their first of July is over two hours ago, UTC's is not
        ("Pacific/Pago_Pago", "2024-06-30"),
        (None, "2024-06-29"),
        ("Nowhere/At_All", "2024-06-29"),
    ],
)
def test_the_last_day_is_over_where_the_account_lives(klaviyo: FakeKlaviyo, timezone: str | None, last: str) -> None:
    serve(klaviyo, accounts=account(timezone))
    sync("form_values_reports", start_date="2024-06-20")
    assert timeframes(klaviyo)[-1][1] == f"{last}T23:59:59+00:00"


def test_where_the_account_lives_need_not_be_known(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo, accounts=FORBIDDEN)
    sync("form_values_reports", start_date="2024-06-20")
    assert timeframes(klaviyo)[-1][1] == "2024-06-29T23:59:59+00:00"


def test_a_day_in_the_west_ends_later(klaviyo: FakeKlaviyo) -> None:
    klaviyo.now -= 8 * 3600 * 1_000_000  # 04:00 UTC, midnight in New York
    serve(klaviyo, accounts=account("America/New_York"))
    sync("form_values_reports", start_date="2024-06-20")
    assert timeframes(klaviyo)[-1][1] == "2024-06-29T23:59:59+00:00"


def test_the_metrics_of_the_setting_are_partitions(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo)
    sync("flow_series_reports", start_date="2024-06-29", metric_ids="M7, M8")
    assert sorted(one["conversion_metric_id"] for one in asked(klaviyo)) == ["M7", "M8"]
    assert "metrics" not in {request.resource for request in klaviyo.requests}


def test_metrics_are_asked_for_once_for_all_reports(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo, metrics=metrics("M1", "M2"))
    sync("flow_series_reports", "flow_values_reports", "campaign_values_reports", start_date="2024-06-29")
    assert [request.resource for request in klaviyo.requests].count("metrics") == 1
    assert [request.resource for request in klaviyo.requests].count("accounts") == 1
    assert len(asked(klaviyo)) == 6


# --- records --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", VALUES)
def test_a_record_of_values(klaviyo: FakeKlaviyo, stream: str) -> None:
    serve(klaviyo)
    (record,) = sync(stream, start_date="2024-06-29").records()
    groups = GROUPS[stream.partition("_")[0]]
    metric = {"conversion_metric_id": "M1"} if stream[:4] in ("camp", "flow") else {}
    assert set(record.pop("statistics").values()) == {1}
    assert record == {
        "groupings": groups,
        **groups,
        **metric,
        "period_start": "2024-06-29T00:00:00+00:00",
        "date": "2024-07-01T00:00:00+00:00",
    }


@pytest.mark.parametrize("stream", SERIES)
def test_a_series_is_a_record_for_each_day(klaviyo: FakeKlaviyo, stream: str) -> None:
    serve(klaviyo)
    records = sync(stream, start_date="2024-06-28").records()
    groups = GROUPS[stream.partition("_")[0]]
    metric = {"conversion_metric_id": "M1"} if stream.startswith("flow") else {}
    assert [record["date"] for record in records] == [f"2024-06-{day}T00:00:00+00:00" for day in (28, 29, 30)]
    for record in records:
        assert set(record.pop("statistics").values()) == {1.5}
        assert record == {"groupings": groups, **groups, **metric, "date": record["date"]}


def test_short_and_missing_series_are_null(klaviyo: FakeKlaviyo) -> None:
    def short(_: Request) -> Answer:
        statistics = {"opens": [1], "clicks": None, "delivered": [2, 3]}
        results = [{"groupings": GROUPS["flow"], "statistics": statistics}]
        dates = ["2024-06-29T00:00:00+00:00", "2024-06-30T00:00:00+00:00"]
        return 200, json.dumps({"data": {"attributes": {"results": results, "date_times": dates}}}).encode()

    serve(klaviyo, short)
    assert [record["statistics"] for record in sync("flow_series_reports", start_date="2024-06-29").records()] == [
        {"opens": 1, "clicks": None, "delivered": 2},
        {"opens": None, "clicks": None, "delivered": 3},
    ]


def test_no_results_are_no_records(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo, lambda _: (200, b'{"data":{"attributes":{}}}'))
    output = sync("flow_series_reports", start_date="2024-06-29")
    assert (output.raised, output.records()) == (None, [])
    assert output.states("flow_series_reports")[-1]["states"][0]["cursor"] == {"date": "2024-07-01T00:00:00+0000"}


def test_more_pages_are_asked_for_with_the_same_question(klaviyo: FakeKlaviyo) -> None:
    def paged(request: Request) -> Answer:
        status, body = report(request)
        document = json.loads(body)
        if not request.params:
            document["links"]["next"] = f"{request.url}?page_cursor=abc"
        return status, json.dumps(document).encode()

    serve(klaviyo, paged)
    assert len(sync("form_values_reports", start_date="2024-06-29").records()) == 2
    first, second = asked(klaviyo)
    assert second == first
    assert klaviyo.requests[-1].params == {"page_cursor": "abc"}


# --- states -----------------------------------------------------------------------------------------------------


def test_a_state_is_written_for_each_metric_as_airbytes_connector_reads_it(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo, metrics=metrics("M1", "m1"))
    last = sync("campaign_values_reports", start_date="2024-06-29").states("campaign_values_reports")[-1]
    midnight = {"date": "2024-07-01T00:00:00+0000"}
    assert last["states"] == [
        {"partition": {"metric_id": one, "parent_slice": {}}, "cursor": midnight} for one in ("M1", "m1")
    ]


def test_a_second_sync_of_the_day_asks_for_no_report(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo)
    first = sync(*VALUES, *SERIES, start_date="2024-06-29")
    klaviyo.requests.clear()
    klaviyo.now += 3 * 3600 * 1_000_000
    second = sync(
        *VALUES, *SERIES, start_date="2024-06-29", state={one: first.states(one)[-1] for one in VALUES + SERIES}
    )
    assert (second.raised, second.records(), asked(klaviyo)) == (None, [], [])
    assert all(second.states(one)[-1] == first.states(one)[-1] for one in VALUES + SERIES)


def test_an_increment_asks_for_the_days_since(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo)
    sync("campaign_values_reports", state={"campaign_values_reports": state(metric_id="M1")})
    assert timeframes(klaviyo) == [("2024-06-20T00:00:00+00:00", "2024-06-30T23:59:59+00:00")]


@pytest.mark.parametrize(
    ("cursor", "first"),
    [
        ("2024-06-19T23:59:59+0000", "2024-06-20"),  # the second that ended a window before 3.0
        ("2024-06-19T14:23:05+0000", "2024-06-19"),  # half a day
        ("2024-06-20T00:00:00+00:00", "2024-06-20"),
    ],
)
def test_states_of_earlier_versions_go_on_at_a_whole_day(klaviyo: FakeKlaviyo, cursor: str, first: str) -> None:
    serve(klaviyo)
    sync("campaign_values_reports", state={"campaign_values_reports": state(cursor, metric_id="M1")})
    assert timeframes(klaviyo)[0][0] == f"{first}T00:00:00+00:00"


def test_days_that_settle_are_read_again_but_the_state_stays(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo)
    old = {one: state(metric_id="M1") if one.startswith("flow") else state() for one in SERIES}
    for stream in SERIES:
        output = sync(stream, state={stream: old[stream]}, reporting_lookback_window=5)
        assert timeframes(klaviyo)[0][0] == "2024-06-15T00:00:00+00:00"
        assert min(json.dumps(one) for one in output.states(stream)) >= json.dumps(old[stream])[:1]
        klaviyo.requests.clear()


def test_values_of_a_period_are_not_read_again(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo)
    sync("form_values_reports", state={"form_values_reports": state()}, reporting_lookback_window=5)
    assert timeframes(klaviyo)[0][0] == "2024-06-20T00:00:00+00:00"


def test_each_answer_is_a_checkpoint(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo)
    output = sync("form_series_reports", start_date="2024-01-01")
    found = [one["date"] for one in output.states("form_series_reports")]
    assert found == [f"2024-{day}T00:00:00+0000" for day in ("03-01", "04-30", "06-29", "07-01")]


OF_VALUES = {"average_order_value", "conversion_value", "revenue_per_recipient"}
ROI = "text_message_roi"


def refusing(*statistics: str) -> Callable[[Request], Answer]:
    """Refuse metric M1 if one of these statistics is asked for."""

    def answer(request: Request) -> Answer:
        attributes = request.body["data"]["attributes"]
        refuses = attributes["conversion_metric_id"] == "M1" and {*statistics} & {*attributes["statistics"]}
        return NO_VALUES if refuses else report(request)

    return answer


@pytest.mark.parametrize("stream", ["campaign_values_reports", "flow_values_reports", "flow_series_reports"])
@pytest.mark.parametrize(
    ("refused", "null"), [(OF_VALUES, OF_VALUES), ({*OF_VALUES, ROI}, {*OF_VALUES, ROI}), ({ROI}, {*OF_VALUES, ROI})]
)
def test_a_metric_without_values_is_asked_without_statistics_of_values(
    klaviyo: FakeKlaviyo, stream: str, refused: set[str], null: set[str]
) -> None:
    serve(klaviyo, refusing(*refused), metrics=metrics("M1", "M2"))
    output = sync(stream, start_date="2024-06-29")
    assert output.raised is None
    for record in output.records():
        nulls = {name for name, number in record["statistics"].items() if number is None}
        assert nulls == (null if record["conversion_metric_id"] == "M1" else set())
        assert set(record["statistics"]) == set(MESSAGE_STATISTICS)
    assert {record["conversion_metric_id"] for record in output.records()} == {"M1", "M2"}


def test_a_metric_without_values_costs_one_request_more_for_all_periods_and_reports(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo, refusing(*OF_VALUES))
    sync("campaign_values_reports", "flow_values_reports", start_date="2024-01-01", num_workers=1)
    refused = [one for one in asked(klaviyo) if OF_VALUES & {*one["statistics"]}]
    assert len(refused) <= 2  # one of each stream, if both have asked before either was refused
    assert len(asked(klaviyo)) == 2 * 7 + len(refused)


def test_a_metric_that_no_report_can_be_made_of_has_no_rows_and_costs_no_other_metric(
    klaviyo: FakeKlaviyo, log: pytest.LogCaptureFixture
) -> None:
    serve(klaviyo, refusing(*MESSAGE_STATISTICS), metrics=metrics("M1", "M2"))
    output = sync("flow_values_reports", start_date="2024-01-01")
    assert output.raised is None
    assert {record["conversion_metric_id"] for record in output.records()} == {"M2"}
    assert [one["conversion_metric_id"] for one in asked(klaviyo)].count("M1") == 3
    assert len([one for one in log.records if one.levelname == "WARNING" and "M1" in one.message]) == 1
    again = sync("flow_values_reports", state={"flow_values_reports": output.states("flow_values_reports")[-1]})
    assert (again.raised, again.records()) == (None, [])


@pytest.mark.parametrize("stream", ["campaign_values_reports", "flow_series_reports"])
def test_a_metric_of_the_account_that_reports_do_not_know_has_no_rows_and_the_state_moves(
    klaviyo: FakeKlaviyo, log: pytest.LogCaptureFixture, stream: str
) -> None:
    def some(request: Request) -> Answer:
        known = request.body["data"]["attributes"]["conversion_metric_id"] != "M1"
        return report(request) if known else UNKNOWN_METRIC

    serve(klaviyo, some, metrics=metrics("M1", "M2"))
    output = sync(stream, start_date="2024-01-01")
    assert output.raised is None
    assert {record["conversion_metric_id"] for record in output.records()} == {"M2"}
    assert [one["conversion_metric_id"] for one in asked(klaviyo)].count("M1") == 1
    assert len([one for one in log.records if one.levelname == "WARNING" and "M1" in one.message]) == 1
    positions = {entry["partition"]["metric_id"]: entry["cursor"] for entry in output.states(stream)[-1]["states"]}
    assert positions["M1"] == positions["M2"] == {"date": "2024-07-01T00:00:00+0000"}


def test_a_metric_of_the_settings_that_reports_do_not_know_is_the_users_to_correct(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo, lambda _: UNKNOWN_METRIC)
    (said,) = sync("flow_values_reports", metric_ids="M1").errors()
    assert said.failure_type == FailureType.config_error
    assert said.message.startswith("Klaviyo refuses what the setting metric_ids holds (400): correct it.")
    assert "Metric IDs ['M1'] do not exist." in said.message


@pytest.mark.parametrize("stream", ["flow_series_reports", "form_series_reports", "segment_series_reports"])
def test_days_outside_of_the_period_asked_for_are_dropped(klaviyo: FakeKlaviyo, stream: str) -> None:
    def with_edges(request: Request) -> Answer:
        status, body = report(request)
        answer = json.loads(body)
        attributes = answer["data"]["attributes"]
        attributes["date_times"] = ["2024-06-28T00:00:00+00:00", *attributes["date_times"], "2024-07-01T00:00:00+00:00"]
        for result in attributes["results"]:
            result["statistics"] = {name: [0, *days, 0] for name, days in result["statistics"].items()}
        return status, json.dumps(answer).encode()

    serve(klaviyo, with_edges)
    records = sync(stream, start_date="2024-06-29").records()
    assert [record["date"][:10] for record in records] == ["2024-06-29", "2024-06-30"]
    assert all(number == 1.5 for record in records for number in record["statistics"].values())


def test_another_refusal_is_an_error(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo, lambda _: (400, error(400, "invalid", "No such metric.")))
    output = sync("flow_values_reports", start_date="2024-06-29")
    assert "No such metric." in output.errors("flow_values_reports")[0].message


# --- the quota of a day -----------------------------------------------------------------------------------------


def used_up(klaviyo: FakeKlaviyo, after: int) -> Callable[[Request], Answer]:
    """Refuse reports for hours after so many."""
    return lambda request: report(request) if len(asked(klaviyo)) <= after else (429, b"")


@pytest.fixture
def hours(klaviyo: FakeKlaviyo, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 429 asks for hours, and the budget knows of days."""
    monkeypatch.setattr("unit_tests.fake_api.NoLimits.exhaust_daily_quota", Budget.exhaust_daily_quota)
    monkeypatch.setattr("unit_tests.fake_api.NoLimits.acquire", acquire)
    klaviyo.headers = {"Retry-After": "73473"}


def acquire(self: Budget, limits: Any) -> float:
    if any(bucket.left_today == 0 for bucket in self._of(limits)):
        raise DailyQuotaExceeded("used up")
    return 0.0


@pytest.mark.usefixtures("hours")
def test_a_quota_that_is_used_up_ends_the_stream_well_and_the_next_sync_goes_on(
    klaviyo: FakeKlaviyo, log: pytest.LogCaptureFixture
) -> None:
    serve(klaviyo, used_up(klaviyo, 2))
    output = sync("form_series_reports", start_date="2024-01-01")
    assert output.raised is None
    assert output.statuses("form_series_reports")[-1] == "COMPLETE"
    last = output.states("form_series_reports")[-1]
    assert last == {"date": "2024-04-30T00:00:00+0000"}
    assert klaviyo.naps == []
    assert any("will resume from its state in tomorrow's sync" in record.message for record in log.records)
    klaviyo.requests.clear()
    serve(klaviyo)
    sync("form_series_reports", start_date="2024-01-01", state={"form_series_reports": last})
    assert timeframes(klaviyo)[0][0] == "2024-04-30T00:00:00+00:00"


@pytest.mark.usefixtures("hours")
def test_a_full_refresh_that_cannot_be_completed_fails(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo, used_up(klaviyo, 2))
    output = sync("form_series_reports", start_date="2024-01-01", full_refresh=True)
    assert output.statuses("form_series_reports")[-1] == "INCOMPLETE"
    (said,) = output.errors("form_series_reports")
    assert said.failure_type == FailureType.transient_error
    assert "incrementally" in said.message


def test_the_budget_knows_when_a_day_is_used_up() -> None:
    budget = Budget(lambda: 0.0)
    limits = [Limit("reports", Tier(1000, 1000, 2))]
    for _ in range(2):
        budget.acquire(limits)
        budget.release(limits)
    with pytest.raises(DailyQuotaExceeded):
        budget.acquire(limits)
    assert budget.exhaust_daily_quota([Limit("events", Tier(10, 10))]) is False


# --- aggregates ---------------------------------------------------------------------------------------------------


def aggregate(request: Request) -> Answer:
    asked = request.body["data"]["attributes"]
    dates = ["2024-06-29T00:00:00+00:00", "2024-06-30T00:00:00+00:00"]
    rows = [
        {
            "dimensions": [dimension] * len(asked.get("by", ())),
            "measurements": {one: [1.0, 2] for one in asked["measurements"]},
        }
        for dimension in ("a", "b")[: 1 + bool(asked.get("by"))]
    ]
    document = {"data": {"type": "metric-aggregate", "id": "x", "attributes": {"dates": dates, "data": rows}}}
    return 200, json.dumps(document).encode()


def test_aggregates_are_what_the_setting_defines(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo, aggregate)
    definition = {"name": "orders", "metric_id": "M1", "measurements": ["count", "sum_value"], "by": ["$flow"]}
    definition["filter"] = ['equals("$flow","a")']
    output = sync("metric_aggregates", start_date="2024-06-29", metric_aggregates=[definition])
    assert asked(klaviyo) == [
        {
            "metric_id": "M1",
            "measurements": ["count", "sum_value"],
            "interval": "day",
            "filter": [
                "greater-or-equal(datetime,2024-06-29T00:00:00)",
                "less-than(datetime,2024-07-01T00:00:00)",
                'equals("$flow","a")',
            ],
            "timezone": "UTC",
            "by": ["$flow"],
        }
    ]
    records = output.records()
    assert len({record["id"] for record in records}) == len(records) == 4
    assert {name: value for name, value in records[1].items() if name != "id"} == {
        "name": "orders",
        "metric_id": "M1",
        "interval": "day",
        "dimensions": {"$flow": "a"},
        "measurements": {"count": 2, "sum_value": 2},
        "date": "2024-06-30T00:00:00+00:00",
    }


def test_intervals_of_aggregates_outside_of_the_period_asked_for_are_dropped(klaviyo: FakeKlaviyo) -> None:
    def with_edges(request: Request) -> Answer:
        _, body = aggregate(request)
        answer = json.loads(body)
        attributes = answer["data"]["attributes"]
        attributes["dates"] = ["2024-06-28T00:00:00+00:00", *attributes["dates"], "2024-07-01T00:00:00+00:00"]
        for row in attributes["data"]:
            row["measurements"] = {name: [0, *counts, 0] for name, counts in row["measurements"].items()}
        return 200, json.dumps(answer).encode()

    serve(klaviyo, with_edges)
    definition = [{"metric_id": "M1"}]
    records = sync("metric_aggregates", start_date="2024-06-29", metric_aggregates=definition).records()
    assert [(record["date"][:10], record["measurements"]["count"]) for record in records] == [
        ("2024-06-29", 1.0),
        ("2024-06-30", 2),
    ]


def test_more_aggregates_are_asked_for_with_their_cursor(klaviyo: FakeKlaviyo) -> None:
    def paged(request: Request) -> Answer:
        document = json.loads(aggregate(request)[1])
        if "page_cursor" not in request.body["data"]["attributes"]:
            document["links"] = {"self": request.url, "next": f"{request.url}?page_cursor=abc"}
        return 200, json.dumps(document).encode()

    serve(klaviyo, paged)
    sync("metric_aggregates", start_date="2024-06-29", metric_aggregates=[{"metric_id": "M1"}])
    first, second = asked(klaviyo)
    assert second == {**first, "page_cursor": "abc"}


def test_without_definitions_there_is_nothing_to_aggregate(klaviyo: FakeKlaviyo) -> None:
    output = sync("metric_aggregates")
    assert (output.raised, output.records(), klaviyo.requests) == (None, [], [])


@pytest.mark.parametrize(
    ("interval", "bounds"),
    [
        ("hour", [("2024-04-17", "2024-05-17"), ("2024-05-17", "2024-06-16"), ("2024-06-16", "2024-07-01")]),
        ("week", [("2024-04-15", "2024-07-01")]),
        ("month", [("2024-04-01", "2024-05-01"), ("2024-05-01", "2024-06-01"), ("2024-06-01", "2024-07-01")]),
    ],
)
def test_only_whole_intervals_are_asked_for(klaviyo: FakeKlaviyo, interval: str, bounds: list[tuple[str, str]]) -> None:
    serve(klaviyo, aggregate)
    sync("metric_aggregates", start_date="2024-04-17", metric_aggregates=[{"metric_id": "M1", "interval": interval}])
    found = [tuple(bound.partition(",")[2][:10] for bound in one["filter"]) for one in asked(klaviyo)]
    assert found == bounds


def test_a_changed_definition_begins_anew(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo, aggregate)
    name, old = "metric_aggregates", {"metric_id": "M1"}
    first = sync(name, start_date="2024-06-29", metric_aggregates=[old])
    klaviyo.requests.clear()
    last = {name: first.states(name)[-1]}
    both = [old, {"metric_id": "M1", "measurements": ["unique"]}]
    sync(name, start_date="2024-06-29", metric_aggregates=both, state=last)
    assert [one["measurements"] for one in asked(klaviyo)] == [["unique"]]


@pytest.mark.parametrize("stream", SERIES)
def test_days_that_settle_are_read_again_once_a_day(klaviyo: FakeKlaviyo, stream: str) -> None:
    serve(klaviyo)
    reached = "2024-07-01T00:00:00+0000"
    old = state(reached, metric_id="M1") if stream.startswith("flow") else state(reached)
    sync(stream, state={stream: old}, reporting_lookback_window=5)
    assert asked(klaviyo) == []


def test_the_metric_that_is_furthest_behind_comes_first(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo)
    states = [
        {"partition": {"metric_id": one, "parent_slice": {}}, "cursor": {"date": f"2024-06-{day}T00:00:00+0000"}}
        for one, day in (("M1", 29), ("M2", 10), ("M3", 20))
    ]
    sync("flow_values_reports", metric_ids="M1,M2,M3", num_workers=1, state={"flow_values_reports": {"states": states}})
    assert [one["conversion_metric_id"] for one in asked(klaviyo)] == ["M2", "M3", "M1"]


def test_an_outage_does_not_use_up_the_quota_metric_by_metric(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo, lambda _: (500, b""))
    ids = ",".join(f"M{number}" for number in range(20))
    output = sync("flow_values_reports", start_date="2024-06-29", metric_ids=ids)
    assert output.statuses("flow_values_reports")[-1] == "INCOMPLETE"
    assert len(asked(klaviyo)) == MAX_ATTEMPTS


def test_pages_in_a_circle_are_noticed(klaviyo: FakeKlaviyo) -> None:
    def circle(request: Request) -> Answer:
        document = json.loads(report(request)[1])
        other = "b" if request.params.get("page_cursor") == "a" else "a"
        document["links"]["next"] = f"https://a.klaviyo.com/api/form-values-reports?page_cursor={other}"
        return 200, json.dumps(document).encode()

    serve(klaviyo, circle)
    output = sync("form_values_reports", start_date="2024-06-29")
    assert output.statuses("form_values_reports")[-1] == "INCOMPLETE"
    assert len(asked(klaviyo)) < 30


def test_a_day_of_aggregates_ends_in_utc(klaviyo: FakeKlaviyo) -> None:
    klaviyo.now += 18 * 3600 * 1_000_000  # 06:00 of the second of July, still the first in Los Angeles
    serve(klaviyo, aggregate, accounts=account("America/Los_Angeles"))
    sync("metric_aggregates", start_date="2024-06-29", metric_aggregates=[{"metric_id": "M1"}])
    assert asked(klaviyo)[0]["filter"][1] == "less-than(datetime,2024-07-02T00:00:00)"


@pytest.mark.usefixtures("hours")
def test_a_wait_of_a_minute_does_not_end_the_day(klaviyo: FakeKlaviyo) -> None:
    klaviyo.headers = {"Retry-After": "61"}
    serve(klaviyo, lambda request: (429, b"") if len(asked(klaviyo)) == 2 else report(request))
    output = sync("form_series_reports", start_date="2024-01-01")
    assert output.states("form_series_reports")[-1] == {"date": "2024-07-01T00:00:00+0000"}
    assert len(klaviyo.naps) == 1


@pytest.mark.parametrize("attributes", [{"results": None}, {"results": None, "date_times": None}])
def test_null_results_are_no_records(klaviyo: FakeKlaviyo, attributes: dict[str, Any]) -> None:
    serve(klaviyo, lambda _: (200, json.dumps({"data": {"attributes": attributes}}).encode()))
    output = sync("flow_series_reports", start_date="2024-06-29")
    assert (output.raised, output.records(), len(asked(klaviyo))) == (None, [], 1)


@pytest.mark.parametrize(
    ("stream", "setting", "pointer"),
    [
        ("flow_values_reports", {"metric_ids": "M1,M2"}, "conversion_metric_id"),
        ("metric_aggregates", {"metric_aggregates": [{"metric_id": "M1"}, {"metric_id": "M2"}]}, "metric_id"),
        ("metric_aggregates", {"metric_aggregates": [{"metric_id": "M1", "by": ["x"]}, {"metric_id": "M2"}]}, "by"),
    ],
)
def test_what_klaviyo_refuses_of_a_setting_names_it_and_costs_nothing_else(
    klaviyo: FakeKlaviyo, stream: str, setting: dict[str, Any], pointer: str
) -> None:
    def other(request: Request) -> Answer:
        asked = request.body["data"]["attributes"]
        if "M1" in {asked.get("metric_id"), asked.get("conversion_metric_id")}:
            return 400, error(400, "invalid", "That does not exist.", f"/data/attributes/{pointer}")
        return (
            report(request)
            if "conversion_metric_id" in asked
            else (200, b'{"data":{"attributes":{"dates":[],"data":[]}}}')
        )

    serve(klaviyo, other)
    output = sync(stream, start_date="2024-06-01", **setting)
    (said,) = output.errors()
    assert said.failure_type == FailureType.config_error
    (name,) = setting
    assert said.message == (
        f"Klaviyo refuses what the setting {name} holds (400): correct it. Klaviyo says: That does not exist."
    )
    assert len([request for request in klaviyo.requests if request.body]) > 1  # the other one has been asked for


def test_a_metric_that_nobody_has_chosen_is_not_the_users_fault(klaviyo: FakeKlaviyo) -> None:
    refused = error(400, "invalid", "That does not exist.", "/data/attributes/conversion_metric_id")
    serve(klaviyo, lambda _: (400, refused))
    (said,) = sync("flow_values_reports").errors()
    assert "please report it" in said.message
