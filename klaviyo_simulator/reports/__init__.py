"""Answers to what is asked with POST: reports, and aggregates of metrics."""
