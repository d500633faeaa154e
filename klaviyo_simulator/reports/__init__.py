"""The POST operations that only read: reports and metric aggregates."""
