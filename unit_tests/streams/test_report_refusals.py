"""Reports that Klaviyo rejects: metrics without values, unknown metrics, wrong settings, and the daily quota."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airbyte_cdk.models import FailureType

from source_klaviyo.api.budget import Budget, Limit, Tier
from source_klaviyo.api.errors import DailyQuotaExceeded
from source_klaviyo.api.retry import MAX_ATTEMPTS
from source_klaviyo.streams.reports import MESSAGE_STATISTICS
from unit_tests.fake_api import FakeKlaviyo, Request, error, sync

if TYPE_CHECKING:
    from collections.abc import Callable
from unit_tests.streams.report_api import Response, metrics, report, requested, serve, timeframes

NO_VALUES = (
    400,
    error(400, "invalid", "Passed in conversion metric does not support querying for values data"),
)

UNKNOWN_METRIC = (400, error(400, "invalid", "Metric IDs ['M1'] do not exist.", "filter"))

OF_VALUES = {"average_order_value", "conversion_value", "revenue_per_recipient"}

ROI = "text_message_roi"


def refusing(*statistics: str) -> Callable[[Request], Response]:
    """Reject metric M1 if one of these statistics is requested."""

    def answer(request: Request) -> Response:
        attributes = request.body["data"]["attributes"]
        refuses = attributes["conversion_metric_id"] == "M1" and {*statistics} & {*attributes["statistics"]}
        return NO_VALUES if refuses else report(request)

    return answer


@pytest.mark.parametrize("stream", ["campaign_values_reports", "flow_values_reports", "flow_series_reports"])
@pytest.mark.parametrize(
    ("refused", "null"), [(OF_VALUES, OF_VALUES), ({*OF_VALUES, ROI}, {*OF_VALUES, ROI}), ({ROI}, {*OF_VALUES, ROI})]
)
def test_a_metric_without_values_is_requested_without_value_statistics(
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
    refused = [one for one in requested(klaviyo) if OF_VALUES & {*one["statistics"]}]
    assert len(refused) <= 2  # one of each stream, if both sent a request before either was rejected
    assert len(requested(klaviyo)) == 2 * 7 + len(refused)


def test_a_metric_that_has_no_report_has_no_rows_and_stops_no_other_metric(
    klaviyo: FakeKlaviyo, log: pytest.LogCaptureFixture
) -> None:
    serve(klaviyo, refusing(*MESSAGE_STATISTICS), metrics=metrics("M1", "M2"))
    output = sync("flow_values_reports", start_date="2024-01-01")
    assert output.raised is None
    assert {record["conversion_metric_id"] for record in output.records()} == {"M2"}
    assert [one["conversion_metric_id"] for one in requested(klaviyo)].count("M1") == 3
    assert len([one for one in log.records if one.levelname == "WARNING" and "M1" in one.message]) == 1
    again = sync("flow_values_reports", state={"flow_values_reports": output.states("flow_values_reports")[-1]})
    assert (again.raised, again.records()) == (None, [])


@pytest.mark.parametrize("stream", ["campaign_values_reports", "flow_series_reports"])
def test_a_metric_of_the_account_that_reports_do_not_know_has_no_rows_and_the_state_moves(
    klaviyo: FakeKlaviyo, log: pytest.LogCaptureFixture, stream: str
) -> None:
    def some(request: Request) -> Response:
        known = request.body["data"]["attributes"]["conversion_metric_id"] != "M1"
        return report(request) if known else UNKNOWN_METRIC

    serve(klaviyo, some, metrics=metrics("M1", "M2"))
    output = sync(stream, start_date="2024-01-01")
    assert output.raised is None
    assert {record["conversion_metric_id"] for record in output.records()} == {"M2"}
    assert [one["conversion_metric_id"] for one in requested(klaviyo)].count("M1") == 1
    assert len([one for one in log.records if one.levelname == "WARNING" and "M1" in one.message]) == 1
    positions = {entry["partition"]["metric_id"]: entry["cursor"] for entry in output.states(stream)[-1]["states"]}
    assert positions["M1"] == positions["M2"] == {"date": "2024-07-01T00:00:00+0000"}


def test_an_unknown_metric_of_the_settings_is_a_config_error(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo, lambda _: UNKNOWN_METRIC)
    (said,) = sync("flow_values_reports", metric_ids="M1").errors()
    assert said.failure_type == FailureType.config_error
    assert said.message.startswith("Klaviyo refuses what the setting metric_ids holds (400): correct it.")
    assert "Metric IDs ['M1'] do not exist." in said.message


def test_an_unknown_metric_that_no_setting_names_is_not_a_config_error(klaviyo: FakeKlaviyo) -> None:
    refused = error(400, "invalid", "That does not exist.", "/data/attributes/conversion_metric_id")
    serve(klaviyo, lambda _: (400, refused))
    (said,) = sync("flow_values_reports").errors()
    assert "please report it" in said.message


@pytest.mark.parametrize(
    ("stream", "setting", "pointer"),
    [
        ("flow_values_reports", {"metric_ids": "M1,M2"}, "conversion_metric_id"),
        ("metric_aggregates", {"metric_aggregates": [{"metric_id": "M1"}, {"metric_id": "M2"}]}, "metric_id"),
        ("metric_aggregates", {"metric_aggregates": [{"metric_id": "M1", "by": ["x"]}, {"metric_id": "M2"}]}, "by"),
    ],
)
def test_a_value_that_klaviyo_rejects_names_its_setting_and_stops_nothing_else(
    klaviyo: FakeKlaviyo, stream: str, setting: dict[str, Any], pointer: str
) -> None:
    def other(request: Request) -> Response:
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
    assert len([request for request in klaviyo.requests if request.body]) > 1  # the other one has been requested


def test_any_other_rejection_is_an_error(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo, lambda _: (400, error(400, "invalid", "No such metric.")))
    output = sync("flow_values_reports", start_date="2024-06-29")
    assert "No such metric." in output.errors("flow_values_reports")[0].message


def test_an_outage_does_not_use_up_the_quota_metric_by_metric(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo, lambda _: (500, b""))
    ids = ",".join(f"M{number}" for number in range(20))
    output = sync("flow_values_reports", start_date="2024-06-29", metric_ids=ids)
    assert output.statuses("flow_values_reports")[-1] == "INCOMPLETE"
    assert len(requested(klaviyo)) == MAX_ATTEMPTS


def used_up(klaviyo: FakeKlaviyo, after: int) -> Callable[[Request], Response]:
    """Reject reports for hours after this many."""
    return lambda request: report(request) if len(requested(klaviyo)) <= after else (429, b"")


@pytest.fixture
def hours(klaviyo: FakeKlaviyo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a 429 ask for a wait of hours, and let the budget count days."""
    monkeypatch.setattr("unit_tests.fake_api.NoLimits.exhaust_daily_quota", Budget.exhaust_daily_quota)
    monkeypatch.setattr("unit_tests.fake_api.NoLimits.acquire", acquire)
    klaviyo.headers = {"Retry-After": "73473"}


