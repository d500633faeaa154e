"""`check`: its result for a person who sets up a connection."""

from __future__ import annotations

import logging
import re
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from airbyte_cdk.models import Status
from requests import exceptions as broken

from source_klaviyo import SourceKlaviyo
from source_klaviyo.api.budget import Budget
from source_klaviyo.api.client import HOST, KlaviyoClient
from source_klaviyo.config import API_URL_VARIABLE
from source_klaviyo.source import CHECK_TRIES
from source_klaviyo.streams import STREAMS, KlaviyoStream

if TYPE_CHECKING:
    from airbyte_cdk.models import AirbyteConnectionStatus
    from requests_mock import Mocker

KEY = "pk_0123456789abcdefMARKED"
ACCOUNTS = f"{HOST}/api/accounts"


def cheapest(scope: str) -> str:
    """The address that shows best whether a key has a scope: it needs the fewest others and has the shortest path."""
    streams = [stream for stream in STREAMS if scope in stream.scope.split() and stream.tier.daily is None]
    return f"{HOST}/api/{min(streams, key=lambda one: (len(one.scope.split()), len(one.resource))).resource}"


SCOPES = {scope: cheapest(scope) for scope in sorted({scope for stream in STREAMS for scope in stream.scope.split()})}
PAGE = {"data": [], "links": {"self": HOST, "next": None}}
EDGE = "<html><head><title>Just a moment...</title></head></html>"


def account(**attributes: Any) -> dict[str, Any]:
    return {"data": [{"type": "account", "id": "Xy1", "attributes": attributes}]}


def refusal(code: str, detail: str) -> dict[str, Any]:
    return {"errors": [{"id": "x", "status": 400, "code": code, "title": "T", "detail": detail, "source": {}}]}


