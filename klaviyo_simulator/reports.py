"""The operations that are asked with POST and only read: seven reports and the aggregates of metrics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from klaviyo_simulator.declarations import Filter, Tier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klaviyo_simulator.declarations import Cost

MESSAGE_STATISTICS = frozenset(
    {
        *("average_order_value", "bounce_rate", "bounced", "bounced_or_failed", "bounced_or_failed_rate"),
        *("click_rate", "click_to_open_rate", "clicks", "clicks_unique", "conversion_rate", "conversion_uniques"),
        *("conversion_value", "conversions", "delivered", "delivery_rate", "failed", "failed_rate"),
        *("message_segment_count_sum", "open_rate", "opens", "opens_unique", "recipients", "revenue_per_recipient"),
        *("spam_complaint_rate", "spam_complaints", "text_message_credit_usage_amount", "text_message_roi"),
        *("text_message_spend", "unsubscribe_rate", "unsubscribe_uniques", "unsubscribes"),
    }
)
VALUE_STATISTICS = frozenset({"average_order_value", "conversion_value", "revenue_per_recipient"})
"""Statistics that are refused for a metric whose events have no value."""
FORM_STATISTICS = frozenset(
    {
        *("closed_form", "closed_form_uniques", "qualified_form", "qualified_form_uniques", "submit_rate", "submits"),
        *("submitted_form_step", "submitted_form_step_uniques", "viewed_form", "viewed_form_step"),
        *("viewed_form_step_uniques", "viewed_form_uniques"),
    }
)
SEGMENT_STATISTICS = frozenset({"members_added", "members_removed", "net_members_changed", "total_members"})

MEASUREMENTS = frozenset({"count", "sum_value", "unique"})
DIMENSIONS = frozenset(
    {
        *("$attributed_channel", "$attributed_flow", "$attributed_message", "$attributed_variation"),
        *("$campaign_channel", "$flow", "$flow_channel", "$message", "$message_send_cohort", "$usage_amount"),
        *("$value_currency", "$variation", "$variation_send_cohort", "Bot Click", "Bounce Type", "Campaign Name"),
        *("Client Canonical", "Client Name", "Client Type", "Email Domain", "Failure Source", "Failure Type"),
        *("From Number", "From Phone Region", "Inbox Provider", "List", "Message Format", "Message Name"),
        *("Message Type", "Method", "Segment Count", "Subject", "To Number", "To Phone Region", "URL", "form_id"),
    }
)

_CHANNELS = ("email", "sms", "push-notification", "whatsapp")
_TAGS = ("tag_id", "tag_name")


@dataclass(frozen=True)
class Operation:
    """One POST operation that only reads."""

    path: str
    scopes: tuple[str, ...]
    tier: Tier
    required: frozenset[str]  # attributes that the body must have
    optional: frozenset[str]  # and those that it may have
    nullable: frozenset[str]  # of these, those that may be null
    parameters: frozenset[str]  # of the query string, besides sparse fieldsets
    fields: frozenset[str]  # for sparse fieldsets
    costs: ClassVar[Mapping[tuple[str, str], Cost]] = {}
    needs_kdp: ClassVar[bool] = False

    @property
    def bare_links(self) -> bool:
        """Whether the answer links to itself only, even on the last page."""
        return False

    @property
    def type(self) -> str:
        """The type of the question, and of its answer."""
        return self.path.rpartition("/")[2].removesuffix("s")


@dataclass(frozen=True)
class Report(Operation):
    """One report: what it counts, and how that may be grouped and filtered."""

    subject: str
    statistics: frozenset[str]
    series: bool
    groups: frozenset[str]  # all that can be grouped by
    default_groups: tuple[str, ...]
    required_groups: frozenset[str]
    filters: Mapping[str, Filter] = field(default_factory=dict)
    relationships: tuple[str, ...] = ()  # types of resources that the answer relates to

    @property
    def bare_links(self) -> bool:
        """Whether the answer links to itself only, as those on forms and segments do."""
        return not self.converts

    @property
    def converts(self) -> bool:
        """Whether it needs a metric whose events are its conversions."""
        return "conversion_metric_id" in self.required


def _report(
    subject: str,
    *,
    series: bool,
    statistics: frozenset[str],
    default: tuple[str, ...],
    required: tuple[str, ...] = (),
    scalars: tuple[str, ...] = (),
    unfiltered: tuple[str, ...] = (),
    listed: str = "any",
    relationships: tuple[str, ...] = (),
) -> Report:
    """A report; those on messages have conversions, tags and pages."""
    messages = bool(relationships)
    scalar = f"str: eq {listed}[]"
    filters = {name: Filter.of(scalar) for name in scalars} | (
        {
            "send_channel": Filter.of(scalar, choices=_CHANNELS),
            **{name: Filter.of("str: some[] all[]") for name in _TAGS},
        }
        if messages
        else {}
    )
    groups = frozenset({*filters, *unfiltered}) if len(filters) > 1 else frozenset[str]()
    optional = frozenset({"filter", *(["group_by"] if groups else [])})
    return Report(
        path=f"/api/{subject}-{'series' if series else 'values'}-reports",
        scopes=(f"{subject}s:read",),
        tier=Tier.REPORT,
        required=frozenset(
            {"statistics", "timeframe"}
            | ({"interval"} if series else set())
            | ({"conversion_metric_id"} if messages else set())
        ),
        optional=optional,
        nullable=optional,
        parameters=frozenset({"page_cursor"}) if messages else frozenset(),
        fields=frozenset({"id", "results"} | ({"date_times"} if series else set())),
        subject=subject,
        statistics=statistics,
        series=series,
        groups=groups,
        default_groups=default,
        required_groups=frozenset(required),
        filters=filters,
        relationships=relationships,
    )


def _declared() -> list[Operation]:
    message = ("text_message_format", "variation", "variation_name")
    campaigns = _report(
        "campaign",
        series=False,
        statistics=MESSAGE_STATISTICS,
        default=("campaign_id", "campaign_message_id", "send_channel"),
        required=("campaign_id", "campaign_message_id"),
        scalars=("campaign_id", "campaign_message_id", "campaign_message_name", *message),
        unfiltered=("group", "group_name"),
        listed="some",
        relationships=("campaign",),
    )
    others = [
        report
        for series in (False, True)
        for report in (
            _report(
                "flow",
                series=series,
                statistics=MESSAGE_STATISTICS,
                default=("flow_id", "flow_message_id", "send_channel"),
                required=("flow_id", "flow_message_id"),
                scalars=("flow_id", "flow_message_id", "flow_message_name", "flow_name", *message),
                listed="some",
                relationships=("flow", "flow-message"),
            ),
            _report(
                "form",
                series=series,
                statistics=FORM_STATISTICS,
                default=("form_id",),
                required=("form_id",),
                scalars=("form_id", "form_version_id"),
            ),
            _report(
                "segment",
                series=series,
                statistics=SEGMENT_STATISTICS,
                default=("segment_id",),
                scalars=("segment_id",),
            ),
        )
    ]
    nullable = frozenset({"interval", "page_size", "by", "return_fields", "timezone"})
    aggregates = Operation(
        path="/api/metric-aggregates",
        scopes=("metrics:read",),
        tier=Tier.S,
        required=frozenset({"metric_id", "measurements", "filter"}),
        optional=nullable | {"page_cursor", "sort"},
        nullable=nullable,
        parameters=frozenset(),
        fields=frozenset({"data", "dates", "id"}),
    )
    return [campaigns, *others, aggregates]


OPERATIONS = {declared.path: declared for declared in _declared()}
"""Every such operation by its path."""
