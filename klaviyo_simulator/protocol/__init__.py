"""The form of requests, answers, errors, cursors and moments."""
