"""States: every form that an earlier connector may have left behind, and the one written here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_klaviyo.api.client import KlaviyoClient
from source_klaviyo.api.errors import ConfigError
from source_klaviyo.config import Config
from source_klaviyo.streams import STREAMS, KlaviyoStream
from source_klaviyo.streams.campaigns import Campaigns
from source_klaviyo.streams.marketing import Flows
from source_klaviyo.sync.instants import SECOND, parse_instant
from source_klaviyo.sync.state import Partition, StoredState, write_state

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from source_klaviyo.sync.instants import Instant

ONE: tuple[Partition, ...] = ({},)
FIELDS = {
    "campaigns": "updated_at",
    "email_templates": "updated",
    "events": "datetime",
    "flows": "updated",
    "global_exclusions": "updated",
    "lists": "updated",
    "metrics": "updated",
    "profiles": "updated",
}
PARTITIONS = {"campaigns": Campaigns.partitions, "flows": Flows.partitions}
UNDIVIDED = sorted(set(FIELDS) - set(PARTITIONS))

EARLY, MIDDLE, LATE = "2023-01-10T08:00:00+00:00", "2023-05-20T09:30:00+00:00", "2023-11-03T10:00:00+00:00"


def read_state(
    state: Mapping[str, Any], stream: str, cursor_field: str, partitions: Sequence[Partition]
) -> list[Instant | None]:
    stored = StoredState(state, stream, cursor_field)
    return [stored.position(partition) for partition in partitions]


def read(stream: str, state: dict[str, Any]) -> list[str | None]:
    """The positions, as ISO text."""
    partitions = PARTITIONS.get(stream, ONE)
    return [iso(found) for found in read_state(state, stream, FIELDS[stream], partitions)]


def iso(instant: int | None) -> str | None:
    known = {parse_instant(text): text for text in (EARLY, MIDDLE, LATE)}
    return None if instant is None else known.get(instant, f"{instant / SECOND} s")


def campaigns(**positions: str | None) -> list[str | None]:
    """Positions by channel_archived, such as email_true; the others are None."""
    return [positions.get(f"{one['campaign_type']}_{one['archived']}") for one in Campaigns.partitions]


def everywhere(**positions: str) -> list[str | None]:
    """Positions by archived or not, for each channel."""
    return [positions.get(one["archived"]) for one in Campaigns.partitions]


def listed(field: str, *items: tuple[dict[str, Any], str]) -> list[dict[str, Any]]:
    return [{"partition": partition, "cursor": {field: cursor}} for partition, cursor in items]


def streams() -> list[KlaviyoStream]:
    config, client = Config.parse({"api_key": "pk"}, {}), KlaviyoClient("pk")
    return [stream(config, client, None) for stream in STREAMS]  # type: ignore[arg-type]


def test_the_tables_of_this_test_agree_with_the_streams() -> None:
    made = streams()
    assert FIELDS.items() <= {stream.name: stream.cursor_attribute for stream in made}.items()
    partitions = {stream.name: tuple(stream.partitions) for stream in made}
    assert all(partitions[name] == PARTITIONS.get(name, ONE) for name in FIELDS)


# --- what every version has written, stream by stream -----------------------------------------------------

SECONDS = 1_621_295_127
EPOCH = f"{float(SECONDS)} s"

FLAT_FORMS = [
    pytest.param("2023-11-03T10:00:00+00:00", id="2.0 offset with colon"),
    pytest.param("2023-11-03T10:00:00+0000", id="2.13 offset without colon"),
    pytest.param("2023-11-03 10:00:00+00:00", id="2.7.7 with a space"),
    pytest.param("2023-11-03T10:00:00Z", id="Z"),
    pytest.param("2023-11-03T10:00:00.000000+00:00", id="fraction"),
    pytest.param("2023-11-03T10:00:00.000Z", id="fraction and Z"),
    pytest.param("2023-11-03T12:00:00+02:00", id="another offset"),
    pytest.param("2023-11-03T10:00:00", id="no offset"),
]


@pytest.mark.parametrize("text", FLAT_FORMS)
@pytest.mark.parametrize("stream", UNDIVIDED)
def test_a_flat_cursor_is_read_in_each_form_that_was_ever_written(stream: str, text: str) -> None:
    assert read(stream, {FIELDS[stream]: text}) == [LATE]


OLD = [
    # before 2.0
    pytest.param("events", {"timestamp": SECONDS}, [EPOCH], id="0.1 events, an epoch"),
    pytest.param("events", {"timestamp": str(SECONDS)}, [EPOCH], id="0.1 events, an epoch as text"),
    pytest.param("events", {"timestamp": float(SECONDS)}, [EPOCH], id="0.1 events, an epoch with a point"),
    pytest.param("global_exclusions", {"timestamp": LATE}, [LATE], id="0.1.3 global_exclusions"),
    pytest.param("flows", {"created": LATE}, [LATE, LATE], id="0.2 flows"),
    pytest.param("flows", {"created": LATE, "archived": {"created": EARLY}}, [LATE, EARLY], id="0.4 flows"),
    pytest.param("email_templates", {"created": LATE}, [LATE], id="0.2 email_templates"),
    pytest.param("email_templates", {"created": SECONDS}, [EPOCH], id="0.2 email_templates, an epoch"),
    pytest.param("profiles", {"updated": LATE}, [LATE], id="0.2 profiles"),
    pytest.param("campaigns", {}, campaigns(), id="0.1 campaigns"),
    pytest.param("lists", {}, [None], id="0.1 lists"),
    pytest.param("metrics", {}, [None], id="0.1 metrics"),
    # W leaves the old key as it was beside its own, which it has read up to
    pytest.param("events", {"timestamp": SECONDS, "datetime": LATE}, [LATE], id="2.13 events after 0.1"),
    pytest.param(
        "global_exclusions", {"timestamp": EARLY, "updated": LATE}, [LATE], id="2.13 global_exclusions after 0.1.3"
    ),
    pytest.param("email_templates", {"created": SECONDS, "updated": LATE}, [LATE], id="2.13 templates after 0.2"),
    pytest.param(
        "flows",
        {
            "created": EARLY,
            "updated": LATE,
            "archived": {"created": EARLY, "updated": MIDDLE},
        },
        [LATE, MIDDLE],
        id="2.0 flows after 0.4",
    ),
    pytest.param("events", {"timestamp": SECONDS, "datetime": None}, [EPOCH], id="the old key beside null"),
    # 2.0 to 2.12: the flat cursor serves every partition, that of the archived ones besides
    pytest.param(
        "campaigns",
        {"updated_at": LATE, "archived": {"updated_at": EARLY}},
        everywhere(false=LATE, true=EARLY),
        id="2.0 campaigns",
    ),
    pytest.param(
        "campaigns", {"updated_at": LATE}, everywhere(false=LATE, true=LATE), id="2.0 campaigns, none archived"
    ),
    pytest.param(
        "campaigns", {"archived": {"updated_at": LATE}}, everywhere(true=LATE), id="2.0 campaigns, all archived"
    ),
    pytest.param(
        "campaigns",
        {"lookback_window": 7, "updated_at": LATE},
        everywhere(false=LATE, true=LATE),
        id="issue 70341 campaigns",
    ),
    pytest.param("flows", {"updated": LATE, "archived": {"updated": EARLY}}, [LATE, EARLY], id="2.0 flows"),
    pytest.param("flows", {"updated": LATE}, [LATE, LATE], id="2.0 flows, none archived"),
    pytest.param("flows", {"updated": LATE, "archived": {}}, [LATE, LATE], id="2.0 flows, archived empty"),
    pytest.param("flows", {"archived": {"updated": LATE}}, [None, LATE], id="2.0 flows, all archived"),
    pytest.param(
        "events",
        {"states": listed("datetime", ({"event_id": "1"}, LATE), ({"event_id": "2"}, EARLY))},
        [EARLY],
        id="2.7.0 a state for each event",
    ),
    # from 2.13 on
    pytest.param(
        "campaigns",
        {
            "use_global_cursor": False,
            "states": listed(
                "updated_at",
                ({"archived": "true", "campaign_type": "sms"}, EARLY),
                ({"archived": "false", "campaign_type": "sms"}, MIDDLE),
                ({"archived": "true", "campaign_type": "email"}, MIDDLE),
                ({"archived": "false", "campaign_type": "email"}, LATE),
            ),
            "state": {"updated_at": LATE},
            "lookback_window": 1,
        },
        campaigns(sms_true=EARLY, sms_false=MIDDLE, email_true=MIDDLE, email_false=LATE),
        id="2.13 campaigns",
    ),
    pytest.param(
        "campaigns",
        {"states": listed("updated_at", ({"archived": "false", "campaign_type": "email"}, LATE))},
        campaigns(email_false=LATE),
        id="2.13 campaigns, in mid sync",
    ),
    pytest.param(
        "flows",
        {
            "use_global_cursor": False,
            "states": listed("updated", ({"archived": "true"}, EARLY), ({"archived": "false"}, LATE)),
            "state": {"updated": LATE},
            "lookback_window": 1,
            "parent_state": {},
        },
        [LATE, EARLY],
        id="2.13 flows",
    ),
    pytest.param(
        "flows",
        {"states": listed("updated", ({"archived": True, "parent_slice": {}}, EARLY), ({"archived": False}, LATE))},
        [LATE, EARLY],
        id="flows, flags as booleans",
    ),
    pytest.param(
        "lists",
        {
            "use_global_cursor": False,
            "states": listed(
                "updated", ({"id": "L1", "parent_slice": {}}, LATE), ({"id": "L2", "parent_slice": {}}, EARLY)
            ),
            "state": {"updated": LATE},
            "lookback_window": 2,
            "parent_state": {},
        },
        [EARLY],
        id="2.13 a state for each list",
    ),
    pytest.param(
        "lists",
        {"states": listed("updated", ({"id": "L1", "parent_slice": {}}, LATE)), "parent_state": {}},
        [None],  # others may not have been read
        id="2.13 a state for each list, in mid sync",
    ),
    pytest.param(
        "lists",
        {"states": [*listed("updated", ({"id": "L1"}, LATE)), {"partition": {"id": "L2"}, "cursor": {}}], "state": {}},
        [None],
        id="2.13 a list without a cursor",
    ),
    pytest.param(
        "flows",
        {"states": [{"partition": {"archived": "true"}, "cursor": {}}], "updated": LATE},
        [LATE, None],
        id="a half without a cursor",
    ),
    pytest.param(
        "flows",
        {
            "states": [
                {
                    "partition": {"archived": "true"},
                    "cursor": {"state_type": "date-range", "slices": [{"start": EARLY, "end": MIDDLE}]},
                }
            ]
        },
        [None, MIDDLE],
        id="a date range for a half",
    ),
    pytest.param(
        "events",
        {
            "use_global_cursor": False,
            "states": listed("datetime", ({"event_metric_id": "A"}, LATE), ({"event_metric_id": "B"}, MIDDLE)),
            "state": {"datetime": EARLY},
            "lookback_window": 0,
        },
        [None],  # events of other metrics have never been read
        id="3.0 a state for each metric",
    ),
    pytest.param(
        "events",
        {"use_global_cursor": False, "states": [], "state": {"datetime": LATE}, "lookback_window": 0},
        [LATE],
        id="3.0 no states but one of the stream",
    ),
]


@pytest.mark.parametrize(("stream", "state", "positions"), OLD)
def test_each_old_state_is_read(stream: str, state: dict[str, Any], positions: list[str | None]) -> None:
    assert read(stream, state) == positions


@pytest.mark.parametrize("stream", FIELDS)
@pytest.mark.parametrize("lookback", [None, 0, 5, 3600])
def test_a_global_cursor_is_the_position_of_all_partitions_less_its_lookback(stream: str, lookback: int | None) -> None:
    state = {"use_global_cursor": True, "state": {FIELDS[stream]: LATE}, "lookback_window": lookback, "states": []}
    found = read_state(state, stream, FIELDS[stream], PARTITIONS.get(stream, ONE))
    assert found == [parse_instant(LATE) - (lookback or 0) * SECOND] * len(PARTITIONS.get(stream, ONE))


@pytest.mark.parametrize("lookback", ["7", -1, 1e300, 10**12, [], {}], ids=repr)
def test_an_invalid_lookback_is_ignored(lookback: object) -> None:
    state = {"use_global_cursor": True, "state": {"updated": LATE}, "lookback_window": lookback}
    assert read("profiles", state) == [LATE]


@pytest.mark.parametrize(("cursor", "replaced"), [(EARLY, LATE), (LATE, EARLY)])
def test_a_global_cursor_replaces_the_states_that_are_listed(cursor: str, replaced: str) -> None:
    states = listed("updated", ({"archived": "true"}, replaced))
    assert read("flows", {"use_global_cursor": True, "states": states, "state": {"updated": cursor}}) == [cursor] * 2


# --- the CDK's date ranges --------------------------------------------------------------------------------


def part(start: str, end: str, latest: str | None = None) -> dict[str, Any]:
    return {"start": start, "end": end} | ({"most_recent_cursor_value": latest} if latest else {})


@pytest.mark.parametrize("stream", UNDIVIDED)
@pytest.mark.parametrize(
    ("slices", "position"),
    [
        ([part(EARLY, LATE)], LATE),
        ([part(EARLY, LATE, MIDDLE)], MIDDLE),
        ([part(EARLY, MIDDLE), part(LATE, LATE)], MIDDLE),
        ([part(LATE, LATE), part(EARLY, MIDDLE)], MIDDLE),
        ([{"end": MIDDLE}], MIDDLE),
    ],
    ids=["one", "its last record", "a gap behind it", "in another order", "without a start"],
)
def test_date_ranges_count_up_to_the_end_of_the_first(stream: str, slices: list[dict[str, Any]], position: str) -> None:
    assert read(stream, {"state_type": "date-range", "slices": slices}) == [position]


@pytest.mark.parametrize("stream", FIELDS)
def test_date_ranges_count_for_every_partition_instead_of_the_older_state(stream: str) -> None:
    state = {"state_type": "date-range", "slices": [part(EARLY, MIDDLE)], "legacy": {FIELDS[stream]: LATE}}
    assert set(read(stream, state)) == {MIDDLE}


@pytest.mark.parametrize("stream", UNDIVIDED)
def test_empty_date_ranges_leave_the_older_state(stream: str) -> None:
    legacy = {"state_type": "date-range", "slices": [], "legacy": {FIELDS[stream]: MIDDLE}}
    assert read(stream, legacy) == [MIDDLE]


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
def test_partitions_that_inherit_a_position_are_known(
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
        # what counts as false is no less of another shape, and would have everything read anew
        *({name: value} for name in ("states", "slices") for value in ("", 0, False, {})),
        *({name: value} for name in ("state", "legacy", "archived") for value in ("", 0, False, [])),
        {"states": [{"partition": {"archived": "true"}, "cursor": []}]},
        {"recent_hours": [{"partition": {}, "since": LATE, "until": LATE, "looked": LATE, "hours": {"x": [1e400, 1]}}]},
        {"states": [{"partition": "", "cursor": {"updated": LATE}}]},
        {"states": [None]},
        # a text would be true, and one cursor would speak for all partitions
        *({"use_global_cursor": flag, "state": {"updated": LATE}} for flag in ("false", "true", 0, 1, [], {})),
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
    """The positions, or what is wrong with the state."""
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
    known = {parse_instant(one) - back * SECOND for one in (EARLY, MIDDLE, LATE) for back in (0, 7)}
    known |= {(SECONDS - back) * SECOND for back in (0, 7)}
    assert set(found) <= known | {None}


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

whole_seconds = st.integers(parse_instant("1970-01-01"), parse_instant("2100-01-01")).map(lambda n: n - n % SECOND)


@pytest.mark.parametrize("stream", FIELDS)
@given(data=st.data())
def test_a_written_state_is_read_again_to_the_second(stream: str, data: st.DataObject) -> None:
    partitions = PARTITIONS.get(stream, ONE)
    positions = data.draw(st.lists(whole_seconds, min_size=len(partitions), max_size=len(partitions)))
    state = json.loads(json.dumps(write_state(FIELDS[stream], list(zip(partitions, positions, strict=True)))))
    assert read_state(state, stream, FIELDS[stream], partitions) == positions


@given(st.lists(st.integers(0, 10**15), min_size=1, max_size=3))
def test_a_flat_state_is_the_smallest_position(
    positions: list[int],
) -> None:
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
