"""Parse the credentials of a connection: an API key or OAuth, never both."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from source_klaviyo.api.errors import ConfigError
from source_klaviyo.api.redaction import MIN_SECRET_LENGTH
from source_klaviyo.api.token_endpoint import OAuthCredentials
from source_klaviyo.sync.instants import SECOND, parse_instant

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_KEY = 500
"""Characters; Klaviyo's have some forty, and a header has to hold it."""
LONGEST_TOKEN = 4_000
"""Characters of a token, of a client's ID or of its secret."""

OAUTH, API_KEY = "oauth2.0", "api_key"
"""The values of `auth_type`."""
_REQUIRED = {"client_id": "client ID", "client_secret": "client secret", "refresh_token": "refresh token"}
_OAUTH_FIELDS = (*_REQUIRED, "access_token", "token_expiry_date")


def parse_credentials(settings: Mapping[str, Any]) -> str | OAuthCredentials:
    """Return the API key of a connection, or its OAuth credentials.

    `credentials` with nothing but its `auth_type` counts as left out if there is an `api_key`: forms may save it so.

    Raises:
        ConfigError: there is none, more than one, or one that is incomplete; the message says what to do.
    """
    key, credentials = settings.get("api_key"), settings.get("credentials")
    if credentials is not None and not isinstance(credentials, dict):
        raise ConfigError("The setting credentials must be an object with auth_type and what belongs to it.")
    credentials = credentials or {}
    given = {name for name in (API_KEY, *_OAUTH_FIELDS) if not _is_empty(credentials.get(name))}
    if not given and not (_is_empty(key) and credentials):
        return _key(key, "api_key")
    if not _is_empty(key):
        raise ConfigError(
            "The settings api_key and credentials are both given: keep one way to authenticate and clear the other."
        )
    if API_KEY in given and len(given) > 1:
        raise ConfigError(
            "The setting credentials holds both an API key and OAuth tokens: keep one of them and clear the other."
        )
    kind = _kind(credentials.get("auth_type"), given)
    if kind == API_KEY:
        if given - {API_KEY}:
            raise ConfigError("The setting credentials holds OAuth tokens, but its auth_type is api_key: choose one.")
        return _key(credentials.get(API_KEY), "credentials.api_key")
    if API_KEY in given:
        raise ConfigError("The setting credentials holds an API key, but its auth_type is oauth2.0: choose one.")
    return _oauth(credentials)


def secrets_of(settings: Mapping[str, Any]) -> list[str]:
    """Return what is redacted in logs and errors: the key, tokens and secrets that are given."""
    credentials = settings.get("credentials")
    places = [settings, credentials if isinstance(credentials, dict) else {}]
    names = (API_KEY, "client_id", "client_secret", "refresh_token", "access_token")
    values = [place.get(name) for place in places for name in names]
    found = [value.strip() for value in values if isinstance(value, str)]
    client_id, client_secret = (places[1].get(name) for name in ("client_id", "client_secret"))
    if isinstance(client_id, str) and isinstance(client_secret, str):
        found.append(OAuthCredentials(client_id.strip(), client_secret.strip(), "").basic)
    return [text for text in dict.fromkeys(found) if len(text) >= MIN_SECRET_LENGTH]


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _kind(auth_type: object, given: set[str]) -> str:
    """Return the way that `auth_type` names; without one, that to which the other fields belong."""
    if _is_empty(auth_type):
        return API_KEY if given == {API_KEY} else OAUTH
    word = re.sub(r"[^a-z0-9]", "", str(auth_type).lower())
    kind = {"oauth20": OAUTH, "oauth2": OAUTH, "oauth": OAUTH, "apikey": API_KEY}.get(word)
    if kind is None:
        raise ConfigError(f"The setting credentials has an unknown auth_type: it must be {OAUTH} or {API_KEY}.")
    return kind


def _key(value: object, name: str) -> str:
    key = value.strip() if isinstance(value, str) else ""
    if not key:
        raise ConfigError(
            f"The setting {name} is missing: give a private API key of your Klaviyo account, or use OAuth instead."
        )
    if len(key) > LONGEST_KEY:
        raise ConfigError(f"The setting {name} has {len(key):,} characters, far more than a key has: copy it again.")
    if not re.fullmatch(r"[!-~]+", key):
        raise ConfigError(
            f"The setting {name} holds a space, a line break or another character that no key has: copy it again."
        )
    return key


def _oauth(credentials: Mapping[str, Any]) -> OAuthCredentials:
    missing = [name for name in _REQUIRED if _is_empty(credentials.get(name))]
    if missing:
        what = " and ".join(f"the {_REQUIRED[name]}" for name in missing)
        fields = ", ".join(missing)
        raise ConfigError(
            f"The setting credentials lacks {what} ({fields}): authenticate again, or fill in what is missing."
        )
    access_token = credentials.get("access_token")
    return OAuthCredentials(
        client_id=_text(credentials["client_id"], "client_id"),
        client_secret=_text(credentials["client_secret"], "client_secret"),
        refresh_token=_text(credentials["refresh_token"], "refresh_token"),
        access_token=None if _is_empty(access_token) else _text(access_token, "access_token"),
        expires_at=_expiry(credentials.get("token_expiry_date")),
    )


def _text(value: object, name: str) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not re.fullmatch(rf"[!-~]{{1,{LONGEST_TOKEN}}}", text):
        raise ConfigError(
            f"The setting credentials holds something else than a {name}, or a part of one: copy it again, or "
            "authenticate again."
        )
    return text


def _expiry(value: object) -> float:
    """Read when a saved access token expires, in seconds since the epoch; 0 if that cannot be read."""
    try:
        return parse_instant(str(value)) / SECOND
    except ValueError:
        return 0.0
