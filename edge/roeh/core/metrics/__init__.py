"""What a process shows to Prometheus: one table of metrics, and the file it stands in."""

from roeh.core.metrics.file import MetricsFile, desk_metrics, node_metrics
from roeh.core.metrics.table import CONDITIONS, METRICS, Metric, MetricKind
from roeh.core.metrics.text import exposition

__all__ = [
    "CONDITIONS",
    "METRICS",
    "Metric",
    "MetricKind",
    "MetricsFile",
    "desk_metrics",
    "exposition",
    "node_metrics",
]
