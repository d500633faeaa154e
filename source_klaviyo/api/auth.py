"""Authentication of requests: the common interface of API keys and access tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from requests.auth import AuthBase
from typing_extensions import override

from source_klaviyo.api.redaction import redact_secrets

if TYPE_CHECKING:
    import requests

    from source_klaviyo.api.errors import InvalidKey, KlaviyoError


class Auth(AuthBase):
    """Authenticates requests.

    Attributes:
        is_oauth: whether the credential is an OAuth connection.
        subject: what messages call the credential, which has scopes and belongs to an account.
        secrets: what messages call the texts that must not be disclosed.
        add_scope, check_scopes: what to do if a scope is missing, and if it may be.
    """

    is_oauth: ClassVar[bool] = False
    subject: ClassVar[str] = "API key"
    secrets: ClassVar[str] = "API key"
    add_scope: ClassVar[str] = "give it to the key in Klaviyo"
    check_scopes: ClassVar[str] = "check the key's scopes in Klaviyo"

    @property
    def scopes(self) -> frozenset[str] | None:
        """Return the granted scopes; None if they are not known."""
        return None

    def prepare(self) -> None:
        """Make sure that the next request can be authenticated.

        Raises:
            KlaviyoError: it cannot.
        """

    def renew(self, sent: str) -> None:
        """Replace the header that was sent and rejected.

        Raises:
            KlaviyoError: there is no other.
        """

    def accepted(self) -> None:
        """Record that a request has been authenticated."""

    def rejected(self, error: InvalidKey, sent: str) -> KlaviyoError:
        """Return the error to raise for a 401 response to a request with the header that was sent."""
        return error

    def redact(self, text: str) -> str:
        """Mask secrets in a text that may repeat them."""
        return text


class KeyAuth(Auth):
    """Authenticates requests with the API key, which nothing else holds."""

    def __init__(self, key: str) -> None:
        self._key = key

    @override
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Klaviyo-API-Key {self._key}"
        return request

    @override
    def __repr__(self) -> str:
        return "<the API key>"

    @override
    def redact(self, text: str) -> str:
        return redact_secrets(text, [self._key], "the API key")
