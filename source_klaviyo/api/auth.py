"""Authentication of requests: the common interface of API keys and access tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from requests.auth import AuthBase

if TYPE_CHECKING:
    from source_klaviyo.api.errors import KlaviyoError


class Auth(AuthBase):
    """Authenticates requests. Setting it as the session's auth also keeps `.netrc` out.

    Attributes:
        subject: what messages call that which has scopes and belongs to an account.
        secret: what messages call that which must not get into other hands.
    """

    subject: ClassVar[str] = "API key"
    secret: ClassVar[str] = "API key"  # noqa: S105 - a word

    @property
    def scopes(self) -> frozenset[str] | None:
        """The scopes that have been granted; None if that is not known."""
        return None

    def prepare(self) -> None:
        """Do what has to be done before each request.

        Raises:
            KlaviyoError: it cannot be authenticated.
        """

    def renew(self, sent: str) -> None:
        """Replace the header that was sent and has been refused.

        Raises:
            KlaviyoError: there is no other.
        """

    def accepted(self) -> None:
        """Note that a request has been authenticated."""

    def redact(self, text: str) -> str:
        """Mask secrets in what an answer says, should it repeat them."""
        raise NotImplementedError

    def explain(self, error: KlaviyoError, sent: str) -> KlaviyoError:
        """Say an error of the API in the words of this way of authentication.

        Args:
            error: as it is for a key.
            sent: the header that the request was made with.
        """
        return error
