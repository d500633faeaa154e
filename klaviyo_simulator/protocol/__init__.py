"""Requests, responses, errors, page cursors and instants."""
