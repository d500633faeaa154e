"""The simulator's control paths: statistics, changes, faults and switches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration_tests.simulator.conftest import Client


@pytest.fixture
def control(start: Callable[..., Client]) -> Any:
    client = start()

    def call(method: str, path: str, **more: Any) -> Any:
        response = client.session.request(method, f"{client.simulator.url}/_simulator/{path}", timeout=9, **more)
        assert response.status_code == 200, response.text
        return response.json()

    vars(call)["client"] = client
    return call


def test_statistics_count_requests_and_records(control: Any) -> None:
    client = control.client
    client.get("/api/events", **{"page[size]": 30})
    client.get("/api/events", sort="x")
    client.get("/api/lists")
    client.get("/api/nothing")
    stats = control("GET", "stats")
    assert stats == client.simulator.stats()
    assert (stats["requests"], stats["records"], stats["bad_requests"], stats["throttled"]) == (4, 40, 1, 0)
    assert stats["by_status"] == {"200": 2, "400": 1, "404": 1}
    events = stats["endpoints"]["/api/events"]
    assert (events["requests"], events["records"], events["by_status"]) == (2, 30, {"200": 1, "400": 1})
    assert 1 <= events["peak_per_second"] <= 2
    control("POST", "stats/reset")
    assert control("GET", "stats")["requests"] == 0


def test_the_last_requests_are_listed(control: Any) -> None:
    client = control.client
    client.get("/api/lists")
    client.get("/api/events", sort="datetime")
    (entry,) = control("GET", "requests?last=1")
    assert (entry["path"], entry["query"], entry["status"]) == ("/api/events", "sort=datetime", 200)
    assert [entry["path"] for entry in client.simulator.requests()] == ["/api/lists", "/api/events"]
    assert client.simulator.requests(0) == []


def test_ids_of_a_collection_are_listed(control: Any) -> None:
    ids = control("GET", "ids?resource=profiles")
    assert ids == control.client.simulator.ids("profiles")
    assert len(ids) == 50


def test_changes_are_made_once_or_continuously(control: Any) -> None:
    changed = control("POST", "mutate", json={"profiles": 2, "late_events": 1, "late_by": 60})
    assert {kind: len(ids) for kind, ids in changed.items()} == {"profiles": 2, "late_events": 1}
    assert control("GET", "mutations") == [changed]
    control("POST", "mutate_continuously", json={"every": 1, "events": 1})
    control.client.get("/api/lists")
    assert len(control("GET", "mutations")) == 2


@pytest.mark.parametrize("wrapped", [True, False])
def test_faults_are_added_and_cleared(control: Any, wrapped: bool) -> None:
    faults = [{"kind": "status", "status": 502}]
    control("POST", "faults", json={"faults": faults} if wrapped else faults)
    assert control.client.get("/api/lists").status_code == 502
    control("POST", "faults", json=faults)
    control("DELETE", "faults")
    assert control.client.get("/api/lists").status_code == 200


def test_switches_change_at_runtime(control: Any) -> None:
    control("POST", "switches", json={"events_max_page": 200, "limits": True})
    client = control.client
    assert client.get("/api/events", **{"page[size]": 201}).status_code == 400
    assert "RateLimit-Limit" in client.get("/api/events").headers


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "nothing", None, 404),
        ("GET", "mutate", None, 404),
        ("GET", "ids?resource=dragons", None, 400),
        ("POST", "mutate", {"dragons": 1}, 400),
        ("POST", "switches", {"seed": 2}, 400),
        ("POST", "faults", {"faults": [{"kind": "dragon"}]}, 400),
    ],
)
def test_invalid_control_requests_return_an_error(
    client: Client, method: str, path: str, body: Any, status: int
) -> None:
    response = client.session.request(method, f"{client.simulator.url}/_simulator/{path}", json=body, timeout=9)
    assert response.status_code == status
    assert response.json()["error"]


def test_responses_are_compressed_only_when_switched_on(start: Callable[..., Client]) -> None:
    client = start()
    assert "Content-Encoding" not in client.get("/api/events").headers
    client.simulator.switch(gzip=True)
    response = client.get("/api/events")
    assert response.headers["Content-Encoding"] == "gzip"
    assert len(response.json()["data"]) == 200
    assert "Content-Encoding" not in client.get("/api/events", headers={"Accept-Encoding": "identity"}).headers
