"""Faults: what can go wrong on the way, chosen by path, count and chance."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from random import Random

    from klaviyo_simulator.answers import Call

INSTEAD = frozenset({"status", "html", "html_403", "empty", "invalid_json", "redirect", "bad_cursor"})
"""Faults that stand in the place of the answer."""
REWRITING = frozenset(
    {
        *("foreign_next", "repeat_page", "unordered", "missing_cursor"),
        *("wrong_type", "clock_skew"),
    }
)
"""Faults that change the answer: its document or its headers."""
WIRE = frozenset({"reset_before", "reset_middle", "truncated", "bad_gzip", "slow_headers", "slow_body"})
"""Faults of the connection."""
KINDS = INSTEAD | REWRITING | WIRE


@dataclass
class Fault:
    """One fault, and when it strikes.

    `path` may hold wildcards (`/api/*`); `times` is how often it strikes (None: for ever), `after` how many
    matching requests it lets pass first, `probability` its chance each time. All other words of its
    description are `options` of its kind, such as the `status` of a status or the `seconds` of a delay.
    """

    kind: str
    path: str = "*"
    times: int | None = 1
    after: int = 0
    probability: float = 1.0
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, description: Mapping[str, Any]) -> Fault:
        """Read a description such as `{"kind": "status", "status": 503, "path": "/api/events", "times": 3}`."""
        own = {"kind", "path", "times", "after", "probability"}
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

    def strike(self, call: Call) -> Fault | None:
        """The fault that strikes this request, if any does."""
        for fault in self._queue:
            if not fnmatchcase(call.path, fault.path):
                continue
            if fault.kind == "bad_cursor" and "page%5Bcursor%5D" not in call.query.replace("[", "%5B").replace(
                "]", "%5D"
            ):
                continue
            if fault.after:
                fault.after -= 1
                continue
            if self._random.random() >= fault.probability:
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._queue.remove(fault)
            return fault
        return None
