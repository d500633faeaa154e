"""Benchmarks of time, memory and use of Klaviyo's limits, compared with Airbyte's connector: `make bench`."""
