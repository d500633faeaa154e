"""Statistics of requests, responses and faults."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

_MAX_KEPT_REQUESTS = 10_000  # in `requests`; older ones are only counted


class Statistics:
    """Counts of requests, responses and records."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Set all counts to zero."""
        self._requests: Counter[str] = Counter()
        self._statuses: Counter[int] = Counter()
        self._by_endpoint: dict[str, Counter[int]] = {}
        self._records: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._last: deque[dict[str, Any]] = deque(maxlen=_MAX_KEPT_REQUESTS)
        self._second = 0
        self._in_second: Counter[str] = Counter()
        self._peaks: Counter[str] = Counter()

    def count_request(self, endpoint: str, path: str, query: str, now: float) -> dict[str, Any]:
        """Count a request on arrival; return its entry, which `count_response` completes."""
        self._requests[endpoint] += 1
        if int(now) != self._second:
            self._second = int(now)
            self._in_second.clear()
        for name in (endpoint, "*"):
            self._in_second[name] += 1
            self._peaks[name] = max(self._peaks[name], self._in_second[name])
        entry: dict[str, Any] = {"at": now, "path": path, "query": query, "status": None, "records": 0}
        self._last.append(entry)
        return entry

    def count_response(self, endpoint: str, entry: dict[str, Any], status: int, records: int) -> None:
        """Count a response and complete the entry of its request."""
        entry.update(status=status, records=records)
        self._statuses[status] += 1
        self._by_endpoint.setdefault(endpoint, Counter())[status] += 1
        self._records[endpoint] += records

    def count_fault(self, kind: str) -> None:
        """Count a fault that was applied."""
        self._faults[kind] += 1

    @property
    def total(self) -> int:
        """Number of all requests."""
        return sum(self._requests.values())

    def requests(self, last: int | None = None) -> list[dict[str, Any]]:
        """Return the last requests, oldest first."""
        kept = list(self._last)
        return [dict(entry) for entry in (kept if last is None else kept[-last:] if last else [])]

    def document(self) -> dict[str, Any]:
        """Return all counts, ready for JSON."""
        return {
            "requests": self.total,
            "records": sum(self._records.values()),
            "peak_per_second": self._peaks["*"],
            "throttled": self._statuses[429],
            "bad_requests": self._statuses[400],
            "by_status": {str(status): count for status, count in sorted(self._statuses.items())},
            "faults": dict(self._faults),
            "endpoints": {
                name: {
                    "requests": count,
                    "records": self._records[name],
                    "peak_per_second": self._peaks[name],
                    "by_status": {str(s): n for s, n in sorted(self._by_endpoint.get(name, {}).items())},
                }
                for name, count in sorted(self._requests.items())
            },
        }
