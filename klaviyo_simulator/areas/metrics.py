"""Metrics, their properties, and what accounts make of them."""

from __future__ import annotations

from functools import partial

from klaviyo_simulator.declarations import Area, Endpoint, Filter, Page, Relationship, ResourceType, Tier, tree

_metric = partial(Endpoint, type="metric", tier=Tier.M, scopes=("metrics:read",))

AREA = Area(
    types=(
        ResourceType(
            "metric", "/api/metrics", tree("created integration name updated"), {"flow-triggers": Relationship("flow")}
        ),
        ResourceType(
            "metric-property",
            "/api/metric-properties",
            tree("inferred_type label property sample_values"),
            {"metric": Relationship("metric", many=False)},
            hidden=frozenset({"sample_values"}),
        ),
        ResourceType(
            "custom-metric",
            "/api/custom-metrics",
            tree("created definition(aggregation_method metric_groups) name updated"),
            {"metrics": Relationship("metric")},
        ),
        ResourceType(
            "mapped-metric",
            "/api/mapped-metrics",
            tree("updated"),
            {
                "metric": Relationship("metric", many=False, optional=True),
                "custom-metric": Relationship("custom-metric", many=False, optional=True),
            },
        ),
    ),
    endpoints=(
        _metric(
            path="/api/metrics",
            page=Page(200),
            filters={"integration.name": Filter.of("str: eq"), "integration.category": Filter.of("str: eq")},
            includes=frozenset({"flow-triggers"}),
        ),
        _metric(path="/api/metrics/{id}", includes=frozenset({"flow-triggers"})),
        Endpoint(
            path="/api/metrics/{id}/metric-properties",
            type="metric-property",
            tier=Tier.XS,
            scopes=("metrics:read",),
            parent="metric",
            additional=frozenset({"sample_values"}),
            bare_links=True,
        ),
        Endpoint(
            path="/api/custom-metrics",
            type="custom-metric",
            tier=Tier.S,
            scopes=("metrics:read",),
            includes=frozenset({"metrics"}),
            bare_links=True,
        ),
        Endpoint(
            path="/api/mapped-metrics",
            type="mapped-metric",
            tier=Tier.S,
            scopes=("metrics:read",),
            includes=frozenset({"custom-metric", "metric"}),
            bare_links=True,
        ),
    ),
)
