"""`check`: real requests that prove the key, and say what it may read."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec

from source_klaviyo.api.budget import XS, Limit
from source_klaviyo.api.errors import BadRequest, ConfigError, KlaviyoError, MissingScope
from source_klaviyo.sync.instants import for_filter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from source_klaviyo.api.client import KlaviyoClient
    from source_klaviyo.streams import KlaviyoStream

logger = logging.getLogger("airbyte")

ACCOUNTS = Limit("accounts", XS)


class _Contact(msgspec.Struct):
    organization_name: str | None = None


class _Attributes(msgspec.Struct):
    contact_information: _Contact


class _Account(msgspec.Struct):
    attributes: _Attributes


_decode_account = msgspec.json.Decoder(_Account).decode


def check(client: KlaviyoClient, streams: Sequence[KlaviyoStream]) -> None:
    """Ask for one page of each scope; log what the key belongs to and which streams it cannot read.

    Raises:
        KlaviyoError: no stream can be read; the message says why and what to do.
    """
    by_scope: dict[str, list[KlaviyoStream]] = {}
    for stream in streams:
        by_scope.setdefault(stream.scope, []).append(stream)

    name = _account_name(client)
    logger.info("The API key belongs to the Klaviyo account %s.", name or "(its name needs the scope accounts:read)")

    with ThreadPoolExecutor(max_workers=len(by_scope)) as pool:
        refusals = dict(zip(by_scope, pool.map(_refusal, (these[0] for these in by_scope.values())), strict=True))
    missing = {scope: by_scope[scope] for scope, error in refusals.items() if isinstance(error, MissingScope)}
    if len(missing) == len(by_scope):
        raise ConfigError(
            "The API key is valid but may read nothing this connector reads (403): give it at least one of the scopes "
            f"{', '.join(sorted(missing))} in Klaviyo (Settings, API keys)."
        )
    for scope, costs in sorted(missing.items()):
        logger.warning(
            "The API key lacks the scope %s, so these streams cannot be read: %s. The others can.",
            scope,
            ", ".join(stream.name for stream in costs),
        )
    for error in refusals.values():
        if error is not None and not isinstance(error, MissingScope):
            raise error


def _account_name(client: KlaviyoClient) -> str | None:
    """The name of the key's account; None where the key may not read it.

    Raises:
        KlaviyoError: the key is wrong, or Klaviyo out of reach.
    """
    try:
        page = client.get("/api/accounts", None, (ACCOUNTS,), cursor_attribute="locale")
    except MissingScope:
        return None
    try:
        return _decode_account(page.resources[0]).attributes.contact_information.organization_name
    except (IndexError, msgspec.ValidationError):
        return None


def _refusal(stream: KlaviyoStream) -> KlaviyoError | None:
    _, stream_slice = stream.parts(resuming=False)[0]
    try:
        next(stream.read_pages({**stream_slice, "start": for_filter(stream.earliest())}))
    except BadRequest:
        return None  # the key may read; how to ask is found out when reading
    except KlaviyoError as error:
        return error
    return None
