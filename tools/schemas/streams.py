"""The table of streams: which resource each of them emits, and how its records differ from the resource."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Edits: TypeAlias = "Mapping[str, tuple[str | Stream, str | None]]"
"""Properties to add or to retype: dotted path (``[]`` for the items of an array) -> (kind, description).

Without a description that of the facts stays. The kinds are the keys of ``writing.KINDS``; "absent" removes, "as
documented" leaves the type, and a stream means an array of what it emits.
"""


@dataclass(frozen=True, slots=True)
class Stream:
    """What a stream emits: the resource of one collection, and the differences from it."""

    path: str
    """The operation that answers the records."""
    cursor: str | None = None
    """The attribute that the connector copies to the top of each record."""
    additional_fields: frozenset[str] = frozenset()
    """The attributes hidden by default for which the stream asks."""
    edits: Edits = field(default_factory=dict)
    """What differs from the resource."""
    revision: str = "2026-07-15"
    """The API revision that the stream speaks."""
    early: tuple[str, ...] = ()
    """Attributes of the latest revision that the stream declares already, so that tables are ready for them."""


@dataclass(frozen=True, slots=True)
class Built:
    """What a stream emits whose records the connector builds."""

    cursor: str | None
    """The property that is the cursor."""
    properties: Edits
    """What the records hold."""
    report: str | None = None
    """The report whose statistics they hold as well."""
    revision: str = "2026-07-15"
    """The API revision that the stream speaks."""


# Airbyte's own connector (2.13.1) declares these, so its users' tables have them. What Klaviyo no longer
# sends stays declared and empty. Where Klaviyo's document has another type, the one that users have wins.

OLD = "Not sent by this revision of the API; kept for connections made with earlier versions."

CAMPAIGN_EDITS: Edits = {
    "attributes.channel": ("string", "Channel of the campaign: email, sms or mobile_push. Added by the connector."),
    "attributes.message": ("string", f"ID of the message; see relationships. {OLD}"),
    "attributes.send_options.ignore_unsubscribes": (
        "boolean",
        f"True if people who unsubscribed got the campaign too. {OLD}",
    ),
    "attributes.tracking_options.is_add_utm": (
        "boolean",
        "True if links get tracking parameters. A copy of add_tracking_params.",
    ),
    "attributes.tracking_options.utm_params": (
        "array of objects",
        "Tracking parameters of links. A copy of custom_tracking_params.",
    ),
    "attributes.tracking_options.utm_params[].name": ("string", "Name of the parameter, such as utm_source."),
    "attributes.tracking_options.utm_params[].value": ("string", "Fixed text, or the name of what Klaviyo fills in."),
    "attributes.send_strategy.options_static": ("object", "Settings of a static send. A copy of datetime and options."),
    "attributes.send_strategy.options_static.datetime": (
        "local date-time",
        "Start of sending. A copy of send_strategy.datetime.",
    ),
    "attributes.send_strategy.options_static.is_local": (
        "boolean",
        "True if each recipient gets it at that time in their own time zone.",
    ),
    "attributes.send_strategy.options_static.send_past_recipients_immediately": (
        "boolean",
        "True if recipients whose local time is over get it at once.",
    ),
    "attributes.send_strategy.options_throttled": (
        "object",
        "Settings of a throttled send. A copy of datetime and throttle_percentage.",
    ),
    "attributes.send_strategy.options_throttled.datetime": (
        "local date-time",
        "Start of sending. A copy of send_strategy.datetime.",
    ),
    "attributes.send_strategy.options_throttled.throttle_percentage": (
        "integer",
        "Share of recipients sent to in each hour, in percent.",
    ),
    "attributes.send_strategy.options_sto": ("object", "Settings of a smart send time. A copy of date."),
    "attributes.send_strategy.options_sto.date": ("date", "Day of sending. A copy of send_strategy.date."),
}

PROFILE_EDITS: Edits = {
    "attributes.anonymous_id": ("string", f"ID of a visitor without an email address. {OLD}"),
    # the document has number and date-time here
    "attributes.predictive_analytics.historic_number_of_orders": ("integer", None),
    "attributes.predictive_analytics.expected_date_of_next_order": ("string", None),
    "attributes.subscriptions.email.marketing.suppressions": ("array of objects", f"See suppression. {OLD}"),
    "attributes.subscriptions.email.marketing.suppressions[].reason": (
        "string",
        "What blocked the address, such as HARD_BOUNCE or UNSUBSCRIBE.",
    ),
    "attributes.subscriptions.email.marketing.suppressions[].timestamp": (
        "date-time",
        "Time since when the address has been blocked.",
    ),
    **{
        f"attributes.subscriptions.{consent}.timestamp": ("date-time", f"See consent_timestamp. {OLD}")
        for consent in ("email.marketing", "sms.marketing", "sms.transactional")
    },
    "attributes.subscriptions.sms.transactional.can_receive_sms_marketing": (
        "boolean",
        f"See can_receive_sms_transactional. {OLD}",
    ),
    "attributes.subscriptions.mobile_push.marketing.can_receive_sms_marketing": (
        "boolean",
        f"See can_receive_push_marketing. {OLD}",
    ),
    "segments": ("open object", f"Segments of the profile; see segment_profiles. {OLD}"),
}

# The connector renames suppression, and does not ask for predictive analytics, which cost four fifths of the
# rate.
_MARKETING = "attributes.subscriptions.email.marketing"
GLOBAL_EXCLUSION_EDITS: Edits = {
    **PROFILE_EDITS,
    f"{_MARKETING}.suppression": ("absent", None),
    f"{_MARKETING}.suppressions": (
        "array of objects",
        "Why the account must not send marketing emails to this address (suppression in Klaviyo's API).",
    ),
    f"{_MARKETING}.suppressions[].reason": PROFILE_EDITS[f"{_MARKETING}.suppressions[].reason"],
    f"{_MARKETING}.suppressions[].timestamp": PROFILE_EDITS[f"{_MARKETING}.suppressions[].timestamp"],
    "attributes.predictive_analytics": ("as documented", "Not requested by this stream; see profiles."),
}

PROFILE_FIELDS = frozenset({"subscriptions", "predictive_analytics"})
CLICK_TRACKING = ("subscriptions.email.click_tracking",)

# The messages that a detailed campaign holds; since revision 2024-10-15 their content lies below definition.
_CONTENT = ("subject", "preview_text", "from_email", "from_label", "reply_to_email", "cc_email", "bcc_email")
_RENDERING = ("shorten_links", "add_org_prefix", "add_info_link", "add_opt_out_language")
CAMPAIGN_MESSAGE_EDITS: Edits = {
    "attributes.label": ("string", "A copy of definition.label."),
    "attributes.channel": ("string", "A copy of definition.channel."),
    "attributes.content": ("object", "A copy of definition.content."),
    **{f"attributes.content.{name}": ("string", f"A copy of definition.content.{name}.") for name in _CONTENT},
    "attributes.render_options": ("object", "A copy of definition.render_options."),
    **{
        f"attributes.render_options.{name}": ("boolean", f"A copy of definition.render_options.{name}.")
        for name in _RENDERING
    },
    "attributes.created_at": ("local date-time", None),
    "attributes.updated_at": ("local date-time", None),
}
CAMPAIGN_DETAILED_EDITS: Edits = {
    **CAMPAIGN_EDITS,
    "attributes.channel": ("string", f"See the channels in campaign_messages. {OLD}"),
    "estimated_recipient_count": (
        "integer",
        "Number of profiles that Klaviyo expects to reach; 0 if it has no estimate.",
    ),
    "campaign_messages": (
        Stream("/api/campaign-messages/{id}", edits=CAMPAIGN_MESSAGE_EDITS),
        "Messages of the campaign, one for each channel or tested variation.",
    ),
}

# What is included with the events is merged into their relationships.
_ATTRIBUTION = "relationships.attributions.data[]"
_ATTRIBUTED = {
    "event": "event that is attributed",
    "attributed-event": "event to which it is attributed",
    "campaign": "campaign to which the event is attributed",
    "campaign-message": "campaign message to which the event is attributed",
    "flow": "flow to which the event is attributed",
    "flow-message": "flow message to which the event is attributed",
    "flow-message-variation": "variation of the flow message to which the event is attributed",
}
EVENT_DETAILED_EDITS: Edits = {
    "relationships.metric.data.name": ("string", "Name of the metric, such as Placed Order."),
    f"{_ATTRIBUTION}.timestamp": ("integer", "Time of the attribution, in seconds since 1970-01-01 UTC."),
    f"{_ATTRIBUTION}.links": ("object", "Addresses of the attribution in Klaviyo's API."),
    f"{_ATTRIBUTION}.links.self": ("string", "Address of the attribution in Klaviyo's API."),
    f"{_ATTRIBUTION}.relationships": ("object", "What the event is attributed to."),
    **{
        f"{_ATTRIBUTION}.relationships.{name}{path}": (kind, f"{text} {what}.")
        for name, what in _ATTRIBUTED.items()
        for path, kind, text in (
            ("", "object", "Link to the"),
            (".data", "object", "Type and ID of the"),
            (".data.type", "string", "Type of the"),
            (".data.id", "string", "ID of the"),
        )
    },
}


# The document describes single values of these.
REVIEW_EDITS: Edits = {
    "attributes.status.value": (
        "string",
        "Where the review stands: pending, published, featured, unpublished or rejected.",
    ),
    "attributes.status.rejection_reason": (
        "as documented",
        "Why the shop turned the review down; null unless value is rejected.",
    ),
    "attributes.status.rejection_reason.reason": (
        "string",
        "Grounds: fake, false_or_misleading, other, private_information, profanity_or_inappropriate or unrelated.",
    ),
}


def _of(parent: str) -> Edits:
    return {f"{parent}_id": ("string", f"ID of the {parent.replace('_', ' ')} that the record belongs to.")}


_october = partial(Stream, revision="2026-10-15")


def _members(group: str) -> Built:
    return Built(
        "joined_group_at",
        {
            f"{group}_id": ("string", f"ID of the {group}; joins with {group}s.id."),
            "profile_id": ("string", f"ID of a member of the {group}; joins with profiles.id."),
            "joined_group_at": ("date-time", f"Time when the profile last joined the {group}."),
        },
    )


def _report(name: str, *subjects: str) -> Built:
    """Return the records of a report; subjects are what Klaviyo groups by, with a channel where it sends messages."""
    messages = name.startswith(("campaign", "flow"))
    groupings = {
        **{
            f"{subject}_id": f"ID of the {subject.replace('_', ' ')} that the numbers are about."
            for subject in subjects
        },
        **({"send_channel": "Channel: email, sms, push-notification or whatsapp."} if messages else {}),
    }
    if "series" in name:
        time: Edits = {"date": ("date-time", "Midnight at the start of the day.")}
    else:
        time = {
            "date": ("date-time", "Midnight at the end of the period."),
            "period_start": ("date-time", "Midnight at the start of the period."),
        }
    metric: Edits = {
        "conversion_metric_id": ("string", "ID of the metric that counts as a conversion; joins with metrics.id.")
    }
    return Built(
        "date",
        {
            **time,
            "groupings": ("object", "What the numbers are about, as Klaviyo groups them."),
            **{f"groupings.{key}": ("string", text) for key, text in groupings.items()},
            "statistics": ("object", "Numbers of the day." if "series" in name else "Numbers of the period."),
            **{key: ("string", f"{text} A copy of groupings.{key}.") for key, text in groupings.items()},
            **(metric if messages else {}),
        },
        f"/api/{name}-reports",
    )


METRIC_AGGREGATE: Edits = {
    "id": ("string", "Made by the connector from the definition, the date and the dimensions."),
    "date": ("date-time", "Start of the interval, in UTC."),
    "name": ("string", "Name of the aggregate in the connector's settings."),
    "metric_id": ("string", "ID of the metric whose events are counted; joins with metrics.id."),
    "interval": ("string", "Length of the interval: hour, day, week or month."),
    "dimensions": ("open object", "What the events are grouped by, as name and value; empty without grouping."),
    "measurements": ("object", "Numbers of the interval; those that were not requested are missing."),
    "measurements.count": ("number", "Number of events."),
    "measurements.sum_value": ("number", "Sum of the events' values, usually money."),
    "measurements.unique": ("number", "Number of different profiles with such an event."),
}

PROFILE_COUNT = frozenset({"profile_count"})

STREAMS: dict[str, Stream | Built] = {
    "accounts": Stream("/api/accounts"),
    "billing_usage": _october("/api/billing-usage", "as_of"),
    "brand_buttons": _october("/api/brand-buttons"),
    "brand_colors": _october("/api/brand-colors"),
    "brand_email_defaults": _october("/api/brand-email-defaults"),
    "brand_logos": _october("/api/brand-logos"),
    "brand_social_groups": _october("/api/brand-social-groups"),
    "brand_voice": _october("/api/brand-voice/{id}", edits=_of("account")),
    "campaign_audiences": _october("/api/campaign-audiences/{id}", "updated", edits=_of("campaign")),
    "campaign_messages": Stream("/api/campaign-messages/{id}", "updated_at", edits=_of("campaign")),
    "campaign_messages_multichannel": _october("/api/campaign-messages", "updated"),
    "campaign_values_reports": _report("campaign-values", "campaign", "campaign_message"),
    "campaign_variations": _october(
        "/api/campaign-variations/{id}",
        "updated",
        edits={
            **_of("campaign_message"),
            # nothing says what it is, so any type may be wrong
            "attributes.definition.details.message_hierarchy": ("absent", None),
        },
    ),
    "campaigns": Stream("/api/campaigns", "updated_at", edits=CAMPAIGN_EDITS),
    "campaigns_detailed": Stream("/api/campaigns", "updated_at", edits=CAMPAIGN_DETAILED_EDITS),
    "campaigns_multichannel": _october("/api/campaigns", "updated_at"),
    "catalog_categories": Stream("/api/catalog-categories", "updated"),
    "catalog_category_items": Built(
        None,
        {
            "catalog_category_id": ("string", "ID of the category; joins with catalog_categories.id."),
            "catalog_item_id": ("string", "ID of an item in the category; joins with catalog_items.id."),
        },
    ),
    "catalog_items": Stream("/api/catalog-items", "updated"),
    "catalog_variants": Stream("/api/catalog-variants", "updated"),
    "conversations": Stream("/api/profiles/{id}/conversations", edits=_of("profile")),
    "coupon_codes": Stream("/api/coupon-codes", edits=_of("coupon")),
    "coupons": Stream("/api/coupons", early=("assigner_configuration",)),
    "custom_metrics": Stream("/api/custom-metrics", "updated"),
    "data_sources": Stream("/api/data-sources"),
    "email_templates": Stream(
        "/api/templates",
        "updated",
        edits={"attributes.company_id": ("string", f"ID of the account that owns the template. {OLD}")},
    ),
    "events": Stream("/api/events", "datetime"),
    "events_detailed": Stream("/api/events", "datetime", edits=EVENT_DETAILED_EDITS),
    "flow_actions": Stream("/api/flow-actions/{id}", "updated", edits=_of("flow")),
    "flow_messages": Stream("/api/flow-messages/{id}", "updated", edits=_of("flow_action")),
    "flow_series_reports": _report("flow-series", "flow", "flow_message"),
    "flow_values_reports": _report("flow-values", "flow", "flow_message"),
    "flows": Stream("/api/flows", "updated"),
    "form_series_reports": _report("form-series", "form"),
    "form_values_reports": _report("form-values", "form"),
    "form_versions": Stream("/api/forms/{id}/form-versions", "updated_at", edits=_of("form")),
    "forms": Stream("/api/forms", "updated_at"),
    "global_exclusions": Stream(
        "/api/profiles", "updated", PROFILE_FIELDS, GLOBAL_EXCLUSION_EDITS, early=CLICK_TRACKING
    ),
    "images": Stream("/api/images", "updated_at"),
    "list_profiles": _members("list"),
    "lists": Stream("/api/lists", "updated"),
    "lists_detailed": Stream("/api/lists/{id}", "updated", PROFILE_COUNT),
    "mapped_metrics": Stream("/api/mapped-metrics", "updated"),
    "metric_aggregates": Built("date", METRIC_AGGREGATE),
    "metric_properties": Stream(
        "/api/metrics/{id}/metric-properties", None, frozenset({"sample_values"}), _of("metric")
    ),
    "metrics": Stream(
        "/api/metrics",
        "updated",
        # plain strings in the document
        edits={"attributes.created": ("date-time", None), "attributes.updated": ("date-time", None)},
    ),
    "object_records": Stream("/api/object-types/{id}/object-records", edits=_of("object_type")),
    "object_schemas": Stream(
        "/api/object-types/{id}/schema-versions", edits=_of("object_type"), early=("properties[].type",)
    ),
    "object_types": Stream("/api/object-types", "updated_at"),
    "profiles": Stream("/api/profiles", "updated", PROFILE_FIELDS, PROFILE_EDITS, early=CLICK_TRACKING),
    "push_tokens": Stream("/api/push-tokens"),
    "reviews": Stream("/api/reviews", "updated", edits=REVIEW_EDITS),
    "segment_profiles": _members("segment"),
    "segment_series_reports": _report("segment-series", "segment"),
    "segment_values_reports": _report("segment-values", "segment"),
    "segments": Stream("/api/segments", "updated"),
    "segments_detailed": Stream("/api/segments/{id}", "updated", PROFILE_COUNT),
    "tag_groups": Stream("/api/tag-groups"),
    "tags": Stream("/api/tags"),
    "template_universal_content": Stream("/api/template-universal-content", "updated"),
    "text_messaging_configurations": _october(
        "/api/text-messaging-configurations/{id}", "updated_at", edits=_of("account")
    ),
    "text_messaging_sender_registrations": _october(
        "/api/text-messaging-sender-registrations/{id}", "updated_at", edits=_of("text_messaging_sender")
    ),
    "text_messaging_senders": _october("/api/text-messaging-senders"),
    "tracking_settings": Stream("/api/tracking-settings"),
    "translations": _october("/api/translations", "updated"),
    "translations_detailed": _october("/api/translations/{id}", "updated", frozenset({"values"})),
    "web_feeds": Stream("/api/web-feeds", "updated"),
    "webhook_topics": Stream("/api/webhook-topics"),
    "webhooks": Stream("/api/webhooks", "updated_at"),
}
