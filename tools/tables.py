"""Write the tables of streams and scopes in ``docs/klaviyo.md`` from the streams' declarations.

    python -m tools.tables [--check]

The declarations say all but the object and the note of each stream, which stand here. ``--check`` writes nothing
and fails if a table is stale.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from source_klaviyo.config import Config
from source_klaviyo.streams import STREAMS, KlaviyoStream
from source_klaviyo.streams.base import Unfiltered
from source_klaviyo.streams.children import Child, Included
from source_klaviyo.streams.periods import Periods
from source_klaviyo.streams.reports import Report

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = Path(__file__).resolve().parent.parent / "docs" / "klaviyo.md"

NOTES = {
    "accounts": ("Account", "The account of the key."),
    "campaign_messages": ("Campaign message", "Holds `campaign_id`. Comes with the pages of campaigns."),
    "campaign_values_reports": ("Campaign report", "Totals of up to 30 days, later of the days since the last sync."),
    "campaigns": ("Campaign", "All channels, archived or not. Adds `attributes.channel`. Holds the IDs of tags."),
    "campaigns_detailed": (
        "Campaign",
        "Adds `campaign_messages` and `estimated_recipient_count` (one request for each campaign).",
    ),
    "catalog_categories": ("Catalog category", "Of the custom catalog, the only one that the API reads."),
    "catalog_items": ("Catalog item", "Of the custom catalog. Holds the IDs of variants."),
    "catalog_variants": ("Catalog variant", "Of the custom catalog."),
    "conversations": ("Conversation", "Holds `profile_id`. Comes with the pages of profiles."),
    "coupon_codes": ("Coupon code", "Holds `coupon_id`. Nothing tells when a code has changed."),
    "coupons": ("Coupon", ""),
    "custom_metrics": ("Custom metric", "Holds the IDs of the metrics that it is made of."),
    "data_sources": ("Data source", "Of custom objects."),
    "email_templates": ("Template", ""),
    "events": ("Event", "Holds the IDs of profile, metric and attributions."),
    "events_detailed": ("Event", "The metric's name and the attributions are merged into the relationships."),
    "flow_actions": ("Flow action", "Holds `flow_id`. Comes with the pages of flows."),
    "flow_messages": ("Flow message", "Holds `flow_action_id`."),
    "flow_series_reports": ("Flow report", "A record for each day; see `reporting_lookback_window`."),
    "flow_values_reports": ("Flow report", "Totals of up to 30 days, later of the days since the last sync."),
    "flows": ("Flow", "Archived or not. Holds the IDs of tags."),
    "form_series_reports": ("Form report", "A record for each day; see `reporting_lookback_window`."),
    "form_values_reports": ("Form report", "Totals of up to 30 days, later of the days since the last sync."),
    "form_versions": ("Form version", "Holds `form_id`."),
    "forms": ("Form", ""),
    "global_exclusions": (
        "Profile",
        "Profiles that must not get email marketing. Klaviyo's `suppression` is named `suppressions` here.",
    ),
    "images": ("Image", ""),
    "list_profiles": ("Member of a list", "Who joined and when. Who left shows in a full refresh only."),
    "lists": ("List", "Holds the IDs of tags."),
    "lists_detailed": ("List", "Adds `profile_count`, as of the list's last change; a full refresh counts all."),
    "mapped_metrics": ("Mapped metric", "Holds the ID of the metric."),
    "metric_aggregates": ("Metric aggregate", "What the setting `metric_aggregates` defines; nothing without it."),
    "metric_properties": ("Metric property", "Holds `metric_id`, with samples of the values."),
    "metrics": ("Metric", ""),
    "object_records": ("Custom object record", "Holds `object_type_id`."),
    "object_schemas": ("Custom object schema", "All versions. Holds `object_type_id`."),
    "object_types": ("Custom object type", "Holds the IDs of the current and the draft schema."),
    "profiles": ("Profile", "With `subscriptions`, and `predictive_analytics` unless disabled."),
    "push_tokens": ("Push token", "Holds the ID of the profile. Nothing tells when a token is switched off."),
    "reviews": ("Review", "Holds the IDs of events."),
    "segment_profiles": ("Member of a segment", "Who joined and when. Who left shows in a full refresh only."),
    "segment_series_reports": ("Segment report", "A record for each day since June 2023."),
    "segment_values_reports": ("Segment report", "Totals of up to 30 days, later of the days since the last sync."),
    "segments": ("Segment", "Holds the IDs of tags."),
    "segments_detailed": ("Segment", "Adds `profile_count`, as of the segment's last change."),
    "tag_groups": ("Tag group", ""),
    "tags": ("Tag", "Holds the ID of the tag group."),
    "template_universal_content": ("Universal content", "Blocks and sections that templates share."),
    "tracking_settings": ("Tracking setting", "The parameters added to links."),
    "web_feeds": ("Web feed", ""),
    "webhook_topics": ("Webhook topic", ""),
    "webhooks": ("Webhook", "Holds the IDs of topics."),
}

TIERS = {(1, 15): "XS", (3, 60): "S", (10, 150): "M", (75, 750): "L", (350, 3500): "XL", (1, 2): "225 a day"}
LIMITS = {"profiles": "L; M with predictive analytics", "lists_detailed": "XS", "segments_detailed": "XS"}


class _NoOne:
    """Parents are not asked for."""

    @staticmethod
    def ids(_: type[KlaviyoStream]) -> list[str]:
        return []


def streams() -> list[KlaviyoStream]:
    """All streams, which ask nobody."""
    config = Config.parse({"api_key": "none"}, {})
    made: list[KlaviyoStream] = [stream(config, None, _NoOne()) for stream in STREAMS]  # type: ignore[arg-type]
    return sorted(made, key=lambda stream: stream.name)


def _modes(stream: KlaviyoStream) -> str:
    if not stream.cursor_attribute:
        return "Full refresh"
    if isinstance(stream, Unfiltered):
        return "Full refresh, incremental (all is read, news are emitted)"
    per_parent = isinstance(stream, Child) or (isinstance(stream, Report) and stream.by_metric)
    return f"Full refresh, incremental{' (each parent by itself)' if per_parent else ''}"


def _row(stream: KlaviyoStream) -> str:
    name, note = NOTES[stream.name]
    method = "POST" if isinstance(stream, Periods) else "GET"
    path = re.sub(r"{\w+}", "{id}", f"/api/{stream.resource}")
    if isinstance(stream, Included):
        path += f"?include={stream.relationship}"
    keys = [stream.primary_key] if isinstance(stream.primary_key, str) else stream.primary_key
    cells = [
        f"`{stream.name}`",
        name,
        f"`{method} {path}`",
        _modes(stream),
        f"`{stream.cursor_attribute}`" if stream.cursor_attribute else "",
        ", ".join(f"`{key}`" for key in keys),
        ", ".join(f"`{scope}`" for scope in stream.scope.split()),
        LIMITS.get(stream.name, TIERS[stream.tier.burst, stream.tier.steady]),
        note,
    ]
    return f"| {' | '.join(cells)} |".replace("  |", " |")


def streams_table() -> str:
    """One row for each stream."""
    head = ["Stream", "Object", "Endpoint", "Sync modes", "Cursor", "Primary key", "Scopes", "Rate tier", "Notes"]
    return "\n".join([f"| {' | '.join(head)} |", f"|{' :--- |' * len(head)}", *map(_row, streams())])


def scopes_table() -> str:
    """One row for each scope, with the streams that need it."""
    by_scope: dict[str, list[str]] = {}
    for stream in streams():
        for scope in stream.scope.split():
            by_scope.setdefault(scope, []).append(f"`{stream.name}`")
    rows = [f"| `{scope}` | {', '.join(names)} |" for scope, names in sorted(by_scope.items())]
    return "\n".join(["| Scope | Streams |", "| :--- | :--- |", *rows])


def written(page: str) -> str:
    """The page with its tables as they should be."""
    for heading, table in (("Scope", scopes_table()), ("Stream", streams_table())):
        found = re.search(rf"^\| {heading} \| (Streams|Object) \|.*\n(\|.*\n)+", page, re.MULTILINE)
        if found is None:
            raise ValueError(f"{PAGE.name} has no table of {heading.lower()}s")
        page = page[: found.start()] + table + "\n" + page[found.end() :]
    return page


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tables, or check them; return the exit code."""
    check = "--check" in (sys.argv[1:] if arguments is None else arguments)
    page = PAGE.read_text("utf-8")
    stale = written(page) != page
    if stale and not check:
        PAGE.write_text(written(page), "utf-8")
    if stale:
        print(f"{'stale' if check else 'written'}: {PAGE.name}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