NO_SCOPE: dict[str, Any] = {
    "status_code": 403,
    "json": refusal("permission_denied", "You do not have permission to do this."),
}
WRONG_KEY: dict[str, Any] = {
    "status_code": 401,
    "json": refusal("authentication_failed", "Incorrect authentication credentials."),
}
RETIRED: dict[str, Any] = {"status_code": 410, "json": refusal("gone", "The revision is retired.")}


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let waits between attempts take no time, and let the budget read a clock that advances a minute each time."""
    waits: list[float] = []
    clock = count(0.0, 61.0).__next__
    patched = partial(KlaviyoClient, sleep=waits.append, budget=Budget(clock))
    monkeypatch.setattr("source_klaviyo.source.KlaviyoClient", patched)
    monkeypatch.delenv(API_URL_VARIABLE, raising=False)
    return waits


@pytest.fixture
def klaviyo(requests_mock: Mocker) -> Mocker:
    """An empty account, all of which the key may read."""
    for url in SCOPES.values():
        requests_mock.get(url, json=PAGE)
    requests_mock.get(ACCOUNTS, json=account(contact_information={"organization_name": "Klavi Ä & Co. 100 %"}))
    return requests_mock


def streams() -> list[KlaviyoStream]:
    return [stream for stream in SourceKlaviyo().streams({"api_key": KEY}) if isinstance(stream, KlaviyoStream)]


def check(**settings: Any) -> AirbyteConnectionStatus:
    return SourceKlaviyo().check(logging.getLogger("airbyte"), {"api_key": KEY, **settings})


def failure(**settings: Any) -> str:
    """The message of a check that fails, in one or two sentences."""
    status = check(**settings)
    assert status.status is Status.FAILED
    message = str(status.message)
    assert re.fullmatch(r"[A-Z][^\n<>{}]+\.", message)
    return message


def lines(log: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [record.getMessage() for record in log.records if record.name == "airbyte" and record.levelno == level]


# --- a key that works -----------------------------------------------------------------------------------


def test_a_successful_check_logs_the_name_of_the_account(klaviyo: Mocker, log: pytest.LogCaptureFixture) -> None:
    status = check()
    assert status.status is Status.SUCCEEDED
    assert status.message is None
    assert lines(log, logging.INFO) == ["The API key belongs to the Klaviyo account Klavi Ä & Co. 100 %."]
    assert lines(log, logging.WARNING) == []


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("jane@example.com", "****"),
        ("Jane, +49 170 1234567", "Jane, ****"),
        (KEY.upper(), "****"),
        (quote(KEY, safe="").replace("_", "%5F"), "(left out, since it repeats the API key)"),
        ("A shop\nof two lines", "A shop of two lines"),
        ("x" * 5_000, "x" * 100),
    ],
    ids=["address", "number", "key", "key in another spelling", "lines", "long"],
)
def test_the_name_of_the_account_is_redacted(
    klaviyo: Mocker, log: pytest.LogCaptureFixture, name: str, shown: str
) -> None:
    klaviyo.get(ACCOUNTS, json=account(contact_information={"organization_name": name}))
    check()
    assert lines(log, logging.INFO) == [f"The API key belongs to the Klaviyo account {shown}."]


def test_each_scope_takes_one_request(klaviyo: Mocker) -> None:
    check()
    asked = [request.url.partition("?")[0] for request in klaviyo.request_history]
    assert asked[0] == ACCOUNTS
    assert sorted(asked) == sorted(SCOPES.values())


@pytest.mark.parametrize(
    "answer",
    [
        NO_SCOPE,
        {"json": {"data": []}},
        {"json": account()},
        {"json": account(contact_information=None)},
        {"json": account(contact_information={"organization_name": None})},
        {"json": account(contact_information={"default_sender_name": "Ä"})},
        {"json": account(contact_information={"organization_name": 5})},
    ],
    ids=["no scope", "no account", "no attributes", "null", "no name", "another name", "no text"],
)
def test_an_account_without_a_name_succeeds(
    klaviyo: Mocker, log: pytest.LogCaptureFixture, answer: dict[str, Any]
) -> None:
    klaviyo.get(ACCOUNTS, **answer)
    assert check().status is Status.SUCCEEDED
    name = "(its name needs the scope accounts:read)" if answer == NO_SCOPE else "(it has no name)"
    assert lines(log, logging.INFO) == [f"The API key belongs to the Klaviyo account {name}."]


def test_a_rejected_request_is_no_failure(klaviyo: Mocker) -> None:
    klaviyo.get(SCOPES["events:read"], status_code=400, json=refusal("invalid", "Page size must be from 1 to 200."))
    assert check().status is Status.SUCCEEDED


def test_an_endpoint_that_does_not_exist_is_no_failure(klaviyo: Mocker) -> None:
    klaviyo.get(SCOPES["coupon-codes:read"], status_code=404, json=refusal("not_found", "No."))
    assert check().status is Status.SUCCEEDED


def test_transient_errors_are_retried(klaviyo: Mocker, waits: list[float]) -> None:
    klaviyo.get(ACCOUNTS, [{"status_code": 503}, {"text": EDGE, "status_code": 403}, {"json": {"data": []}}])
    assert check().status is Status.SUCCEEDED
    assert len(waits) == 2


@pytest.mark.parametrize("start_date", ["0001-01-01", "0001-01-01T00:00:00Z", "1900-01-01", "2024-02-29"])
def test_a_start_date_may_be_long_ago(klaviyo: Mocker, start_date: str) -> None:
    assert check(start_date=start_date).status is Status.SUCCEEDED


def test_requests_go_to_the_address_in_the_environment(requests_mock: Mocker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(API_URL_VARIABLE, "https://simulator:8443")
    for url in (ACCOUNTS, *SCOPES.values()):
        requests_mock.get(url.replace(HOST, "https://simulator:8443"), json={"data": []})
    assert check().status is Status.SUCCEEDED


# --- scopes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "streams"),
    [
        ("images:read", "images"),
        ("events:read", "events, events_detailed"),
        ("templates:read", "email_templates, template_universal_content"),
    ],
)
def test_a_missing_scope_is_a_warning_that_names_its_streams(
    klaviyo: Mocker, log: pytest.LogCaptureFixture, scope: str, streams: str
) -> None:
    klaviyo.get(SCOPES[scope], **NO_SCOPE)
    assert check().status is Status.SUCCEEDED
    (line,) = lines(log, logging.WARNING)
    assert f"lacks the scope {scope}," in line
    assert f": {streams}." in line


def test_each_missing_scope_has_a_warning_of_its_own(klaviyo: Mocker, log: pytest.LogCaptureFixture) -> None:
    for scope in set(SCOPES) - {"metrics:read"}:
        klaviyo.get(SCOPES[scope], **NO_SCOPE)
    assert check().status is Status.SUCCEEDED
    assert len(lines(log, logging.WARNING)) == len(SCOPES) - 1


def test_a_key_that_may_read_nothing_fails_with_all_the_scopes(klaviyo: Mocker) -> None:
    for url in (ACCOUNTS, *SCOPES.values()):
        klaviyo.get(url, **NO_SCOPE)
    message = failure()
    assert "(403)" in message
    assert all(scope in message for scope in SCOPES)


# --- what fails -----------------------------------------------------------------------------------------


def test_a_wrong_key_fails_at_once(klaviyo: Mocker) -> None:
    klaviyo.get(ACCOUNTS, **WRONG_KEY)
    message = failure()
    assert "does not accept the API key (401)" in message
    assert "pk_" in message
    assert klaviyo.call_count == 1


@pytest.mark.parametrize("url", [ACCOUNTS, SCOPES["lists:read"]], ids=["accounts", "lists"])
@pytest.mark.parametrize(
    "answer",
    [RETIRED, {"status_code": 400, "json": refusal("invalid", "Invalid revision.")}],
    ids=["410", "400"],
)
def test_a_retired_revision_asks_for_an_upgrade(klaviyo: Mocker, url: str, answer: dict[str, Any]) -> None:
    klaviyo.get(url, **answer)
    assert "upgrade the connector" in failure()


@pytest.mark.parametrize("scopes", [["brands:read"], ["brands:read", "translations:read", "usage:read"]])
def test_a_further_revision_that_is_retired_is_one_warning_that_names_its_streams(
    klaviyo: Mocker, log: pytest.LogCaptureFixture, scopes: list[str]
) -> None:
    for scope in scopes:
        klaviyo.get(SCOPES[scope], **RETIRED)
    assert check().status is Status.SUCCEEDED
    (line,) = lines(log, logging.WARNING)
    assert line.startswith("Klaviyo no longer serves the API revision 2026-10-15 (410): upgrade the connector.")
    named = line.partition("cannot be read: ")[2].partition(". ")[0].split(", ")
    assert named == sorted(stream.name for stream in streams() if stream.revision == "2026-10-15")
    assert line.endswith("The others can.")


@pytest.mark.parametrize(
    "error", [broken.ConnectionError("NameResolutionError"), broken.ConnectTimeout("no")], ids=repr
)
def test_an_unreachable_host_fails_after_few_attempts(klaviyo: Mocker, error: Exception) -> None:
    klaviyo.get(ACCOUNTS, exc=error)
    assert failure().startswith("Klaviyo (a.klaviyo.com) cannot be reached: ")
    assert klaviyo.call_count == CHECK_TRIES


def test_a_server_error_fails_after_few_attempts(klaviyo: Mocker) -> None:
    klaviyo.get(ACCOUNTS, status_code=503)
    assert "(503)" in failure()
    assert klaviyo.call_count == CHECK_TRIES


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"status_code": 500}, "(500)"),
        ({"text": EDGE}, "damaged"),
        ({"status_code": 302, "headers": {"Location": "https://evil.example"}}, "redirect"),
        (WRONG_KEY, "(401)"),
    ],
    ids=["500", "HTML", "redirect", "401"],
)
def test_a_stream_that_fails_otherwise_fails_the_check(klaviyo: Mocker, answer: dict[str, Any], words: str) -> None:
    klaviyo.get(SCOPES["flows:read"], **answer)
    assert words in failure()


def test_a_failure_does_not_hide_missing_scopes(klaviyo: Mocker, log: pytest.LogCaptureFixture) -> None:
    klaviyo.get(SCOPES["flows:read"], status_code=500)
    klaviyo.get(SCOPES["lists:read"], **NO_SCOPE)
    assert "(500)" in failure()
    assert "lists:read" in lines(log, logging.WARNING)[0]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("start_date", "yesterday"),
        ("start_date", "2023-02-29"),
        ("start_date", "9999-01-01"),
        ("api_key", ""),
        ("api_key", f"{KEY} {KEY}"),
        ("num_workers", 0),
        ("lookback_window", -1),
        ("disable_fetching_predictive_analytics", "yes"),
    ],
)
def test_a_wrong_setting_fails_without_a_request(klaviyo: Mocker, setting: str, value: object) -> None:
    assert setting in failure(**{setting: value})
    assert not klaviyo.called


def test_a_wrong_address_in_the_environment_fails(klaviyo: Mocker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(API_URL_VARIABLE, "simulator")
    assert API_URL_VARIABLE in failure()


# --- nothing leaks --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        {"json": PAGE},
        NO_SCOPE,
        WRONG_KEY,
        RETIRED,
        {"status_code": 429},
        {"status_code": 500},
        {"text": EDGE},
        {"exc": broken.ConnectionError(f"Klaviyo-API-Key {KEY}")},
    ],
    ids=["success", "403", "401", "410", "429", "500", "HTML", "no answer"],
)
@pytest.mark.parametrize("only_streams", [False, True], ids=["accounts", "streams"])
def test_the_key_is_never_shown(
    klaviyo: Mocker, log: pytest.LogCaptureFixture, answer: dict[str, Any], only_streams: bool
) -> None:
    for url in SCOPES.values() if only_streams else [ACCOUNTS, *SCOPES.values()]:
        klaviyo.get(url, **answer)
    status = check()
    assert KEY not in f"{status} {log.text}"
    assert KEY not in "".join(str(record.args) for record in log.records)
