"""The endpoints: one declaration each, in the words of Klaviyo's reference."""

from __future__ import annotations

from klaviyo_simulator.declarations import Cost, Endpoint, Filter, Page, Tier

_ONE_OR_SEVERAL = "str: eq any[] eq[]"
_BETWEEN = "dt: ge gt le lt"
_AT_OR_BETWEEN = "dt: eq ge gt le lt"

_CAMPAIGN_STATUSES = (
    *("Adding Recipients", "Cancelled", "Cancelled: Account Disabled", "Cancelled: Billing Limit"),
    *("Cancelled: Internal Error", "Cancelled: Misconfigured", "Cancelled: No Recipients"),
    *("Cancelled: Smart Sending", "Draft", "Preparing to schedule", "Preparing to send"),
    *("Queued without Recipients", "Scheduled", "Sending", "Sending Segments", "Sent", "Unknown"),
    "Variations Sent",
)
_TRIGGERS = ("Added to List", "Date Based", "Low Inventory", "Metric", "Price Drop", "Unconfigured")

_MARKETING = "subscriptions.email.marketing"
_SUPPRESSION = f"{_MARKETING}.suppression"
_LIST_SUPPRESSIONS = f"{_MARKETING}.list_suppressions"

_PREDICTIONS = Cost("predictive_analytics", Tier.M)
_PROFILE_COUNT = Cost("profile_count", Tier.XS)
_MEMBERSHIPS = Cost("memberships", Tier.XS)

