"""The simulated account: responses, changes and statistics."""
