"""Profiles by their suppression: those suppressed since a state are emitted once, though `updated` does not move."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from source_klaviyo.sync.instants import SECOND, for_filter
from unit_tests.fake_api import FakeKlaviyo, Rejected, Request, sync
from unit_tests.fake_endpoints import SUPPRESSED_AT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
from unit_tests.streams.core import fill, state_of, suppressed

OLD, NEW = "2024-05-01T00:00:00+00:00", "2024-06-10T00:00:00+00:00"


def refuse_suppression_filter(request: Request) -> None:
    if SUPPRESSED_AT in request.params.get("filter", ""):
        raise Rejected("Cannot filter by that.", "filter")


@pytest.mark.parametrize("stream", ["global_exclusions", "profiles"])
def test_no_suppression_filter_comes_with_a_sort_or_a_second_date(klaviyo: FakeKlaviyo, stream: str) -> None:
    sync(stream, state={stream: state_of(stream)})
    asked = [params for params in klaviyo.first_pages() if SUPPRESSED_AT in params["filter"]]
    assert len(asked) == 1
    assert "sort" not in asked[0]
    assert asked[0]["filter"].count("(") == 1


def test_a_first_read_without_the_suppression_filter_reads_all_profiles(
    klaviyo: FakeKlaviyo, log: pytest.LogCaptureFixture
) -> None:
    klaviyo.may_reject = True
    klaviyo.before = refuse_suppression_filter
    klaviyo.page_limit = 2
    klaviyo.add("profiles", *({"updated": f"2024-05-{day:02}T00:00:00+00:00"} for day in range(1, 6)))
    ids = fill(klaviyo, "global_exclusions", 5)
    assert sorted(sync("global_exclusions").ids()) == ids
    since = "2000-01-01T00:00:00Z"
    assert [(params["additional-fields[profile]"], params["filter"]) for params in klaviyo.first_pages()] == [
        ("subscriptions", f"greater-or-equal({SUPPRESSED_AT},{since})"),
        ("subscriptions", f"greater-than(updated,{since})"),
    ]
    said = [record.message for record in log.records if "filter profiles" in record.message]
    assert len(said) == 1
    assert said[0].startswith(
        "Klaviyo refuses to filter profiles by their suppression: stream global_exclusions reads all profiles instead"
    )


@pytest.mark.parametrize("stream", ["global_exclusions", "profiles"])
def test_an_increment_without_the_suppression_filter_finds_the_suppressed_among_all_profiles(
    klaviyo: FakeKlaviyo, stream: str
) -> None:
    klaviyo.may_reject = True
    klaviyo.before = refuse_suppression_filter
    klaviyo.add("profiles", {"updated": OLD}, suppressed(OLD, OLD))
    ids = klaviyo.add("profiles", suppressed(OLD, NEW), suppressed(NEW, OLD), suppressed(OLD, OLD, NEW))
    output = sync(stream, state={stream: state_of(stream)})
    assert sorted(output.ids()) == ids


def test_a_profile_suppressed_during_a_read_is_emitted_at_once_and_by_the_next_sync(klaviyo: FakeKlaviyo) -> None:
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
def test_a_profile_with_several_suppressions_is_emitted_once_whichever_counts(
    klaviyo: FakeKlaviyo, order: Callable[..., Any]
) -> None:
    klaviyo.page_limit, klaviyo.latency, klaviyo.suppression_order = 2, 3.0, order
    dates = [f"{year}-{month:02}-01T00:00:00+00:00" for year in range(2014, 2024) for month in range(1, 13)]
    several = klaviyo.add("profiles", *(suppressed(OLD, *dates[number::40]) for number in range(40)))
    single = klaviyo.add("profiles", *(suppressed(OLD, date) for date in dates))
    output = sync("global_exclusions")
    assert sorted(output.ids()) == [*several, *single]
    assert len(klaviyo.first_pages()) > 1  # the time was divided


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
def test_an_increment_emits_profiles_that_changed_or_were_suppressed_once(
    klaviyo: FakeKlaviyo, profile: Mapping[str, Any], found: bool
) -> None:
    klaviyo.add("profiles", profile)
    output = sync("global_exclusions", state={"global_exclusions": state_of("global_exclusions")})
    assert output.ids() == (["profiles-00000"] if found else [])
    output = sync("profiles", state={"profiles": state_of("profiles")})
    changed = profile["updated"] >= "2024-06-01T10:00:00+00:00"
    assert output.ids() == (["profiles-00000"] if found or changed else [])


def test_a_first_read_finds_profiles_suppressed_before_the_start_date(klaviyo: FakeKlaviyo) -> None:
    (old,) = klaviyo.add("profiles", suppressed("2013-02-01T00:00:00+00:00", "2013-01-01T00:00:00+00:00"))
    assert sync("global_exclusions").ids() == [old]
