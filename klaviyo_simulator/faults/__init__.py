"""Faults that a test can schedule."""
