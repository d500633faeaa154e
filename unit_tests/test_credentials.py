"""The credentials of a connection: accepted ones, rejected ones, and no sign of them in any text."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from airbyte_cdk.models import ConnectorSpecificationSerializer
from airbyte_cdk.sources.utils.schema_helpers import check_config_against_spec_or_exit
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets, update_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_klaviyo.airbyte.tokens import reporter
from source_klaviyo.api.errors import ConfigError
from source_klaviyo.api.grant import Grant
from source_klaviyo.api.token_endpoint import OAuthCredentials
from source_klaviyo.config import Config
from source_klaviyo.credentials import secrets_of
from source_klaviyo.streams import STREAMS
from tools.tables import SPEC

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "pk_0123456789abcdefMARKED"
OAUTH = {
    "auth_type": "oauth2.0",
    "client_id": "client-MARKED",
    "client_secret": "secret-MARKED",
    "refresh_token": "refresh-MARKED",
}
WITH_KEY = {"auth_type": "api_key", "api_key": KEY}
PARSED = OAuthCredentials("client-MARKED", "secret-MARKED", "refresh-MARKED")


def parse(**settings: Any) -> Config:
    return Config.parse(settings, {})


def without(name: str) -> dict[str, str]:
    return {field: value for field, value in OAUTH.items() if field != name}


# --- what is accepted --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {"api_key": KEY},
        {"credentials": WITH_KEY},
        {"credentials": {"api_key": f" {KEY}\n"}},
        {"api_key": "", "credentials": WITH_KEY},
        {"api_key": KEY, "credentials": None},
        {"api_key": KEY, "credentials": {}},
        {"api_key": KEY, "credentials": {"auth_type": "oauth2.0"}},
        {"api_key": KEY, "credentials": {"auth_type": "oauth2.0", "client_id": "", "refresh_token": None}},
        {"credentials": {**WITH_KEY, "refresh_token": ""}},
    ],
)
def test_the_key_may_be_in_either_place(settings: dict[str, Any]) -> None:
    config = parse(**settings)
    assert (config.api_key, config.oauth) == (KEY, None)
    assert config == parse(api_key=KEY)


@pytest.mark.parametrize(
    "settings",
    [
        {"credentials": OAUTH},
        {"api_key": " ", "credentials": OAUTH},
        {"credentials": without("auth_type")},
        {"credentials": {**OAUTH, "auth_type": "OAuth2.0"}},
        {"credentials": {**OAUTH, "client_id": " client-MARKED\n"}},
        {"credentials": {**OAUTH, "access_token": "", "token_expiry_date": "", "another": 1}},
    ],
)
def test_oauth_credentials_are_accepted(settings: dict[str, Any]) -> None:
    config = parse(**settings)
    assert (config.api_key, config.oauth) == ("", PARSED)


@pytest.mark.parametrize(
    ("date", "expires_at"),
    [
        ("2026-01-01T00:00:00Z", 1_767_225_600.0),
        ("2026-01-01T01:00:00+01:00", 1_767_225_600.0),
        ("2026-01-01T00:00:00.500000000Z", 1_767_225_600.5),
        ("", 0.0),
        (None, 0.0),
        ("soon", 0.0),
        (5, 0.0),
        ({}, 0.0),
    ],
    ids=repr,
)
def test_a_saved_access_token_comes_with_its_expiry(date: object, expires_at: float) -> None:
    oauth = parse(credentials={**OAUTH, "access_token": "access-MARKED", "token_expiry_date": date}).oauth
    assert oauth is not None
    assert (oauth.access_token, oauth.expires_at) == ("access-MARKED", expires_at)


# --- rejected -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "The setting api_key is missing"),
        ({"credentials": {}}, "The setting api_key is missing"),
        ({"credentials": WITH_KEY | {"api_key": " "}}, "The setting credentials.api_key is missing"),
        ({"credentials": WITH_KEY | {"api_key": f"{KEY} {KEY}"}}, "credentials.api_key holds a space"),
        ({"credentials": {"auth_type": "api_key"}}, "The setting credentials.api_key is missing"),
        ({"api_key": KEY, "credentials": OAUTH}, "api_key and credentials are both given"),
        ({"api_key": KEY, "credentials": WITH_KEY}, "api_key and credentials are both given"),
        ({"api_key": KEY, "credentials": {"client_id": "x"}}, "api_key and credentials are both given"),
        ({"credentials": {**OAUTH, "api_key": KEY}}, "credentials holds both an API key and OAuth tokens"),
        ({"credentials": {"auth_type": "oauth2.0", "api_key": KEY}}, "holds an API key, but its auth_type is oauth2.0"),
        ({"credentials": {**OAUTH, "auth_type": "api_key"}}, "holds OAuth tokens, but its auth_type is api_key"),
        ({"credentials": {"auth_type": "password", "api_key": KEY}}, "unknown auth_type"),
        ({"credentials": {**OAUTH, "auth_type": 5}}, "unknown auth_type"),
        ({"credentials": "oauth2.0"}, "credentials must be an object"),
        ({"credentials": [OAUTH]}, "credentials must be an object"),
        ({"api_key": KEY, "credentials": KEY}, "credentials must be an object"),
        ({"credentials": {"auth_type": "oauth2.0"}}, "lacks the client ID and the client secret and the refresh token"),
        ({"credentials": without("refresh_token")}, "lacks the refresh token (refresh_token): authenticate again"),
        ({"credentials": without("client_secret")}, "lacks the client secret"),
        ({"credentials": {**OAUTH, "client_id": 5}}, "something else than a client_id"),
        ({"credentials": {**OAUTH, "refresh_token": "two\nlines"}}, "something else than a refresh_token"),
        ({"credentials": {**OAUTH, "refresh_token": "x" * 5_000}}, "something else than a refresh_token"),
        ({"credentials": {**OAUTH, "access_token": "ä"}}, "something else than a access_token"),
    ],
)
def test_each_wrong_combination_is_rejected_in_one_sentence(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(**settings)
    message = str(raised.value)
    assert words in message
    assert message.endswith(".")
    assert message.count(". ") == 0
    assert "\n" not in message
    assert len(message) < 200
    assert "MARKED" not in message


# --- the specification ----------------------------------------------------------------------------------

spec: Any = ConnectorSpecificationSerializer.load(json.loads(SPEC.read_text("utf-8")))


@pytest.mark.parametrize(
    "settings",
    [
        {"api_key": KEY, "start_date": "2020-01-01"},
        {"credentials": OAUTH},
        {"credentials": {**OAUTH, "access_token": "a", "token_expiry_date": "2026-01-01T00:00:00Z"}},
        {"credentials": WITH_KEY},
    ],
)
def test_the_form_accepts_each_way_to_authenticate(settings: dict[str, Any]) -> None:
    check_config_against_spec_or_exit(settings, spec)
    parse(**settings)


@pytest.mark.parametrize(
    "credentials", [without("refresh_token"), without("client_id"), {"auth_type": "password"}, {"auth_type": "api_key"}]
)
def test_the_form_refuses_incomplete_credentials(credentials: dict[str, Any]) -> None:
    with pytest.raises(AirbyteTracedException, match="Config validation error"):
        check_config_against_spec_or_exit({"credentials": credentials}, spec)


def test_the_flow_requests_the_scopes_of_all_streams_and_no_others() -> None:
    flow = spec.advanced_auth.oauth_config_specification.oauth_connector_input_specification
    assert flow.scope == " ".join(sorted({scope for stream in STREAMS for scope in stream.scope.split()}))
    assert "accounts:read" in flow.scope  # without which Klaviyo accepts no app


def test_the_flow_is_that_of_klaviyo() -> None:
    auth = spec.advanced_auth
    flow = auth.oauth_config_specification.oauth_connector_input_specification
    (first, *_) = spec.connectionSpecification["properties"]["credentials"]["oneOf"]

    assert (auth.auth_flow_type.value, auth.predicate_key) == ("oauth2.0", ["credentials", "auth_type"])
    assert first["properties"]["auth_type"]["const"] == auth.predicate_value  # Airbyte wants OAuth first
    assert flow.consent_url.startswith("https://www.klaviyo.com/oauth/authorize?response_type=code&")
    assert flow.access_token_url == "https://a.klaviyo.com/oauth/token"
    assert flow.access_token_headers["Content-Type"] == "application/x-www-form-urlencoded"  # else it is JSON
    assert set(flow.access_token_params) == {"grant_type", "code", "code_verifier", "redirect_uri"}
    assert (flow.state.min, flow.state.max) == (43, 128)  # it is the verifier of PKCE as well
    # Airbyte's filter returns the alphabet of MIME, and Klaviyo takes that of addresses
    assert "codechallengeS256 | replace('+', '-') | replace('/', '_') | replace('=', '')" in flow.consent_url
    assert "code_challenge_method=S256" in flow.consent_url


def test_the_printed_specification_holds_the_whole_flow() -> None:
    from source_klaviyo.run import spec_message  # noqa: PLC0415

    assert json.loads(spec_message())["spec"]["advanced_auth"] == json.loads(SPEC.read_text("utf-8"))["advanced_auth"]


# --- secrets and reports --------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def no_secrets_left() -> Iterator[None]:
    yield
    update_secrets([])


def test_all_secrets_are_redacted() -> None:
    access = {**OAUTH, "access_token": "access-MARKED"}
    update_secrets(secrets_of({"api_key": f" {KEY} ", "credentials": access}))
    basic = base64.b64encode(b"client-MARKED:secret-MARKED").decode()
    for secret in (KEY, *(value for name, value in access.items() if name != "auth_type"), basic):
        assert filter_secrets(f"<{secret}>") == "<****>"


@pytest.mark.parametrize("settings", [{}, {"credentials": None}, {"credentials": "x"}, {"credentials": {"api_key": 5}}])
def test_wrong_settings_hold_no_secrets(settings: dict[str, Any]) -> None:
    assert secrets_of(settings) == []


def test_no_credential_shows_in_a_config() -> None:
    config = parse(credentials={**OAUTH, "access_token": "access-MARKED"})
    assert "MARKED" not in f"{config} {config!r} {config.oauth!r}"


def test_a_rotated_refresh_token_is_printed_with_all_settings(capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"credentials": {**OAUTH, "of": "another version"}, "start_date": "2020-01-01", "list": [1, {"a": None}]}
    report = reporter(settings)
    report(Grant("access-1-MARKED", 3600.0, None, None, 1_767_225_600.0), False)
    assert capsys.readouterr().out == ""

    report(Grant("access-2-MARKED", 3600.0, "refresh-2-MARKED", None, 1_767_225_600.0), True)
    (line,) = capsys.readouterr().out.splitlines()
    message = json.loads(line)
    assert message["type"] == "CONTROL"
    assert message["control"]["type"] == "CONNECTOR_CONFIG"
    assert message["control"]["connectorConfig"]["config"] == {
        **settings,
        "credentials": {
            **settings["credentials"],  # type: ignore[dict-item]
            "refresh_token": "refresh-2-MARKED",
            "access_token": "access-2-MARKED",
            "token_expiry_date": "2026-01-01T00:00:00Z",
        },
    }
    for secret in ("access-1-MARKED", "access-2-MARKED", "refresh-2-MARKED"):
        assert filter_secrets(secret) == "****"
