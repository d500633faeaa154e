"""Syncs of an OAuth connection: access tokens that expire, refresh tokens that rotate, and kills."""

from __future__ import annotations

import base64
import hashlib
import json
import signal
import subprocess
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jinja2
import pytest
import requests

from integration_tests.connector import KEY, ROOT, Connector, Output, catalog
from integration_tests.forks import Forks, impatient
from integration_tests.truth import expected
from klaviyo_simulator import Simulator
from klaviyo_simulator.rules.endpoints import all_scopes
from source_klaviyo.run import spec_message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CREDENTIALS = {
    "auth_type": "oauth2.0",
    "client_id": "demo-client",
    "client_secret": "demo-client-secret",
    "refresh_token": "demo-refresh-token",
}
STREAMS = ("events", "list_profiles", "lists", "profiles")
TOKEN = "/oauth/token"


@pytest.fixture
def start() -> Iterator[Callable[..., Simulator]]:
    """Starts simulators without limits; the connector does not know their key."""
    started: list[Simulator] = []

    def begin(**settings: Any) -> Simulator:
        sizes = {"events": 3_000, "profiles": 400, "campaigns": 5, "flows": 3, "lists": 6, "metrics": 3}
        started.append(Simulator(**{"key": KEY, "limits": False, **sizes, **settings}))
        started[-1].start()
        return started[-1]

    yield begin
    for simulator in started:
        simulator.stop()


def connected(simulator: Simulator, folder: Path, **credentials: Any) -> Connector:
    """A connector with OAuth and without a key."""
    return Connector(simulator.url, folder, {"api_key": "", "credentials": {**CREDENTIALS, **credentials}})


def refreshes(simulator: Simulator) -> dict[str, int]:
    """Return the number of token requests by status."""
    found: dict[str, int] = simulator.stats()["endpoints"].get(TOKEN, {"by_status": {}})["by_status"]
    return found


def reported(output: Output) -> list[dict[str, Any]]:
    """Return the settings in the CONTROL messages."""
    messages = [message["control"] for message in output.others if message["type"] == "CONTROL"]
    assert all(message["type"] == "CONNECTOR_CONFIG" for message in messages)
    return [message["connectorConfig"]["config"] for message in messages]


def assert_complete(simulator: Simulator, output: Output, *streams: str) -> None:
    assert output.code == 0, [output.errors, output.logs[-5:]]
    for stream in streams or STREAMS:
        assert sorted(output.ids(stream)) == sorted(expected(simulator, stream)), stream
        assert output.statuses[stream][-1] == "COMPLETE"


# --- check ----------------------------------------------------------------------------------------------


def test_a_check_names_the_account_and_refreshes_once(start: Callable[..., Simulator], tmp_path: Path) -> None:
    simulator = start()
    output = connected(simulator, tmp_path).run("check")

    assert output.others[-1]["connectionStatus"] == {"status": "SUCCEEDED"}
    assert any("The OAuth connection belongs to the Klaviyo account " in log for log in output.logs)
    assert [log for log in output.logs if log.startswith("WARN")] == []
    assert refreshes(simulator) == {"200": 1}


def test_a_check_names_the_scopes_that_were_not_granted_and_their_streams(
    start: Callable[..., Simulator], tmp_path: Path
) -> None:
    granted = {"accounts:read", "events:read", "flows:read", "forms:read", "campaigns:read", "segments:read"}
    simulator = start(oauth_scopes=frozenset({*granted, "lists:read", "profiles:read", "metrics:read"}))
    output = connected(simulator, tmp_path).run("check")

    assert output.others[-1]["connectionStatus"]["status"] == "SUCCEEDED"
    warnings = {log.partition(".")[0]: log for log in output.logs if log.startswith("WARN")}
    tags = warnings["WARN The OAuth connection lacks the scope tags:read"]
    assert "These streams cannot be read: tag_groups, tags. The others can." in tags
    assert "add the scope to the app in Klaviyo and authenticate again" in tags
    assert "WARN The OAuth connection lacks the scope webhooks:read" in warnings
    assert not any("lists:read" in warning for warning in warnings.values())


