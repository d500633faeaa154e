"""Each fault, as a plain HTTP client sees it."""

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
    """A function that requests events with a fault, over a new connection each time."""
    shared.clear_faults()

    def get(
        kind: str, path: str = "/api/events?page[size]=50", timeout: float = 5, stream: bool = False, **options: Any
    ) -> requests.Response:
        shared.add_faults([{"kind": kind, **options}])
        headers = {"Authorization": "Klaviyo-API-Key pk_demo", "revision": "2026-07-15"}
        return requests.get(shared.url + path, headers=headers, timeout=timeout, allow_redirects=False, stream=stream)

    return get


@pytest.mark.parametrize("status", [400, 404, 408, 429, 500, 502, 503, 504])
def test_a_status_is_returned(faulty: Callable[..., requests.Response], status: int) -> None:
    response = faulty("status", status=status)
    assert response.status_code == status
    assert response.json()["errors"][0]["status"] == status
    assert "Retry-After" not in response.headers


@pytest.mark.parametrize("wait", [0, 2, 86400 * 365, -5, "soon", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_any_retry_after_is_sent(faulty: Callable[..., requests.Response], wait: str | int) -> None:
    assert faulty("status", status=429, retry_after=wait).headers["Retry-After"] == str(wait)


def test_html_replaces_the_document(faulty: Callable[..., requests.Response]) -> None:
    response = faulty("html")
    assert (response.status_code, response.text[:9]) == (200, "<!DOCTYPE")


def test_a_403_can_be_a_bot_challenge_in_html(faulty: Callable[..., requests.Response]) -> None:
    response = faulty("html_403")
    assert (response.status_code, response.headers["cf-mitigated"]) == (403, "challenge")
    assert response.headers["Content-Type"].startswith("text/html")


def test_a_body_can_be_empty(faulty: Callable[..., requests.Response]) -> None:
    response = faulty("empty")
    assert (response.status_code, response.content) == (200, b"")


def test_a_body_can_be_cut_off_json(faulty: Callable[..., requests.Response]) -> None:
    response = faulty("invalid_json")
    assert response.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(response.content)


def test_a_403_can_name_a_missing_entitlement(faulty: Callable[..., requests.Response]) -> None:
    for options, title, detail in (
        ({}, "Entitlement to use this endpoint not found.", None),
        ({"title": "Forbidden.", "detail": "Entitlement not found."}, "Forbidden.", "Entitlement not found."),
    ):
        response = faulty("forbidden", **options)
        (error,) = response.json()["errors"]
        assert (response.status_code, error["code"], error["title"]) == (403, "forbidden", title)
        assert error.get("detail") == detail


def test_a_response_can_redirect_to_another_host(faulty: Callable[..., requests.Response]) -> None:
    response = faulty("redirect")
    assert response.status_code == 302
    assert urlsplit(response.headers["Location"]).netloc == "elsewhere.example.com"


def test_the_connection_can_be_reset_before_the_response(faulty: Callable[..., requests.Response]) -> None:
    with pytest.raises(exceptions.ConnectionError):
        faulty("reset_before")


@pytest.mark.parametrize("kind", ["reset_middle", "truncated"])
def test_a_body_can_be_cut_off_by_the_connection(faulty: Callable[..., requests.Response], kind: str) -> None:
    with pytest.raises((exceptions.ChunkedEncodingError, exceptions.ConnectionError)):
        faulty(kind)


def test_gzip_can_be_corrupt(faulty: Callable[..., requests.Response]) -> None:
    with pytest.raises(exceptions.ContentDecodingError):
        faulty("bad_gzip")


def test_a_gzip_bomb_inflates_before_the_document(faulty: Callable[..., requests.Response]) -> None:
    response = faulty("gzip_bomb", gigabytes=0.0625, stream=True)
    assert int(response.headers["Content-Length"]) < 200_000
    inflated = list(response.iter_content(2**20))
    assert sum(map(len, inflated)) > 2**26
    assert json.loads(inflated[-2][-(2**19) :] + inflated[-1])["data"]


@pytest.mark.parametrize("kind", ["never", "endless_headers", "endless_body"])
def test_endless_responses_outlast_the_read_timeout(shared: Simulator, kind: str) -> None:
    """Check that bytes keep coming, so that a read timeout alone would never end the request."""
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
def test_slow_responses_arrive_complete(faulty: Callable[..., requests.Response], kind: str) -> None:
    assert len(faulty(kind, seconds=0.1).json()["data"]) == 50


def test_slow_headers_can_time_out(faulty: Callable[..., requests.Response]) -> None:
    with pytest.raises(exceptions.ReadTimeout):
        faulty("slow_headers", seconds=5, timeout=0.1)


def test_a_slow_body_can_time_out(faulty: Callable[..., requests.Response]) -> None:
    with pytest.raises((exceptions.ReadTimeout, exceptions.ConnectionError)):
        faulty("slow_body", seconds=5, timeout=0.1)


def test_the_content_type_can_be_wrong(faulty: Callable[..., requests.Response]) -> None:
    response = faulty("wrong_type")
    assert response.headers["Content-Type"] == "text/plain"
    assert response.json()["data"]


@pytest.mark.parametrize("seconds", [-7200, 3600])
def test_the_date_header_can_be_skewed(faulty: Callable[..., requests.Response], seconds: int) -> None:
    date = parsedate_to_datetime(faulty("clock_skew", seconds=seconds).headers["Date"])
    assert abs((date - datetime.now(UTC)).total_seconds() - seconds) < 60


def test_the_next_link_can_point_to_another_host(faulty: Callable[..., requests.Response]) -> None:
    link = urlsplit(faulty("foreign_next").json()["links"]["next"])
    assert link.netloc == "elsewhere.example.com"
    assert link.path == "/api/events"


def test_the_next_link_can_repeat_the_page(faulty: Callable[..., requests.Response]) -> None:
    links = faulty("repeat_page", times=None).json()["links"]
    assert links["next"] == links["self"]


def test_next_links_can_form_a_circle(start: Callable[..., Client]) -> None:
    client = start()
    client.simulator.add_faults([{"kind": "circle", "times": None}])
    first = client.fetch("/api/events", {"page[size]": 10})
    second = client.fetch(first["links"]["next"])
    again = client.fetch(second["links"]["next"])
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
def test_values_can_be_nan_or_infinite(faulty: Callable[..., requests.Response], path: str, where: str | None) -> None:
    response = faulty("nan", path=path)
    assert b'"broken":NaN,"endless":-Infinity' in response.content
    attributes = json.loads(response.content)["data"][0]["attributes"]
    assert math.isnan((attributes[where] if where else attributes)["broken"])


def test_a_text_can_have_an_unescaped_control_character(faulty: Callable[..., requests.Response]) -> None:
    response = faulty("control_character")
    assert b'"broken":"before\x01after"' in response.content
    with pytest.raises(json.JSONDecodeError, match="Invalid control character"):
        json.loads(response.content)


@pytest.mark.parametrize("path", ["/api/events", "/api/profiles", "/api/lists"])
def test_each_page_with_a_poisoned_record_is_a_500(start: Callable[..., Client], path: str) -> None:
    client = start()
    ids = [record["id"] for record in client.fetch(path, {"page[size]": 10})["data"]]
    client.simulator.add_faults([{"kind": "poisoned_record", "id": ids[4], "path": f"{path}*"}])
    assert client.get(f"{path}/{ids[4]}").status_code == 500
    assert client.get(f"{path}/{ids[3]}").status_code == 200
    statuses, link = [], f"{client.simulator.url}{path}?page[size]=2"
    for _ in range(3):
        response = client.get(link)
        statuses.append(response.status_code)
        link = response.json().get("links", {}).get("next")
    assert statuses == [200, 200, 500]
    assert [client.error(path, {"page[size]": 10})[0] for _ in range(3)] == [500] * 3
    client.simulator.clear_faults()
    assert client.get(path).status_code == 200


def test_a_poisoned_record_does_not_affect_related_records_or_other_faults(start: Callable[..., Client]) -> None:
    client = start()
    profiles = client.simulator.ids("profiles")
    faults = [{"kind": "poisoned_record", "id": identity, "path": "/api/events"} for identity in profiles]
    client.simulator.add_faults([*faults, {"kind": "status", "status": 503, "path": "/api/events"}])
    assert [client.get("/api/events", include="profile").status_code for _ in range(3)] == [503, 200, 200]


def test_records_can_be_out_of_order(faulty: Callable[..., requests.Response]) -> None:
    page = faulty("unordered", path="/api/events?page[size]=50&sort=datetime").json()
    times = [record["attributes"]["timestamp"] for record in page["data"]]
    assert times != sorted(times)


def test_a_record_can_lack_its_date(faulty: Callable[..., requests.Response]) -> None:
    records = faulty("missing_cursor").json()["data"]
    assert "datetime" not in records[0]["attributes"]
    assert "datetime" in records[1]["attributes"]


def test_some_records_can_lack_a_chosen_date(faulty: Callable[..., requests.Response]) -> None:
    records = faulty("missing_cursor", path="/api/profiles", field="updated", records=3).json()["data"]
    assert ["updated" in record["attributes"] for record in records[:4]] == [False, False, False, True]


def test_a_bad_cursor_applies_to_requests_with_a_cursor_only(faulty: Callable[..., requests.Response]) -> None:
    page = faulty("bad_cursor").json()
    link = urlsplit(page["links"]["next"])
    response = faulty("bad_cursor", path=f"{link.path}?{link.query}")
    assert (response.status_code, response.json()["errors"][0]["detail"]) == (400, "Invalid cursor provided.")


def test_faults_apply_by_path_and_count(start: Callable[..., Client]) -> None:
    client = start()
    client.simulator.add_faults([{"kind": "status", "status": 503, "path": "/api/events", "times": 2, "after": 1}])
    assert client.get("/api/profiles").status_code == 200
    assert [client.get("/api/events").status_code for _ in range(5)] == [200, 503, 503, 200, 200]
    assert client.simulator.stats()["faults"] == {"status": 2}


def test_faults_can_apply_to_every_nth_request(start: Callable[..., Client]) -> None:
    client = start()
    fault = {"kind": "status", "status": 503, "path": "/api/events", "times": None, "every": 3, "after": 1}
    client.simulator.add_faults([fault])
    statuses = []
    for _ in range(8):
        client.get("/api/profiles")
        statuses.append(client.get("/api/events").status_code)
    assert statuses == [200, 200, 200, 503, 200, 200, 503, 200]


def test_random_faults_are_repeatable(start: Callable[..., Client]) -> None:
    fault = {"kind": "status", "status": 500, "path": "/api/*", "times": None, "probability": 0.5}

    def statuses() -> list[int]:
        client = start(seed=5)
        client.simulator.add_faults([fault])
        return [client.get("/api/accounts").status_code for _ in range(30)]

    once = statuses()
    assert set(once) == {200, 500}
    assert statuses() == once


def test_unknown_faults_are_rejected(shared: Simulator) -> None:
    with pytest.raises(ValueError, match="no fault is called"):
        shared.add_faults([{"kind": "earthquake"}])


def test_every_kind_of_fault_has_a_test() -> None:
    text = Path(__file__).read_text("utf-8")
    assert [kind for kind in sorted(KINDS) if f'"{kind}"' not in text] == []
