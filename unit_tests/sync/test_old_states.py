"""States that earlier connectors left behind, version by version, in every form that was ever written."""

from __future__ import annotations

from typing import Any

import pytest

from source_klaviyo.sync.instants import SECOND, parse_instant
from unit_tests.sync.states import (
    EARLY,
    FIELDS,
    LATE,
    MIDDLE,
    ONE,
    PARTITIONS,
    SECONDS,
    UNDIVIDED,
    campaigns,
    everywhere,
    listed,
    part,
    read,
    read_state,
    streams,
)


def test_the_tables_of_this_test_agree_with_the_streams() -> None:
    made = streams()
    assert FIELDS.items() <= {stream.name: stream.cursor_attribute for stream in made}.items()
    partitions = {stream.name: tuple(stream.partitions) for stream in made}
    assert all(partitions[name] == PARTITIONS.get(name, ONE) for name in FIELDS)


# --- what every version has written, stream by stream -----------------------------------------------------

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
    # W leaves the old key unchanged next to its own, up to which it has read
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
    # 2.0 to 2.12: the flat cursor serves every partition, and `archived` holds that of the archived ones
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
