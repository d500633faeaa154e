"""The errors of the API, classified in one place.

    KlaviyoError
    ├── ConfigError          the user can fix it: settings, key, scopes, version
    │   ├── InvalidKey           401
    │   │   └── RejectedToken        401 for an OAuth access token
    │   ├── RevisionRefused      410: Klaviyo has retired the API revision, or does not know it
    │   └── AccessDenied         403: the account or the key may not read it
    │       └── MissingScope         a scope is missing, as Klaviyo says or may mean
    ├── TransientError       worth a retry: 408, 5xx, network, an invalid body
    │   ├── ServerError          5xx
    │   │   └── UnreadableDetail for a request about one record
    │   ├── DamagedResponse      the response is incomplete, or no JSON:API document
    │   ├── ResponseTooLarge     the response exceeds the size limit
    │   ├── RateLimited          429
    │   ├── DailyQuotaExceeded   the daily quota of requests is exhausted
    │   └── TokenUnavailable     no access token could be obtained for minutes
    ├── BadRequest           400: Klaviyo rejects the request
    │   ├── InvalidCursor        the page cursor has expired
    │   │   └── RepeatedPage     or leads back to a page that has been read
    │   └── UnknownMetric        Klaviyo does not know a metric, though /metrics may list it
    ├── UnreadableRecord     Klaviyo cannot return one record
    ├── NotFound             404
    └── UnsafeLink           a redirect or page link that leads away from Klaviyo

Each message is one sentence or two: what happened, what it means, what to do. (Transient ones say what to do
once their attempts are used up.)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from source_klaviyo.api.auth import Auth
from source_klaviyo.api.redaction import redact_pii

if TYPE_CHECKING:
    from collections.abc import Mapping

    from source_klaviyo.sync.instants import Instant

Failure = Literal["config", "transient", "system"]


class KlaviyoError(Exception):
    """The base class; `failure` is Airbyte's failure type: config, transient or system."""

    failure: ClassVar[Failure] = "system"

    def without_frames(self) -> KlaviyoError:
        """Return the error without traceback and causes.

        Their frames would keep secrets and a response in memory as long as the error, and until the garbage collector
        finds their cycle.
        """
        self.__cause__ = self.__context__ = None
        return self.with_traceback(None)


class ConfigError(KlaviyoError):
    """An error that the user can fix."""

    failure = "config"


class InvalidKey(ConfigError):
    """401: the key is invalid."""


class RevisionRefused(ConfigError):
    """410, or a 400 or 404 about the revision: every other request of that revision fails as well."""


class RejectedToken(InvalidKey):
    """401: the access token is invalid; `sent` is the header that it was sent in."""

    def __init__(self, message: str, sent: str) -> None:
        super().__init__(message)
        self.sent = sent


class AccessDenied(ConfigError):
    """403: this account or key has no access; `quote` is Klaviyo's own message, redacted."""

    def __init__(self, message: str, quote: str = "") -> None:
        super().__init__(message)
        self.quote = quote


class MissingScope(AccessDenied):
    """403: a missing scope, or (`certain` is False) no reason at all."""

    def __init__(self, message: str, quote: str = "", *, certain: bool = True) -> None:
        super().__init__(message, quote)
        self.certain = certain


class TransientError(KlaviyoError):
    """An error worth a retry; `retry_after` is the Retry-After header in seconds, None without one."""

    failure: ClassVar[Failure] = "transient"

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ServerError(TransientError):
    """5xx, or a timeout: the request may be too large for Klaviyo."""


class UnreadableDetail(ServerError):
    """A request about one record fails; `second` is the second of the record's cursor, if known."""

    def __init__(self, message: str, second: Instant | None) -> None:
        super().__init__(message)
        self.second = second


class DamagedResponse(TransientError):
    """The response is incomplete or cannot be decoded. If all attempts fail like this, a smaller page may succeed."""


class ResponseTooLarge(TransientError):
    """The response exceeds the size limit: request a smaller page."""

    failure = "system"

    @classmethod
    def than(cls, most: int) -> ResponseTooLarge:
        """Return the error for a response of more bytes than these."""
        return cls(f"Klaviyo's response is larger than {most / 1e6:.0f} MB, the most that is read at once.")


class UnreadableRecord(KlaviyoError):
    """Klaviyo cannot return one record; all others of the stream can be read."""

    failure = "transient"


class RateLimited(TransientError):
    """429."""


class DailyQuotaExceeded(TransientError):
    """The daily quota of an endpoint is exhausted: tomorrow's sync reads the rest."""


class TokenUnavailable(TransientError):
    """The token endpoint failed with transient errors in each of its attempts."""


class BadRequest(KlaviyoError):
    """400: `parameter` is what Klaviyo rejects, as far as it says; `quote` its own message, redacted."""

    def __init__(self, message: str, parameter: str = "", quote: str = "") -> None:
        super().__init__(message)
        self.parameter = parameter
        self.quote = quote


class InvalidCursor(BadRequest):
    """The page cursor is not valid (any longer): start again from the last record's time."""


class RepeatedPage(InvalidCursor):
    """A page is repeated: its cursor leads back."""


class UnknownMetric(BadRequest):
    """The endpoint does not know a metric: /metrics lists some that others reject, mostly form and page views.

    Source: klaviyo-api-python issue 41.
    """


class NotFound(KlaviyoError):
    """404."""


class UnsafeLink(KlaviyoError):
    """A redirect or page link leads to another host; the key is never sent there."""


