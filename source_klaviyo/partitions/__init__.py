"""What is left to read of a stream, divided into partitions that workers read."""
