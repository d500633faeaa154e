"""Events and metrics: the kinds of events of an account."""

from __future__ import annotations

from source_klaviyo.api.budget import XS, M, S
from source_klaviyo.streams.base import Snapshot, Unfiltered
from source_klaviyo.streams.children import Child


class Metrics(Unfiltered):
    """Metric.

    Klaviyo returns pages of 200 and supports neither filter nor order, so unchanged metrics are dropped here.
    """

    resource = "metrics"
    tier = M
    scope = "metrics:read"


class CustomMetrics(Unfiltered):
    """Custom metric. Holds the IDs of the metrics that it is made of."""

    resource = "custom-metrics"
    tier = S
    scope = "metrics:read"
    optional_params = {"include": "metrics", "fields[metric]": "name"}


class MappedMetrics(Unfiltered):
    """Mapped metric. Holds the ID of the metric."""

    resource = "mapped-metrics"
    tier = S
    scope = "metrics:read"
    optional_params = {
        "include": "metric,custom-metric",
        "fields[metric]": "name",
        "fields[custom-metric]": "name",
    }


class MetricProperties(Child, Snapshot):
    """Metric property. Holds `metric_id`, with samples of the values."""

    resource = "metrics/{metric_id}/metric-properties"
    tier = XS
    scope = "metrics:read"
    params = {"additional-fields[metric-property]": "sample_values"}
    parent, key = Metrics, "metric_id"
