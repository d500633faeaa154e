"""Write the tables of streams, scopes and limits in the documentation from the streams' declarations.

The scopes also go into the specification, which names them in OAuth's request for consent.

    python -m tools.tables [--check]

The declarations say all but the object and the note of each stream, which stand here. ``--check`` writes nothing
and fails if a table is stale.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from source_klaviyo.api.budget import XS, M
from source_klaviyo.api.client import KlaviyoClient
from source_klaviyo.config import Config
from source_klaviyo.streams import STREAMS, KlaviyoStream
from source_klaviyo.streams.account import OfAccount
from source_klaviyo.streams.base import Unfiltered
from source_klaviyo.streams.children import Child, Included, OfChanged
from source_klaviyo.streams.detailed import Detailed
from source_klaviyo.streams.periods import Periods
from source_klaviyo.streams.reports import Report

if TYPE_CHECKING:
    from collections.abc import Sequence

DOCS = Path(__file__).resolve().parent.parent / "docs"
SPEC = DOCS.parent / "source_klaviyo" / "spec.json"

NOTES = {
    "accounts": ("Account", "The account of the key."),
    "billing_usage": (
        "Usage of the plan",
        "One record for each kind of usage and reading, so that an incremental sync collects a history.",
    ),
    "brand_buttons": ("Brand button", ""),
    "brand_colors": ("Brand palette", ""),
    "brand_email_defaults": ("Defaults of emails", "Holds the IDs of button, logo and social group."),
    "brand_logos": ("Brand logo", "Holds the ID of the image."),
    "brand_social_groups": ("Brand social group", ""),
    "brand_voice": ("Brand voice", "At most one. Holds `account_id`."),
    "campaign_audiences": (
        "Campaign audience",
        "Holds `campaign_id`. Comes with the pages of campaigns. See [Campaigns](#campaigns).",
    ),
    "campaign_messages": ("Campaign message", "Holds `campaign_id`. Comes with the pages of campaigns."),
    "campaign_messages_multichannel": (
        "Campaign message",
        "Holds the ID of the campaign. Without content, see `campaign_variations`. See [Campaigns](#campaigns).",
    ),
    "campaign_values_reports": ("Campaign report", "Totals of up to 30 days, later of the days since the last sync."),
    "campaign_variations": (
        "Campaign variation",
        "The content, one request a changed message. Holds `campaign_message_id`. See [Campaigns](#campaigns).",
    ),
    "campaigns": ("Campaign", "All channels, archived or not. Adds `attributes.channel`. Holds the IDs of tags."),
    "campaigns_detailed": (
        "Campaign",
        "Adds `campaign_messages` and `estimated_recipient_count` (one request for each campaign).",
    ),
    "campaigns_multichannel": (
        "Campaign",
        "Of both builders, archived or not. Holds the IDs of tags. See [Campaigns](#campaigns).",
    ),
    "catalog_categories": ("Catalog category", "Of the custom catalog, the only one that the API reads."),
    "catalog_category_items": ("Item of a category", "Pairs of IDs. Nothing tells when an item joined or left."),
    "catalog_items": ("Catalog item", "Of the custom catalog. Holds the IDs of variants."),
    "catalog_variants": ("Catalog variant", "Of the custom catalog."),
    "conversations": ("Conversation", "Holds `profile_id`. Comes with the pages of profiles."),
    "coupon_codes": ("Coupon code", "Holds `coupon_id`. Nothing tells when a code has changed."),
    "coupons": ("Coupon", ""),
    "custom_metrics": ("Custom metric", "Holds the IDs of the metrics that it is made of."),
    "data_sources": ("Data source", "Of custom objects."),
    "email_templates": ("Template", "Without the copies that flows own, which Klaviyo does not list."),
    "events": ("Event", "Holds the IDs of profile, metric and attributions."),
    "events_detailed": ("Event", "The metric's name and the attributions are merged into the relationships."),
    "flow_actions": ("Flow action", "Holds `flow_id`. Comes with the pages of flows."),
    "flow_messages": (
        "Flow message",
        "Holds `flow_action_id`. Its template belongs to the flow and is not in `email_templates`.",
    ),
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
    "images": ("Image", "Hidden or not."),
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
    "profiles": (
        "Profile",
        "With `subscriptions`, and `predictive_analytics` unless disabled. See [Consent](#consent).",
    ),
    "push_tokens": ("Push token", "Holds the ID of the profile. Nothing tells when a token is switched off."),
    "reviews": ("Review", "Of every status. Holds the IDs of events."),
    "segment_profiles": ("Member of a segment", "Who joined and when. Who left shows in a full refresh only."),
    "segment_series_reports": ("Segment report", "A record for each day since June 2023."),
    "segment_values_reports": ("Segment report", "Totals of up to 30 days, later of the days since the last sync."),
    "segments": ("Segment", "Active or not. Holds the IDs of tags."),
    "segments_detailed": ("Segment", "Adds `profile_count`, as of the segment's last change."),
    "tag_groups": ("Tag group", ""),
    "tags": ("Tag", "Holds the ID of the tag group."),
    "template_universal_content": ("Universal content", "Blocks and sections that templates share."),
    "text_messaging_configurations": ("Text messaging configuration", "At most one. Holds `account_id`."),
    "text_messaging_sender_registrations": (
        "Registration of a sender",
        "The latest of each sender. Holds `text_messaging_sender_id`. Comes with the pages of senders.",
    ),
    "text_messaging_senders": ("Sender of text messages", "Holds the ID of the registration."),
    "tracking_settings": ("Tracking setting", "The parameters added to links."),
    "translations": ("Translation", "Of messages, templates and more. Holds the IDs of what is translated."),
    "translations_detailed": ("Translation", "Adds the translated texts as `values`."),
    "web_feeds": ("Web feed", ""),
    "webhook_topics": ("Webhook topic", "Not with every key; see [Webhooks](#webhooks)."),
    "webhooks": ("Webhook", "Holds the IDs of topics. Not with every key; see [Webhooks](#webhooks)."),
}

TIERS = {(1, 15): "XS", (3, 60): "S", (10, 150): "M", (75, 750): "L", (350, 3500): "XL", (1, 2): "225 a day"}
FIXED_PAGES = {"metrics": 200}
"""Records a page where the endpoint does not let one choose."""
DETAILS = {
    "campaign_variations": M.steady,
    "campaigns_detailed": M.steady,
    "lists_detailed": XS.steady,
    "segments_detailed": XS.steady,
    "translations_detailed": M.steady,
}
"""Requests a minute for the details of each record."""
LIMITS = {"profiles": "L; M with predictive analytics", "lists_detailed": "XS", "segments_detailed": "XS"}


class _NoOne:
    """Parents are not asked for."""

    @staticmethod
    def ids(_: type[KlaviyoStream]) -> list[str]:
        return []


def streams(**settings: object) -> list[KlaviyoStream]:
    """All streams, which ask nobody."""
    config, client = Config.parse({"api_key": "none", **settings}, {}), KlaviyoClient("none")
    made: list[KlaviyoStream] = [stream(config, client, _NoOne()) for stream in STREAMS]  # type: ignore[arg-type]
    return sorted(made, key=lambda stream: stream.name)


def _modes(stream: KlaviyoStream) -> str:
    if not stream.cursor_attribute:
        return "Full refresh"
    if isinstance(stream, Unfiltered):
        return "Full refresh, incremental (full scan; only changed records are emitted)"
    per_parent = isinstance(stream, Child) or (isinstance(stream, Report) and stream.by_metric)
    return f"Full refresh, incremental{' (each parent by itself)' if per_parent else ''}"


def _listed(stream: KlaviyoStream) -> type[KlaviyoStream] | KlaviyoStream:
    """Return what a stream's records are listed by: the stream itself, unless they lie below what it lists."""
    return stream.children if isinstance(stream, OfChanged) else stream


