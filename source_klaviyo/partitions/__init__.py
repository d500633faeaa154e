"""The partitions of a stream: what is left to read, divided among workers."""
