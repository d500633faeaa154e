"""Access to the API: authentication, scopes and rate limits."""
