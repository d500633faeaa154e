"""The exact requests of each stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from source_klaviyo.sync.instants import parse_instant
from tools.streams import by_name
from unit_tests.fake_api import HOST, FakeKlaviyo, sync
from unit_tests.fake_endpoints import SUPPRESSED_AT
from unit_tests.streams.core import NAMES, RESOURCES, STATE, fill, state_of

if TYPE_CHECKING:
    from collections.abc import Mapping

START = "2024-01-01T00:00:00Z"

BEFORE_START = "2023-12-31T23:59:59Z"

SINCE = "2024-06-01T10:00:00Z"

BEFORE_SINCE = "2024-06-01T09:59:59Z"

END = "2024-06-15T00:00:00Z"

CHANNELS = [(channel, archived) for channel in ("email", "sms", "mobile_push") for archived in ("false", "true")]

ANALYTICS = "subscriptions,predictive_analytics"

EVER = "2000-01-01T00:00:00Z"

Params = dict[str, str]


TAGS = {"include": "tags", "fields[tag]": "name"}


def campaigns(bound: str) -> list[Params]:
    return [
        {
            **TAGS,
            "filter": f"equals(messages.channel,'{channel}'),equals(archived,{archived}),{bound}",
            "sort": "updated_at",
            "page[size]": "100",
        }
        for channel, archived in CHANNELS
    ]


def flows(bound: str) -> list[Params]:
    return [
        {**TAGS, "filter": f"equals(archived,{archived}),{bound}", "sort": "updated", "page[size]": "50"}
        for archived in ("false", "true")
    ]


def templates(bound: str) -> list[Params]:
    return [{"filter": bound, "sort": "updated", "page[size]": "10"}]


def lists(bound: str) -> list[Params]:
    return [{**TAGS, **templates(bound)[0]}]


def events(bound: str) -> list[Params]:
    return [
        {
            "include": "metric,attributions",
            "fields[metric]": "name",
            "filter": bound,
            "sort": "datetime",
            "page[size]": "1000",
        }
    ]


def profiles(bound: str, fields: str = ANALYTICS) -> list[Params]:
    return [{"additional-fields[profile]": fields, "filter": bound, "sort": "updated", "page[size]": "100"}]


def suppressed_since(bound: str, fields: str = ANALYTICS) -> list[Params]:
    filters = f"greater-or-equal({SUPPRESSED_AT},{bound})"
    return [{"additional-fields[profile]": fields, "filter": filters, "page[size]": "100"}]


def changed_since(since: str, before: str) -> dict[str, list[Params]]:
    """Return the requests of each stream for records changed since an instant; `before` is the second before it."""
    return {
        "campaigns": campaigns(f"greater-or-equal(updated_at,{since})"),
        "email_templates": templates(f"greater-or-equal(updated,{since})"),
        "events": events(f"greater-or-equal(datetime,{since})"),
        "flows": flows(f"greater-or-equal(updated,{since})"),
        "global_exclusions": profiles(f"greater-than(updated,{before})", "subscriptions"),
        "lists": lists(f"greater-than(updated,{before})"),
        "metrics": [{}],
        "profiles": profiles(f"greater-than(updated,{before})"),
    }


FIRST = changed_since(START, BEFORE_START) | {"global_exclusions": suppressed_since(EVER, "subscriptions")}
LATER = changed_since(SINCE, BEFORE_SINCE)
LATER["global_exclusions"] += suppressed_since(SINCE, "subscriptions")
LATER["profiles"] += suppressed_since(SINCE)


def ordered(requests: list[Params]) -> list[Params]:
    """Sort requests, since they are made concurrently."""
    return sorted(requests, key=lambda params: sorted(params.items()))


# --- the first page -------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", NAMES)
def test_a_first_read_requests_records_from_the_start_date(klaviyo: FakeKlaviyo, stream: str) -> None:
    sync(stream)
    assert ordered(klaviyo.first_pages()) == ordered(FIRST[stream])
    assert {request.resource for request in klaviyo.requests} == {RESOURCES.get(stream, stream)}
    assert len(klaviyo.requests) == len(FIRST[stream])


@pytest.mark.parametrize("stream", NAMES)
def test_an_increment_requests_records_from_the_state(klaviyo: FakeKlaviyo, stream: str) -> None:
    sync(stream, state={stream: state_of(stream)})
    assert ordered(klaviyo.first_pages()) == ordered(LATER[stream])
    assert len(klaviyo.requests) == len(LATER[stream])


@pytest.mark.parametrize("stream", NAMES)
@pytest.mark.parametrize(
    ("full_refresh", "start_date"), [(True, START), (False, "2024-01-01")], ids=["a full refresh", "a mere date"]
)
def test_a_full_refresh_and_a_start_date_without_a_time_request_what_a_first_read_does(
    klaviyo: FakeKlaviyo, stream: str, full_refresh: bool, start_date: str
) -> None:
    state = {stream: state_of(stream)} if full_refresh else None
    sync(stream, state=state, full_refresh=full_refresh, start_date=start_date)
    assert ordered(klaviyo.first_pages()) == ordered(FIRST[stream])


@pytest.mark.parametrize("stream", sorted(set(NAMES) - {"global_exclusions", "metrics"}))
def test_a_state_before_the_start_date_begins_at_the_start_date(klaviyo: FakeKlaviyo, stream: str) -> None:
    sync(stream, state={stream: state_of(stream, "2023-06-01T00:00:00+0000")})
    expected = [*FIRST[stream], *(suppressed_since(START) if stream == "profiles" else [])]
    assert ordered(klaviyo.first_pages()) == ordered(expected)


def test_without_a_start_date_everything_since_2012_is_requested(klaviyo: FakeKlaviyo) -> None:
    sync("events", start_date=None)
    assert klaviyo.first_pages() == events("greater-or-equal(datetime,2012-01-01T00:00:00Z)")


def test_each_partition_is_requested_from_its_own_state(klaviyo: FakeKlaviyo) -> None:
    states = [
        {"partition": {"archived": "true"}, "cursor": {"updated": STATE}},
        {"partition": {"archived": "false"}, "cursor": {"updated": "2024-05-01T00:00:00+0000"}},
    ]
    sync("flows", state={"flows": {"states": states}})
    assert sorted(params["filter"] for params in klaviyo.first_pages()) == [
        "equals(archived,false),greater-or-equal(updated,2024-05-01T00:00:00Z)",
        f"equals(archived,true),greater-or-equal(updated,{SINCE})",
    ]


def test_a_lookback_requests_events_again_but_none_before_the_start_date(klaviyo: FakeKlaviyo) -> None:
    sync("events", state={"events": state_of("events")}, lookback_window=7)
    sync("events", state={"events": state_of("events")}, lookback_window=1000)
    sync("profiles", state={"profiles": state_of("profiles")}, lookback_window=7)
    assert klaviyo.first_pages() == [
        *events("greater-or-equal(datetime,2024-05-25T10:00:00Z)"),
        *events(f"greater-or-equal(datetime,{START})"),
        *LATER["profiles"],
    ]


def test_predictive_analytics_are_not_requested_if_the_user_disables_them(klaviyo: FakeKlaviyo) -> None:
    sync("profiles", disable_fetching_predictive_analytics=True)
    assert klaviyo.first_pages() == profiles(f"greater-than(updated,{BEFORE_START})", "subscriptions")


# --- slices ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "part", "filters"),
    [
        (
            "campaigns",
            {"campaign_type": "sms", "archived": "true"},
            (
                "equals(messages.channel,'sms'),equals(archived,true),"
                f"greater-or-equal(updated_at,{SINCE}),less-than(updated_at,{END})"
            ),
        ),
        ("email_templates", {}, f"greater-or-equal(updated,{SINCE}),less-than(updated,{END})"),
        ("events", {}, f"greater-or-equal(datetime,{SINCE}),less-than(datetime,{END})"),
        (
            "flows",
            {"archived": "true"},
            f"equals(archived,true),greater-or-equal(updated,{SINCE}),less-than(updated,{END})",
        ),
        (
            "global_exclusions",
            {"query": "changed"},
            f"greater-than(updated,{BEFORE_SINCE}),less-than(updated,{END})",
        ),
        ("global_exclusions", {"query": "suppressed"}, f"greater-or-equal({SUPPRESSED_AT},{SINCE})"),
        (
            "images",
            {"query": "hidden"},
            f"equals(hidden,true),greater-or-equal(updated_at,{SINCE}),less-than(updated_at,{END})",
        ),
        ("lists", {}, f"greater-than(updated,{BEFORE_SINCE})"),
        ("metrics", {}, None),
        ("profiles", {"query": "changed"}, f"greater-than(updated,{BEFORE_SINCE}),less-than(updated,{END})"),
        ("profiles", {"query": "suppressed"}, f"greater-or-equal({SUPPRESSED_AT},{SINCE})"),
        ("reviews", {}, 'equals(status,"all")'),
        ("segments", {"query": "inactive"}, f"equals(is_active,false),greater-than(updated,{BEFORE_SINCE})"),
    ],
)
def test_a_window_is_requested_with_the_bounds_that_the_endpoint_supports(
    stream: str, part: Mapping[str, str], filters: str | None
) -> None:
    asked = by_name()[stream].query(part)
    bounds = {"start": parse_instant(SINCE), "end": parse_instant(END)}
    assert asked.request_params(stream_slice={**part, **bounds}).get("filter") == filters


@pytest.mark.parametrize("stream", NAMES)
def test_a_later_page_has_no_parameters_of_its_own(stream: str) -> None:
    params = by_name()[stream].request_params(
        stream_slice={"start": parse_instant(SINCE)}, next_page_token={"next": "https://x"}
    )
    assert params == {}


# --- later pages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", NAMES)
def test_the_links_of_pages_are_followed_as_they_are(klaviyo: FakeKlaviyo, stream: str) -> None:
    klaviyo.page_limit = 2
    ids = fill(klaviyo, stream, 5)
    output = sync(stream, num_workers=1)
    assert output.ids() == ids
    later = [request for request in klaviyo.requests if not request.is_first_page]
    assert len(later) == 2
    for request in later:
        # the server accepts only links that it has sent
        assert request.url.startswith(f"{HOST}/api/{RESOURCES.get(stream, stream)}?page%5Bcursor%5D=bmV4dDo6")
        assert {**request.params, "page[cursor]": ""} == {**FIRST[stream][0], "page[cursor]": ""}


# --- refusals -------------------------------------------------------------------------------------------


# --- profiles by their suppression ----------------------------------------------------------------------


# --- everything -----------------------------------------------------------------------------------------


def test_streams_read_together_request_what_each_requests_alone(klaviyo: FakeKlaviyo) -> None:
    sync(*NAMES)
    asked = [params for questions in FIRST.values() for params in questions]
    assert ordered(klaviyo.first_pages()) == ordered(asked)
