"""How far a sync has come: the tracker, its log lines and the terminal table."""
