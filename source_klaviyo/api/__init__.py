"""Klaviyo's API: HTTP, JSON:API, rate limits and errors. Knows nothing of Airbyte."""
