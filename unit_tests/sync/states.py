"""Old states, and the positions read from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from source_klaviyo.api.client import KlaviyoClient
from source_klaviyo.config import Config
from source_klaviyo.streams import STREAMS, KlaviyoStream
from source_klaviyo.streams.campaigns import Campaigns
from source_klaviyo.streams.marketing import Flows
from source_klaviyo.sync.instants import SECOND, Instant, parse_instant
from source_klaviyo.sync.state import Partition, StoredState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from source_klaviyo.sync.instants import Instant

ONE: tuple[Partition, ...] = ({},)
FIELDS = {
    "campaigns": "updated_at",
    "email_templates": "updated",
    "events": "datetime",
    "flows": "updated",
    "global_exclusions": "updated",
    "lists": "updated",
    "metrics": "updated",
    "profiles": "updated",
}
PARTITIONS = {"campaigns": Campaigns.partitions, "flows": Flows.partitions}
UNDIVIDED = sorted(set(FIELDS) - set(PARTITIONS))

SECONDS = 1_621_295_127
EARLY, MIDDLE, LATE = "2023-01-10T08:00:00+00:00", "2023-05-20T09:30:00+00:00", "2023-11-03T10:00:00+00:00"


def read_state(
    state: Mapping[str, Any], stream: str, cursor_field: str, partitions: Sequence[Partition]
) -> list[Instant | None]:
    stored = StoredState(state, stream, cursor_field)
    return [stored.position(partition) for partition in partitions]


def read(stream: str, state: dict[str, Any]) -> list[str | None]:
    """The positions, as ISO text."""
    partitions = PARTITIONS.get(stream, ONE)
    return [iso(found) for found in read_state(state, stream, FIELDS[stream], partitions)]


def iso(instant: Instant | None) -> str | None:
    known = {parse_instant(text): text for text in (EARLY, MIDDLE, LATE)}
    return None if instant is None else known.get(instant, f"{instant / SECOND} s")


def campaigns(**positions: str | None) -> list[str | None]:
    """Return positions by channel_archived, such as email_true; the others are None."""
    return [positions.get(f"{one['campaign_type']}_{one['archived']}") for one in Campaigns.partitions]


def everywhere(**positions: str) -> list[str | None]:
    """Return positions by archived or not, for each channel."""
    return [positions.get(one["archived"]) for one in Campaigns.partitions]


def listed(field: str, *items: tuple[dict[str, Any], str]) -> list[dict[str, Any]]:
    return [{"partition": partition, "cursor": {field: cursor}} for partition, cursor in items]


def streams() -> list[KlaviyoStream]:
    config, client = Config.parse({"api_key": "pk"}, {}), KlaviyoClient("pk")
    return [stream(config, client, None) for stream in STREAMS]  # type: ignore[arg-type]


def part(start: str, end: str, latest: str | None = None) -> dict[str, Any]:
    return {"start": start, "end": end} | ({"most_recent_cursor_value": latest} if latest else {})
