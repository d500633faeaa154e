"""The made-up account: its records, and how they are stored, filtered and joined."""
