"""People: profiles, and those of them who must not be written to."""

from __future__ import annotations

from abc import ABC
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
from typing_extensions import override

from source_klaviyo.api.budget import L, Limit, M
from source_klaviyo.api.page import NULL
from source_klaviyo.api.resource import Members, encode, members
from source_klaviyo.streams.base import KlaviyoStream, Snapshot
from source_klaviyo.streams.children import Included
from source_klaviyo.streams.suppressed import CHANGED, SINCE_EVER, SUPPRESSED, SuppressedProfiles

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from source_klaviyo.sync.instants import Instant

PREDICTIVE_ANALYTICS = Limit("predictive_analytics", M)
"""A limit in addition to the endpoint's own, shared by all endpoints that return profiles."""


class _WithSuppressed(KlaviyoStream, ABC):
    """GET /profiles, by `updated`; and those whose suppression changed although their `updated` did not.

    Unsubscribing adds a suppression without changing `updated` (measured on live accounts). So an incremental sync
    requests the profiles that changed, and those that were suppressed since the last sync without changing.
    """

    resource = "profiles"
    tier = L
    scope = "profiles:read"
    lower_bound_operator = "greater-than"
    page_size = 100
    fallback_page_size = 20
    queries = (CHANGED, SUPPRESSED)

    @cached_property
    def _suppressed(self) -> SuppressedProfiles:
        return SuppressedProfiles(self)

    @override
    def query(self, stream_slice: Mapping[str, Any]) -> KlaviyoStream:
        """Return the stream that finds profiles by their suppression, for a slice of that query."""
        return self._suppressed if stream_slice.get("query") == SUPPRESSED else self


class Profiles(_WithSuppressed):
    """Profile. With `subscriptions`, and `predictive_analytics` unless disabled. See [Consent](#consent).

    Predictive analytics lower the rate from 750 to 150 requests a minute.
    """

    @property
    @override
    def params(self) -> Mapping[str, str]:  # type: ignore[override]
        """Return the parameters: subscriptions always, predictive analytics unless the user disables them."""
        analytics = ",predictive_analytics" if self.config.predictive_analytics else ""
        return {"additional-fields[profile]": f"subscriptions{analytics}"}

    @property
    @override
    def failure_hint(self) -> str:  # type: ignore[override]
        """Return what a user can do: predictive analytics are known to make Klaviyo fail on large accounts."""
        hint = " If this continues, turn on the setting disable_fetching_predictive_analytics."
        return hint if self.config.predictive_analytics else ""

    @property
    @override
    def limits(self) -> tuple[Limit, ...]:
        """Return the limit of the endpoint and, if they are requested, that of predictive analytics."""
        return (*super().limits, *((PREDICTIVE_ANALYTICS,) if self.config.predictive_analytics else ()))

    @override
    def queries_to_read(self, *, resuming: bool) -> Sequence[str]:
        """Return the queries to read: a first read finds all profiles by their date, with their suppressions."""
        return self.queries if resuming else (CHANGED,)


class GlobalExclusions(_WithSuppressed):
    """Profile. Profiles that must not get email marketing. Klaviyo's `suppression` is named `suppressions` here.

    All of them are read, since `start_date` would hide people who still must not be written to: a first read asks
    for the suppressed ones only, an increment for all that changed, and picks the suppressed ones.
    """

    params = {"additional-fields[profile]": "subscriptions"}

    @override
    def first_start(self) -> Instant:
        """Return an instant before all profiles: `start_date` does not apply."""
        return SINCE_EVER

    @override
    def queries_to_read(self, *, resuming: bool) -> Sequence[str]:
        """Return the queries to read: a first read requests only profiles that are suppressed."""
        return self.queries if resuming else (SUPPRESSED,)

    @override
    def transform(self, resource: msgspec.Raw, stream_slice: Mapping[str, Any]) -> msgspec.Raw | None:
        """Rename `suppression` to `suppressions`, as in Airbyte's connector; None if the profile is not suppressed."""
        path = ("attributes", "subscriptions", "email", "marketing")
        levels: list[Members] = []
        inner = resource
        for name in path:
            levels.append(members(inner))
            inner = levels[-1].get(name, NULL)
        marketing = members(inner)
        suppression = marketing.pop("suppression", NULL)
        if not msgspec.json.decode(suppression):
            return None
        marketing["suppressions"] = suppression
        rebuilt = encode(marketing)
        for name, level in zip(reversed(path), reversed(levels), strict=True):
            level[name] = rebuilt
            rebuilt = encode(level)
        return rebuilt


class PushTokens(Snapshot):
    """Push token. Holds the ID of the profile. No date shows when a token is switched off.

    `created` does not move when a token is switched off.
    """

    resource = "push-tokens"
    tier = M
    scope = "profiles:read push-tokens:read"
    page_size = 100
    optional_params = {"include": "profile", "fields[profile]": "external_id"}


class Conversations(Included, Snapshot):
    """Conversation. Holds `profile_id`. Comes with the pages of profiles.

    They are listed with profiles only.
    """

    resource = "profiles"
    tier = L
    scope = "conversations:read profiles:read"
    page_size = 100
    # no fieldset of profiles: Klaviyo leaves the relationships out with the attributes
    params = {"include": "conversations"}
    type, relationship, key = "conversation", "conversations", "profile_id"