def acquire(self: Budget, limits: Any) -> None:
    if any(bucket.left_today == 0 for bucket in self._of(limits)):
        raise DailyQuotaExceeded("used up")


@pytest.mark.usefixtures("hours")
def test_an_exhausted_daily_quota_completes_the_stream_and_the_next_sync_resumes(
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
def test_a_full_refresh_that_exceeds_the_daily_quota_fails(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo, used_up(klaviyo, 2))
    output = sync("form_series_reports", start_date="2024-01-01", full_refresh=True)
    assert output.statuses("form_series_reports")[-1] == "INCOMPLETE"
    (said,) = output.errors("form_series_reports")
    assert said.failure_type == FailureType.transient_error
    assert "incrementally" in said.message


@pytest.mark.usefixtures("hours")
def test_a_wait_of_a_minute_does_not_end_the_day(klaviyo: FakeKlaviyo) -> None:
    klaviyo.headers = {"Retry-After": "61"}
    serve(klaviyo, lambda request: (429, b"") if len(requested(klaviyo)) == 2 else report(request))
    output = sync("form_series_reports", start_date="2024-01-01")
    assert output.states("form_series_reports")[-1] == {"date": "2024-07-01T00:00:00+0000"}
    assert len(klaviyo.naps) == 1


def test_the_budget_counts_the_daily_quota() -> None:
    budget = Budget(lambda: 0.0)
    limits = [Limit("reports", Tier(1000, 1000, 2))]
    for _ in range(2):
        budget.acquire(limits)
        budget.release(limits)
    with pytest.raises(DailyQuotaExceeded):
        budget.acquire(limits)
    assert budget.exhaust_daily_quota([Limit("events", Tier(10, 10))]) is False
