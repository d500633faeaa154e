"""The cursor under any sequence of events: states grow, are correct, and can be resumed from."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from source_klaviyo.sync import cursor as module
from source_klaviyo.sync.cursor import CONSISTENCY_LAG, WindowCursor
from source_klaviyo.sync.instants import SECOND, floor, parse_instant
from source_klaviyo.sync.position import PartitionPosition
from source_klaviyo.sync.state import StoredState
from unit_tests.sync.model import START, Account, Sync, Version, offsets, split_in_two, steps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from source_klaviyo.sync.instants import Instant, Span
    from source_klaviyo.sync.state import Partition
    from source_klaviyo.sync.timeline import Window


# --- a model --------------------------------------------------------------------------------------------


class CursorOf:
    """Reports to a cursor as a partition does, and holds each state against what has been emitted."""

    def __init__(self, account: Account, position: Instant) -> None:
        self.account = account
        self.sync: Sync | None = None
        self.states: list[Instant] = []
        self.cursor = WindowCursor("updated", lambda: account.now, self.publish)
        self.cursor.begin([PartitionPosition({}, START, position)])

    def publish(self, state: Mapping[str, Any]) -> None:
        promised = parse_instant(state["updated"])
        assert self.sync is not None
        assert not self.sync.unread_before(promised)
        assert promised <= self.account.now - CONSISTENCY_LAG
        assert not self.states or promised >= self.states[-1]
        self.states.append(promised)

    def begin(self) -> Iterable[Window]:
        return [window for _, window in self.cursor.open_windows]

    def advance(self, window: Window, position: Instant) -> None:
        self.cursor.advance(0, window, position)

    def split(self, window: Window) -> Window | None:
        return split_in_two(self.cursor, 0, window, self.account.now)

    def close(self, window: Window, requested_at: Instant) -> Window | None:
        return self.cursor.close(0, window, requested_at - CONSISTENCY_LAG)


@pytest.mark.parametrize("interval", [0.0, 1e9])
@settings(deadline=None, max_examples=150)
@given(instants=st.lists(offsets, max_size=30), life=steps)
def test_states_grow_and_follow_the_records_that_they_cover_whatever_happens(
    interval: float, instants: list[Instant], life: list[tuple[str, int]]
) -> None:
    account = Account([START + instant for instant in instants])
    line = CursorOf(account, START)
    line.sync = sync = Sync(account, line)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "STATE_INTERVAL", interval)
        for step in life:
            sync.step(*step)
        sync.drain()
        line.cursor.ensure_at_least_one_state_emitted()
    assert line.cursor.is_done
    assert set(account.rows) <= set(sync.emitted)
    assert line.states[-1] == parse_instant(line.cursor.state["updated"])


# --- a model of several partitions, killed and resumed -----------------------------------------------------


class PartOf:
    """Reports to a cursor as one of several partitions does."""

    def __init__(self, cursor: WindowCursor, number: int) -> None:
        self.cursor = cursor
        self.number = number

    def begin(self) -> Iterable[Window]:
        return [window for number, window in self.cursor.open_windows if number == self.number]

    def advance(self, window: Window, position: Instant) -> None:
        self.cursor.advance(self.number, window, position)

    def split(self, window: Window) -> Window | None:
        return split_in_two(self.cursor, self.number, window, self.cursor._now())

    def close(self, window: Window, requested_at: Instant) -> Window | None:
        return self.cursor.close(self.number, window, requested_at - CONSISTENCY_LAG)


class Shop:
    """Several accounts with one clock, read in syncs that share only the text of the last state."""

    def __init__(self, partitions: Sequence[Partition], instants: Sequence[list[Instant]]) -> None:
        self.partitions = partitions
        self.accounts = [Account([START + instant for instant in one]) for one in instants]
        self.emitted: list[Counter[Version]] = [Counter() for _ in partitions]
        self.text = "{}"
        self.promised: list[Instant] = [START] * len(partitions)

    @property
    def now(self) -> Instant:
        return max(account.now for account in self.accounts)

    def positions(self) -> list[Instant]:
        """Return the positions in the last state, as the next sync reads them."""
        stored = StoredState(json.loads(self.text), "stream", "updated")
        return [START if (found := stored.position(one)) is None else found for one in self.partitions]

    def publish(self, state: Mapping[str, Any]) -> None:
        self.text = json.dumps(state)
        positions = self.positions()
        assert all(position <= self.now - CONSISTENCY_LAG for position in positions)
        assert all(before <= after for before, after in zip(self.promised, positions, strict=True))
        for account, sync, position in zip(self.accounts, self.syncs, positions, strict=True):
            assert not sync.unread_before(position), account
        for account, sync, spans in zip(self.accounts, self.syncs, self.read_ahead(), strict=True):
            within = [row for row in account.rows for start, end in spans if start <= row.updated < end]
            assert all(row in sync.emitted for row in within)
        self.promised = positions

    def read_ahead(self) -> list[list[Span]]:
        """Return the spans read ahead in the last state, as the next sync reads them."""
        stored = StoredState(json.loads(self.text), "stream", "updated")
        return [stored.read_ahead(one) for one in self.partitions]

    def sync(self, life: list[tuple[str, int, int]], *, lookback: int = 0, to_its_end: bool) -> None:
        """Sync from this many seconds before the state, to the end or until it is killed."""
        self.cursor = WindowCursor("updated", lambda: self.now, self.publish)
        starts = [max(START, position - lookback * SECOND) for position in self.positions()]
        stopped = StoredState(json.loads(self.text), "stream", "updated").read_through
        milestones = [*([] if stopped is None else [stopped]), floor(self.now - CONSISTENCY_LAG, SECOND)]
        found = zip(self.partitions, starts, self.positions(), self.read_ahead(), strict=True)
        begun = [PartitionPosition(one, start, position, read=read) for one, start, position, read in found]
        self.cursor.begin(begun, milestones=milestones)
        self.syncs = [Sync(account, PartOf(self.cursor, number)) for number, account in enumerate(self.accounts)]
        for sync, known in zip(self.syncs, self.emitted, strict=True):
            sync.emitted = known
        before = [Counter(known) for known in self.emitted]
        for action, choice, number in life:
            self.syncs[number % len(self.syncs)].step(action, choice)
            for account in self.accounts:
                account.now = self.now
        if to_its_end:
            for sync in self.syncs:
                sync.drain()
            self.cursor.ensure_at_least_one_state_emitted()
            assert self.cursor.is_done
        for start, known, now_known in zip(starts, before, self.emitted, strict=True):
            assert all(row.updated >= start for row in now_known - known)


shops = st.sampled_from(
    [({},), ({"archived": "false"}, {"archived": "true"}), tuple({"id": name} for name in ("L1", "L2", "L3"))]
).flatmap(
    lambda partitions: st.builds(
        Shop,
        st.just(partitions),
        st.lists(st.lists(offsets, max_size=30), min_size=len(partitions), max_size=len(partitions)),
    )
)
lives = st.lists(
    st.tuples(st.sampled_from(["read", "read", "split", "touch", "tick"]), st.integers(0, 50), st.integers(0, 2)),
    max_size=60,
)


@pytest.mark.parametrize("interval", [0.0, 1e9])
@pytest.mark.parametrize("listed", [5_000, 0], ids=["each listed", "compact"])
@settings(deadline=None, max_examples=150)
@given(shops, st.lists(lives, max_size=2), lives, st.sampled_from([0, 30]))
def test_however_often_a_sync_is_killed_the_next_one_resumes_from_its_last_state(
    interval: float,
    listed: int,
    shop: Shop,
    killed: list[list[tuple[str, int, int]]],
    life: list[tuple[str, int, int]],
    lookback: int,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "STATE_INTERVAL", interval)
        patch.setattr("source_klaviyo.sync.compact.MAX_LISTED_PARTITIONS", listed)
        for each in killed:
            shop.sync(each, lookback=lookback, to_its_end=False)
        shop.sync(life, lookback=lookback, to_its_end=True)
        for account, emitted in zip(shop.accounts, shop.emitted, strict=True):
            assert set(account.rows) <= set(emitted)
        assert min(shop.positions()) >= shop.accounts[0].now - CONSISTENCY_LAG - account_time(life)
        shop.sync([], to_its_end=True)  # nothing has changed: only the last seconds are read again


def account_time(life: list[tuple[str, int, int]]) -> int:
    """Return the most by which the end of a sync lies before the clock: the time that it took."""
    return SECOND + sum(choice * SECOND // 10 + 1 for _, choice, _ in life)