@pytest.mark.parametrize(
    ("credentials", "words"),
    [
        ({"refresh_token": "demo-refresh-token-2"}, "Authenticate again."),
        ({"client_secret": "another-secret"}, "client ID and client secret"),
    ],
)
def test_a_check_with_wrong_credentials_says_what_to_do(
    start: Callable[..., Simulator], tmp_path: Path, credentials: dict[str, str], words: str
) -> None:
    simulator = start()
    status = connected(simulator, tmp_path, **credentials).run("check").others[-1]["connectionStatus"]

    assert status["status"] == "FAILED"
    assert words in status["message"]
    assert sum(refreshes(simulator).values()) == 1


# --- Airbyte's flow -------------------------------------------------------------------------------------


def rendered(template: str, **values: str) -> str:
    """A template of the specification as Airbyte's platform renders it, with its own names and filters."""
    environment = jinja2.Environment(autoescape=False)  # noqa: S701 - no page
    environment.filters["b64encode"] = lambda text: base64.b64encode(text.encode()).decode()
    environment.filters["codechallengeS256"] = lambda text: base64.b64encode(
        hashlib.sha256(text.encode()).digest()
    ).decode()
    names = {f"{name}_value": value for name, value in values.items()}
    params = {f"{name}_param": urlencode({name: value}) for name, value in values.items()}
    return environment.from_string(template).render(**names, **params)


@pytest.mark.parametrize("state", ["a" * 43, "Zk3._-" * 21, "c-0.1_2" * 7])
def test_the_flow_of_the_specification_leads_to_a_connection(
    start: Callable[..., Simulator], tmp_path: Path, state: str
) -> None:
    simulator = start(oauth_scopes=all_scopes())
    flow = json.loads(spec_message())["spec"]["advanced_auth"]["oauth_config_specification"][
        "oauth_connector_input_specification"
    ]
    app = {"client_id": CREDENTIALS["client_id"], "client_secret": CREDENTIALS["client_secret"]}
    values = {**app, "redirect_uri": "https://airbyte.example/auth_flow", "scope": flow["scope"], "state": state}
    consent = rendered(flow["consent_url"], **values).replace("https://www.klaviyo.com", simulator.url)
    back = requests.get(consent, allow_redirects=False, timeout=9).headers["Location"]
    found = dict(parse_qsl(urlsplit(back).query))
    assert found["state"] == state

    values["auth_code"] = found["code"]
    headers = {name: rendered(value, **values) for name, value in flow["access_token_headers"].items()}
    form = {name: rendered(value, **values) for name, value in flow["access_token_params"].items()}
    url = flow["access_token_url"].replace("https://a.klaviyo.com", simulator.url)
    answer = requests.post(url, data=form, headers=headers, timeout=9)
    assert answer.status_code == 200, answer.text
    assert set(flow["extract_output"]) <= set(answer.json())

    output = connected(simulator, tmp_path, refresh_token=answer.json()["refresh_token"]).run("check")
    assert output.others[-1]["connectionStatus"]["status"] == "SUCCEEDED"


# --- access tokens --------------------------------------------------------------------------------------


def test_webhooks_are_read_with_oauth(start: Callable[..., Simulator], tmp_path: Path) -> None:
    simulator, streams = start(), ("webhooks", "webhook_topics")
    assert_complete(simulator, connected(simulator, tmp_path).read(*streams), *streams)


def test_a_saved_access_token_is_used_until_it_expires(start: Callable[..., Simulator], tmp_path: Path) -> None:
    simulator = start()
    token = simulator.issue_token()
    good = connected(simulator, tmp_path, access_token=token, token_expiry_date="2099-01-01T00:00:00Z").read("lists")
    assert_complete(simulator, good, "lists")
    assert refreshes(simulator) == {}

    old = connected(simulator, tmp_path, access_token=token, token_expiry_date="2020-01-01T00:00:00Z").read("lists")
    assert_complete(simulator, old, "lists")
    assert refreshes(simulator) == {"200": 1}


def test_a_sync_that_outlives_three_access_tokens_refreshes_three_times_for_64_threads(
    start: Callable[..., Simulator], tmp_path: Path
) -> None:
    """Each token expires while tens of requests are in flight, all of which are then rejected."""
    simulator = start(events=60_000, latency=0.4, events_max_page=200)
    token = simulator.issue_token()
    for number in (60, 210, 360):
        simulator.when_requested("/api/events?*", number, simulator.expire_tokens)
    connector = connected(simulator, tmp_path, access_token=token, token_expiry_date="2099-01-01T00:00:00Z")
    output = connector.read(*STREAMS)

    assert_complete(simulator, output)
    assert simulator.stats()["by_status"]["401"] > 10
    assert refreshes(simulator) == {"200": 3}


