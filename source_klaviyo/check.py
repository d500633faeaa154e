"""`check`: real requests that test the key or the OAuth connection and the scopes that it has."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from source_klaviyo.api.errors import (
    AccessDenied,
    BadRequest,
    ConfigError,
    KlaviyoError,
    MissingScope,
    NotFound,
    RevisionRefused,
)
from source_klaviyo.api.page import decode_page
from source_klaviyo.api.request import Request
from source_klaviyo.api.worker_pool import WorkerPool
from source_klaviyo.streams.shared import ACCOUNTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from source_klaviyo.api.client import KlaviyoClient
    from source_klaviyo.streams import KlaviyoStream

logger = logging.getLogger("airbyte")

ACCOUNTS_SCOPE = "accounts:read"
LONGEST_NAME = 100
_ADD_SCOPE = " To read them, add the scope to the app in Klaviyo and authenticate again."


def check(client: KlaviyoClient, streams: Sequence[KlaviyoStream]) -> None:
    """Request one page for each scope; log the account's name and the streams that cannot be read.

    Raises:
        KlaviyoError: no stream can be read; the message says why and what to do.
    """
    by_scope: dict[str, list[KlaviyoStream]] = {}
    for stream in streams:
        for scope in stream.scope.split():
            by_scope.setdefault(scope, []).append(stream)

    errors: dict[str, KlaviyoError | None] = {}
    try:
        name = _account_name(client)
    except AccessDenied as error:
        name = "(its name needs the scope accounts:read)"
        errors[ACCOUNTS_SCOPE] = error
    logger.info("The %s belongs to the Klaviyo account %s.", client.auth.subject, name)
    errors |= {scope: MissingScope("Not granted.") for scope in _not_granted(by_scope, client.auth.scopes)}

    # try one stream for each other scope, the cheapest one
    unknown = by_scope.keys() - errors.keys() - {ACCOUNTS_SCOPE}
    probes = {scope: min(these, key=_cost) for scope, these in by_scope.items() if scope in unknown}
    with WorkerPool(len(probes) or 1) as pool:
        errors |= dict(zip(probes, pool.map(_probe, probes.values()), strict=True))

    denied = {scope: error for scope, error in errors.items() if isinstance(error, AccessDenied)}
    if len(denied) == len(by_scope):
        raise _no_access(client, denied)
    _warn_of_missing_scopes(client, denied, by_scope)
    retired = {
        scope: error
        for scope, error in errors.items()
        if isinstance(error, RevisionRefused) and probes[scope].revision != client.revision
    }
    _warn_of_retired_revisions({probes[scope].revision: error for scope, error in retired.items()}, streams)
    for scope, failure in errors.items():
        if failure is not None and scope not in {*denied, *retired}:
            raise failure


def _no_access(client: KlaviyoClient, scopes: Iterable[str]) -> ConfigError:
    names = ", ".join(sorted(scopes))
    remedy = (
        f"give its app at least one of the scopes {names} in Klaviyo, then authenticate again."
        if client.auth.is_oauth
        else f"give it at least one of the scopes {names} in Klaviyo (Settings, API keys)."
    )
    return ConfigError(f"The {client.auth.subject} is valid but may read nothing this connector reads (403): {remedy}")


def _warn_of_missing_scopes(
    client: KlaviyoClient, denied: Mapping[str, AccessDenied], by_scope: Mapping[str, Sequence[KlaviyoStream]]
) -> None:
    for scope, error in sorted(denied.items()):
        logger.warning(
            "%s These streams cannot be read: %s. The others can.%s%s",
            _reason(scope, error, client.auth.subject),
            ", ".join(stream.name for stream in by_scope[scope]),
            _ADD_SCOPE if client.auth.is_oauth and isinstance(error, MissingScope) else "",
            error.quote,
        )


def _warn_of_retired_revisions(retired: Mapping[str, RevisionRefused], streams: Sequence[KlaviyoStream]) -> None:
    for revision, error in retired.items():
        logger.warning(
            "%s These streams cannot be read: %s. The others can.",
            error,
            ", ".join(stream.name for stream in streams if stream.revision == revision),
        )


def _not_granted(needed: Iterable[str], granted: frozenset[str] | None) -> list[str]:
    """Return the scopes that an OAuth connection was not granted; none if its grant names no scope that is known."""
    missing = [scope for scope in needed if scope not in (granted or ())]
    return missing if granted and granted.intersection(needed) else []


def _reason(scope: str, error: AccessDenied, subject: str) -> str:
    """Return why Klaviyo denies the streams of a scope, as far as its response shows."""
    if not isinstance(error, MissingScope):
        return "This account or key has no access to a part of Klaviyo."
    if error.certain:
        return f"The {subject} lacks the scope {scope}."
    return f"The {subject} lacks the scope {scope}, or this account has no access to what it is for."


def _account_name(client: KlaviyoClient) -> str:
    """Return the account's name.

    Raises:
        KlaviyoError: the key is wrong or may not read the account, or Klaviyo is out of reach.
    """
    page = client.get(Request("/api/accounts", None, (ACCOUNTS,), lambda body: decode_page(body, None)))
    try:
        account = json.loads(bytes(page.resources[0]))
        words = account["attributes"]["contact_information"]["organization_name"].split()
    except (LookupError, TypeError, AttributeError):
        words = []
    return client.redact(" ".join(words)[:LONGEST_NAME]) if words else "(it has no name)"


def _cost(stream: KlaviyoStream) -> tuple[int, bool, int, int]:
    """Sort key: the fewer scopes, parents, quotas and parameters a request has, the more it says about one scope."""
    return len(stream.scope.split()), stream.tier.daily is not None, len(stream.resource), len(stream.params)


def _probe(stream: KlaviyoStream) -> KlaviyoError | None:
    try:
        sample = stream.probe_slice()
        next(stream.query(sample).pages(lambda: sample), None)
    except (BadRequest, NotFound):
        return None  # the scope is granted; a read finds out which parameters are accepted
    except KlaviyoError as error:
        return error
    return None