def _row(stream: KlaviyoStream) -> str:
    name, note = NOTES[stream.name]
    method = "POST" if isinstance(stream, Periods) else "GET"
    path = re.sub(r"{\w+}", "{id}", f"/api/{_listed(stream).resource}")
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
        stream.revision,
        note,
    ]
    return f"| {' | '.join(cells)} |".replace("  |", " |")


def streams_table() -> str:
    """One row for each stream."""
    head = ["Stream", "Object", "Endpoint", "Sync modes", "Cursor", "Primary key", "Scopes", "Rate tier"]
    head += ["Revision", "Notes"]
    return "\n".join([f"| {' | '.join(head)} |", f"|{' :--- |' * len(head)}", *map(_row, streams())])


def scopes_table() -> str:
    """One row for each scope, with the streams that need it."""
    by_scope: dict[str, list[str]] = {}
    for stream in streams():
        for scope in stream.scope.split():
            by_scope.setdefault(scope, []).append(f"`{stream.name}`")
    rows = [f"| `{scope}` | {', '.join(names)} |" for scope, names in sorted(by_scope.items())]
    return "\n".join(["| Scope | Streams |", "| :--- | :--- |", *rows])


def pages_table() -> str:
    """How long a million records take of each stream that is read page by page, the slowest last."""
    plain, analysed = streams(disable_fetching_predictive_analytics=True), streams()
    rates: dict[tuple[int, int], list[str]] = {}
    for stream, other in zip(plain, analysed, strict=True):
        size = FIXED_PAGES.get(stream.name, stream.page_size)
        if not size or size == 1 or isinstance(stream, Child | Detailed | Included):
            continue
        both = {_steady(stream): "", _steady(other): " with predictive analytics"}
        for steady, what in both.items() if len(both) > 1 else [(_steady(stream), "")]:
            rates.setdefault((size * steady, size), []).append(f"`{stream.name}`{what}")
    rows = [
        f"| {', '.join(names)} | {size:,} | {rate // size:,} | {_time(1_000_000 / rate)} |"
        for (rate, size), names in sorted(rates.items(), reverse=True)
    ]
    head = "| Streams | Records a request | Requests a minute | A million records take |"
    return "\n".join([head, "| :--- | ---: | ---: | ---: |", *rows])


