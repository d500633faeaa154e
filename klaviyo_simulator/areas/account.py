"""The account itself."""

from __future__ import annotations

from klaviyo_simulator.declarations import Area, Endpoint, Page, ResourceType, Tier, tree

_SOURCES = "campaign(type value) flow(type value)"


AREA = Area(
    types=(
        ResourceType(
            "account",
            "/api/accounts",
            tree("""
            industry locale preferred_currency public_api_key test_account timezone
            contact_information(
                default_sender_email default_sender_name organization_name website_url
                street_address(address1 address2 city country region zip))
        """),
        ),
        ResourceType(
            "tracking-setting",
            "/api/tracking-settings",
            tree(f"""
        auto_add_parameters custom_parameters utm_campaign({_SOURCES}) utm_id({_SOURCES}) utm_medium({_SOURCES})
        utm_source({_SOURCES}) utm_term({_SOURCES})
    """),
        ),
    ),
    endpoints=(
        Endpoint(path="/api/accounts", type="account", tier=Tier.XS, scopes=("accounts:read",)),
        Endpoint(path="/api/accounts/{id}", type="account", tier=Tier.XS, scopes=("accounts:read",)),
        Endpoint(
            path="/api/tracking-settings",
            type="tracking-setting",
            tier=Tier.M,
            scopes=("tracking-settings:read",),
            page=Page(1, 1),
        ),
    ),
)
