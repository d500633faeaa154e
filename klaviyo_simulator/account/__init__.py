"""The account as a whole: it answers, changes, and counts."""
