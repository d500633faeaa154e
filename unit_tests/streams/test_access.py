"""403: missing scopes, missing features of the account, and responses that do not say which it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airbyte_cdk.models import FailureType

from unit_tests.fake_api import FakeKlaviyo, Rejected, error, sync

if TYPE_CHECKING:
    from unit_tests.fake_api import Request

ADD_ON = error(403, "permission_denied", "You must have Advanced KDP enabled to use this endpoint.")
ENTITLEMENT = b'{"errors":[{"status":403,"code":"forbidden","title":"Entitlement to read object types not found"}]}'
SCOPE = error(403, "permission_denied", "The key lacks the scope tags:read.")
GENERIC = error(403, "permission_denied", "You do not have permission to perform this action.")


def message(klaviyo: FakeKlaviyo, stream: str, body: bytes) -> str:
    """Return the only error of a stream for which Klaviyo sends this response."""
    klaviyo.before = lambda _: (403, body)
    output = sync(stream)
    (said,) = output.errors(stream)
    assert said.failure_type == FailureType.config_error
    assert output.statuses(stream)[-1] == "INCOMPLETE"
    return str(said.message)


@pytest.mark.parametrize("stream", ["webhooks", "webhook_topics"])
def test_webhooks_need_an_app_or_an_add_on_and_no_scope(klaviyo: FakeKlaviyo, stream: str) -> None:
    said = message(klaviyo, stream, ADD_ON)
    assert said == (
        f"Stream {stream} cannot be read: this account or key has no access to it (403). Klaviyo gives webhooks to "
        "OAuth apps and to accounts with its add-on Advanced KDP only. Deselect the stream. "
        "Klaviyo says: You must have Advanced KDP enabled to use this endpoint."
    )
    assert len(klaviyo.requests) == 1  # included resources make no difference


@pytest.mark.parametrize("body", [ADD_ON, ENTITLEMENT], ids=["add-on", "entitlement"])
@pytest.mark.parametrize("stream", ["object_types", "campaigns", "profiles"])
def test_an_account_without_access_gets_klaviyos_reason_and_no_scope(
    klaviyo: FakeKlaviyo, stream: str, body: bytes
) -> None:
    said = message(klaviyo, stream, body)
    assert "scope" not in said
    assert "this account or key has no access to it (403). Deselect the stream. Klaviyo says: " in said


def test_a_scope_that_klaviyo_names_is_named_with_the_remedy(klaviyo: FakeKlaviyo) -> None:
    assert message(klaviyo, "tags", SCOPE).startswith(
        "Stream tags needs the scope tags:read: add it in Klaviyo, or deselect the stream."
    )


def test_a_403_without_a_reason_may_be_a_missing_scope(klaviyo: FakeKlaviyo) -> None:
    assert message(klaviyo, "tags", GENERIC) == (
        "Stream tags cannot be read (403): if the key has custom access, it needs the scope tags:read; if it has it, "
        "this account has no access. Create a key with access in Klaviyo, or deselect the stream. "
        "Klaviyo says: You do not have permission to perform this action."
    )


@pytest.mark.parametrize(("body", "asked"), [(SCOPE, 2), (GENERIC, 2), (ADD_ON, 1), (ENTITLEMENT, 1)])
def test_only_a_missing_scope_makes_a_stream_include_less(klaviyo: FakeKlaviyo, body: bytes, asked: int) -> None:
    klaviyo.before = lambda request: (403, body) if "include" in request.params else (200, b'{"data":[]}')
    output = sync("tags")
    assert len(klaviyo.requests) == asked
    assert (output.raised is None) is (asked == 2)


@pytest.mark.parametrize("stream", ["webhook_topics", "tags", "accounts", "coupon_codes"])
def test_a_stream_without_a_cursor_that_failed_leaves_no_state(klaviyo: FakeKlaviyo, stream: str) -> None:
    klaviyo.before = lambda _: (403, ADD_ON)
    assert sync(stream, full_refresh=True).states(stream) == []
    klaviyo.before = lambda _: (200, b'{"data":[]}')
    assert len(sync(stream, full_refresh=True).states(stream)) == 1


@pytest.mark.parametrize(
    ("stream", "settings", "named"),
    [
        ("events", {"event_metric_ids": "M1"}, "event_metric_ids"),
        ("metric_aggregates", {"metric_aggregates": [{"metric_id": "M1"}]}, "metric_aggregates"),
    ],
)
def test_a_metric_of_the_settings_that_klaviyo_does_not_know_names_the_setting(
    klaviyo: FakeKlaviyo, stream: str, settings: dict[str, Any], named: str
) -> None:
    def refuse(request: Request) -> tuple[int, bytes] | None:
        if request.resource == "accounts":
            return 200, b'{"data":[]}'
        raise Rejected("Metric IDs ['M1'] do not exist.", "filter")

    klaviyo.may_reject = True
    klaviyo.before = refuse
    (said,) = sync(stream, **settings).errors(stream)
    assert said.failure_type == FailureType.config_error
    assert said.message.startswith(f"Klaviyo refuses what the setting {named} holds (400): correct it.")


def test_a_metric_of_the_account_that_klaviyo_does_not_know_affects_no_other_metric(
    klaviyo: FakeKlaviyo, log: pytest.LogCaptureFixture
) -> None:
    def answer(request: Request) -> tuple[int, bytes]:
        if request.resource == "metrics":
            return 200, json.dumps({"data": [{"type": "metric", "id": one} for one in ("M1", "M2")]}).encode()
        if "M1" in request.resource:
            return 400, error(400, "invalid", "Metric IDs ['M1'] do not exist.", "filter")
        return 200, b'{"data":[{"type":"metric-property","id":"P1","attributes":{}}]}'

    klaviyo.before = answer
    output = sync("metric_properties")
    assert output.raised is None
    assert output.ids() == ["P1"]
    assert len([one for one in log.records if one.levelname == "WARNING" and "M1" in one.message]) == 1


OAUTH = {
    "auth_type": "oauth2.0",
    "client_id": "client",
    "client_secret": "secret",
    "refresh_token": "refresh",
    "access_token": "access",
    "token_expiry_date": "2999-01-01T00:00:00Z",
}


@pytest.mark.parametrize("body", [SCOPE, GENERIC], ids=["named", "generic"])
def test_an_oauth_connection_without_a_scope_is_advised_to_authenticate_again(
    klaviyo: FakeKlaviyo, body: bytes
) -> None:
    klaviyo.before = lambda _: (403, body)
    (said,) = sync("tags", api_key="", credentials=OAUTH).errors("tags")

    assert said.message.startswith("Stream tags needs the scope tags:read, or the account has no access to it. ")
    assert "add the scope to the app in Klaviyo and authenticate again" in said.message
    assert "key" not in said.message.partition("Klaviyo says")[0]
