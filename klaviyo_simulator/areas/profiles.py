"""Profiles, their devices and conversations."""

from __future__ import annotations

from functools import partial

from klaviyo_simulator.areas.common import BETWEEN, MEMBERSHIPS, ONE_OR_SEVERAL, PREDICTIONS, alike
from klaviyo_simulator.declarations import Area, Endpoint, Filter, Page, Relationship, ResourceType, Tier, tree
from klaviyo_simulator.suppressions import LIST_SUPPRESSIONS, SUPPRESSION

_ENABLEMENT = ("AUTHORIZED", "UNAUTHORIZED", "DENIED", "PROVISIONAL", "NOT_DETERMINED")

CONSENT = "can_receive consent consent_timestamp created_timestamp last_updated metadata valid_until"
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
            open_tracking({CONSENT}))
        mobile_push(marketing(can_receive_push_marketing consent consent_timestamp))
        sms(
            marketing(
                can_receive_sms_marketing consent consent_timestamp last_updated method method_detail)
            transactional(
                can_receive_sms_transactional consent consent_timestamp last_updated method method_detail))
        whatsapp(
            marketing({CONSENT} phone_number)
            transactional({CONSENT} phone_number)
            conversational({CONSENT} phone_number)))
"""

_profile = partial(Endpoint, type="profile", tier=Tier.L, scopes=("profiles:read",))

AREA = Area(
    types=(
        ResourceType(
            "profile",
            "/api/profiles",
            tree(_PROFILE + _SUBSCRIPTIONS + "joined_group_at"),
            {
                "lists": Relationship("list"),
                "segments": Relationship("segment"),
                "push-tokens": Relationship("push-token"),
                "conversations": Relationship("conversation", elsewhere="conversation"),
            },
            hidden=frozenset({"subscriptions", "predictive_analytics", "joined_group_at"}),
        ),
        ResourceType(
            "push-token",
            "/api/push-tokens",
            tree("""
            background created enablement_status platform recorded_date token vendor
            metadata(
                app_build app_id app_name app_version device_id device_model environment klaviyo_sdk
                manufacturer os_name os_version sdk_version)
        """),
            {"profile": Relationship("profile", many=False)},
        ),
        ResourceType(
            "conversation", "/api/conversations", tree("channel"), {"profile": Relationship("profile", many=False)}
        ),
    ),
    endpoints=(
        _profile(
            path="/api/profiles",
            page=Page(20, 100),
            filters={
                **alike(ONE_OR_SEVERAL, "id", "email", "phone_number", "external_id"),
                "_kx": Filter.of("str: eq"),
                **alike("dt: gt lt", "created", "updated"),
                f"{LIST_SUPPRESSIONS}.reason": Filter.of("str: eq", each=LIST_SUPPRESSIONS),
                f"{LIST_SUPPRESSIONS}.timestamp": Filter.of(BETWEEN, each=LIST_SUPPRESSIONS),
                f"{LIST_SUPPRESSIONS}.list_id": Filter.of("str: eq", each=LIST_SUPPRESSIONS),
                f"{SUPPRESSION}.reason": Filter.of("str: eq", each=SUPPRESSION),
                f"{SUPPRESSION}.timestamp": Filter.of(BETWEEN, each=SUPPRESSION),
            },
            sorts=frozenset(
                {
                    *("created", "email", "id", "updated"),
                    *(f"{LIST_SUPPRESSIONS}.timestamp", f"{SUPPRESSION}.timestamp"),
                }
            ),
            pages_by_date=True,
            includes=frozenset({"conversations", "push-tokens"}),
            additional=frozenset({"subscriptions", "predictive_analytics"}),
            costs={("additional-fields[profile]", "predictive_analytics"): PREDICTIONS},
        ),
        _profile(
            path="/api/profiles/{id}",
            includes=frozenset({"conversations", "lists", "push-tokens", "segments"}),
            additional=frozenset({"subscriptions", "predictive_analytics"}),
            costs={
                # The reference tells it for /profiles only, but says that the bucket is everybody's.
                ("additional-fields[profile]", "predictive_analytics"): PREDICTIONS,
                ("include", "lists"): MEMBERSHIPS,
                ("include", "segments"): MEMBERSHIPS,
            },
        ),
        Endpoint(
            path="/api/profiles/{id}/conversations",
            type="conversation",
            tier=Tier.S,
            scopes=("conversations:read", "profiles:read"),
            parent="profile",
        ),
        Endpoint(
            path="/api/push-tokens",
            type="push-token",
            tier=Tier.M,
            scopes=("profiles:read", "push-tokens:read"),
            page=Page(20, 100),
            filters={
                "id": Filter.of("str: eq"),
                "profile.id": Filter.of("str: eq", each="profile"),
                "enablement_status": Filter.of("str: eq", choices=_ENABLEMENT),
                "platform": Filter.of("str: eq", choices=("ios", "android")),
            },
            includes=frozenset({"profile"}),
        ),
    ),
)
