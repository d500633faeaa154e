"""What goes wrong when a test wants it to."""
