"""Each fault, as a plain HTTP client meets it."""

from __future__ import annotations

import json
import math
import socket
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests
from requests import exceptions

from klaviyo_simulator import Simulator
from klaviyo_simulator.faults.schedule import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from integration_tests.simulator.conftest import Client


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulator]:
    with Simulator(limits=False, events=300, profiles=20) as simulator:
        yield simulator


@pytest.fixture
def faulty(shared: Simulator) -> Callable[..., requests.Response]:
    """Gets events with a fault, each time over a connection of its own."""
    shared.clear_faults()

    def get(
        kind: str, path: str = "/api/events?page[size]=50", timeout: float = 5, stream: bool = False, **options: Any
    ) -> requests.Response:
        shared.add_faults([{"kind": kind, **options}])
        headers = {"Authorization": "Klaviyo-API-Key pk_demo", "revision": "2026-07-15"}
        return requests.get(shared.url + path, headers=headers, timeout=timeout, allow_redirects=False, stream=stream)

    return get


@pytest.mark.parametrize("status", [400, 404, 408, 429, 500, 502, 503, 504])
def test_statuses(faulty: Callable[..., requests.Response], status: int) -> None:
    answer = faulty("status", status=status)
    assert answer.status_code == status
    assert answer.json()["errors"][0]["status"] == status
    assert "Retry-After" not in answer.headers


@pytest.mark.parametrize("wait", [0, 2, 86400 * 365, -5, "soon", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_waits_that_make_sense_and_others(faulty: Callable[..., requests.Response], wait: str | int) -> None:
    assert faulty("status", status=429, retry_after=wait).headers["Retry-After"] == str(wait)


def test_html(faulty: Callable[..., requests.Response]) -> None:
    answer = faulty("html")
    assert (answer.status_code, answer.text[:9]) == (200, "<!DOCTYPE")


def test_html_403(faulty: Callable[..., requests.Response]) -> None:
    answer = faulty("html_403")
    assert (answer.status_code, answer.headers["cf-mitigated"]) == (403, "challenge")
    assert answer.headers["Content-Type"].startswith("text/html")


def test_empty(faulty: Callable[..., requests.Response]) -> None:
    answer = faulty("empty")
    assert (answer.status_code, answer.content) == (200, b"")


def test_invalid_json(faulty: Callable[..., requests.Response]) -> None:
    answer = faulty("invalid_json")
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.content)


def test_forbidden(faulty: Callable[..., requests.Response]) -> None:
    for options, title, detail in (
        ({}, "Entitlement to use this endpoint not found.", None),
        ({"title": "Forbidden.", "detail": "Entitlement not found."}, "Forbidden.", "Entitlement not found."),
    ):
        answer = faulty("forbidden", **options)
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["code"], error["title"]) == (403, "forbidden", title)
        assert error.get("detail") == detail


def test_redirect(faulty: Callable[..., requests.Response]) -> None:
    answer = faulty("redirect")
    assert answer.status_code == 302
    assert urlsplit(answer.headers["Location"]).netloc == "elsewhere.example.com"


def test_reset_before(faulty: Callable[..., requests.Response]) -> None:
    with pytest.raises(exceptions.ConnectionError):
        faulty("reset_before")


@pytest.mark.parametrize("kind", ["reset_middle", "truncated"])
def test_bodies_that_break_off(faulty: Callable[..., requests.Response], kind: str) -> None:
    with pytest.raises((exceptions.ChunkedEncodingError, exceptions.ConnectionError)):
        faulty(kind)


def test_bad_gzip(faulty: Callable[..., requests.Response]) -> None:
    with pytest.raises(exceptions.ContentDecodingError):
        faulty("bad_gzip")


def test_gzip_bomb(faulty: Callable[..., requests.Response]) -> None:
    answer = faulty("gzip_bomb", gigabytes=0.0625, stream=True)
    assert int(answer.headers["Content-Length"]) < 200_000
    inflated = list(answer.iter_content(2**20))
    assert sum(map(len, inflated)) > 2**26
    assert json.loads(inflated[-2][-(2**19) :] + inflated[-1])["data"]


