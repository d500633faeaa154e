"""Aggregates of metrics: what the setting defines, in whole intervals, in UTC."""

from __future__ import annotations

import json

import pytest

from unit_tests.fake_api import FakeKlaviyo, Request, sync
from unit_tests.streams.report_api import Response, account, aggregate, requested, serve


def test_aggregates_are_what_the_setting_defines(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo, aggregate)
    definition = {"name": "orders", "metric_id": "M1", "measurements": ["count", "sum_value"], "by": ["$flow"]}
    definition["filter"] = ['equals("$flow","a")']
    output = sync("metric_aggregates", start_date="2024-06-29", metric_aggregates=[definition])
    assert requested(klaviyo) == [
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


def test_the_ids_of_aggregates_are_those_of_earlier_versions(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo, aggregate)
    definition = {"name": "orders", "metric_id": "M1", "measurements": ["count", "sum_value"], "by": ["$flow"]}
    definition["filter"] = ['equals("$flow","a")']
    both = [definition, {"metric_id": "M2"}]
    records = sync("metric_aggregates", start_date="2024-06-29", metric_aggregates=both).records()
    # definitions are read concurrently, so their records come in any order
    assert {record["id"] for record in records if record["date"].startswith("2024-06-29")} == {
        "9eb6600516a65b3314fab92d32a8f7e4",
        "c171c4fcc19f685df3886a8d50c5d86f",
        "acf20d6cf6b71a255f416c00f4424f9c",
    }


def test_intervals_outside_of_the_requested_period_are_dropped(klaviyo: FakeKlaviyo) -> None:
    def with_edges(request: Request) -> Response:
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


def test_the_next_page_of_aggregates_is_requested_with_its_cursor_in_the_body(klaviyo: FakeKlaviyo) -> None:
    def paged(request: Request) -> Response:
        document = json.loads(aggregate(request)[1])
        if "page_cursor" not in request.body["data"]["attributes"]:
            document["links"] = {"self": request.url, "next": f"{request.url}?page_cursor=abc"}
        return 200, json.dumps(document).encode()

    serve(klaviyo, paged)
    sync("metric_aggregates", start_date="2024-06-29", metric_aggregates=[{"metric_id": "M1"}])
    first, second = requested(klaviyo)
    assert second == {**first, "page_cursor": "abc"}


def test_without_definitions_nothing_is_requested(klaviyo: FakeKlaviyo) -> None:
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
def test_only_whole_intervals_are_requested(klaviyo: FakeKlaviyo, interval: str, bounds: list[tuple[str, str]]) -> None:
    serve(klaviyo, aggregate)
    sync("metric_aggregates", start_date="2024-04-17", metric_aggregates=[{"metric_id": "M1", "interval": interval}])
    found = [tuple(bound.partition(",")[2][:10] for bound in one["filter"]) for one in requested(klaviyo)]
    assert found == bounds


def test_a_changed_definition_is_read_from_the_start_date(klaviyo: FakeKlaviyo) -> None:
    serve(klaviyo, aggregate)
    name, old = "metric_aggregates", {"metric_id": "M1"}
    first = sync(name, start_date="2024-06-29", metric_aggregates=[old])
    klaviyo.requests.clear()
    last = {name: first.states(name)[-1]}
    both = [old, {"metric_id": "M1", "measurements": ["unique"]}]
    sync(name, start_date="2024-06-29", metric_aggregates=both, state=last)
    assert [one["measurements"] for one in requested(klaviyo)] == [["unique"]]


def test_a_day_of_aggregates_ends_in_utc(klaviyo: FakeKlaviyo) -> None:
    klaviyo.now += 18 * 3600 * 1_000_000  # 06:00 of the second of July, still the first in Los Angeles
    serve(klaviyo, aggregate, accounts=account("America/Los_Angeles"))
    sync("metric_aggregates", start_date="2024-06-29", metric_aggregates=[{"metric_id": "M1"}])
    assert requested(klaviyo)[0]["filter"][1] == "less-than(datetime,2024-07-02T00:00:00)"
