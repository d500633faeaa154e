"""The kinds of events of an account."""

from __future__ import annotations

from source_klaviyo.api.budget import XS, M, S
from source_klaviyo.streams.base import Snapshot, Unfiltered
from source_klaviyo.streams.children import Child


class Metrics(Unfiltered):
    """GET /metrics: pages of 200, neither filter nor order; what has not changed is left out here."""

    resource = "metrics"
    tier = M
    scope = "metrics:read"


class CustomMetrics(Unfiltered):
    """GET /custom-metrics: metrics that the account has defined from others."""

    resource = "custom-metrics"
    tier = S
    scope = "metrics:read"
    optional_params = {"include": "metrics", "fields[metric]": "name"}


class MappedMetrics(Unfiltered):
    """GET /mapped-metrics: which metric counts as what (revenue, started checkout, …)."""

    resource = "mapped-metrics"
    tier = S
    scope = "metrics:read"
    optional_params = {
        "include": "metric,custom-metric",
        "fields[metric]": "name",
        "fields[custom-metric]": "name",
    }


class MetricProperties(Child, Snapshot):
    """GET /metrics/{id}/metric-properties, with samples of their values; 15 metrics a minute."""

    resource = "metrics/{metric_id}/metric-properties"
    tier = XS
    scope = "metrics:read"
    params = {"additional-fields[metric-property]": "sample_values"}
    parent, key = Metrics, "metric_id"
