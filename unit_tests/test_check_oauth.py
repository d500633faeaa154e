"""`check` of an OAuth connection: its account, and the scopes that were not granted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from airbyte_cdk.models import Status

from source_klaviyo import SourceKlaviyo
from source_klaviyo.api.client import HOST
from source_klaviyo.source import CHECK_TRIES
from unit_tests.test_check import ACCOUNTS, NO_SCOPE, PAGE, SCOPES, WRONG_KEY, account, klaviyo, lines, waits

if TYPE_CHECKING:
    from airbyte_cdk.models import AirbyteConnectionStatus
    from requests_mock import Mocker

__all__ = ["klaviyo", "waits"]  # fixtures

TOKEN = f"{HOST}/oauth/token"
CREDENTIALS = {
    "auth_type": "oauth2.0",
    "client_id": "client-MARKED",
    "client_secret": "secret-MARKED",
    "refresh_token": "refresh-MARKED",
}
ALL = " ".join(SCOPES)


def grant(klaviyo: Mocker, **answer: Any) -> None:
    """Let the token endpoint grant an access token, with these changes to its response."""
    klaviyo.post(TOKEN, json={"access_token": "access-MARKED", "token_type": "Bearer", "expires_in": 3600, **answer})


def check(**credentials: Any) -> AirbyteConnectionStatus:
    return SourceKlaviyo().check(logging.getLogger("airbyte"), {"credentials": {**CREDENTIALS, **credentials}})


def test_a_successful_check_logs_the_name_of_the_account(klaviyo: Mocker, log: pytest.LogCaptureFixture) -> None:
    klaviyo.get(ACCOUNTS, json=account(contact_information={"organization_name": "Shop access-MARKED"}))
    grant(klaviyo, scope=ALL)
    assert check().status is Status.SUCCEEDED
    assert lines(log, logging.INFO) == ["The OAuth connection belongs to the Klaviyo account Shop ****."]
    assert lines(log, logging.WARNING) == []


def test_scopes_that_were_not_granted_are_named_without_a_request(
    klaviyo: Mocker, log: pytest.LogCaptureFixture
) -> None:
    grant(klaviyo, scope=ALL.replace("images:read", "").replace("tags:read", ""))
    assert check().status is Status.SUCCEEDED
    found = dict(line.removeprefix("The OAuth connection lacks the scope ").split(". ", 1) for line in lines(log, 30))
    remedy = "The others can. To read them, add the scope to the app in Klaviyo and authenticate again."
    assert found == {
        "images:read": f"These streams cannot be read: images. {remedy}",
        "tags:read": f"These streams cannot be read: tag_groups, tags. {remedy}",
    }
    assert not [request for request in klaviyo.request_history if "/api/images" in request.url]


@pytest.mark.parametrize("scope", [{}, {"scope": None}, {"scope": ""}, {"scope": "read"}], ids=str)
def test_a_grant_without_known_scopes_says_nothing_about_scopes(
    klaviyo: Mocker, log: pytest.LogCaptureFixture, scope: dict[str, Any]
) -> None:
    klaviyo.get(SCOPES["images:read"], **NO_SCOPE)
    grant(klaviyo, **scope)
    assert check().status is Status.SUCCEEDED
    (line,) = lines(log, logging.WARNING)
    assert line.startswith("The OAuth connection lacks the scope images:read, or this account has no access")


def test_a_connection_that_may_read_nothing_fails_with_all_the_scopes(klaviyo: Mocker) -> None:
    for url in (ACCOUNTS, *SCOPES.values()):
        klaviyo.get(url, **NO_SCOPE)
    grant(klaviyo)
    message = check().message or ""
    assert message.startswith("The OAuth connection is valid but may read nothing this connector reads (403): give its")
    assert message.endswith("in Klaviyo, then authenticate again.")
    assert all(scope in message for scope in SCOPES)


def test_a_saved_access_token_needs_no_refresh(klaviyo: Mocker) -> None:
    assert check(access_token="access-MARKED", token_expiry_date="2999-01-01T00:00:00Z").status is Status.SUCCEEDED


def test_an_unreachable_token_endpoint_fails_after_few_attempts(klaviyo: Mocker) -> None:
    klaviyo.post(TOKEN, status_code=503)
    assert (check().message or "").startswith("No access token could be obtained from Klaviyo: ")
    assert klaviyo.call_count == CHECK_TRIES


@pytest.mark.parametrize(
    ("token", "api"),
    [
        (
            {"json": {"error": "invalid_grant", "error_description": "refresh-MARKED"}, "status_code": 400},
            {"json": PAGE},
        ),
        ({"json": {"error": "invalid_client"}, "status_code": 401}, {"json": PAGE}),
        ({"text": "refresh-MARKED"}, {"json": PAGE}),
        ({"json": {"access_token": "access-MARKED"}}, WRONG_KEY),
        ({"json": {"access_token": "access-MARKED"}}, {"status_code": 302, "headers": {"Location": "http://MARKED"}}),
    ],
)
def test_no_failure_shows_a_secret(
    klaviyo: Mocker, log: pytest.LogCaptureFixture, token: dict[str, Any], api: dict[str, Any]
) -> None:
    klaviyo.post(TOKEN, **token)
    klaviyo.get(ACCOUNTS, **api)
    status = check()
    assert status.status is Status.FAILED
    assert status.message
    assert status.message.endswith(".")
    assert "API key" not in status.message
    assert "MARKED" not in f"{status} {log.text}"
