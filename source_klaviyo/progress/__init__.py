"""Progress of a sync: the tracker, its log lines and the terminal table."""