_DECLARED = (
    Endpoint(path="/api/accounts", type="account", tier=Tier.XS, scopes=("accounts:read",)),
    Endpoint(path="/api/accounts/{id}", type="account", tier=Tier.XS, scopes=("accounts:read",)),
    Endpoint(
        path="/api/campaigns",
        type="campaign",
        tier=Tier.M,
        scopes=("campaigns:read",),
        page=Page(100, 100),
        filters={
            "id": Filter.of("str: any[]"),
            "messages.channel": Filter.of("str: eq", choices=("email", "sms", "mobile_push")),
            "name": Filter.of("str: contains"),
            "status": Filter.of(_ONE_OR_SEVERAL, choices=_CAMPAIGN_STATUSES),
            "archived": Filter.of("bool: eq"),
            "created_at": Filter.of(_BETWEEN),
            "scheduled_at": Filter.of(_BETWEEN, may_be_future=True),
            "updated_at": Filter.of(_BETWEEN),
        },
        required=(("equals", "messages.channel"),),
        unless_filtered={"archived": False},
        sorts=frozenset({"created_at", "id", "name", "scheduled_at", "updated_at"}),
        includes=frozenset({"campaign-messages", "tags"}),
    ),
    Endpoint(
        path="/api/campaigns/{id}",
        type="campaign",
        tier=Tier.M,
        scopes=("campaigns:read",),
        includes=frozenset({"campaign-messages", "tags"}),
    ),
    Endpoint(
        path="/api/events",
        type="event",
        tier=Tier.XL,
        scopes=("events:read",),
        page=Page(200, 1000),
        filters={
            "metric_id": Filter.of("str: eq eq[]"),
            "profile_id": Filter.of("str: eq"),
            "profile": Filter.of("none: has"),
            "metric": Filter.of("none: has"),
            "datetime": Filter.of(_BETWEEN, narrow=False),
            "timestamp": Filter.of("num: ge gt le lt"),
        },
        sorts=frozenset({"datetime", "timestamp"}),
        # Not documented; newest first catches whoever relies on an order that was not asked for.
        default_sort="-datetime",
        includes=frozenset({"attributions", "metric", "profile"}),
    ),
    Endpoint(
        path="/api/events/{id}",
        type="event",
        tier=Tier.M,
        scopes=("events:read",),
        includes=frozenset({"attributions", "metric", "profile"}),
    ),
    Endpoint(
        path="/api/flows",
        type="flow",
        tier=Tier.S,
        scopes=("flows:read",),
        page=Page(50, 50),
        filters={
            "id": Filter.of("str: any[]"),
            "name": Filter.of("str: contains ew eq sw"),
            "status": Filter.of("str: eq"),
            "archived": Filter.of("bool: eq"),
            "created": Filter.of(_AT_OR_BETWEEN),
            "updated": Filter.of(_AT_OR_BETWEEN),
            "trigger_type": Filter.of("str: eq", choices=_TRIGGERS),
        },
        unless_filtered={"archived": False},
        sorts=frozenset({"created", "id", "name", "status", "trigger_type", "updated"}),
        includes=frozenset({"flow-actions", "tags"}),
    ),
    Endpoint(
        path="/api/flows/{id}",
        type="flow",
        tier=Tier.S,
        scopes=("flows:read",),
        includes=frozenset({"flow-actions", "tags"}),
        additional=frozenset({"definition"}),
    ),
    Endpoint(
        path="/api/lists",
        type="list",
        tier=Tier.L,
        scopes=("lists:read",),
        page=Page(10, 10),
        filters={
            "name": Filter.of("str: any[] eq[]"),
            "id": Filter.of(_ONE_OR_SEVERAL),
            "created": Filter.of("dt: gt"),
            "updated": Filter.of("dt: gt"),
        },
        sorts=frozenset({"created", "id", "name", "updated"}),
        includes=frozenset({"flow-triggers", "tags"}),
    ),
    Endpoint(
        path="/api/lists/{id}",
        type="list",
        tier=Tier.L,
        scopes=("lists:read",),
        includes=frozenset({"flow-triggers", "tags"}),
        additional=frozenset({"profile_count"}),
        costs={("additional-fields[list]", "profile_count"): _PROFILE_COUNT},
    ),
    Endpoint(
        path="/api/metrics",
        type="metric",
        tier=Tier.M,
        scopes=("metrics:read",),
        page=Page(200),
        filters={
            "integration.name": Filter.of("str: eq"),
            "integration.category": Filter.of("str: eq"),
        },
        includes=frozenset({"flow-triggers"}),
    ),
    Endpoint(
        path="/api/metrics/{id}",
        type="metric",
        tier=Tier.M,
        scopes=("metrics:read",),
        includes=frozenset({"flow-triggers"}),
    ),
    Endpoint(
        path="/api/profiles",
        type="profile",
        tier=Tier.L,
        scopes=("profiles:read",),
        page=Page(20, 100),
        filters={
            "id": Filter.of(_ONE_OR_SEVERAL),
            "email": Filter.of(_ONE_OR_SEVERAL),
            "phone_number": Filter.of(_ONE_OR_SEVERAL),
            "external_id": Filter.of(_ONE_OR_SEVERAL),
            "_kx": Filter.of("str: eq"),
            "created": Filter.of("dt: gt lt"),
            "updated": Filter.of("dt: gt lt"),
            f"{_LIST_SUPPRESSIONS}.reason": Filter.of("str: eq", each=_LIST_SUPPRESSIONS),
            f"{_LIST_SUPPRESSIONS}.timestamp": Filter.of(_BETWEEN, each=_LIST_SUPPRESSIONS),
            f"{_LIST_SUPPRESSIONS}.list_id": Filter.of("str: eq", each=_LIST_SUPPRESSIONS),
            f"{_SUPPRESSION}.reason": Filter.of("str: eq", each=_SUPPRESSION),
            f"{_SUPPRESSION}.timestamp": Filter.of(_BETWEEN, each=_SUPPRESSION),
        },
        sorts=frozenset(
            {
                *("created", "email", "id", "updated"),
                *(f"{_LIST_SUPPRESSIONS}.timestamp", f"{_SUPPRESSION}.timestamp"),
            }
        ),
        includes=frozenset({"conversations", "push-tokens"}),
        additional=frozenset({"subscriptions", "predictive_analytics"}),
        costs={("additional-fields[profile]", "predictive_analytics"): _PREDICTIONS},
    ),
    Endpoint(
        path="/api/profiles/{id}",
        type="profile",
        tier=Tier.L,
        scopes=("profiles:read",),
        includes=frozenset({"conversations", "lists", "push-tokens", "segments"}),
        additional=frozenset({"subscriptions", "predictive_analytics"}),
        costs={
            # The reference tells it for /profiles only, but says that the bucket is everybody's.
            ("additional-fields[profile]", "predictive_analytics"): _PREDICTIONS,
            ("include", "lists"): _MEMBERSHIPS,
            ("include", "segments"): _MEMBERSHIPS,
        },
    ),
    Endpoint(
        path="/api/templates",
        type="template",
        tier=Tier.L,
        scopes=("templates:read",),
        page=Page(10, 10),
        filters={
            "id": Filter.of("str: any[] eq[]"),
            "name": Filter.of("str: contains eq any[] eq[]"),
            "created": Filter.of(_AT_OR_BETWEEN),
            "updated": Filter.of(_AT_OR_BETWEEN),
        },
        sorts=frozenset({"created", "id", "name", "updated"}),
        additional=frozenset({"definition"}),
    ),
    Endpoint(
        path="/api/templates/{id}",
        type="template",
        tier=Tier.L,
        scopes=("templates:read",),
        additional=frozenset({"definition"}),
    ),
)

ENDPOINTS = {declared.path: declared for declared in _DECLARED}
"""Every endpoint by its path."""


def find(path: str) -> tuple[Endpoint, str | None] | None:
    """The endpoint that answers a path, and the id in the path."""
    if path in ENDPOINTS:
        return (ENDPOINTS[path], None) if "{" not in path else None
    collection, _, identity = path.rpartition("/")
    endpoint = ENDPOINTS.get(f"{collection}/{{id}}")
    return (endpoint, identity) if endpoint and identity else None


def all_scopes() -> frozenset[str]:
    """Every scope that some endpoint needs."""
    return frozenset(scope for endpoint in ENDPOINTS.values() for scope in endpoint.scopes)
