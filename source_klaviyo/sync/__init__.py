"""Time, windows and state. Knows nothing of HTTP."""
