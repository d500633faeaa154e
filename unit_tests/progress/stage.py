"""A sync without requests: its clock, its budget and the progress of its streams."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from source_klaviyo.api.budget import Budget
from source_klaviyo.api.client import KlaviyoClient
from source_klaviyo.progress.tracker import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from source_klaviyo.api.budget import Limit
    from source_klaviyo.progress.tracker import ProgressSnapshot


class Context:
    """A stream that tests read: only the parts that progress and the engine use."""

    def __init__(self, name: str, client: KlaviyoClient) -> None:
        self.stream = SimpleNamespace(name=name, client=client)
        self.cursor = self.planner = self
        self.max_in_flight = 2
        self.reached: int | None = None
        self.partition_counts = (0, 1)
        self.covered = 0.0
        self.expected = 0.0
        self.ensure_at_least_one_state_emitted: Callable[[], None] = lambda: None


class Stage:
    """A sync of these streams."""

    def __init__(self, *names: str) -> None:
        self.now = 0.0
        self.budget = Budget(clock=lambda: self.now)
        client = KlaviyoClient("pk_made_up", budget=self.budget)
        self.progress = Progress(clock=lambda: self.now)
        self.contexts: dict[str, Any] = {name: Context(name, client.with_own_stats()) for name in names}
        self.progress.follow(list(self.contexts.values()))

    def send(self, name: str, limit: Limit, requests: int = 1) -> None:
        """Send requests of a stream, each with an immediate response."""
        for _ in range(requests):
            self.budget.acquire((limit,))
            self.contexts[name].stream.client.stats.record_request((limit,))
            self.budget.release((limit,))

    def read(self, name: str, records: int) -> None:
        """Read a page of this many records."""
        self.progress.streams[name].on_page(records)

    def end(self, name: str, *, failed: bool = False) -> str:
        """End a stream; returns its summary."""
        return self.progress.streams[name].end(failed=failed)

    def snapshot(self, name: str) -> ProgressSnapshot:
        """Return a stream's progress, or that of all."""
        return next(one for one in self.progress.snapshot() if one.name == name)