@pytest.mark.parametrize("kind", ["never", "endless_headers", "endless_body"])
def test_answers_without_end_last_longer_than_a_client_waits(shared: Simulator, kind: str) -> None:
    """A client that looks at the time of the last byte only would wait for ever."""
    shared.clear_faults()
    shared.add_faults([{"kind": kind, "seconds": 0.01}])
    address = urlsplit(shared.url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=1) as connection:
        lines = "GET /api/events HTTP/1.1|Host: x|Authorization: Klaviyo-API-Key pk_demo|revision: 2026-07-15||"
        connection.sendall(lines.replace("|", "\r\n").encode())
        received = b""
        while len(received) < 600 and kind != "never":
            received += connection.recv(500)
        connection.settimeout(0.2)
        if kind == "never":
            with pytest.raises(TimeoutError):
                connection.recv(500)
    head, separator, body = received.partition(b"\r\n\r\n")
    assert bool(separator) is (kind == "endless_body")
    assert b"X-Endless: aaa" in head or (b"chunked" in head and body.startswith(b"400\r\n  ")) or kind == "never"


@pytest.mark.parametrize("kind", ["slow_headers", "slow_body"])
def test_slowness_arrives_whole(faulty: Callable[..., requests.Response], kind: str) -> None:
    assert len(faulty(kind, seconds=0.1).json()["data"]) == 50


def test_slow_headers_run_into_a_timeout(faulty: Callable[..., requests.Response]) -> None:
    with pytest.raises(exceptions.ReadTimeout):
        faulty("slow_headers", seconds=5, timeout=0.1)


def test_slow_body_runs_into_a_timeout(faulty: Callable[..., requests.Response]) -> None:
    with pytest.raises((exceptions.ReadTimeout, exceptions.ConnectionError)):
        faulty("slow_body", seconds=5, timeout=0.1)


def test_wrong_type(faulty: Callable[..., requests.Response]) -> None:
    answer = faulty("wrong_type")
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.json()["data"]


@pytest.mark.parametrize("seconds", [-7200, 3600])
def test_clock_skew(faulty: Callable[..., requests.Response], seconds: int) -> None:
    date = parsedate_to_datetime(faulty("clock_skew", seconds=seconds).headers["Date"])
    assert abs((date - datetime.now(UTC)).total_seconds() - seconds) < 60


def test_foreign_next(faulty: Callable[..., requests.Response]) -> None:
    link = urlsplit(faulty("foreign_next").json()["links"]["next"])
    assert link.netloc == "elsewhere.example.com"
    assert link.path == "/api/events"


def test_repeat_page(faulty: Callable[..., requests.Response]) -> None:
    links = faulty("repeat_page", times=None).json()["links"]
    assert links["next"] == links["self"]


def test_circle(start: Callable[..., Client]) -> None:
    client = start()
    client.simulator.add_faults([{"kind": "circle", "times": None}])
    first = client.ask("/api/events", {"page[size]": 10})
    second = client.ask(first["links"]["next"])
    again = client.ask(second["links"]["next"])
    assert [event["id"] for event in again["data"]] == [event["id"] for event in first["data"]]
    assert again["links"]["next"] == first["links"]["next"] != second["links"]["next"]


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/api/events?page[size]=50", "event_properties"),
        ("/api/profiles?page[size]=5", "properties"),
        ("/api/lists", None),
    ],
)
def test_nan(faulty: Callable[..., requests.Response], path: str, where: str | None) -> None:
    answer = faulty("nan", path=path)
    assert b'"broken":NaN,"endless":-Infinity' in answer.content
    attributes = json.loads(answer.content)["data"][0]["attributes"]
    assert math.isnan((attributes[where] if where else attributes)["broken"])


def test_control_character(faulty: Callable[..., requests.Response]) -> None:
    answer = faulty("control_character")
    assert b'"broken":"before\x01after"' in answer.content
    with pytest.raises(json.JSONDecodeError, match="Invalid control character"):
        json.loads(answer.content)


