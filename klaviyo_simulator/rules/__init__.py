"""What may be asked of the API, and how: derived from the facts, but for the few exceptions written down here."""
