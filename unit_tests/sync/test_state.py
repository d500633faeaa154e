"""States: several forms at once, values that cannot be read, and the form that is written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_klaviyo.api.errors import ConfigError
from source_klaviyo.streams.campaigns import Campaigns
from source_klaviyo.streams.marketing import Flows
from source_klaviyo.sync.instants import SECOND, Instant, from_seconds, parse_instant
from source_klaviyo.sync.state import StoredState, write_state
from unit_tests.sync.states import (
    EARLY,
    FIELDS,
    LATE,
    MIDDLE,
    ONE,
    PARTITIONS,
    SECONDS,
    UNDIVIDED,
    listed,
    part,
    read,
    read_state,
    streams,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from source_klaviyo.sync.instants import Instant

# --- more than one form at once ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "state", "positions"),
    [
        ("profiles", {"timestamp": LATE, "created": EARLY}, [EARLY]),
        ("profiles", {"timestamp": EARLY, "created": LATE}, [EARLY]),
        ("profiles", {"updated": LATE, "state_type": "date-range", "slices": [part(EARLY, MIDDLE)]}, [MIDDLE]),
        ("lists", {"updated": LATE, "states": listed("updated", ({"id": "L1"}, EARLY))}, [EARLY]),
        ("lists", {"updated": EARLY, "states": listed("updated", ({"id": "L1"}, LATE))}, [EARLY]),
        ("lists", {"updated": LATE, "use_global_cursor": True, "state": {"updated": EARLY}}, [EARLY]),
        (
            "flows",
            {"archived": {"updated": LATE}, "states": listed("updated", ({"archived": "true"}, EARLY))},
            [None, EARLY],
        ),
        (
            "flows",
            {"archived": {"updated": EARLY}, "states": listed("updated", ({"archived": "true"}, LATE))},
            [None, EARLY],
        ),
        (
            "flows",
            {"states": listed("updated", ({"archived": "true"}, LATE), ({"archived": "true"}, EARLY))},
            [None, EARLY],
        ),
    ],
    ids=[
        "created",
        "timestamp",
        "date range",
        "states less",
        "flat less",
        "global less",
        "archived more",
        "archived less",
        "twice",
    ],
)
def test_of_two_cursors_the_smaller_wins(stream: str, state: dict[str, Any], positions: list[str | None]) -> None:
    assert read(stream, state) == positions


@pytest.mark.parametrize("stream", UNDIVIDED)
@pytest.mark.parametrize(
    "extra",
    [
        {"lookback_window": 7},
        {"parent_state": {}},
        {"__ab_no_cursor_state_message": True},
        {"from": {"the": ["future"]}},
        {"states": None, "slices": None, "state": None, "legacy": None},
    ],
    ids=lambda extra: next(iter(extra)),
)
def test_unknown_keys_and_nulls_are_ignored(stream: str, extra: dict[str, Any]) -> None:
    assert read(stream, {FIELDS[stream]: LATE, **extra}) == [LATE]


@pytest.mark.parametrize("stream", FIELDS)
@pytest.mark.parametrize(
    "state",
    [
        {},
        {"__ab_no_cursor_state_message": True},
        {"states": []},
        {"states": [{"partition": {}, "cursor": {}}]},
        {"states": [{"partition": {}}]},
        {"use_global_cursor": True},
        {"use_global_cursor": True, "state": {}},
        {"state_type": "date-range", "slices": []},
        {"archived": {}},
    ],
    ids=json.dumps,
)
def test_a_state_without_a_cursor_has_no_position(stream: str, state: dict[str, Any]) -> None:
    assert set(read(stream, state)) == {None}


@pytest.mark.parametrize("stream", FIELDS)
def test_a_cursor_that_is_null_is_no_position(stream: str) -> None:
    assert set(read(stream, {FIELDS[stream]: None})) == {None}


@pytest.mark.parametrize(
    ("stream", "state", "trusted"),
    [
        ("campaigns", {"updated_at": LATE}, Campaigns.partitions),
        (
            "campaigns",
            {"updated_at": LATE, "archived": {"updated_at": EARLY}},
            [one for one in Campaigns.partitions if one["archived"] == "false"],
        ),
        ("flows", {"updated": LATE}, Flows.partitions),
        ("flows", {"updated": LATE, "states": listed("updated", ({"archived": "true"}, LATE))}, Flows.partitions[:1]),
        ("flows", {"states": listed("updated", ({"archived": "true"}, LATE))}, ()),
        ("flows", {}, ()),
        ("profiles", {"updated": LATE}, ()),
    ],
)
def test_partitions_that_inherit_a_position_are_recognized(
    stream: str, state: dict[str, Any], trusted: Sequence[Any]
) -> None:
    stored = StoredState(state, stream, FIELDS[stream])
    assert [one for one in PARTITIONS.get(stream, ONE) if stored.is_inherited(one)] == list(trusted)


def test_a_partition_that_is_not_listed_is_read_from_the_start() -> None:
    assert read("flows", {"states": listed("updated", ({"archived": "true"}, LATE))}) == [None, LATE]


def test_a_partition_of_another_kind_is_ignored() -> None:
    assert read("flows", {"states": listed("updated", ({"status": "live"}, LATE))}) == [None, None]


# --- what cannot be used ----------------------------------------------------------------------------------

UNUSABLE = [
    "",
    "yesterday",
    "10:00:00",
    "P7D",
    "2023-13-01T00:00:00Z",
    "2023-02-30",
    "2023-01-10/2023-05-20",
    "2023-01-10/P1D",
    "0001-01-01T00:00:00+05:00",
    "9999-12-31T23:59:59-05:00",
    "1621295127000",
    1_621_295_127_000,
    -1,
    float("nan"),
    float("inf"),
    True,
    [LATE],
    {"at": LATE},
]


@pytest.mark.parametrize("stream", FIELDS)
def test_an_error_names_the_stream(stream: str) -> None:
    with pytest.raises(ConfigError, match=f"stream {stream} holds 'yesterday'"):
        read(stream, {FIELDS[stream]: "yesterday"})


@pytest.mark.parametrize("value", UNUSABLE, ids=repr)
def test_an_error_about_a_value_that_is_no_date_names_it_and_the_remedy(value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        read("profiles", {"updated": value})
    assert repr(value)[:60] in str(caught.value)
    assert "clear the stream" in str(caught.value)


@pytest.mark.parametrize(
    "state",
    [
        {"states": "all"},
        {"states": ["one"]},
        {"states": [{"partition": [], "cursor": {"updated": LATE}}, {"partition": "x", "cursor": {"updated": LATE}}]},
        {"states": [{"partition": {}, "cursor": "2023"}]},
        {"states": {"L1": LATE}},
        {"slices": {"start": EARLY}},
        {"slices": [5]},
        {"slices": [{"start": "soon", "end": LATE}]},
        {"slices": [{}]},
        {"use_global_cursor": True, "state": LATE},
        {"legacy": LATE},
        {"archived": LATE},
        # values that count as false have another shape too, and would cause a full read
        *({name: value} for name in ("states", "slices") for value in cast("list[object]", ["", 0, False, {}])),
        *(
            {name: value}
            for name in ("state", "legacy", "archived")
            for value in cast("list[object]", ["", 0, False, []])
        ),
        {"states": [{"partition": {"archived": "true"}, "cursor": []}]},
        {"recent_hours": [{"partition": {}, "since": LATE, "until": LATE, "looked": LATE, "hours": {"x": [1e400, 1]}}]},
        {"states": [{"partition": "", "cursor": {"updated": LATE}}]},
        {"states": [None]},
        # a text would be true, and one cursor would speak for all partitions
        *(
            {"use_global_cursor": flag, "state": {"updated": LATE}}
            for flag in cast("list[object]", ["false", "true", 0, 1, [], {}])
        ),
    ],
    ids=json.dumps,
)
def test_a_state_of_another_shape_is_an_error_that_names_the_stream(state: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="stream flows "):
        read("flows", state)


def test_a_long_value_is_not_repeated_in_full() -> None:
    with pytest.raises(ConfigError) as caught:
        read("profiles", {"updated": "x" * 10_000})
    assert len(str(caught.value)) < 300


# --- streams with details have the states of those without ---------------------------------------------------


def test_a_detailed_stream_resumes_like_the_plain_one() -> None:
    made = {stream.name: stream for stream in streams()}
    detailed = {name for name in made if name.endswith("_detailed")}
    assert {"campaigns_detailed", "events_detailed", "lists_detailed"} <= detailed
    for name in detailed:
        plain = made[name.removesuffix("_detailed")]
        assert (made[name].partitions, made[name].cursor_attribute) == (plain.partitions, plain.cursor_attribute)


# --- cut off, swapped, mixed up -------------------------------------------------------------------------------

cursors = st.sampled_from([EARLY, MIDDLE, LATE, LATE.replace("T", " "), SECONDS, float(SECONDS), None])
junk = st.recursive(
    st.sampled_from([None, True, False, 0, -1, 1e300, "", "x", "10000-01-01", LATE, SECONDS, float("nan")]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["updated", "id", "x"]), inner, max_size=2)
    ),
    max_leaves=5,
)


@st.composite
def states(draw: st.DrawFn, field: str, values: st.SearchStrategy[Any]) -> dict[str, Any]:
    """Any mixture of all forms."""
    flat = st.dictionaries(st.sampled_from([field, "timestamp", "created", "x"]), values, max_size=3)
    partition = st.fixed_dictionaries(
        {},
        optional={"archived": st.sampled_from(["true", "false", True, False, ""]), "id": st.sampled_from(["L1", "L2"])},
    )
    entry = st.fixed_dictionaries({}, optional={"partition": partition, "cursor": flat})
    span = st.fixed_dictionaries({"start": values, "end": values})
    parts = {
        "archived": flat,
        "states": st.lists(entry, max_size=3),
        "state": flat,
        "use_global_cursor": st.booleans() | st.none(),
        "lookback_window": st.sampled_from([None, 0, 7, "7", -1]),
        "parent_state": st.just({}),
        "state_type": st.just("date-range"),
        "slices": st.lists(span, max_size=2),
        "legacy": flat,
    }
    return {**draw(flat), **draw(st.fixed_dictionaries({}, optional=parts))}


def outcome(stream: str, state: dict[str, Any]) -> list[Instant | None] | str:
    """Return the positions, or the error about the state."""
    try:
        return read_state(state, stream, FIELDS[stream], PARTITIONS.get(stream, ONE))
    except ConfigError as error:
        return str(error)


@pytest.mark.parametrize("stream", FIELDS)
@given(data=st.data())
def test_a_mixture_of_forms_gives_a_position_of_one_of_them(stream: str, data: st.DataObject) -> None:
    state = data.draw(states(FIELDS[stream], cursors))
    found = outcome(stream, json.loads(json.dumps(state)))
    if isinstance(found, str):
        assert any(None in span.values() for span in state["slices"])  # which is all that is wrong
        return
    ends = [*map(parse_instant, (EARLY, MIDDLE, LATE)), from_seconds(SECONDS)]
    assert set(found) <= {None, *(end - back * SECOND for end in ends for back in (0, 7))}


@pytest.mark.parametrize("stream", FIELDS)
@given(data=st.data())
def test_whatever_a_state_holds_it_is_read_or_is_a_configuration_error(stream: str, data: st.DataObject) -> None:
    state = data.draw(states(FIELDS[stream], cursors | junk))
    name = data.draw(st.sampled_from([*state, "states", "x"]))
    found = outcome(stream, {**state, name: data.draw(junk)})
    if isinstance(found, str):
        assert f"stream {stream} holds" in found
        assert "clear the stream" in found
        assert len(found) < 300


# --- the form written here --------------------------------------------------------------------------------

whole_seconds = st.integers(0, 4_102_444_800).map(from_seconds)


@pytest.mark.parametrize("stream", FIELDS)
@given(data=st.data())
def test_a_written_state_is_read_again_to_the_second(stream: str, data: st.DataObject) -> None:
    partitions = PARTITIONS.get(stream, ONE)
    positions = data.draw(st.lists(whole_seconds, min_size=len(partitions), max_size=len(partitions)))
    state = json.loads(json.dumps(write_state(FIELDS[stream], list(zip(partitions, positions, strict=True)))))
    assert read_state(state, stream, FIELDS[stream], partitions) == positions


@given(st.lists(st.integers(0, 10**15), min_size=1, max_size=3))
def test_a_flat_state_is_the_smallest_position(positions: list[Instant]) -> None:
    state = write_state("updated", [({}, position) for position in positions])
    assert parse_instant(state["updated"]) == min(positions) - min(positions) % SECOND


def test_a_stream_of_one_partition_has_a_flat_state_like_airbytes_connector() -> None:
    assert write_state("updated", [({}, parse_instant(LATE) + 999_999)]) == {"updated": "2023-11-03T10:00:00+0000"}


def test_a_stream_of_several_partitions_has_a_state_like_airbytes_connector() -> None:
    positions = [parse_instant(LATE), parse_instant(EARLY)]
    assert write_state("updated", list(zip(Flows.partitions, positions, strict=True))) == {
        "use_global_cursor": False,
        "states": [
            {"partition": {"archived": "false"}, "cursor": {"updated": "2023-11-03T10:00:00+0000"}},
            {"partition": {"archived": "true"}, "cursor": {"updated": "2023-01-10T08:00:00+0000"}},
        ],
        "state": {"updated": "2023-01-10T08:00:00+0000"},
        "lookback_window": 0,
    }
