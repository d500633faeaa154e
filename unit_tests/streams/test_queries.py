"""Streams that several queries make up: their states, and syncs that are stopped anywhere."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYetError
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from source_klaviyo.sync.cursor import CONSISTENCY_LAG
from source_klaviyo.sync.instants import DAY, SECOND, Instant, for_filter, for_state, parse_instant
from tools.streams import streams
from unit_tests.fake_api import NOW, FakeKlaviyo, Request, sync

if TYPE_CHECKING:
    from source_klaviyo.streams.base import KlaviyoStream

STREAMS = ["profiles", "global_exclusions"]
START = parse_instant("2024-01-01T00:00:00Z")
SETTLED = for_state(NOW - CONSISTENCY_LAG)


def profile(updated: Instant, *suppressed_at: Instant) -> dict[str, Any]:
    suppression = [{"reason": "UNSUBSCRIBE", "timestamp": for_filter(one)} for one in suppressed_at]
    return {"updated": for_filter(updated), "subscriptions": {"email": {"marketing": {"suppression": suppression}}}}


def fill(klaviyo: FakeKlaviyo, seed: int, count: int = 120) -> None:
    """Add profiles of which a third is suppressed, some of them several times."""
    chance = random.Random(seed)

    def instant() -> Instant:
        return Instant(chance.randrange(START, NOW - DAY, SECOND))

    klaviyo.add(
        "profiles",
        *(profile(instant(), *(instant() for _ in range(chance.choice((0, 0, 0, 1, 1, 3))))) for _ in range(count)),
    )


def wanted(klaviyo: FakeKlaviyo, stream: str) -> set[str]:
    """Return the ids that a first read emits."""
    return {row["id"] for row in klaviyo.rows["profiles"] if stream == "profiles" or suppressions(row)}


def suppressions(row: dict[str, Any]) -> list[Any]:
    found: list[Any] = row["attributes"]["subscriptions"]["email"]["marketing"]["suppression"]
    return found


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("seed", range(3))
def test_a_first_sync_that_is_stopped_anywhere_resumes_and_misses_no_profile(
    klaviyo: FakeKlaviyo, stream: str, seed: int
) -> None:
    klaviyo.page_limit, klaviyo.latency = 3, 3.0
    fill(klaviyo, seed)
    first = sync(stream)
    assert set(first.ids()) == wanted(klaviyo, stream)
    assert len(first.ids()) == len(set(first.ids()))
    found = [(set(out.ids()), state) for out, state in first.checkpoints(stream)]
    assert len(found) > 5
    for out, state in found:
        rest = sync(stream, state={stream: state}).ids()
        assert out | set(rest) == wanted(klaviyo, stream)
        assert len(rest) <= len(wanted(klaviyo, stream)) - len(out) + 3 * 64  # only pages in flight are repeated
    assert sync(stream, state={stream: found[-1][1]}).ids() == []


@pytest.mark.parametrize("stream", STREAMS)
def test_an_increment_that_is_stopped_anywhere_misses_no_profile(klaviyo: FakeKlaviyo, stream: str) -> None:
    klaviyo.page_limit = 2
    fill(klaviyo, 7)
    before = sync(stream).states(stream)[-1]
    chance = random.Random(8)
    klaviyo.now += 10 * DAY
    changed = set()
    for row in chance.sample(klaviyo.rows["profiles"], 30):
        at = Instant(chance.randrange(NOW, klaviyo.now - DAY, SECOND))
        old = parse_instant(row["attributes"]["updated"])
        how = chance.choice(("changed", "suppressed", "both"))
        stamps = [parse_instant(one["timestamp"]) for one in suppressions(row)]
        row["attributes"] = profile(old if how == "suppressed" else at, *stamps, *([] if how == "changed" else [at]))
        if stream == "profiles" or suppressions(row):
            changed.add(row["id"])
    increment = sync(stream, state={stream: before})
    assert sorted(increment.ids()) == sorted(changed)
    for out, state in increment.checkpoints(stream):
        assert {*out.ids(), *sync(stream, state={stream: state}).ids()} == changed


def test_the_state_names_the_position_of_each_query(klaviyo: FakeKlaviyo) -> None:
    fill(klaviyo, 1)
    for stream in STREAMS:
        state = sync(stream).states(stream)[-1]
        assert state == {"updated": SETTLED, "queries": {"changed": SETTLED, "suppressed": SETTLED}}


def test_the_cursor_of_a_first_read_by_suppression_stays_until_all_profiles_are_emitted(klaviyo: FakeKlaviyo) -> None:
    klaviyo.page_limit = 2
    fill(klaviyo, 2)
    *before, last = sync("global_exclusions").states("global_exclusions")
    assert {state["updated"] for state in before} == {"2000-01-01T00:00:00+0000"}
    assert len({state["queries"]["suppressed"] for state in before}) > 5
    assert last["updated"] == SETTLED


@pytest.mark.parametrize("stream", STREAMS)
def test_the_cursor_never_falls_behind_that_of_the_incoming_state(klaviyo: FakeKlaviyo, stream: str) -> None:
    klaviyo.page_limit = 2
    fill(klaviyo, 3)
    incoming = for_state(NOW - 60 * DAY)
    states = [state["updated"] for state in sync(stream, state={stream: {"updated": incoming}}).states(stream)]
    assert states == sorted(states)
    assert states[0] >= incoming


@pytest.mark.parametrize("stream", STREAMS)
def test_a_sync_that_fails_at_once_leaves_a_state_that_loses_no_profile(klaviyo: FakeKlaviyo, stream: str) -> None:
    fill(klaviyo, 4)
    klaviyo.before = lambda _: (401, b"")
    failed = sync(stream)
    assert failed.raised is not None
    klaviyo.before = lambda _: None
    states = failed.states(stream)
    assert set(sync(stream, state={stream: states[-1]} if states else None).ids()) == wanted(klaviyo, stream)


def test_suppressed_profiles_in_another_order_are_all_found(klaviyo: FakeKlaviyo) -> None:
    klaviyo.page_limit, klaviyo.latency = 3, 3.0
    fill(klaviyo, 5)
    klaviyo.suppression_order = lambda *_, **__: 0  # so they are sorted by their ids
    assert set(sync("global_exclusions").ids()) == wanted(klaviyo, "global_exclusions")


def test_a_profile_suppressed_again_while_pages_are_read_is_not_lost(klaviyo: FakeKlaviyo) -> None:
    klaviyo.page_limit = 2
    fill(klaviyo, 6)
    row = next(row for row in klaviyo.rows["profiles"] if suppressions(row))

    def suppress_again(request: Request) -> None:
        if not request.is_first_page:
            klaviyo.now += 3600 * SECOND
            stamps = [parse_instant(one["timestamp"]) for one in suppressions(row)]
            row["attributes"] = profile(parse_instant(row["attributes"]["updated"]), *stamps, klaviyo.now - SECOND)
            klaviyo.before = lambda _: None

    klaviyo.before = suppress_again
    first = sync("global_exclusions")
    klaviyo.now += 3600 * SECOND
    second = sync("global_exclusions", state={"global_exclusions": first.states("global_exclusions")[-1]})
    assert set(first.ids()) | set(second.ids()) == wanted(klaviyo, "global_exclusions")
    assert second.ids() == [row["id"]]


def suppressed_window() -> tuple[KlaviyoStream, msgspec.Raw, msgspec.Raw]:
    """The query of suppressed profiles, a profile with two suppressions, and one with one."""
    stream = next(stream for stream in streams() if stream.name == "global_exclusions")
    several, single = [
        msgspec.Raw(json.dumps({"id": str(number), "attributes": profile(START, *suppressed_at)}).encode())
        for number, suppressed_at in enumerate([(START + DAY, START + 2 * DAY), (START + DAY,)])
    ]
    return stream.query({"query": "suppressed"}), several, single


def test_a_profile_is_left_to_another_window_only_when_that_one_has_emitted_it(klaviyo: FakeKlaviyo) -> None:
    """A state that says "read" must not come before the record, which another reader holds."""
    window, row, alone = suppressed_window()

    def emits(*rows: msgspec.Raw) -> list[bool]:
        return [one is not None for one in window.transform_all(rows, {"query": "suppressed"})]

    with ThreadPoolExecutor(1) as another:
        assert emits(row, row, alone) == [True, False, True]
        assert another.submit(emits, row, alone).result() == [False, True]
        waiting = another.submit(window.mark_batch_queued)
        with pytest.raises(NotYetError):
            waiting.result(0.2)
        assert window.mark_batch_queued()
        assert waiting.result(10)
        assert another.submit(emits, row).result(10) == [False]


def test_a_profile_that_another_window_does_not_emit_after_all_is_emitted_alone(
    klaviyo: FakeKlaviyo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("source_klaviyo.streams.suppressed.MAX_WAIT_SECONDS", 0.1)
    window, row, alone = suppressed_window()

    def emits(*rows: msgspec.Raw) -> list[bool]:
        return [one is not None for one in window.transform_all(rows, {"query": "suppressed"})]

    with ThreadPoolExecutor(1) as another:
        assert another.submit(emits, row).result() == [True]  # and then that reader fails
    assert emits(row, alone) == [False, True]
    assert not window.mark_batch_queued()
    assert emits(row, alone) == [True, False]
    assert window.mark_batch_queued()
    assert emits(row, alone) == [False, True]