def test_access_tokens_are_refreshed_before_they_expire(start: Callable[..., Simulator], tmp_path: Path) -> None:
    simulator = start(events=40_000, latency=0.5, events_max_page=200, token_life=5.0)
    connector = connected(simulator, tmp_path)
    connector.settings["num_workers"] = 8
    output = connector.read("events")

    assert_complete(simulator, output, "events")
    times = [request["at"] for request in simulator.requests() if request["path"] == TOKEN]
    assert len(times) >= 3
    # each lasted nearly its whole life, with any number of threads
    assert all(4.0 < later - earlier < 7.0 for earlier, later in pairwise(times))


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 429, "retry_after": 1},
        {"kind": "html_403"},
        {"kind": "html"},
        {"kind": "empty"},
        {"kind": "invalid_json"},
        {"kind": "truncated"},
        {"kind": "reset_before"},
    ],
    ids=lambda fault: f"{fault['kind']} {fault.get('status', '')}".strip(),
)
def test_transient_failures_of_the_token_endpoint_are_retried(
    start: Callable[..., Simulator], forks: Forks, fault: dict[str, Any]
) -> None:
    simulator = start()
    simulator.add_faults([{**fault, "path": TOKEN, "times": 2}])
    connected(simulator, forks.folder).command("read", catalog=catalog("lists", "profiles"))
    files = ("--config", "config.json", "--catalog", "catalog.json")
    output = forks.run("read", *files, KLAVIYO_API_URL=simulator.url)

    assert_complete(simulator, output, "lists", "profiles")
    assert sum("No access token yet" in log for log in output.logs) == 2


def test_a_redirect_of_the_token_endpoint_is_not_followed(start: Callable[..., Simulator], tmp_path: Path) -> None:
    simulator, elsewhere = start(), start()
    simulator.add_faults([{"kind": "redirect", "location": f"{elsewhere.url}{TOKEN}", "path": TOKEN, "times": None}])
    status = connected(simulator, tmp_path).run("check").others[-1]["connectionStatus"]

    assert "which is not followed" in status["message"]
    assert elsewhere.stats()["requests"] == 0
    assert simulator.stats()["requests"] == 1


def test_a_revoked_connection_is_one_request_and_a_config_error_for_each_stream(
    start: Callable[..., Simulator], tmp_path: Path
) -> None:
    simulator = start()
    simulator.revoke_tokens()
    output = connected(simulator, tmp_path).read(*STREAMS)

    assert output.code == 1
    assert refreshes(simulator) == {"400": 1}
    found = {error["stream_descriptor"]["name"]: error for error in output.errors if "stream_descriptor" in error}
    assert set(found) == set(STREAMS)
    for error in found.values():
        assert error["failure_type"] == "config_error"
        assert "Authenticate again." in error["message"]


def test_a_sync_whose_connection_was_revoked_resumes_after_a_new_consent(
    start: Callable[..., Simulator], tmp_path: Path
) -> None:
    simulator = start(events=20_000, latency=0.2, events_max_page=200)
    consent = simulator.issue_token(9_999.0)  # of the first consent, whose tokens all end
    simulator.when_requested("/api/events?*", 40, simulator.expire_tokens)
    simulator.add_faults([{"kind": "status", "status": 400, "path": TOKEN, "times": None}])
    connector = connected(simulator, tmp_path, access_token=consent, token_expiry_date="2099-01-01T00:00:00Z")
    stopped = connector.read("events")
    simulator.clear_faults()
    resumed = connected(simulator, tmp_path).read("events", state=stopped.state())

    assert stopped.code == 1
    assert stopped.errors[0]["failure_type"] == "config_error"
    assert resumed.code == 0
    assert {*stopped.ids("events"), *resumed.ids("events")} == expected(simulator, "events")


