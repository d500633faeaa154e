"""Checks of a request before it is answered: key or token, media types, path, revision, method and scopes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from klaviyo_simulator.access.oauth import Caller
from klaviyo_simulator.protocol.errors import CODES, ApiError, unauthenticated
from klaviyo_simulator.protocol.messages import MEDIA_TYPE
from klaviyo_simulator.rules import endpoints
from klaviyo_simulator.rules.facts import BY_REVISION, REVISION
from klaviyo_simulator.rules.reports import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klaviyo_simulator.access.oauth import OAuth
    from klaviyo_simulator.protocol.messages import Request
    from klaviyo_simulator.rules.declarations import Endpoint
    from klaviyo_simulator.rules.reports import Operation
    from klaviyo_simulator.settings import Settings

_NEWEST = max(BY_REVISION)
_OLDEST_SUPPORTED = "2024-07-15"  # Klaviyo retires a revision two years after its release
_DATE = re.compile(r"\d{4}-\d\d-\d\d(\.[\w-]+)?")
_SCHEME, _BEARER = "Klaviyo-API-Key ", "Bearer "
_ACCEPTED = {MEDIA_TYPE, "application/json", "application/*", "*/*"}


class Admission(NamedTuple):
    """The endpoint of a request, the ID in its path, and its caller."""

    endpoint: Endpoint | Operation
    identity: str | None
    caller: Caller


def admit(request: Request, settings: Settings, oauth: OAuth) -> Admission:
    """Find the endpoint and caller of a request.

    Raises:
        ApiError: if the request fails authentication, or names no path, revision or method of the API.
    """
    if re.match(r"/api/v[12](/|$)", request.path):
        raise ApiError(410, "The v1 and v2 APIs are retired.")
    caller = _authenticate(request.headers, settings, oauth)
    accepted = [each.split(";")[0].strip() for each in request.headers.get("Accept", "*/*").split(",")]
    if not _ACCEPTED.intersection(accepted):
        raise ApiError(406, f"Only '{MEDIA_TYPE}' can be returned.")
    if not any(find(request.path, revision) for revision in BY_REVISION):
        raise ApiError(404, f"The path '{request.path}' could not be found.")
    _check_revision(request.headers)
    found = find(request.path, request.revision) if request.revision in BY_REVISION else None
    if not found:
        raise ApiError(404, "No valid revisions found for method")
    allowed = "POST" if request.path in OPERATIONS else "GET"
    if request.method != allowed:
        raise ApiError(405, f"Method '{request.method}' not allowed.", headers={"Allow": allowed})
    return Admission(*found, caller)


def permit(endpoint: Endpoint | Operation, settings: Settings, caller: Caller) -> None:
    """Raise a 403 if the caller or the account may not read an endpoint.

    Such requests count in the rate windows, so this check comes after them.
    """
    if endpoint.needs_kdp and not settings.advanced_kdp and not caller.is_app:
        raise ApiError(403, "You must have Advanced KDP enabled to use this endpoint.")
    missing = [] if caller.scopes is None else [each for each in endpoint.scopes if each not in caller.scopes]
    if missing and settings.name_missing_scopes:
        raise ApiError(403, f"The key lacks the scopes this endpoint needs: {', '.join(missing)}.")
    if missing:
        raise ApiError(403, CODES[403][1])


def find(path: str, revision: str = REVISION) -> tuple[Endpoint | Operation, str | None] | None:
    """Find the GET or POST operation of a path, and the ID in the path."""
    return (OPERATIONS[path], None) if path in OPERATIONS else endpoints.find(path, revision)


def _authenticate(headers: Mapping[str, str], settings: Settings, oauth: OAuth) -> Caller:
    given = headers.get("Authorization")
    if not given:
        raise unauthenticated("not_authenticated", "Authentication credentials were not provided.")
    if given.startswith(_BEARER):
        return oauth.caller(headers)
    if not given.startswith(_SCHEME):
        raise unauthenticated("not_authenticated", f"The authorization scheme must be '{_SCHEME.strip()}'.")
    if given != _SCHEME + settings.key:
        raise unauthenticated("authentication_failed", "Incorrect authentication credentials.")
    return Caller(settings.scopes)


def _check_revision(headers: Mapping[str, str]) -> None:
    revision = headers.get("revision")
    source = {"parameter": "revision"}
    if not revision:
        raise ApiError(400, "The 'revision' header is required.", source=source)
    if not _DATE.fullmatch(revision) or revision[:10] > _NEWEST:
        raise ApiError(400, f"'{revision}' is not a revision of this API.", source=source)
    if revision < _OLDEST_SUPPORTED and headers.get("X-Klaviyo-Revision-Fall-Forward-Opt-Out") == "1":
        raise ApiError(410, f"Revision '{revision}' is retired.")