def parents_table() -> str:
    """How many parents, or records, an hour takes of each stream that asks for one at a time."""
    rates: dict[int, list[str]] = {}
    for stream in streams():
        if isinstance(stream, Child | Detailed) and not isinstance(stream, OfAccount):
            rates.setdefault(DETAILS.get(stream.name, _steady(stream)), []).append(f"`{stream.name}`")
    rows = [f"| {', '.join(names)} | {rate * 60:,} |" for rate, names in sorted(rates.items(), reverse=True)]
    return "\n".join(["| Streams | Requests an hour |", "| :--- | ---: |", *rows])


def small_table() -> str:
    """How long first reads of accounts that are not large take, as ``benchmarks/results.md`` has it."""
    times: dict[str, dict[str, str]] = {}
    for stream, pages, time, *_ in _measured("| Stream | Pages | Time |"):
        times.setdefault(stream, {})[pages] = time
    streams_ = {name: each for name, each in times.items() if name in SMALL}
    sizes = list(next(iter(streams_.values())))
    rows = [
        f"| {SMALL[name]} | {' | '.join(each.get(pages, '') for pages in sizes)} |" for name, each in streams_.items()
    ]
    head = f"| First read of | {' | '.join(f'{pages} pages' for pages in sizes)} |"
    return "\n".join([head, f"| :--- | {' | '.join('---:' for _ in sizes)} |", *rows])


def measured_table() -> str:
    """What syncs took of a machine, as ``benchmarks/results.md`` has it."""
    rows = [f"| {' | '.join(cells)} |" for cells in _measured("| Sync |")]
    return "\n".join(["| Sync | Records | Time | Cores | Memory |", "| :--- | ---: | ---: | ---: | ---: |", *rows])


def _measured(head: str) -> list[list[str]]:
    """The rows of the table in ``benchmarks/results.md`` whose head begins so, without marks."""
    text = (DOCS.parent / "benchmarks" / "results.md").read_text("utf-8").replace("**", "")
    plain = re.sub(r" *\| *", " | ", text)
    found = re.search(rf"^ {re.escape(head)}.*\n.*\n((?: \|.*\n)+)", plain, re.MULTILINE)
    if found is None:
        raise ValueError(f"benchmarks/results.md has no table {head}")
    return [[cell.strip() for cell in row.strip(" |").split(" | ")] for row in found[1].splitlines()]


def _steady(stream: KlaviyoStream) -> int:
    return min(limit.tier.steady for limit in stream.limits)


def _time(minutes: float) -> str:
    """A time in the unit that suits it."""
    if minutes < 1:
        return f"{minutes * 60:.0f} s"
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"


SMALL = {
    "events": "`events`, 1,000 a page",
    "profiles": "`profiles` without predictive analytics, 100 a page",
    "profiles with predictive analytics": "`profiles` with predictive analytics, 100 a page",
    "email_templates": "`email_templates`, 10 a page",
    "lists": "`lists`, 10 a page",
    "list_profiles": "`list_profiles` of one list, 100 a page",
}
"""Reads of the benchmarks that scaling.md lists, and how it calls them."""

TABLES = {
    "klaviyo.md": {"| Scope | Streams |": scopes_table, "| Stream | Object |": streams_table},
    "scaling.md": {
        "| Streams | Records a request |": pages_table,
        "| Streams | Requests an hour |": parents_table,
        "| First read of |": small_table,
        "| Sync |": measured_table,
    },
}
"""The tables of each page, by how their heads begin."""


def written(name: str, page: str) -> str:
    """The page with its tables as they should be."""
    for head, table in TABLES[name].items():
        found = re.search(rf"^{re.escape(head)}.*\n(\|.*\n)+", page, re.MULTILINE)
        if found is None:
            raise ValueError(f"{name} has no table {head}")
        page = page[: found.start()] + table() + "\n" + page[found.end() :]
    return page


def with_scopes(spec: str) -> str:
    """The specification with the scopes of all streams in the request for consent."""
    scopes = sorted({scope for stream in streams() for scope in stream.scope.split()})
    return re.sub(r'(?<="scope": ")[^"]*', " ".join(scopes), spec, count=1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tables and the scopes, or check them; return the exit code."""
    check = "--check" in (sys.argv[1:] if arguments is None else arguments)
    stale = 0
    for path in (*(DOCS / name for name in TABLES), SPEC):
        text = path.read_text("utf-8")
        current = with_scopes(text) if path == SPEC else written(path.name, text)
        if current != text:
            stale += 1
            print(f"{'stale' if check else 'written'}: {path.name}")
            if not check:
                path.write_text(current, "utf-8")
    return int(check and stale > 0)


if __name__ == "__main__":
    sys.exit(main())
