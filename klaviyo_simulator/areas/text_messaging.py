"""Senders of text messages, their registrations, and the account's configuration; since revision 2026-10-15."""

from __future__ import annotations

from functools import partial

from klaviyo_simulator.declarations import Area, Endpoint, Page, Relationship, ResourceType, Tier, tree

_REGISTRATION = "text-messaging-sender-registration"
_text_messaging = partial(Endpoint, tier=Tier.S, scopes=("sender-config:read",))

AREA = Area(
    types=(
        ResourceType(
            "text-messaging-sender",
            "/api/text-messaging-senders",
            tree("created_at forwarding_number sender_details(country) sender_identifier sender_type status"),
            {_REGISTRATION: Relationship(_REGISTRATION, many=False)},
        ),
        ResourceType(
            _REGISTRATION,
            "/api/text-messaging-sender-registrations",
            tree("created_at decided_at failures status submitted_at updated_at"),
            {"text-messaging-sender": Relationship("text-messaging-sender", many=False)},
        ),
        ResourceType(
            "text-messaging-configuration",
            "/api/text-messaging-configurations",
            tree("created_at opt_out_language org_prefix status updated_at"),
        ),
    ),
    endpoints=(
        _text_messaging(
            path="/api/text-messaging-senders",
            type="text-messaging-sender",
            page=Page(10, 20),
            sorts=frozenset({"created_at"}),
            includes=frozenset({_REGISTRATION}),
        ),
        _text_messaging(
            path="/api/text-messaging-senders/{id}", type="text-messaging-sender", includes=frozenset({_REGISTRATION})
        ),
        _text_messaging(
            path="/api/text-messaging-sender-registrations/{id}",
            type=_REGISTRATION,
            includes=frozenset({"text-messaging-sender"}),
        ),
        _text_messaging(path="/api/text-messaging-configurations/{id}", type="text-messaging-configuration"),
    ),
)
