"""The resource types: their attributes, their relationships, and where they live."""

from __future__ import annotations

from klaviyo_simulator.declarations import Relationship, ResourceType


def _tree(text: str) -> frozenset[str]:
    """Dotted paths of a compact notation: `"a b(c d(e))"` has a, b, b.c, b.d, and b.d.e."""
    paths: set[str] = set()
    above: list[str] = []
    name = ""
    for char in text.replace("(", " ( ").replace(")", " ) ").split():
        if char == "(":
            above.append(name)
        elif char == ")":
            above.pop()
        else:
            name = ".".join([above[-1], char]) if above else char
            paths.add(name)
    return frozenset(paths)


_CONSENT = "can_receive consent consent_timestamp created_timestamp last_updated metadata valid_until"
_PROFILE = """
    created email external_id first_name image last_event_date last_name locale organization phone_number
    properties title updated
    location(address1 address2 city country ip latitude longitude region timezone zip)
    predictive_analytics(
        average_days_between_orders average_order_value churn_probability expected_date_of_next_order
        historic_clv historic_number_of_orders predicted_clv predicted_number_of_orders
        ranked_channel_affinity total_clv)
"""
_SUBSCRIPTIONS = f"""
    subscriptions(
        email(
            marketing(
                can_receive_email_marketing consent consent_timestamp custom_method_detail double_optin
                last_updated list_suppressions method method_detail suppression)
            open_tracking({_CONSENT}))
        mobile_push(marketing(can_receive_push_marketing consent consent_timestamp))
        sms(
            marketing(
                can_receive_sms_marketing consent consent_timestamp last_updated method method_detail)
            transactional(
                can_receive_sms_transactional consent consent_timestamp last_updated method method_detail))
        whatsapp(
            marketing({_CONSENT} phone_number)
            transactional({_CONSENT} phone_number)
            conversational({_CONSENT} phone_number)))
"""

_TYPES = (
    ResourceType(
        "account",
        "/api/accounts",
        _tree("""
            industry locale preferred_currency public_api_key test_account timezone
            contact_information(
                default_sender_email default_sender_name organization_name website_url
                street_address(address1 address2 city country region zip))
        """),
    ),
    ResourceType("attribution", "/api/attributions", frozenset()),
    ResourceType(
        "campaign",
        "/api/campaigns",
        _tree("""
            archived created_at name scheduled_at send_time status updated_at
            audiences(excluded included) send_options(use_smart_sending)
            send_strategy(
                date datetime method throttle_percentage options(is_local send_past_recipients_immediately))
            tracking_options(
                add_tracking_params custom_tracking_params is_tracking_clicks is_tracking_opens)
        """),
        {"campaign-messages": Relationship("campaign-message"), "tags": Relationship("tag")},
    ),
    ResourceType(
        "campaign-message",
        "/api/campaign-messages",
        _tree("created_at definition send_times updated_at"),
        {
            "campaign": Relationship("campaign", many=False),
            "template": Relationship("template", many=False),
            "image": Relationship("image", many=False),
        },
        open_fields=frozenset({"definition"}),
    ),
    ResourceType(
        "conversation",
        "/api/conversations",
        _tree("channel"),
        {"profile": Relationship("profile", many=False)},
    ),
    ResourceType(
        "event",
        "/api/events",
        _tree("datetime event_properties timestamp uuid"),
        {
            "profile": Relationship("profile", many=False, always=True),
            "metric": Relationship("metric", many=False, always=True),
            "attributions": Relationship("attribution"),
        },
    ),
    ResourceType(
        "flow",
        "/api/flows",
        _tree("archived created definition name status trigger_type updated"),
        {"flow-actions": Relationship("flow-action"), "tags": Relationship("tag")},
        open_fields=frozenset({"definition"}),
        hidden=frozenset({"definition"}),
    ),
    ResourceType(
        "flow-action",
        "/api/flow-actions",
        _tree("created definition updated"),
        {"flow": Relationship("flow", many=False), "flow-messages": Relationship("flow-message")},
        open_fields=frozenset({"definition"}),
    ),
    ResourceType(
        "list",
        "/api/lists",
        _tree("created name opt_in_process profile_count updated"),
        {
            "profiles": Relationship("profile"),
            "tags": Relationship("tag"),
            "flow-triggers": Relationship("flow"),
        },
        hidden=frozenset({"profile_count"}),
    ),
    ResourceType(
        "metric",
        "/api/metrics",
        _tree("created integration name updated"),
        {"flow-triggers": Relationship("flow")},
    ),
    ResourceType(
        "profile",
        "/api/profiles",
        _tree(_PROFILE + _SUBSCRIPTIONS),
        {
            "lists": Relationship("list"),
            "segments": Relationship("segment"),
            "push-tokens": Relationship("push-token"),
            "conversations": Relationship("conversation"),
        },
        hidden=frozenset({"subscriptions", "predictive_analytics"}),
    ),
    ResourceType(
        "push-token",
        "/api/push-tokens",
        _tree("""
            background created enablement_status platform recorded_date token vendor
            metadata(
                app_build app_id app_name app_version device_id device_model environment klaviyo_sdk
                manufacturer os_name os_version sdk_version)
        """),
        {"profile": Relationship("profile", many=False)},
    ),
    ResourceType(
        "segment",
        "/api/segments",
        _tree("created definition is_active is_processing is_starred name updated"),
        {
            "profiles": Relationship("profile"),
            "tags": Relationship("tag"),
            "flow-triggers": Relationship("flow"),
        },
        open_fields=frozenset({"definition"}),
    ),
    ResourceType(
        "tag",
        "/api/tags",
        _tree("name"),
        {
            "tag-group": Relationship("tag-group", many=False),
            "lists": Relationship("list"),
            "segments": Relationship("segment"),
            "campaigns": Relationship("campaign"),
            "flows": Relationship("flow"),
        },
    ),
    ResourceType(
        "template",
        "/api/templates",
        _tree("amp created definition editor_type html name text updated"),
        open_fields=frozenset({"definition"}),
        hidden=frozenset({"definition"}),
    ),
)

TYPES = {declared.name: declared for declared in _TYPES}
"""Every resource type by its name."""