# --- rotation -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rotation", ["when_used", "at_once"])
def test_the_reported_refresh_token_works_and_the_old_one_does_not(
    start: Callable[..., Simulator], tmp_path: Path, rotation: str
) -> None:
    simulator = start(rotation=rotation)
    connector = connected(simulator, tmp_path)
    connector.settings |= {"start_date": "2012-01-01", "made_up": {"of": ["another version"]}}
    first = connector.read(*STREAMS)

    assert_complete(simulator, first)
    (settings,) = reported(first)
    tokens = settings["credentials"]
    assert {**settings, "credentials": None} == {**connector.settings, "credentials": None}
    assert CREDENTIALS.items() - tokens.items() == {("refresh_token", CREDENTIALS["refresh_token"])}

    simulator.expire_tokens()
    only_refresh = {**tokens, "access_token": "", "token_expiry_date": ""}
    second = Connector(simulator.url, tmp_path, {**settings, "credentials": only_refresh}).read(*STREAMS)
    assert_complete(simulator, second)

    failed = connector.read("lists")
    assert failed.code == 1
    assert failed.errors[0]["failure_type"] == "config_error"
    assert "Authenticate again." in failed.errors[0]["message"]


def test_nothing_is_reported_if_the_refresh_token_stays(start: Callable[..., Simulator], tmp_path: Path) -> None:
    assert reported(connected(start(), tmp_path).read("lists")) == []


def test_control_messages_are_whole_lines_among_records(start: Callable[..., Simulator], tmp_path: Path) -> None:
    simulator = start(events=60_000, rotation="when_used", latency=0.05, events_max_page=200)
    for number in range(40, 400, 100):
        simulator.when_requested("/api/events?*", number, simulator.expire_tokens)
    output = connected(simulator, tmp_path).read(*STREAMS)  # expects JSON on each line

    assert_complete(simulator, output)
    assert len(reported(output)) == refreshes(simulator)["200"] >= 4


# --- kills ----------------------------------------------------------------------------------------------


def read_until(
    connector: Connector, simulator: Simulator, number: signal.Signals, moment: Callable[[], bool], **files: Any
) -> Output:
    """Read, and send a signal at a moment; return the output up to the last whole line."""
    command = impatient(connector.command("read", catalog=catalog(*STREAMS), **files))
    with subprocess.Popen(command, cwd=ROOT, env=connector.environment, stdout=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60
        while not moment() and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(number)
        assert process.stdout
        *lines, half = process.stdout.read().split(b"\n")
        process.wait(timeout=20)
    assert number == signal.SIGKILL or half == b""
    output = Output(code=process.returncode)
    for line in lines:
        output.add(json.loads(line))
    return output


def test_a_shutdown_waits_for_a_refresh_token_that_is_in_flight(
    start: Callable[..., Simulator], tmp_path: Path
) -> None:
    """The old one has expired when the response is sent, which takes a second to arrive."""
    simulator = start(rotation="at_once")
    simulator.add_faults([{"kind": "slow_headers", "seconds": 1.0, "path": TOKEN, "times": 1}])
    connector = connected(simulator, tmp_path)
    stopped = read_until(connector, simulator, signal.SIGTERM, lambda: bool(refreshes(simulator)))

    assert stopped.code == -signal.SIGTERM
    (settings,) = reported(stopped)
    assert_complete(simulator, Connector(simulator.url, tmp_path, settings).read(*STREAMS))


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.2])
def test_a_kill_during_a_refresh_loses_nothing(start: Callable[..., Simulator], tmp_path: Path, seconds: float) -> None:
    """A refresh token that was not reported was not used either, so the one before it is still valid."""
    simulator = start(events=20_000, rotation="when_used", events_max_page=200, latency=0.05)
    settings = connected(simulator, tmp_path).settings
    states: list[Any] = []
    ids: dict[str, set[Any]] = {stream: set() for stream in STREAMS}
    for attempt in range(4):
        before = sum(refreshes(simulator).values())
        if attempt:
            simulator.expire_tokens()
        simulator.add_faults([{"kind": "slow_headers", "seconds": 0.1, "path": TOKEN, "times": 1}])

        def refreshed(before: int = before) -> bool:
            if sum(refreshes(simulator).values()) > before:
                time.sleep(seconds)
                return True
            return False

        connector = Connector(simulator.url, tmp_path, settings)
        output = read_until(connector, simulator, signal.SIGKILL, refreshed, state=states)
        settings = (reported(output) or [settings])[-1]
        states = output.state() or states
        for stream in STREAMS:
            ids[stream] |= {*output.ids(stream)}

    last = Connector(simulator.url, tmp_path, settings).read(*STREAMS, state=states)
    assert last.code == 0, last.errors
    for stream in STREAMS:
        assert ids[stream] | {*last.ids(stream)} == expected(simulator, stream), stream
