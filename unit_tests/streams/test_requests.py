"""What each stream asks Klaviyo, to the letter."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from source_klaviyo.api.client import KlaviyoClient
from source_klaviyo.config import Config
from source_klaviyo.streams import STREAMS, KlaviyoStream
from source_klaviyo.sync.instants import SECOND, for_filter
from unit_tests.fake_api import CONFIG, HOST, SUPPRESSED_AT, Client, FakeKlaviyo, Refused, Request, sync

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

START = "2024-01-01T00:00:00Z"
BEFORE_START = "2023-12-31T23:59:59Z"
STATE = "2024-06-01T10:00:00+0000"
SINCE = "2024-06-01T10:00:00Z"
BEFORE_SINCE = "2024-06-01T09:59:59Z"
END = "2024-06-15T00:00:00Z"

NAMES = ["campaigns", "email_templates", "events", "flows", "global_exclusions", "lists", "metrics", "profiles"]
CURSORS = {"campaigns": "updated_at", "events": "datetime"}
RESOURCES = {"email_templates": "templates", "global_exclusions": "profiles"}
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


FIRST = {
    "campaigns": campaigns(f"greater-or-equal(updated_at,{START})"),
    "email_templates": templates(f"greater-or-equal(updated,{START})"),
    "events": events(f"greater-or-equal(datetime,{START})"),
    "flows": flows(f"greater-or-equal(updated,{START})"),
    "global_exclusions": suppressed_since(EVER, "subscriptions"),
    "lists": lists(f"greater-than(updated,{BEFORE_START})"),
    "metrics": [{}],
    "profiles": profiles(f"greater-than(updated,{BEFORE_START})"),
}
LATER = {
    "campaigns": campaigns(f"greater-or-equal(updated_at,{SINCE})"),
    "email_templates": templates(f"greater-or-equal(updated,{SINCE})"),
    "events": events(f"greater-or-equal(datetime,{SINCE})"),
    "flows": flows(f"greater-or-equal(updated,{SINCE})"),
    "global_exclusions": [
        *profiles(f"greater-than(updated,{BEFORE_SINCE})", "subscriptions"),
        *suppressed_since(SINCE, "subscriptions"),
    ],
    "lists": lists(f"greater-than(updated,{BEFORE_SINCE})"),
    "metrics": [{}],
    "profiles": [*profiles(f"greater-than(updated,{BEFORE_SINCE})"), *suppressed_since(SINCE)],
}


def ordered(questions: list[Params]) -> list[Params]:
    """In an order of their own: they are asked side by side."""
    return sorted(questions, key=lambda params: sorted(params.items()))


def state_of(stream: str, cursor: str = STATE) -> dict[str, Any]:
    """A state that all partitions of a stream share."""
    position = {CURSORS.get(stream, "updated"): cursor}
    if stream in ("campaigns", "flows"):
        return {"use_global_cursor": True, "state": position, "lookback_window": 0}
    return position


def fill(klaviyo: FakeKlaviyo, stream: str, count: int) -> list[str]:
    """Add records that the stream reads, in a single partition."""
    at = [{CURSORS.get(stream, "updated"): f"2024-06-10T00:00:{second:02}+00:00"} for second in range(count)]
    if stream == "campaigns":
        rows = [{**one, "archived": False} for one in at]
        return klaviyo.add("campaigns", *rows, **{"messages.channel": "email"})
    if stream == "flows":
        return klaviyo.add("flows", *({**one, "archived": False} for one in at))
    if stream == "global_exclusions":
        return klaviyo.add("profiles", *(suppressed(one["updated"], one["updated"]) for one in at))
    return klaviyo.add(RESOURCES.get(stream, stream), *at)


def suppressed(updated: str, *timestamps: str) -> dict[str, Any]:
    """The attributes of a profile that is suppressed since the timestamps."""
    suppression = [{"reason": "USER_SUPPRESSED", "timestamp": timestamp} for timestamp in timestamps]
    return {"updated": updated, "subscriptions": {"email": {"marketing": {"suppression": suppression}}}}


def declared(name: str, **settings: Any) -> KlaviyoStream:
    """A stream by its name, which asks nobody."""
    config, client = Config.parse({**CONFIG, **settings}, {}), KlaviyoClient("pk_made_up")
    found: list[KlaviyoStream] = [stream(config, client, None) for stream in STREAMS]  # type: ignore[arg-type]
    return next(stream for stream in found if stream.name == name)


# --- the first page -------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", NAMES)
def test_a_first_read_asks_from_the_start_date_on(klaviyo: FakeKlaviyo, stream: str) -> None:
    sync(stream)
    assert ordered(klaviyo.questions()) == ordered(FIRST[stream])
    assert {request.resource for request in klaviyo.requests} == {RESOURCES.get(stream, stream)}
    assert len(klaviyo.requests) == len(FIRST[stream])


@pytest.mark.parametrize("stream", NAMES)
def test_an_increment_asks_from_the_state_on(klaviyo: FakeKlaviyo, stream: str) -> None:
    sync(stream, state={stream: state_of(stream)})
    assert ordered(klaviyo.questions()) == ordered(LATER[stream])
    assert len(klaviyo.requests) == len(LATER[stream])


@pytest.mark.parametrize("stream", NAMES)
def test_a_full_refresh_asks_what_a_first_read_asks(klaviyo: FakeKlaviyo, stream: str) -> None:
    sync(stream, state={stream: state_of(stream)}, full_refresh=True)
    assert ordered(klaviyo.questions()) == ordered(FIRST[stream])


@pytest.mark.parametrize("stream", NAMES)
def test_a_start_date_may_be_a_mere_date(klaviyo: FakeKlaviyo, stream: str) -> None:
    sync(stream, start_date="2024-01-01")
    assert ordered(klaviyo.questions()) == ordered(FIRST[stream])


@pytest.mark.parametrize("stream", sorted(set(NAMES) - {"global_exclusions", "metrics"}))
def test_a_state_before_the_start_date_begins_at_the_start_date(klaviyo: FakeKlaviyo, stream: str) -> None:
    sync(stream, state={stream: state_of(stream, "2023-06-01T00:00:00+0000")})
    expected = [*FIRST[stream], *(suppressed_since(START) if stream == "profiles" else [])]
    assert ordered(klaviyo.questions()) == ordered(expected)


def test_without_a_start_date_everything_since_2012_is_asked_for(klaviyo: FakeKlaviyo) -> None:
    sync("events", start_date=None)
    assert klaviyo.questions() == events("greater-or-equal(datetime,2012-01-01T00:00:00Z)")


def test_each_partition_is_asked_from_its_own_state_on(klaviyo: FakeKlaviyo) -> None:
    states = [
        {"partition": {"archived": "true"}, "cursor": {"updated": STATE}},
        {"partition": {"archived": "false"}, "cursor": {"updated": "2024-05-01T00:00:00+0000"}},
    ]
    sync("flows", state={"flows": {"states": states}})
    assert sorted(params["filter"] for params in klaviyo.questions()) == [
        "equals(archived,false),greater-or-equal(updated,2024-05-01T00:00:00Z)",
        f"equals(archived,true),greater-or-equal(updated,{SINCE})",
    ]


def test_a_lookback_asks_events_again_but_nothing_before_the_start_date(klaviyo: FakeKlaviyo) -> None:
    sync("events", state={"events": state_of("events")}, lookback_window=7)
    sync("events", state={"events": state_of("events")}, lookback_window=1000)
    sync("profiles", state={"profiles": state_of("profiles")}, lookback_window=7)
    assert klaviyo.questions() == [
        *events("greater-or-equal(datetime,2024-05-25T10:00:00Z)"),
        *events(f"greater-or-equal(datetime,{START})"),
        *LATER["profiles"],
    ]


def test_predictive_analytics_are_left_out_when_the_user_does_without(klaviyo: FakeKlaviyo) -> None:
    sync("profiles", disable_fetching_predictive_analytics=True)
    assert klaviyo.questions() == profiles(f"greater-than(updated,{BEFORE_START})", "subscriptions")


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
def test_a_window_is_asked_for_as_far_as_the_server_can_tell_it(
    stream: str, part: Mapping[str, str], filters: str | None
) -> None:
    asked = declared(stream).query(part)
    assert asked.request_params(stream_slice={**part, "start": SINCE, "end": END}).get("filter") == filters


@pytest.mark.parametrize("stream", NAMES)
def test_a_later_page_has_no_parameters_of_its_own(stream: str) -> None:
    params = declared(stream).request_params(stream_slice={"start": SINCE}, next_page_token={"next": "https://x"})
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
        # the server knows only the links that it has given out, so these are they
        assert request.url.startswith(f"{HOST}/api/{RESOURCES.get(stream, stream)}?page%5Bcursor%5D=bmV4dDo6")
        assert {**request.params, "page[cursor]": ""} == {**FIRST[stream][0], "page[cursor]": ""}


# --- refusals -------------------------------------------------------------------------------------------


def refuse_pages_of(*sizes: str) -> Any:
    def before(request: Request) -> None:
        if request.params.get("page[size]") in sizes:
            raise Refused("Page size must be between 1 and 200.", "page[size]")

    return before


def test_events_fall_back_once_to_pages_of_200_and_say_so(klaviyo: FakeKlaviyo, log: pytest.LogCaptureFixture) -> None:
    klaviyo.may_refuse = True
    klaviyo.before = refuse_pages_of("1000")
    klaviyo.page_limit = 2
    ids = fill(klaviyo, "events", 5)
    assert sync("events", num_workers=1).ids() == ids
    assert [params["page[size]"] for params in klaviyo.questions()] == ["1000", "200"]
    said = [record.message for record in log.records if "refuses pages" in record.message]
    assert said == ["Klaviyo refuses pages of 1000 for stream events; going on with pages of 200."]
    assert len(klaviyo.refusals) == 1


@pytest.mark.parametrize(
    ("stream", "refused", "asked"),
    [
        ("events", ("1000", "200"), ["1000", "200", None]),
        ("profiles", ("100",), ["100", "20"]),
        ("profiles", ("100", "20"), ["100", "20", None]),
        ("global_exclusions", ("100",), ["100", "20"]),
        ("lists", ("10",), ["10", None]),
        ("email_templates", ("10",), ["10", None]),
    ],
)
def test_a_page_size_that_is_refused_is_reduced(
    klaviyo: FakeKlaviyo, stream: str, refused: tuple[str, ...], asked: list[str | None]
) -> None:
    klaviyo.may_refuse = True
    klaviyo.before = refuse_pages_of(*refused)
    ids = fill(klaviyo, stream, 3)
    output = sync(stream)
    assert output.raised is None
    assert output.ids() == ids
    assert [params.get("page[size]") for params in klaviyo.questions()] == asked


def all_refused_at_once(klaviyo: FakeKlaviyo, size: str, parts: int) -> None:
    """Each part asks with the same size before any is refused; the first has asked again before the others go on."""
    klaviyo.gate = threading.Barrier(parts, action=lambda: setattr(klaviyo, "gate", None))
    asked_again = threading.Event()
    first = threading.Semaphore(1)

    def before(request: Request) -> None:
        if request.params.get("page[size]") == size:
            raise Refused("Page size must be smaller.", "page[size]")
        asked_again.set()

    klaviyo.may_refuse = True
    klaviyo.before = before
    klaviyo.refused = lambda: None if first.acquire(blocking=False) else asked_again.wait(10) and None


@pytest.mark.parametrize(
    ("stream", "size", "smaller", "parts"),
    [("campaigns", "100", None, 6), ("flows", "50", None, 2), ("global_exclusions", "100", "20", 2)],
)
def test_parts_that_are_refused_at_once_all_go_on_with_the_same_size(
    klaviyo: FakeKlaviyo, stream: str, size: str, smaller: str | None, parts: int
) -> None:
    all_refused_at_once(klaviyo, size, parts)
    ids = fill(klaviyo, stream, 3)
    output = sync(stream, state={stream: state_of(stream)})
    assert output.raised is None
    assert output.ids() == ids
    sizes = [params.get("page[size]") for params in klaviyo.questions()]
    assert Counter(sizes) == {size: parts, smaller: parts}


def test_another_refusal_is_not_met_with_smaller_pages(klaviyo: FakeKlaviyo) -> None:
    def before(_: Request) -> None:
        raise Refused("Cannot filter by that.", "filter")

    klaviyo.may_refuse = True
    klaviyo.before = before
    output = sync("events")
    assert len(klaviyo.requests) == 1
    assert "Cannot filter by that." in output.errors("events")[0].message


# --- profiles by their suppression ----------------------------------------------------------------------


def refuse_suppression_filter(request: Request) -> None:
    if SUPPRESSED_AT in request.params.get("filter", ""):
        raise Refused("Cannot filter by that.", "filter")


@pytest.mark.parametrize("stream", ["global_exclusions", "profiles"])
def test_no_suppression_filter_comes_with_a_sort_or_a_second_date(klaviyo: FakeKlaviyo, stream: str) -> None:
    sync(stream, state={stream: state_of(stream)})
    asked = [params for params in klaviyo.questions() if SUPPRESSED_AT in params["filter"]]
    assert len(asked) == 1
    assert "sort" not in asked[0]
    assert asked[0]["filter"].count("(") == 1


def test_a_first_read_without_the_suppression_filter_reads_all_profiles(
    klaviyo: FakeKlaviyo, log: pytest.LogCaptureFixture
) -> None:
    klaviyo.may_refuse = True
    klaviyo.before = refuse_suppression_filter
    klaviyo.page_limit = 2
    klaviyo.add("profiles", *({"updated": f"2024-05-{day:02}T00:00:00+00:00"} for day in range(1, 6)))
    ids = fill(klaviyo, "global_exclusions", 5)
    assert sorted(sync("global_exclusions").ids()) == ids
    everything = profiles(f"greater-than(updated,{EVER})", "subscriptions")
    assert klaviyo.questions() == [*FIRST["global_exclusions"], *everything]
    said = [record.message for record in log.records if "filter profiles" in record.message]
    assert len(said) == 1
    assert said[0].startswith(
        "Klaviyo refuses to filter profiles by their suppression: stream global_exclusions reads all profiles instead"
    )


@pytest.mark.parametrize("stream", ["global_exclusions", "profiles"])
def test_an_increment_without_the_suppression_filter_finds_the_suppressed_among_all_profiles(
    klaviyo: FakeKlaviyo, stream: str
) -> None:
    klaviyo.may_refuse = True
    klaviyo.before = refuse_suppression_filter
    klaviyo.add("profiles", {"updated": OLD}, suppressed(OLD, OLD))
    ids = klaviyo.add("profiles", suppressed(OLD, NEW), suppressed(NEW, OLD), suppressed(OLD, OLD, NEW))
    output = sync(stream, state={stream: state_of(stream)})
    assert sorted(output.ids()) == ids


def test_who_is_suppressed_while_profiles_are_read_comes_at_once_and_with_the_next_sync(klaviyo: FakeKlaviyo) -> None:
    (one,) = klaviyo.add("profiles", {"updated": OLD})

    def unsubscribe(_: Request) -> None:
        klaviyo.now += 60 * SECOND  # without a change of `updated`
        klaviyo.rows["profiles"][0]["attributes"] = suppressed(OLD, for_filter(klaviyo.now))
        klaviyo.before = lambda _: None

    first = sync("profiles")
    klaviyo.before = unsubscribe
    second = sync("profiles", state={"profiles": first.states("profiles")[-1]})
    klaviyo.now += 3600 * SECOND
    third = sync("profiles", state={"profiles": second.states("profiles")[-1]})
    fourth = sync("profiles", state={"profiles": third.states("profiles")[-1]})
    assert [output.ids() for output in (first, second, third, fourth)] == [[one], [one], [one], []]


@pytest.mark.parametrize("order", [min, max], ids=["the first", "the last"])
def test_a_profile_with_several_suppressions_comes_once_whichever_counts(
    klaviyo: FakeKlaviyo, order: Callable[..., Any]
) -> None:
    klaviyo.page_limit, klaviyo.latency, klaviyo.suppression_order = 2, 3.0, order
    dates = [f"{year}-{month:02}-01T00:00:00+00:00" for year in range(2014, 2024) for month in range(1, 13)]
    several = klaviyo.add("profiles", *(suppressed(OLD, *dates[number::40]) for number in range(40)))
    single = klaviyo.add("profiles", *(suppressed(OLD, date) for date in dates))
    output = sync("global_exclusions")
    assert sorted(output.ids()) == [*several, *single]
    assert len(klaviyo.questions()) > 1  # the time was divided


OLD, NEW = "2024-05-01T00:00:00+00:00", "2024-06-10T00:00:00+00:00"


@pytest.mark.parametrize(
    ("profile", "found"),
    [
        (suppressed(NEW, OLD), True),
        (suppressed(OLD, NEW), True),
        (suppressed(NEW, NEW), True),
        (suppressed(OLD, OLD, NEW), True),
        (suppressed(OLD, OLD), False),
        (suppressed(NEW), False),
        ({"updated": NEW}, False),
        (suppressed("2024-06-01T10:00:00+00:00", OLD), True),
        (suppressed("2024-06-01T09:59:59.999999+00:00", OLD), False),
        (suppressed("2024-06-01T10:00:00+00:00", "2024-06-01T10:00:00+00:00"), True),
    ],
    ids=[
        "changed",
        "suppressed",
        "both",
        "suppressed again",
        "neither",
        "no longer suppressed",
        "never suppressed",
        "changed at the state",
        "changed before it",
        "both at the state",
    ],
)
def test_an_increment_finds_who_changed_or_was_suppressed_since_once(
    klaviyo: FakeKlaviyo, profile: Mapping[str, Any], found: bool
) -> None:
    klaviyo.add("profiles", profile)
    output = sync("global_exclusions", state={"global_exclusions": state_of("global_exclusions")})
    assert output.ids() == (["profiles-00000"] if found else [])
    output = sync("profiles", state={"profiles": state_of("profiles")})
    changed = profile["updated"] >= "2024-06-01T10:00:00+00:00"
    assert output.ids() == (["profiles-00000"] if found or changed else [])


def test_a_first_read_finds_who_was_suppressed_before_the_start_date(klaviyo: FakeKlaviyo) -> None:
    (old,) = klaviyo.add("profiles", suppressed("2013-02-01T00:00:00+00:00", "2013-01-01T00:00:00+00:00"))
    assert sync("global_exclusions").ids() == [old]


# --- everything -----------------------------------------------------------------------------------------


def test_all_streams_at_once_ask_what_each_asks_alone(klaviyo: FakeKlaviyo) -> None:
    sync(*NAMES)
    asked = [params for questions in FIRST.values() for params in questions]
    assert ordered(klaviyo.questions()) == ordered(asked)


def test_the_client_of_these_tests_is_that_of_the_source(klaviyo: FakeKlaviyo) -> None:
    from source_klaviyo import source  # noqa: PLC0415

    assert isinstance(source.KlaviyoClient("pk_made_up"), Client)
