"""Fixtures: simulators, and a plain HTTP client for them."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import requests

from klaviyo_simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
HEADERS = {"Authorization": "Klaviyo-API-Key pk_demo", "revision": "2026-07-15"}
OCTOBER = "2026-10-15"


class Client:
    """An HTTP client of one simulator."""

    def __init__(self, simulator: Simulator, session: requests.Session, revision: str = HEADERS["revision"]) -> None:
        self.simulator = simulator
        self.session = session
        self.revision = revision

    def with_revision(self, revision: str) -> Client:
        """Return the same client for another revision."""
        return Client(self.simulator, self.session, revision)

    def get(self, path: str, headers: dict[str, str | None] | None = None, **parameters: Any) -> requests.Response:
        url = path if path.startswith("http") else self.simulator.url + path
        named = {**HEADERS, "revision": self.revision, **(headers or {})}
        given = {name: value for name, value in named.items() if value is not None}
        return self.session.get(url, headers=given, params=parameters, timeout=10, allow_redirects=False)

    def fetch(self, path: str, parameters: dict[str, Any] | None = None) -> Any:
        response = self.get(path, **(parameters or {}))
        assert response.status_code == 200, response.text
        return response.json()

    def fetch_all(self, path: str, parameters: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return all records of a collection, by following the next links."""
        records: list[dict[str, Any]] = []
        page = self.fetch(path, parameters)
        records += page["data"]
        while page["links"].get("next"):
            page = self.fetch(page["links"]["next"])
            records += page["data"]
        return records

    def error(self, path: str, parameters: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Return status and error of a request that is rejected."""
        response = self.get(path, **(parameters or {}))
        (error,) = response.json()["errors"]
        assert response.headers["Content-Type"] == "application/vnd.api+json"
        assert {"id", "status", "code", "title", "detail", "source"} <= error.keys()
        assert error["status"] == response.status_code
        return response.status_code, error


@pytest.fixture(scope="session")
def client() -> Iterator[Client]:
    """A client of a simulator without rate limits and with all add-ons, for tests that only read."""
    with Simulator(now=NOW, limits=False, advanced_kdp=True) as simulator, requests.Session() as session:
        yield Client(simulator, session)


@pytest.fixture
def start() -> Iterator[Callable[..., Client]]:
    """A function that starts a simulator and returns its client."""
    with ExitStack() as stack:

        def started(**settings: Any) -> Client:
            small = {"now": NOW, "limits": False, "advanced_kdp": True, "events": 500, "profiles": 50, "campaigns": 40}
            simulator = stack.enter_context(Simulator(**{**small, **settings}))
            return Client(simulator, stack.enter_context(requests.Session()))

        yield started