class _Source(msgspec.Struct):
    pointer: str | None = None
    parameter: str | None = None


class _Error(msgspec.Struct):
    code: str | None = None
    title: str | None = None
    detail: str | None = None
    source: _Source | None = None


class _Errors(msgspec.Struct):
    errors: list[_Error]


_MAX_DETAIL = 300
_MAX_REDACTED = 10 * _MAX_DETAIL
_NO_AUTH = Auth()
_decode_errors = msgspec.json.Decoder(_Errors).decode


def error_of(
    status: int, headers: Mapping[str, str], body: bytes, auth: Auth = _NO_AUTH, revision: str = ""
) -> KlaviyoError | None:
    """Return the error for a response, or None for success (2xx).

    Args:
        status: HTTP status code.
        headers: the response headers.
        body: the response body, decompressed.
        auth: names the credential in messages, and masks it.
        revision: the API revision that the request named.
    """
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return redirect_error(status, auth.secrets)
    error = _first_error(body)
    is_klaviyos, error = error is not None, error or _Error()
    detail = auth.redact((error.detail or "")[:_MAX_REDACTED])
    quote = _quote(redact_pii(detail or auth.redact((error.title or "")[:_MAX_REDACTED])))
    source = error.source or _Source()
    place = redact_pii(auth.redact(f"{source.parameter or ''} {source.pointer or ''}".strip()[:_MAX_REDACTED]))
    about = f"{place} {detail}".strip()

    if status == 401:
        return InvalidKey(
            "Klaviyo does not accept the API key (401): check that it is a private key (it begins with pk_), complete, "
            f"and not revoked.{quote}"
        )
    if status == 403 and is_klaviyos:
        return _access_denied(detail or error.title or "", quote, auth)
    if status == 407:
        return ConfigError(
            "The proxy between here and Klaviyo does not accept the user name and password, or requires them (407): "
            "write them into the environment variable that names it (HTTP_PROXY, HTTPS_PROXY or ALL_PROXY), as "
            "http://user:password@host:port."
        )
    if status == 410 or (status in {400, 404} and re.search("revision", about, re.IGNORECASE)):
        return RevisionRefused(
            f"Klaviyo no longer serves the API revision {revision or 'that this version of the connector speaks'} "
            f"({status}): upgrade the connector.{quote}"
        )
    if status == 400:
        return _bad_request(about)(
            f"Klaviyo refuses a request (400, {place or 'no parameter named'}): please report it.{quote}", about, quote
        )
    if status == 404 and is_klaviyos:
        return NotFound(f"Klaviyo has no such resource (404): it may have been deleted, check it in Klaviyo.{quote}")
    if status in _TRANSIENT or status >= 500:
        return _transient(status, _seconds(headers.get("Retry-After")), quote)
    return KlaviyoError(
        f"Klaviyo sent a response that the connector does not know ({status}): please report it.{quote}"
    )


def redirect_error(status: int, secrets: str) -> UnsafeLink:
    """Return the error for a redirect, which is never followed."""
    return UnsafeLink(
        f"Klaviyo's address answered with a redirect ({status}), which is not followed, to protect the {secrets}: "
        "check the proxy between here and Klaviyo."
    )


def _access_denied(reason: str, quote: str, auth: Auth) -> AccessDenied:
    """Distinguish a missing scope from an add-on that the account lacks: only Klaviyo's own words show it."""
    if re.search(r"\bscopes?\b", reason, re.IGNORECASE):
        return MissingScope(f"The {auth.subject} lacks a scope (403): {auth.add_scope}.{quote}", quote)
    if not reason.strip() or re.search("permission", reason, re.IGNORECASE):
        message = f"The {auth.subject} lacks a scope, or the account has no access (403): {auth.check_scopes}."
        return MissingScope(f"{message}{quote}", quote, certain=False)
    return AccessDenied(f"This account or key has no access (403): ask Klaviyo about it.{quote}", quote)


def _transient(status: int, retry_after: float | None, quote: str) -> TransientError:
    if status == 429:
        return RateLimited(
            f"Klaviyo asks to wait (429): check if other programs use the same account.{quote}", retry_after
        )
    kind = ServerError if status >= 500 else TransientError
    return kind(f"Klaviyo could not answer for now ({status}).{quote}", retry_after)


def _bad_request(about: str) -> type[BadRequest]:
    if re.search("cursor", about, re.IGNORECASE):
        return InvalidCursor
    return UnknownMetric if _UNKNOWN_METRIC.search(about) else BadRequest


_UNKNOWN_METRIC = re.compile(r"\bmetric ids?\b.*\b(do|does) not exist", re.IGNORECASE | re.DOTALL)

# 403 is that of the network's edge, whose HTML is transient; Klaviyo's own is handled above
_TRANSIENT = frozenset({403, 408, 421, 425, 429})


def _first_error(body: bytes) -> _Error | None:
    try:
        errors = _decode_errors(body).errors
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return errors[0] if errors else _Error()


def _quote(detail: str) -> str:
    """Return Klaviyo's own message as a sentence of a limited length."""
    text = " ".join(detail.split())
    if not text:
        return ""
    text = text if len(text) <= _MAX_DETAIL else f"{text[:_MAX_DETAIL]}…"
    return f" Klaviyo says: {text}{'' if text[-1] in '.!?…' else '.'}"


def _seconds(retry_after: str | None) -> float | None:
    try:
        seconds = float(retry_after or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None
