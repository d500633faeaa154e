"""Faults: what can go wrong on the way, chosen by path, count and chance."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from random import Random

    from klaviyo_simulator.protocol.messages import Request

REPLACING = frozenset({"status", "forbidden", "html", "html_403", "empty", "invalid_json", "redirect", "bad_cursor"})
"""Faults that stand in the place of the response."""
REWRITING = frozenset(
    {
        *("foreign_next", "repeat_page", "circle", "unordered", "missing_cursor"),
        *("nan", "control_character", "wrong_type", "clock_skew"),
    }
)
"""Faults that change the response: its document or its headers."""
CONNECTION = frozenset(
    {
        *("reset_before", "reset_middle", "truncated", "bad_gzip", "gzip_bomb", "never"),
        *("slow_headers", "slow_body", "endless_headers", "endless_body"),
    }
)
"""Faults of the connection."""
POISON = "poisoned_record"
"""The fault of one record: every response that holds it is a 500, all others are good."""
KINDS = REPLACING | REWRITING | CONNECTION | {POISON}


@dataclass
class Fault:
    """One fault, and when it strikes.

    `path` may hold wildcards (`/api/*`); `times` is how often it strikes (None: for ever), `after` how many
    matching requests it lets pass first, `every` that only each n-th of them is struck, `probability` its chance
    each time. All other words of its description are `options` of its kind, such as the `status` of a status, the
    `seconds` of a delay, or the `id` of a poisoned record, which lasts until the faults are cleared.
    """

    kind: str
    path: str = "*"
    times: int | None = 1
    after: int = 0
    every: int = 1
    probability: float = 1.0
    options: dict[str, Any] = field(default_factory=dict)
    seen: int = 0  # matching requests so far

    @classmethod
    def of(cls, description: Mapping[str, Any]) -> Fault:
        """Read a description such as `{"kind": "status", "status": 503, "path": "/api/events", "times": 3}`."""
        own = {"kind", "path", "times", "after", "every", "probability"}
        fault = cls(
            **{name: value for name, value in description.items() if name in own},
            options={name: value for name, value in description.items() if name not in own},
        )
        if fault.kind not in KINDS:
            raise ValueError(f"no fault is called {fault.kind!r}; there are {', '.join(sorted(KINDS))}")
        return fault


class Faults:
    """The faults that are still to strike, in the order in which they were added."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._queue: list[Fault] = []

    def add(self, descriptions: Iterable[Mapping[str, Any]]) -> None:
        """Add faults by their descriptions."""
        self._queue += [Fault.of(description) for description in descriptions]

    def clear(self) -> None:
        """Forget all faults."""
        self._queue.clear()

    def poisoned_ids(self, request: Request) -> list[str]:
        """The ids of the records that no response to this request may hold."""
        return [str(fault.options["id"]) for fault in self._queue if fault.kind == POISON and _matches(fault, request)]

    def next_for(self, request: Request) -> Fault | None:
        """The fault that strikes this request, if any does."""
        for fault in self._queue:
            if fault.kind == POISON or not _matches(fault, request):
                continue
            fault.seen += 1
            if fault.seen <= fault.after or (fault.seen - fault.after) % fault.every:
                continue
            if self._random.random() >= fault.probability:
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._queue.remove(fault)
            return fault
        return None


def _matches(fault: Fault, request: Request) -> bool:
    if fault.kind == "bad_cursor" and "page[cursor]" not in unquote(request.query):
        return False
    return fnmatchcase(request.path, fault.path)
