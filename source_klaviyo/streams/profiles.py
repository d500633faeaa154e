"""People, and those of them who must not be written to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from source_klaviyo.api.budget import L, Limit, M
from source_klaviyo.api.errors import BadRequest
from source_klaviyo.api.page import NULL
from source_klaviyo.api.resource import Members, encode, members
from source_klaviyo.streams.base import KlaviyoStream, Slice, Snapshot
from source_klaviyo.streams.children import Included
from source_klaviyo.sync.instants import parse_instant
from source_klaviyo.sync.selection import instant_of

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from source_klaviyo.api.errors import KlaviyoError
    from source_klaviyo.sync.instants import Instant
    from source_klaviyo.sync.state import Partition

PREDICTIVE_ANALYTICS = Limit("predictive_analytics", M)
"""Counts besides the endpoint's own limit, and is shared by all endpoints that answer profiles."""


class Profiles(KlaviyoStream):
    """GET /profiles; predictive analytics lower the rate from 750 to 150 requests a minute."""

    resource = "profiles"
    tier = L
    scope = "profiles:read"
    lower = "greater-than"
    page_size = 100
    smaller_page_size = 20

    @property
    def options(self) -> Mapping[str, str]:  # type: ignore[override]
        """Subscriptions always, predictive analytics unless the user does without."""
        analytics = ",predictive_analytics" if self.config.predictive_analytics else ""
        return {"additional-fields[profile]": f"subscriptions{analytics}"}

    @property
    def advice(self) -> str:  # type: ignore[override]
        """Predictive analytics are known to make Klaviyo fail on large accounts."""
        hint = " If this goes on, turn on the setting disable_fetching_predictive_analytics."
        return hint if self.config.predictive_analytics else ""

    @property
    def limits(self) -> tuple[Limit, ...]:
        """The endpoint's own, and that of the predictive analytics."""
        return (*super().limits, *((PREDICTIVE_ANALYTICS,) if self.config.predictive_analytics else ()))


SUPPRESSED_AT = "subscriptions.email.marketing.suppression.timestamp"
SINCE_EVER = "2000-01-01T00:00:00Z"


class GlobalExclusions(KlaviyoStream):
    """GET /profiles, of those who are suppressed: who must not get email, whatever list they are on.

    All of them are read, since `start_date` would hide people who still must not be written to. An
    increment asks for the suppressed profiles that changed, and besides for those suppressed since then
    without a change that `updated` tells of. Should Klaviyo refuse to combine both dates in one filter,
    a first read asks for all suppressed profiles and an increment for all changed ones.
    """

    resource = "profiles"
    tier = L
    scope = "profiles:read"
    page_size = 100
    smaller_page_size = 20
    options = {"additional-fields[profile]": "subscriptions"}  # noqa: RUF012 - read only

    _CHANGED: ClassVar[Slice] = {"facet": "changed"}
    _SUPPRESSED: ClassVar[Slice] = {"facet": "suppressed"}
    _combines = True
    _resuming = False

    def earliest(self) -> Instant:
        """Before everything, whatever start_date says."""
        return parse_instant(SINCE_EVER)

    def parts(self, *, resuming: bool) -> list[tuple[Partition, Slice]]:
        """One part for a first read, two for an increment; a state speaks of both as one."""
        self._resuming = resuming
        return [({}, facet) for facet in ((self._CHANGED, self._SUPPRESSED) if resuming else (self._CHANGED,))]

    @property
    def lower(self) -> str | None:  # type: ignore[override]
        """There is no lower bound to divide the time by where only the suppression can be asked for."""
        return "greater-than" if self._combines or self._resuming else None

    def is_dated(self, stream_slice: Mapping[str, Any]) -> bool:
        """Those newly suppressed are found by that date, not by the cursor's."""
        return stream_slice.get("facet") != "suppressed"

    def request_params(
        self,
        stream_state: Mapping[str, Any] | None = None,
        stream_slice: Mapping[str, Any] | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> MutableMapping[str, Any]:
        """Sorted by the date that is asked for."""
        params = super().request_params(stream_state, stream_slice, next_page_token)
        if not self.is_dated(stream_slice or {}):
            params["sort"] = SUPPRESSED_AT
        return params

    def conditions(self, stream_slice: Mapping[str, Any]) -> list[str]:
        """Suppressed ever, or since the window's start."""
        if not self.is_dated(stream_slice):
            return [f"greater-or-equal({SUPPRESSED_AT},{stream_slice['start']})"]
        suppressed = [f"greater-or-equal({SUPPRESSED_AT},{SINCE_EVER})"]
        return [
            *(suppressed if self._combines or not self._resuming else []),
            *super().conditions(stream_slice),
        ]

    def adapt(self, refusal: KlaviyoError) -> bool:
        """Or do without one of the two dates where Klaviyo refuses to combine them."""
        if super().adapt(refusal):
            return True
        if not isinstance(refusal, BadRequest):
            return False
        combined, self._combines = self._combines, False
        if combined:
            self.logger.warning(
                "Klaviyo refuses to filter profiles by suppression and change at once; asking for all %s ones.",
                "changed" if self._resuming else "suppressed",
            )
        return combined

    def rebuild(self, resource: msgspec.Raw, stream_slice: Mapping[str, Any]) -> msgspec.Raw | None:
        """Rename `suppression` to `suppressions`, as Airbyte's connector does; None for who is not suppressed."""
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
        if not self.is_dated(stream_slice) and self._is_changed(levels[1], stream_slice["start"]):
            return None  # comes with the changed ones
        marketing["suppressions"] = suppression
        rebuilt = encode(marketing)
        for name, level in zip(reversed(path), reversed(levels), strict=True):
            level[name] = rebuilt
            rebuilt = encode(level)
        return rebuilt

    @staticmethod
    def _is_changed(attributes: Members, since: str) -> bool:
        updated = instant_of(bytes(attributes.get("updated", NULL)))
        return updated is not None and updated >= parse_instant(since)


class PushTokens(Snapshot):
    """GET /push-tokens, with their profiles' ids. `created` does not move when a token is switched off."""

    resource = "push-tokens"
    tier = M
    scope = "profiles:read push-tokens:read"
    page_size = 100
    extras = {"include": "profile", "fields[profile]": "external_id"}  # noqa: RUF012 - read only


class Conversations(Included, Snapshot):
    """The conversations of profiles, which are listed with profiles only."""

    resource = "profiles"
    tier = L
    scope = "conversations:read profiles:read"
    page_size = 100
    options = {"include": "conversations", "fields[profile]": "external_id"}  # noqa: RUF012 - read only
    type, relationship, key = "conversation", "conversations", "profile_id"
