"""Reports: whole days, one request a period, checkpoints, the quota of a day, and Airbyte's record shapes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from unit_tests.fake_api import FakeKlaviyo, Request, sync
from unit_tests.streams.documents import FORBIDDEN
from unit_tests.streams.report_api import (
    GROUPS,
    SERIES,
    VALUES,
    Response,
    account,
    metrics,
    report,
    requested,
    serve,
    state,
    timeframes,
)

# --- requests -----------------------------------------------------------------------------------------------


def test_the_body_of_a_request_is_as_klaviyo_documents_it(klaviyo: FakeKlaviyo) -> None:
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
def test_values_are_requested_in_periods_of_thirty_days(klaviyo: FakeKlaviyo, stream: str) -> None:
    serve(klaviyo)
    sync(stream, start_date="2024-04-20T15:00:00Z")
    assert timeframes(klaviyo) == [
        ("2024-04-20T00:00:00+00:00", "2024-05-19T23:59:59+00:00"),
        ("2024-05-20T00:00:00+00:00", "2024-06-18T23:59:59+00:00"),
        ("2024-06-19T00:00:00+00:00", "2024-06-30T23:59:59+00:00"),
    ]


@pytest.mark.parametrize("stream", SERIES)
def test_series_are_requested_in_periods_of_sixty_days(klaviyo: FakeKlaviyo, stream: str) -> None:
    serve(klaviyo)
    sync(stream, start_date="2024-04-20T15:00:00Z")
    assert timeframes(klaviyo) == [
        ("2024-04-20T00:00:00+00:00", "2024-06-18T23:59:59+00:00"),
        ("2024-06-19T00:00:00+00:00", "2024-06-30T23:59:59+00:00"),
    ]


@pytest.mark.parametrize("stream", ["segment_values_reports", "segment_series_reports"])
def test_segment_reports_begin_when_klaviyo_began_to_count(klaviyo: FakeKlaviyo, stream: str) -> None:
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
def test_the_last_day_is_over_in_the_accounts_time_zone(klaviyo: FakeKlaviyo, timezone: str | None, last: str) -> None:
    serve(klaviyo, accounts=account(timezone))
    sync("form_values_reports", start_date="2024-06-20")
    assert timeframes(klaviyo)[-1][1] == f"{last}T23:59:59+00:00"


def test_a_day_is_over_everywhere_if_the_time_zone_is_unknown(klaviyo: FakeKlaviyo) -> None:
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
    assert sorted(one["conversion_metric_id"] for one in requested(klaviyo)) == ["M7", "M8"]
    assert "metrics" not in {request.resource for request in klaviyo.requests}


def test_metrics_are_requested_once_for_all_reports(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo, metrics=metrics("M1", "M2"))
    sync("flow_series_reports", "flow_values_reports", "campaign_values_reports", start_date="2024-06-29")
    assert [request.resource for request in klaviyo.requests].count("metrics") == 1
    assert [request.resource for request in klaviyo.requests].count("accounts") == 1
    assert len(requested(klaviyo)) == 6


# --- records --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", VALUES)
def test_a_record_of_values_has_its_period_groups_and_statistics(klaviyo: FakeKlaviyo, stream: str) -> None:
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
    def short(_: Request) -> Response:
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


def test_more_pages_are_requested_with_the_same_body(klaviyo: FakeKlaviyo) -> None:
    def paged(request: Request) -> Response:
        status, body = report(request)
        document = json.loads(body)
        if not request.params:
            document["links"]["next"] = f"{request.url}?page_cursor=abc"
        return status, json.dumps(document).encode()

    serve(klaviyo, paged)
    assert len(sync("form_values_reports", start_date="2024-06-29").records()) == 2
    first, second = requested(klaviyo)
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


def test_a_second_sync_of_the_day_requests_no_report(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo)
    first = sync(*VALUES, *SERIES, start_date="2024-06-29")
    klaviyo.requests.clear()
    klaviyo.now += 3 * 3600 * 1_000_000
    second = sync(
        *VALUES, *SERIES, start_date="2024-06-29", state={one: first.states(one)[-1] for one in VALUES + SERIES}
    )
    assert (second.raised, second.records(), requested(klaviyo)) == (None, [], [])
    assert all(second.states(one)[-1] == first.states(one)[-1] for one in VALUES + SERIES)


def test_an_increment_requests_the_days_since_its_state(klaviyo: FakeKlaviyo) -> None:
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
def test_states_of_earlier_versions_resume_at_a_whole_day(klaviyo: FakeKlaviyo, cursor: str, first: str) -> None:
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


def test_each_response_is_a_checkpoint(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo)
    output = sync("form_series_reports", start_date="2024-01-01")
    found = [one["date"] for one in output.states("form_series_reports")]
    assert found == [f"2024-{day}T00:00:00+0000" for day in ("03-01", "04-30", "06-29", "07-01")]


@pytest.mark.parametrize("stream", ["flow_series_reports", "form_series_reports", "segment_series_reports"])
def test_days_outside_of_the_requested_period_are_dropped(klaviyo: FakeKlaviyo, stream: str) -> None:
    def with_edges(request: Request) -> Response:
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


# --- the quota of a day -----------------------------------------------------------------------------------------


# --- aggregates ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", SERIES)
def test_days_that_settle_are_read_again_once_a_day(klaviyo: FakeKlaviyo, stream: str) -> None:
    serve(klaviyo)
    reached = "2024-07-01T00:00:00+0000"
    old = state(reached, metric_id="M1") if stream.startswith("flow") else state(reached)
    sync(stream, state={stream: old}, reporting_lookback_window=5)
    assert requested(klaviyo) == []


def test_the_metric_that_is_furthest_behind_comes_first(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo)
    states = [
        {"partition": {"metric_id": one, "parent_slice": {}}, "cursor": {"date": f"2024-06-{day}T00:00:00+0000"}}
        for one, day in (("M1", 29), ("M2", 10), ("M3", 20))
    ]
    sync("flow_values_reports", metric_ids="M1,M2,M3", num_workers=1, state={"flow_values_reports": {"states": states}})
    assert [one["conversion_metric_id"] for one in requested(klaviyo)] == ["M2", "M3", "M1"]


def test_pages_that_link_in_a_circle_fail_the_stream(klaviyo: FakeKlaviyo) -> None:
    def circle(request: Request) -> Response:
        document = json.loads(report(request)[1])
        other = "b" if request.params.get("page_cursor") == "a" else "a"
        document["links"]["next"] = f"https://a.klaviyo.com/api/form-values-reports?page_cursor={other}"
        return 200, json.dumps(document).encode()

    serve(klaviyo, circle)
    output = sync("form_values_reports", start_date="2024-06-29")
    assert output.statuses("form_values_reports")[-1] == "INCOMPLETE"
    assert len(requested(klaviyo)) < 30


@pytest.mark.parametrize("attributes", [{"results": None}, {"results": None, "date_times": None}])
def test_null_results_are_no_records(klaviyo: FakeKlaviyo, attributes: dict[str, Any]) -> None:
    serve(klaviyo, lambda _: (200, json.dumps({"data": {"attributes": attributes}}).encode()))
    output = sync("flow_series_reports", start_date="2024-06-29")
    assert (output.raised, output.records(), len(requested(klaviyo))) == (None, [], 1)