@pytest.mark.parametrize("path", ["/api/events", "/api/profiles", "/api/lists"])
def test_a_poisoned_record_breaks_each_page_that_holds_it(start: Callable[..., Client], path: str) -> None:
    client = start()
    ids = [record["id"] for record in client.ask(path, {"page[size]": 10})["data"]]
    client.simulator.add_faults([{"kind": "poisoned_record", "id": ids[4], "path": f"{path}*"}])
    assert client.get(f"{path}/{ids[4]}").status_code == 500
    assert client.get(f"{path}/{ids[3]}").status_code == 200
    statuses, link = [], f"{client.simulator.url}{path}?page[size]=2"
    for _ in range(3):
        answer = client.get(link)
        statuses.append(answer.status_code)
        link = answer.json().get("links", {}).get("next")
    assert statuses == [200, 200, 500]
    assert [client.refusal(path, {"page[size]": 10})[0] for _ in range(3)] == [500] * 3
    client.simulator.clear_faults()
    assert client.get(path).status_code == 200


def test_a_poisoned_record_is_no_harm_to_what_relates_to_it_and_to_other_faults(start: Callable[..., Client]) -> None:
    client = start()
    profiles = client.simulator.ids("profiles")
    faults = [{"kind": "poisoned_record", "id": identity, "path": "/api/events"} for identity in profiles]
    client.simulator.add_faults([*faults, {"kind": "status", "status": 503, "path": "/api/events"}])
    assert [client.get("/api/events", include="profile").status_code for _ in range(3)] == [503, 200, 200]


def test_unordered(faulty: Callable[..., requests.Response]) -> None:
    page = faulty("unordered", path="/api/events?page[size]=50&sort=datetime").json()
    times = [record["attributes"]["timestamp"] for record in page["data"]]
    assert times != sorted(times)


def test_missing_cursor(faulty: Callable[..., requests.Response]) -> None:
    records = faulty("missing_cursor").json()["data"]
    assert "datetime" not in records[0]["attributes"]
    assert "datetime" in records[1]["attributes"]


def test_missing_cursor_of_a_field(faulty: Callable[..., requests.Response]) -> None:
    records = faulty("missing_cursor", path="/api/profiles", field="updated", records=3).json()["data"]
    assert ["updated" in record["attributes"] for record in records[:4]] == [False, False, False, True]


def test_bad_cursor_waits_for_a_cursor(faulty: Callable[..., requests.Response]) -> None:
    page = faulty("bad_cursor").json()
    link = urlsplit(page["links"]["next"])
    answer = faulty("bad_cursor", path=f"{link.path}?{link.query}")
    assert (answer.status_code, answer.json()["errors"][0]["detail"]) == (400, "Invalid cursor provided.")


def test_faults_strike_where_and_as_often_as_they_should(start: Callable[..., Client]) -> None:
    client = start()
    client.simulator.add_faults([{"kind": "status", "status": 503, "path": "/api/events", "times": 2, "after": 1}])
    assert client.get("/api/profiles").status_code == 200
    assert [client.get("/api/events").status_code for _ in range(5)] == [200, 503, 503, 200, 200]
    assert client.simulator.stats()["faults"] == {"status": 2}


def test_faults_strike_every_so_many_requests(start: Callable[..., Client]) -> None:
    client = start()
    fault = {"kind": "status", "status": 503, "path": "/api/events", "times": None, "every": 3, "after": 1}
    client.simulator.add_faults([fault])
    statuses = []
    for _ in range(8):
        client.get("/api/profiles")
        statuses.append(client.get("/api/events").status_code)
    assert statuses == [200, 200, 200, 503, 200, 200, 503, 200]


def test_faults_by_chance_are_repeatable(start: Callable[..., Client]) -> None:
    fault = {"kind": "status", "status": 500, "path": "/api/*", "times": None, "probability": 0.5}

    def statuses() -> list[int]:
        client = start(seed=5)
        client.simulator.add_faults([fault])
        return [client.get("/api/accounts").status_code for _ in range(30)]

    once = statuses()
    assert set(once) == {200, 500}
    assert statuses() == once


def test_unknown_faults_are_refused(shared: Simulator) -> None:
    with pytest.raises(ValueError, match="no fault is called"):
        shared.add_faults([{"kind": "earthquake"}])


def test_every_kind_has_a_test() -> None:
    text = Path(__file__).read_text("utf-8")
    assert [kind for kind in sorted(KINDS) if f'"{kind}"' not in text] == []
