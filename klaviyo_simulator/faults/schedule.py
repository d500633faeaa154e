"""The schedule of faults: which requests fail, by path, count and probability."""

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
"""Faults that replace the response."""
REWRITING = frozenset(
    {
        *("foreign_next", "repeat_page", "circle", "unordered", "missing_cursor"),
        *("nan", "control_character", "wrong_type", "clock_skew"),
    }
)
"""Faults that change the document or headers of the response."""
CONNECTION = frozenset(
    {
        *("reset_before", "reset_middle", "truncated", "bad_gzip", "gzip_bomb", "never"),
        *("slow_headers", "slow_body", "endless_headers", "endless_body"),
    }
)
"""Faults of the connection."""
POISON = "poisoned_record"
"""A fault of one record: every response that contains it is a 500."""
KINDS = REPLACING | REWRITING | CONNECTION | {POISON}


@dataclass
class Fault:
    """A fault and its schedule.

    `path` may have wildcards (`/api/*`). The fault skips `after` matching requests, then applies to every `every`-th of
    them with `probability`, `times` times in all (None: without end). All other fields of a description are `options`
    of its kind, such as the `status` of a status, the `seconds` of a delay, or the `id` of a poisoned record, which
    lasts until the faults are cleared.
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
        """Parse a description such as `{"kind": "status", "status": 503, "path": "/api/events", "times": 3}`."""
        own = {"kind", "path", "times", "after", "every", "probability"}
        fault = cls(
            **{name: value for name, value in description.items() if name in own},
            options={name: value for name, value in description.items() if name not in own},
        )
        if fault.kind not in KINDS:
            raise ValueError(f"no fault is called {fault.kind!r}; use one of {', '.join(sorted(KINDS))}")
        return fault


class Faults:
    """The scheduled faults, in the order in which they were added."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._queue: list[Fault] = []

    def add(self, descriptions: Iterable[Mapping[str, Any]]) -> None:
        """Schedule faults by their descriptions; see `Fault`."""
        self._queue += [Fault.of(description) for description in descriptions]

    def clear(self) -> None:
        """Remove all faults."""
        self._queue.clear()

    def poisoned_ids(self, request: Request) -> list[str]:
        """Return the IDs of the poisoned records for a request."""
        return [str(fault.options["id"]) for fault in self._queue if fault.kind == POISON and _matches(fault, request)]

    def next_for(self, request: Request) -> Fault | None:
        """Return the fault for this request, if any, and count it."""
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
